"""Who or what does something. Every service takes an Actor, and the event that it writes names it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from accounts.models import User


class ActorKind(StrEnum):
    USER = "user"
    RULE = "rule"
    MAIL = "mail"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`reference` is the user's or rule's id, the inbound message's id, or the name of a part of the system.

    `cause_id` is the event that led to this act and `depth` how many rules stand between it and a person or a mail:
    whatever a service does with this actor inherits both, which is how a chain of rules is followed and stopped.
    """

    kind: ActorKind
    reference: str
    cause_id: int | None = None
    depth: int = 0

    @classmethod
    def user(cls, user: User) -> Self:
        return cls(ActorKind.USER, str(user.pk))

    @classmethod
    def mail(cls, inbound_id: int) -> Self:
        return cls(ActorKind.MAIL, str(inbound_id))

    @classmethod
    def system(cls, part: str, *, cause_id: int | None = None) -> Self:
        return cls(ActorKind.SYSTEM, part, cause_id)

    @classmethod
    def rule(cls, rule_id: int, *, cause_id: int | None, depth: int) -> Self:
        return cls(ActorKind.RULE, str(rule_id), cause_id, depth)

    @property
    def is_person(self) -> bool:
        return self.kind == ActorKind.USER

    @property
    def user_id(self) -> int | None:
        return int(self.reference) if self.is_person else None
