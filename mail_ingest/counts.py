"""Figures of the mailboxes: what lies in them, and what the loop guard let out and held back."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Q

from mail_ingest.models import InboundMessage, OutboundMessage
from mail_ingest.services.loop_guard import STORM
from mail_ingest.services.reconcile import HANGS_AFTER

HELD_BACK_WITHIN = timedelta(days=1)


def mail_counts(*, now: datetime) -> Mapping[int, Mapping[str, int]]:
    """By the mailbox's id: `pending`, `quarantined`, `automatic` (let out lately, as the storm breaker counts), `held_back`.

    Of the pending ones `hanging`: nobody has gone on with them for ten minutes. Of the quarantined ones `missed`: their source
    has not handed them over. `stranded` are filed and could not be moved or marked in their mailbox.
    """
    quarantined = InboundMessage.State.QUARANTINED
    lying = InboundMessage.objects.filter(state__in=[*InboundMessage.PENDING, quarantined]).order_by()
    inbound = lying.values_list("mailbox_id").annotate(
        pending=Count("pk", filter=~Q(state=quarantined)),
        quarantined=Count("pk", filter=Q(state=quarantined)),
        missed=Count("pk", filter=Q(state=quarantined, sha256="")),
        hanging=Count("pk", filter=_is_due(now) & Q(stored_at__lt=now - HANGS_AFTER)),
    )
    given_up = InboundMessage.objects.filter(put_away=InboundMessage.PutAway.GIVEN_UP).order_by()
    kept = [OutboundMessage.State.SUPPRESSED, OutboundMessage.State.CANCELLED]
    lately = OutboundMessage.objects.filter(is_automatic=True, created_at__gt=now - HELD_BACK_WITHIN).order_by()
    outbound = lately.values_list("mailbox_id").annotate(
        automatic=Count("pk", filter=~Q(state__in=kept) & Q(created_at__gt=now - timedelta(minutes=STORM.minutes))),
        held_back=Count("pk", filter=Q(state=OutboundMessage.State.SUPPRESSED)),
    )
    counts: dict[int, dict[str, int]] = {}
    for mailbox_id, pending, in_quarantine, missed, hanging in inbound:
        counts.setdefault(mailbox_id, {}).update(
            pending=pending, quarantined=in_quarantine, missed=missed, hanging=hanging
        )
    for mailbox_id, stranded in given_up.values_list("mailbox_id").annotate(stranded=Count("pk")):
        counts.setdefault(mailbox_id, {}).update(stranded=stranded)
    for mailbox_id, automatic, held_back in outbound:
        counts.setdefault(mailbox_id, {}).update(automatic=automatic, held_back=held_back)
    return counts


def _is_due(now: datetime) -> Q:
    return Q(state__in=InboundMessage.PENDING) & (Q(next_try_at=None) | Q(next_try_at__lte=now))
