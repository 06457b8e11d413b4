"""What is counted: which event of the log is which metric. Said once for a single event, once for the database.

    arrived       a case was opened
    resolved      an open case was resolved, or closed without having been resolved
    reopened      a resolved or closed case was taken up again
    breached      a deadline was missed; each clock counts
    messages_in   a mail was filed to a case
    messages_out  a mail to a customer was sent by us, or an answer given by other means was noted

An event belongs to the day on which it occurred. What happened to a case that was deleted later did happen.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, CharField, Q, Value, When

from analytics.models import Metric
from cases.choices import OPEN_STATUSES, CaseStatus
from mail_ingest.models import OutboundMessage

RESOLVED = (CaseStatus.RESOLVED, CaseStatus.CLOSED)
TO_CUSTOMERS = tuple(
    purpose
    for purpose in OutboundMessage.Purpose
    if purpose not in {OutboundMessage.Purpose.NOTIFICATION, OutboundMessage.Purpose.CONTRACTOR}
)

CASE_METRICS = (Metric.ARRIVED, Metric.RESOLVED, Metric.REOPENED, Metric.BREACHED)
MAIL_METRICS = (Metric.MESSAGES_IN, Metric.MESSAGES_OUT)
KINDS = frozenset(
    {"case_created", "case_status_changed", "sla_breached", "message_received", "message_sent", "outbound_sent"}
)
_ALWAYS = {
    "case_created": Metric.ARRIVED,
    "sla_breached": Metric.BREACHED,
    "message_received": Metric.MESSAGES_IN,
}


def metric_of(kind: str, *, changes: Mapping[str, Any], data: Mapping[str, Any]) -> Metric | None:
    """What an event counts as; None when it is not counted."""
    if kind == "case_status_changed":
        old, new = changes.get("status", (None, None))
        if data.get("reopened") is True:
            return Metric.REOPENED
        return Metric.RESOLVED if old in OPEN_STATUSES and new in RESOLVED else None
    if kind == "message_sent":
        return Metric.MESSAGES_OUT if data.get("by_us") is False else None
    if kind == "outbound_sent":
        return Metric.MESSAGES_OUT if data.get("purpose") in TO_CUSTOMERS else None
    return _ALWAYS.get(kind)


METRIC = Case(
    *(When(kind=kind, then=Value(metric.value)) for kind, metric in _ALWAYS.items()),
    When(Q(kind="case_status_changed", data__reopened=True), then=Value(Metric.REOPENED.value)),
    When(
        Q(kind="case_status_changed", changes__status__0__in=OPEN_STATUSES, changes__status__1__in=RESOLVED),
        then=Value(Metric.RESOLVED.value),
    ),
    When(Q(kind="message_sent", data__by_us=False), then=Value(Metric.MESSAGES_OUT.value)),
    When(Q(kind="outbound_sent", data__purpose__in=TO_CUSTOMERS), then=Value(Metric.MESSAGES_OUT.value)),
    default=Value(""),
    output_field=CharField(),
)
"""The same as an expression over rows of the log; empty where an event is not counted."""
