"""The lists that people work from, each with a name: one definition for the admin, the home page and the desk.

A number that is shown beside a link to a queue is the number of rows behind that link, because both are this query.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from cases.models import Case
from cases.querysets import CaseQuerySet

OPEN = Q(status__in=Case.OPEN_STATUSES)
WAITING = Q(status__in=[Case.Status.AWAITING_CUSTOMER, Case.Status.AWAITING_VENDOR])


@dataclass(frozen=True, slots=True)
class Queue:
    """`where(reader, now)` picks its cases from those that are not deleted; `now` is in the reader's time zone."""

    name: str
    label: str | Promise
    where: Callable[[User, datetime], Q]

    def select(self, cases: CaseQuerySet, *, reader: User, now: datetime) -> CaseQuerySet:
        return cases.existing().filter(self.where(reader, now))


def midnight(now: datetime) -> datetime:
    """When the day of `now` began, in the zone of `now`."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


# Whatever has arrived today was also stored today: the second condition lets the index of the newest cases serve.
_QUEUES: Sequence[Queue] = (
    Queue("open", _("Open"), lambda _reader, _now: OPEN),
    Queue("mine", _("Mine, open"), lambda reader, _now: OPEN & Q(assigned_to=reader)),
    Queue("unassigned", _("Unassigned"), lambda _reader, _now: OPEN & Q(assigned_to=None)),
    Queue("at_risk", _("At risk"), lambda _reader, _now: OPEN & Q(sla_status=Case.SLAStatus.AT_RISK)),
    Queue("breached", _("Breached, open"), lambda _reader, _now: OPEN & Q(sla_status=Case.SLAStatus.BREACHED)),
    Queue("waiting", _("Waiting"), lambda _reader, _now: WAITING),
    Queue(
        "arrived_today",
        _("Arrived today"),
        lambda _reader, now: Q(received_at__gte=midnight(now), created_at__gte=midnight(now)),
    ),
    Queue(
        "resolved_today", _("Resolved today"), lambda _reader, now: Q(resolved_at__gte=midnight(now), merged_into=None)
    ),
)
QUEUES: dict[str, Queue] = {queue.name: queue for queue in _QUEUES}


def due_next(cases: CaseQuerySet, *, now: datetime) -> CaseQuerySet:
    """Open cases whose deadline is still to come, the nearest first."""
    return cases.open().filter(sla_due_date__gte=now).order_by("sla_due_date", "id")
