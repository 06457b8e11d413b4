"""Where a case can go from where it is, and the places where other apps take part in its moves.

Lower apps know nothing of upper ones. What an upper app has to do inside the transaction of a case, it registers here
from its `AppConfig.ready()`: initialisers run when a case is created (the SLA clock starts), movers after each change of
status (the clock pauses), guards before one (open required tasks keep a case from being resolved).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from accounts.actors import Actor
    from cases.models import Case

# From each status, the ones that a person or a rule may set next. `merged` is reached only by a merge.
TRANSITIONS: dict[str, frozenset[str]] = {
    "new": frozenset({"in_progress", "awaiting_customer", "awaiting_vendor", "resolved", "closed"}),
    "in_progress": frozenset({"awaiting_customer", "awaiting_vendor", "resolved", "closed"}),
    "awaiting_customer": frozenset({"in_progress", "awaiting_vendor", "resolved", "closed"}),
    "awaiting_vendor": frozenset({"in_progress", "awaiting_customer", "resolved", "closed"}),
    "resolved": frozenset({"in_progress", "closed"}),
    "closed": frozenset({"in_progress"}),
    "merged": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a guard refuses a move: a code for programs, a sentence for people, and the ids that stand in the way."""

    code: str
    detail: str
    blocking_ids: tuple[str, ...] = ()


Initialiser = Callable[["Case", datetime, "Actor"], None]
Mover = Callable[["Case", str, datetime, "Actor"], None]
Guard = Callable[["Case", str], Objection | None]


@dataclass(frozen=True, slots=True)
class Merger:
    """How one kind of thing follows its case into another. Both cases are locked when it is called.

    `move(source, target, at)` answers the ids of what it moved. `move_back(ids, source, target, at)` gives `source` those
    of them that are still on `target`, and answers their ids; what was put elsewhere since stays there. `lock(source_id)`
    takes, before the cases are locked, the locks that others take before a case's: else the two would wait for each other.
    """

    name: str
    move: Callable[["Case", "Case", datetime], list[int]]
    move_back: Callable[[Sequence[int], "Case", "Case", datetime], list[int]]
    lock: Callable[[UUID], None] | None = None


@dataclass(slots=True)
class Hooks:
    """Filled once, while the apps start; read by `cases.services`."""

    initialisers: list[Initialiser] = field(default_factory=list)
    movers: list[Mover] = field(default_factory=list)
    relabelers: list[Initialiser] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    mergers: list[Merger] = field(default_factory=list)

    def objection(self, case: "Case", status: str) -> Objection | None:
        """The first objection that a guard has to moving `case` to `status`."""
        return next((found for guard in self.guards if (found := guard(case, status))), None)


hooks = Hooks()
