"""Refusals of the case services. The API turns them into answers in one place (`handyconnect.api.errors`)."""

from uuid import UUID

from handyconnect.refusals import Conflict, Invalid, NotFound, Stale


class TransitionNotAllowed(Conflict):
    """The lifecycle does not have this move. `allowed` names the ones that it has."""

    code = "transition_not_allowed"

    def __init__(self, *, old: str, new: str, allowed: list[str]) -> None:
        moves = ", ".join(allowed) or "none"
        super().__init__(f"A case that is {old} cannot become {new}. Allowed now: {moves}.", allowed=allowed)


class GuardObjects(Conflict):
    """Something that belongs to the case stands in the way of the move."""

    def __init__(self, *, code: str, detail: str, blocking: list[str]) -> None:
        self.code = code
        super().__init__(detail, blocking=blocking)


class CaseGone(NotFound):
    code = "case_not_found"

    def __init__(self, case_id: UUID | str) -> None:
        super().__init__(f"There is no case {case_id}.")


class VersionStale(Stale):
    """Somebody else edited the case since the caller read it."""

    def __init__(self, *, current: int) -> None:
        super().__init__(
            "The case was edited since you read it. Read it again, then repeat your change.", version=current
        )


class UnknownValue(Invalid):
    """A field was given something that does not exist."""
