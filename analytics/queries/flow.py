"""What happened, counted by day: from the roll-ups where they can say it, else from the log itself. Both say the same."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate

from analytics.metrics import KINDS, METRIC
from analytics.models import DailyCount
from analytics.periods import Period
from cases.models import ListenerCursor, ListenerFailure, TimelineEvent

LISTENER = "analytics"
UTC_ZONE = ZoneInfo("UTC")

Counts = Mapping[tuple[date, str], int]
"""By day and metric."""


def by_day(period: Period) -> Counts:
    """What happened on each day of the period.

    Roll-ups are by UTC day and lag behind the log by what their listener has not yet read; that is counted here, so the
    figures are those of this moment.
    """
    if not period.is_utc:
        return from_log(TimelineEvent.objects.all(), period)
    position = _position()
    rows = DailyCount.objects.filter(day__range=(period.first, period.last))
    counts = Counter({(day, metric): count for day, metric, count in rows.values_list("day", "metric", "count")})
    counts.update(from_log(TimelineEvent.objects.filter(Q(position__gt=position) | Q(position=None)), period))
    return counts


def by_group(period: Period, path: str) -> dict[Any, Counter[tuple[date, str]]]:
    """The same for each value that cases have at `path` today, such as `priority`; None where they have none."""
    rows = (
        _counted(TimelineEvent.objects.all(), period)
        .annotate(day=TruncDate("occurred_at", tzinfo=period.zone))
        .order_by()
        .values_list(f"case__{path}", "day", "metric")
        .annotate(times=Count("pk"))
    )
    found: dict[Any, Counter[tuple[date, str]]] = {}
    for group, day, metric, times in rows:
        found.setdefault(group or None, Counter())[day, metric] += times
    return found


def from_log(events: QuerySet[TimelineEvent], period: Period) -> Counter[tuple[date, str]]:
    """Those of these events that are counted and occurred in the period, by its days."""
    rows = (
        _counted(events, period)
        .annotate(day=TruncDate("occurred_at", tzinfo=period.zone))
        .order_by()
        .values_list("day", "metric")
        .annotate(times=Count("pk"))
    )
    return Counter({(day, metric): times for day, metric, times in rows})


def totals(counts: Counts) -> Counter[str]:
    """Over all days, by metric."""
    found: Counter[str] = Counter()
    for (_day, metric), times in counts.items():
        found[metric] += times
    return found


def counted_up_to(*, lock: bool = False) -> QuerySet[TimelineEvent]:
    """The events that the listener has behind it, without those that it could not handle. `lock` keeps it from going on."""
    failures = ListenerFailure.objects.filter(listener=LISTENER, set_aside_at__isnull=False, settled_at=None)
    return TimelineEvent.objects.filter(position__lte=_position(lock=lock)).exclude(pk__in=failures.values("event_id"))


def _position(*, lock: bool = False) -> int:
    cursors = ListenerCursor.objects.filter(pk=LISTENER)
    cursor = (cursors.select_for_update() if lock else cursors).first()
    return cursor.position if cursor else 0


def _counted(events: QuerySet[TimelineEvent], period: Period) -> QuerySet[TimelineEvent, Any]:
    happened = events.filter(kind__in=KINDS, occurred_at__gte=period.start, occurred_at__lt=period.end)
    return happened.annotate(metric=METRIC).exclude(metric="")
