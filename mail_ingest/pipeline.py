"""The whole journey of a mail, from the ledger to its case.

    RECEIVED ──▶ THREADED ──▶ ANALYSED ──▶ FILED
        └────────────┴────────────┴──▶ IGNORED or QUARANTINED

What a colleague sent from another mail program goes from RECEIVED to FILED or IGNORED in one step: nobody has to triage it.

Every step is one transaction and is skipped when it is already done, so the journey can be killed anywhere and walked
again. What follows from a filed mail (clock, rules, acknowledgment, notifications) follows from its events.
"""

import time
from datetime import datetime, timedelta

import structlog
from django.db import OperationalError
from django.utils.translation import gettext as _

from cases.models import Category
from mail_ingest.ai import offline
from mail_ingest.models import FolderRole, InboundMessage
from mail_ingest.parsing import Unreadable
from mail_ingest.services import intake, processing, sent_items

log = structlog.get_logger(__name__)

State = InboundMessage.State
WAIT = timedelta(seconds=20)


def process_message(inbound_id: int, *, now: datetime) -> str | None:
    """Walk one mail to its end; the state it has reached, or None when it is somebody else's or done.

    Raises OperationalError when the database fails, which is no fault of the mail's: the sweep comes back to it.
    """
    inbound = intake.claim(inbound_id, now=now)
    if inbound is None:
        return None
    try:
        return _walk(inbound, now=now).state
    except Unreadable as error:
        intake.quarantine(inbound_id, reason=error.reason, at=now)
    except processing.OwnCopy:
        intake.ignore(inbound_id, reason=_("It is a copy of a mail that we sent."), at=now)
    except sent_items.NotYet:
        intake.wait(inbound_id, until=now + WAIT)
    except processing.Overtaken:
        log.info("mail_overtaken", inbound_id=inbound_id)
    except OperationalError:
        raise
    except Exception as error:
        log.warning("mail_failed", inbound_id=inbound_id, attempts=inbound.attempts, exc_info=True)
        intake.postpone(inbound_id, error=f"{type(error).__name__}: {error}", now=now)
    return InboundMessage.objects.values_list("state", flat=True).get(pk=inbound_id)


def _walk(inbound: InboundMessage, *, now: datetime) -> InboundMessage:
    if inbound.state == State.RECEIVED:
        mail = processing.read_raw(inbound.pk)
        if inbound.role == FolderRole.SENT:
            return sent_items.join_sent(inbound, mail, at=now)
        inbound = processing.thread_message(inbound, mail, at=now)
    if inbound.state == State.THREADED:
        inbound = _analyse(inbound, now=now)
    if inbound.state == State.ANALYSED:
        inbound = processing.file_message(inbound, at=now)
    return inbound


def _analyse(inbound: InboundMessage, *, now: datetime) -> InboundMessage:
    """Let a reader read the mail, outside any transaction, and keep its answer."""
    email = processing.message_of(inbound)
    categories = set(Category.objects.filter(is_active=True).values_list("slug", flat=True))
    started = time.perf_counter()
    # A first mail is read whole, for the address and telephone number in its signature; an answer without what it quotes.
    text = email.visible_text if email.in_reply_to else email.text
    triage = offline.read(subject=email.subject, text=text, categories=categories)
    latency_ms = round((time.perf_counter() - started) * 1000)
    return processing.keep_triage(
        inbound, triage, source="offline", version=offline.VERSION, latency_ms=latency_ms, at=now
    )
