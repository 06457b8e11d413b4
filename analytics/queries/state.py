"""How things stand now: cases of every kind, the queues, the backlog and its age, tasks, mail."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from accounts.models import User
from analytics.periods import Period
from cases.models import Case
from cases.queues import OPEN, QUEUES
from mail_ingest.models import InboundMessage
from tasks.models import Task, TaskKind, TaskStatus

# Queues of open cases are counted in one query over the index of open cases; the other two by their own.
OF_OPEN_CASES = ("open", "unassigned", "at_risk", "breached", "waiting")
OF_TODAY = ("arrived_today", "resolved_today")
UNASSIGNED = "none"
AGES_IN_DAYS = (1, 3, 7, 30)

_CHOICES: Mapping[str, Iterable[str]] = {
    "status": Case.Status.values,
    "priority": Case.Priority.values,
    "case_type": Case.Type.values,
    "sla_status": Case.SLAStatus.values,
}


def queue_counts(reader: User, *, now: datetime) -> dict[str, int]:
    """How many cases each queue holds for this reader; `now` is in the reader's time zone."""
    counts: dict[str, int] = Case.objects.filter(OPEN, deleted_at=None).aggregate(
        **{name: Count("pk", filter=QUEUES[name].where(reader, now)) for name in OF_OPEN_CASES}
    )
    for name in OF_TODAY:
        counts[name] = QUEUES[name].select(Case.objects.all(), reader=reader, now=now).count()
    return counts


def case_counts(reader: User) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cases that this reader may see, by what they are: all of them, and those that are open. One query for both."""
    rows = (
        Case.objects.visible_to(reader)
        .order_by()
        .values_list(*_CHOICES, "assigned_team__slug")
        .annotate(count=Count("pk"), unassigned=Count("pk", filter=Q(assigned_to=None)))
    )
    groups = [(dict(zip((*_CHOICES, "assigned_team"), row[:-2], strict=True)), row[-2], row[-1]) for row in rows]
    in_open = [group for group in groups if group[0]["status"] in Case.OPEN_STATUSES]
    return _counted(groups), _counted(in_open)


def _counted(groups: list[tuple[dict[str, Any], int, int]]) -> dict[str, Any]:
    by: dict[str, Counter[str]] = {name: Counter() for name in (*_CHOICES, "assigned_team")}
    for values, count, _unassigned in groups:
        for name, value in values.items():
            by[name][value or UNASSIGNED] += count
    return {
        "total": sum(count for _values, count, _unassigned in groups),
        "unassigned": sum(unassigned for _values, _count, unassigned in groups),
        **{f"by_{name}": {value: by[name][value] for value in values} for name, values in _CHOICES.items()},
        "by_assigned_team": dict(sorted(by["assigned_team"].items())),
    }


def backlog(reader: User, *, now: datetime) -> dict[str, Any]:
    """The open cases by how long ago they were received, and since when the oldest one waits."""
    edges = [None, *(now - timedelta(days=days) for days in AGES_IN_DAYS), None]
    names = ["under_1_day", "1_to_3_days", "3_to_7_days", "7_to_30_days", "over_30_days"]
    ages = {}
    for number, name in enumerate(names):
        newest, oldest = edges[number], edges[number + 1]
        within = Q() if newest is None else Q(received_at__lte=newest)
        ages[f"age_{name}"] = Count("pk", filter=within if oldest is None else within & Q(received_at__gt=oldest))
    found = (
        Case.objects.visible_to(reader)
        .filter(OPEN)
        .aggregate(open=Count("pk"), oldest_received_at=Min("received_at"), **ages)
    )
    return {
        "open": found["open"],
        "oldest_received_at": found["oldest_received_at"],
        "by_age": {name: found[f"age_{name}"] for name in names},
    }


def task_counts(reader: User, *, now: datetime) -> dict[str, Any]:
    """The tasks that this reader may see, by what they are."""
    is_open = Q(status__in=[TaskStatus.NEW, TaskStatus.IN_PROGRESS])
    counts = {f"status:{status}": Count("pk", filter=Q(status=status)) for status in TaskStatus.values}
    counts |= {f"kind:{kind}": Count("pk", filter=is_open & Q(kind=kind)) for kind in TaskKind.values}
    found = Task.objects.visible_to(reader).aggregate(
        total=Count("pk"),
        open=Count("pk", filter=is_open),
        overdue=Count("pk", filter=is_open & Q(due_at__lt=now)),
        **counts,
    )
    return {
        "total": found["total"],
        "open": found["open"],
        "overdue": found["overdue"],
        "by_status": {status: found[f"status:{status}"] for status in TaskStatus.values},
        "open_by_kind": {kind: found[f"kind:{kind}"] for kind in TaskKind.values},
    }


def mail_counts(period: Period) -> dict[str, Any]:
    """What became of the mail that was received in the period. Mail of deleted cases is not shown, nor counted."""
    states = InboundMessage.State.values
    received = InboundMessage.objects.filter(
        case__deleted_at=None, received_at__gte=period.start, received_at__lt=period.end
    )
    found = dict(received.order_by().values_list("state").annotate(Count("pk")))
    return {"received": sum(found.values()), "by_state": {state: found.get(state, 0) for state in states}}
