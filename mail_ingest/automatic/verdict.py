"""Who wrote a mail, and what follows from it."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Who wrote a mail. The values are stored and never change."""

    PERSON = "person"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    LIST = "list"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who wrote a mail, and the standard or vendor whose mark says so ('' for a person)."""

    kind: Kind
    rule: str = ""

    @property
    def may_answer(self) -> bool:
        """Whether an automatic answer may be sent to it."""
        return self.kind is Kind.PERSON

    @property
    def may_reopen(self) -> bool:
        """Whether it may open a closed case again."""
        return self.kind is Kind.PERSON
