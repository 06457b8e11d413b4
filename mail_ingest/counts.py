"""Figures of the mailboxes: what lies in them, and what the loop guard let out and held back."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Q

from mail_ingest.models import InboundMessage, OutboundMessage
from mail_ingest.services.loop_guard import STORM

HELD_BACK_WITHIN = timedelta(days=1)


def mail_counts(*, now: datetime) -> Mapping[int, Mapping[str, int]]:
    """By the mailbox's id: `pending`, `quarantined`, `automatic` (let out lately, as the storm breaker counts), `held_back`."""
    quarantined = InboundMessage.State.QUARANTINED
    lying = InboundMessage.objects.filter(state__in=[*InboundMessage.PENDING, quarantined]).order_by()
    inbound = lying.values_list("mailbox_id").annotate(
        pending=Count("pk", filter=~Q(state=quarantined)), quarantined=Count("pk", filter=Q(state=quarantined))
    )
    kept = [OutboundMessage.State.SUPPRESSED, OutboundMessage.State.CANCELLED]
    lately = OutboundMessage.objects.filter(is_automatic=True, created_at__gt=now - HELD_BACK_WITHIN).order_by()
    outbound = lately.values_list("mailbox_id").annotate(
        automatic=Count("pk", filter=~Q(state__in=kept) & Q(created_at__gt=now - timedelta(minutes=STORM.minutes))),
        held_back=Count("pk", filter=Q(state=OutboundMessage.State.SUPPRESSED)),
    )
    counts: dict[int, dict[str, int]] = {}
    for mailbox_id, pending, in_quarantine in inbound:
        counts.setdefault(mailbox_id, {}).update(pending=pending, quarantined=in_quarantine)
    for mailbox_id, automatic, held_back in outbound:
        counts.setdefault(mailbox_id, {}).update(automatic=automatic, held_back=held_back)
    return counts
