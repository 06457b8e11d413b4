"""How a mailbox does, for its page: its health in words, what lies in it, how far it was read, what is being backfilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from mail_ingest.counts import mail_counts
from mail_ingest.models import Backfill, GraphSubscription, InboundMessage, Mailbox, OutboundMessage, SourceFolder
from mail_ingest.services import loop_guard

BACKFILLS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the list of exactly the rows that it counts. `tone` colours it when it is not zero."""

    label: str
    count: int
    url: str
    tone: str = "calm"


@dataclass(frozen=True, slots=True)
class MailboxState:
    mailbox: Mailbox
    figures: Sequence[Figure]
    folders: Sequence[SourceFolder]
    subscriptions: Sequence[GraphSubscription]
    backfills: Sequence[Backfill]
    storm_since: datetime | None
    now: datetime


def state_of_mailbox(mailbox: Mailbox, *, now: datetime) -> MailboxState:
    """In a fixed number of queries."""
    counts = mail_counts(now=now).get(mailbox.pk, {})
    storm = loop_guard.storm(now=now)
    inbound, outbound = "mail_ingest_inboundmessage", "mail_ingest_outboundmessage"
    return MailboxState(
        mailbox=mailbox,
        figures=[
            Figure(
                _("Being filed"),
                counts.get("pending", 0),
                _rows(inbound, mailbox, state__exact=[state.value for state in InboundMessage.PENDING]),
            ),
            Figure(
                _("In quarantine"),
                counts.get("quarantined", 0),
                _rows(inbound, mailbox, state__exact=InboundMessage.State.QUARANTINED),
                "bad",
            ),
            Figure(
                _("Could not be moved or marked"),
                counts.get("stranded", 0),
                _rows(inbound, mailbox, put_away__exact=InboundMessage.PutAway.GIVEN_UP),
                "warn",
            ),
            Figure(
                _("Held back today"),
                counts.get("held_back", 0),
                _rows(outbound, mailbox, state__exact=OutboundMessage.State.SUPPRESSED),
                "warn",
            ),
        ],
        folders=list(mailbox.folders.order_by("role")),
        subscriptions=list(mailbox.subscriptions.order_by("role")),
        backfills=list(mailbox.backfills.select_related("requested_by").order_by("-created_at")[:BACKFILLS_SHOWN]),
        storm_since=storm.since if storm else None,
        now=now,
    )


def _rows(admin_name: str, mailbox: Mailbox, **parameters: Any) -> str:
    query = urlencode({"mailbox__id__exact": mailbox.pk, **parameters}, doseq=True)
    return f"{reverse(f'admin:{admin_name}_changelist')}?{query}"
