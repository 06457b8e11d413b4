"""The daily roll-ups: counted as events come, and counted again from the log when somebody doubts them.

They hold nothing that the log does not say, so writing them is no event of its own.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date

from django.db import transaction
from django.db.models import F

from analytics.metrics import metric_of
from analytics.models import DailyCount
from analytics.periods import Period
from analytics.queries.flow import UTC_ZONE, counted_up_to, from_log
from cases.models import TimelineEvent


def count(events: Iterable[TimelineEvent]) -> None:
    """Count each event on the UTC day on which it occurred. The caller's transaction sees to it that this happens once."""
    figures = Counter(
        (event.occurred_at.astimezone(UTC).date(), metric)
        for event in events
        if (metric := metric_of(event.kind, changes=event.changes, data=event.data))
    )
    for (day, metric), figure in sorted(figures.items()):
        if not DailyCount.objects.filter(day=day, metric=metric).update(count=F("count") + figure):
            DailyCount.objects.create(day=day, metric=metric, count=figure)


@transaction.atomic
def recount(*, first: date, last: date) -> int:
    """Count the days from `first` to `last` (both included, UTC) from the log; how many figures were wrong.

    The listener is kept out meanwhile, and goes on behind the events that were counted here. Safe to repeat.
    """
    read = counted_up_to(lock=True)
    period = Period(first, last, UTC_ZONE)
    right = from_log(read, period)
    there = {(row.day, row.metric): row for row in DailyCount.objects.filter(day__range=(first, last))}
    wrong = 0
    for key in sorted({*right, *there}):
        row, figure = there.get(key), right.get(key, 0)
        if row and row.count == figure:
            continue
        wrong += 1
        if not figure and row:
            row.delete()
        else:
            day, metric = key
            DailyCount.objects.update_or_create(day=day, metric=metric, defaults={"count": figure})
    return wrong
