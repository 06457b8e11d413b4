"""Why a start is refused or given up. The texts are for the person at the terminal."""


class StartRefused(Exception):
    """The product cannot start as things are; the text says why and what to do."""


class ChildKeepsDying(Exception):
    """A process died so often that starting it again makes no sense."""

    def __init__(self, name: str, *, exit_code: int | None, last_lines: list[str]) -> None:
        self.name = name
        self.exit_code = exit_code
        self.last_lines = last_lines
        super().__init__(f"{name} keeps stopping (exit code {exit_code})")
