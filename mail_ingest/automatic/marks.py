"""The marks that a header bears. Values are compared without case, comments (RFC 5322, 3.2.2) and folding."""

import re
from collections.abc import Iterable, Iterator

_COMMENT = re.compile(r"\([^()]{0,500}\)")
_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?\s*([a-z-]+)", re.IGNORECASE)
_METHOD = re.compile(r"method\s*=\s*\"?\s*([a-z]+)", re.IGNORECASE)
_DAEMON = re.compile(r"(?:mailer?[._-]?daemon|mdaemon|maildaemon|mail[._-]delivery[._-](?:sub)?system)(?:[+._-].*)?\Z")
_POSTMASTER = re.compile(r"postmaster(?:[+._-].*)?\Z")
_SYSTEM_NAME = re.compile(
    r"mail(?:er)?[ ._-]?daemon|mail[ ._]delivery[ ._](?:sub)?system|internet mail delivery\b|mail[ ._](?:system[ ._])?administrator\b"
    r"|system administrator\s*<|\bndr administrator|microsoft outlook\s*<",
    re.IGNORECASE,
)


class Marks:
    """Header values by name, in order. Names are looked up in lower case."""

    def __init__(self, headers: Iterable[tuple[str, str]], sender: str, *, content_type: str = "") -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in headers:
            self._values.setdefault(name.strip().lower(), []).append(" ".join(value.split()))
        self.sender = sender.strip().lower()
        self.content_type = " ".join((content_type or self.first("content-type")).split())

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def first(self, name: str) -> str:
        return next(iter(self._values.get(name, ())), "")

    def words(self, name: str) -> list[str]:
        """Every word of every value, in lower case, without comments and parameters."""
        words = (
            word.strip(" \"'<>").lower() for value in self.all(name) for word in re.split(r"[,;]", uncommented(value))
        )
        return [word for word in words if word]

    def keyword(self, name: str) -> list[str]:
        """The first word of each value, before parameters (RFC 3834, 5)."""
        values = (uncommented(value).partition(";")[0] for value in self.all(name))
        return [word for value in values if (word := value.strip(" \"'").lower())]

    @property
    def has_null_return_path(self) -> bool:
        return any(uncommented(value).replace(" ", "") in {"<>", '<"">'} for value in self.all("return-path"))

    @property
    def report_type(self) -> str:
        return report_type(self.content_type)

    @property
    def calendar_method(self) -> str:
        """The method of a calendar object that is the whole mail (RFC 6047, 2.4), in lower case."""
        match = _METHOD.search(self.content_type) if self.content_type.lower().startswith("text/calendar") else None
        return match.group(1).lower() if match else ""

    @property
    def system(self) -> str:
        """The mark of a mail server as the author, else ''."""
        author = self.first("from")
        rules = (
            ("x-failed-recipients" in self, "Exim X-Failed-Recipients"),
            ("x-ms-exchange-message-is-ndr" in self, "Microsoft X-MS-Exchange-Message-Is-Ndr"),
            (self.is_daemon, "RFC 5321 mailer-daemon as sender"),
            (any(map(_POSTMASTER.match, self._locals())), "RFC 2142 postmaster as sender"),
            ("multipart/report" in self.content_type.lower(), "RFC 6522 multipart/report"),
            ("from" in self and not author.strip("<> "), "RFC 5321 null reverse-path as From"),
            (bool(_SYSTEM_NAME.search(author)), "the name of a mail system as sender"),
        )
        return next((rule for holds, rule in rules if holds), "")

    @property
    def is_daemon(self) -> bool:
        return any(map(_DAEMON.match, self._locals()))

    def _locals(self) -> list[str]:
        """The local parts of the author and of the envelope's sender."""
        envelope = uncommented(self.first("return-path")).strip("<> ").lower()
        return [address.partition("@")[0] for address in (self.sender, envelope)]

    @property
    def is_postmaster(self) -> bool:
        return bool(_POSTMASTER.match(self.sender.partition("@")[0]))

    @property
    def submitted(self) -> str:
        """The keyword of Auto-Submitted (RFC 3834, 5) that says that no person sent the mail, else ''."""
        return next((word for word in self.keyword("auto-submitted") if word.split()[0] != "no"), "")


def report_type(content_type: str) -> str:
    """The report-type of a multipart/report (RFC 6522, 3), in lower case; '' for everything else."""
    if "multipart/report" not in content_type.lower():
        return ""
    match = _REPORT_TYPE.search(content_type)
    return match.group(1).lower() if match else ""


def mail_system_mark(headers: Iterable[tuple[str, str]], sender: str, *, content_type: str = "") -> str:
    """The mark of a mail server as the author of a mail, for people; '' when there is none."""
    return Marks(headers, sender, content_type=content_type).system


def no_person_mark(headers: Iterable[tuple[str, str]]) -> str:
    """The mark that no person sent a mail, whoever did: a null reverse-path or Auto-Submitted; '' when there is none."""
    marks = Marks(headers, "")
    if marks.has_null_return_path:
        return "RFC 5321 null reverse-path"
    return f"RFC 3834 Auto-Submitted: {marks.submitted[:40]}" if marks.submitted else ""


def uncommented(value: str) -> str:
    """A value without its comments, nested ones too."""
    for _ in range(5):
        value, count = _COMMENT.subn(" ", value)
        if not count:
            break
    return " ".join(value.split())
