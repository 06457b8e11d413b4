"""How fast and how reliably work is done: percentiles, compliance, and the same for each group, agent and team."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from accounts.models import Team, User
from analytics.numbers import Durations, share_of
from analytics.periods import Period
from analytics.queries.flow import by_group, totals
from cases.models import Case
from cases.querysets import CaseQuerySet
from sla.models import ClockState, SLAClock

# What numbers can be grouped by → where a case has it.
GROUPS = {
    "status": "status",
    "priority": "priority",
    "case_type": "case_type",
    "sentiment": "sentiment",
    "sla_status": "sla_status",
    "language": "language",
    "category": "category__slug",
    "assigned_to": "assigned_to__username",
    "assigned_team": "assigned_team__slug",
    "customer_type": "customer__customer_type",
}


@dataclass(frozen=True, slots=True)
class Compliance:
    """How the clocks ended that ended: in time, or not."""

    met: int
    missed: int

    @property
    def share(self) -> float | None:
        """Of those that ended, the part that was met; None where none ended."""
        return share_of(self.met, self.met + self.missed)


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in a period by one group of cases, such as those of one team.

    `handled` are the cases that were resolved in it and have not been reopened since; their times are in `resolution`.
    """

    open: int
    happened: Counter[str]
    first_response: Durations
    resolution: Durations
    compliance: Compliance

    @property
    def handled(self) -> int:
        return self.resolution.count


def first_responses(period: Period) -> CaseQuerySet:
    """The cases that got their first answer in the period."""
    return _within(period, "first_response_at")


def resolutions(period: Period) -> CaseQuerySet:
    """The cases that were resolved in the period, without those that were reopened or merged into another since."""
    return _within(period, "resolved_at").filter(merged_into=None)


def first_response_times(period: Period) -> Durations:
    """From when the customer's first message was received to the first answer, as a wall clock counts."""
    return Durations.between(first_responses(period).values_list("received_at", "first_response_at"))


def resolution_times(period: Period) -> Durations:
    """From when the customer's first message was received until the case was resolved, as a wall clock counts."""
    return Durations.between(resolutions(period).values_list("received_at", "resolved_at"))


def compliance(period: Period) -> Compliance:
    """How the clocks ended that ended in the period."""
    found = dict(_ended(period).order_by().values_list("state").annotate(Count("pk")))
    return Compliance(met=found.get(ClockState.MET, 0), missed=found.get(ClockState.MISSED, 0))


def work_by(path: str, period: Period) -> dict[Any, Work]:
    """The work of the period for each value that cases have at `path` today, None where they have none.

    Five queries, however many groups there are.
    """
    counted = Case.objects.open().order_by().values_list(path).annotate(Count("pk"))
    opened = {group or None: count for group, count in counted}
    happened = {group: totals(counts) for group, counts in by_group(period, path).items()}
    responded = _grouped(first_responses(period).values_list(path, "received_at", "first_response_at"))
    resolved = _grouped(resolutions(period).values_list(path, "received_at", "resolved_at"))
    clocks: dict[Any, dict[str, int]] = {}
    for group, state, count in _ended(period).order_by().values_list(f"case__{path}", "state").annotate(Count("pk")):
        clocks.setdefault(group or None, {})[state] = count
    return {
        group: Work(
            open=opened.get(group, 0),
            happened=happened.get(group, Counter()),
            first_response=Durations.between(responded.get(group, ())),
            resolution=Durations.between(resolved.get(group, ())),
            compliance=Compliance(
                met=clocks.get(group, {}).get(ClockState.MET, 0),
                missed=clocks.get(group, {}).get(ClockState.MISSED, 0),
            ),
        )
        for group in {**opened, **happened, **responded, **resolved, **clocks}
    }


def agents(period: Period) -> list[tuple[User, Work]]:
    """Everybody who takes cases, or whose cases had something happen to them, by name; idle ones with zeros."""
    work = work_by("assigned_to", period)
    working = Q(is_active=True, role__in=[User.Role.AGENT, User.Role.SUPERVISOR])
    people = User.objects.filter(working | Q(pk__in=[pk for pk in work if pk is not None]))
    return [(person, work.get(person.pk, NOTHING)) for person in people.order_by("username")]


def teams(period: Period) -> list[tuple[Team, Work]]:
    """Every team, by name."""
    work = work_by("assigned_team", period)
    return [(team, work.get(team.pk, NOTHING)) for team in Team.objects.order_by("name")]


NOTHING = Work(0, Counter(), Durations.between(()), Durations.between(()), Compliance(0, 0))


def _within(period: Period, column: str) -> CaseQuerySet:
    return Case.objects.existing().filter(**{f"{column}__gte": period.start, f"{column}__lt": period.end}).order_by()


def _ended(period: Period) -> Any:
    return SLAClock.objects.filter(
        case__deleted_at=None,
        state__in=[ClockState.MET, ClockState.MISSED],
        stopped_at__gte=period.start,
        stopped_at__lt=period.end,
    )


def _grouped(rows: Iterable[Any]) -> dict[Any, list[tuple[datetime, datetime]]]:
    found: dict[Any, list[tuple[datetime, datetime]]] = {}
    for group, start, end in rows:
        found.setdefault(group or None, []).append((start, end))
    return found
