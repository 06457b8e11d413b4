"""How the house itself does: whether anything lies about that should have been worked on."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from cases import listeners
from cases.models import ListenerFailure
from mail_ingest.models import InboundMessage, OutboundMessage


def queues(*, now: datetime) -> dict[str, Any]:
    """Events that the slowest listener has still to read, mail that is not finished, mail that waits to be sent."""
    pending = InboundMessage.objects.pending().aggregate(count=Count("pk"), oldest=Min("stored_at"))
    waiting = OutboundMessage.objects.filter(state=OutboundMessage.State.WAITING).aggregate(
        count=Count("pk"), due=Count("pk", filter=Q(send_after__lte=now)), oldest=Min("created_at")
    )
    return {
        "events_behind": listeners.behind(),
        "events_set_aside": ListenerFailure.objects.filter(set_aside_at__isnull=False, settled_at=None).count(),
        "mail_pending": pending["count"],
        "oldest_pending_mail_seconds": _age_seconds(pending["oldest"], now),
        "outbound_waiting": waiting["count"],
        "outbound_due": waiting["due"],
        "oldest_outbound_seconds": _age_seconds(waiting["oldest"], now),
    }


def _age_seconds(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else max(int((now - since).total_seconds()), 0)
