"""The last thing that happens to a mail: in its mailbox it is marked as read or moved, once it is filed here.

A failure is tried again and never imports anything; in the end it stands in the ledger, with the reason. This is bookkeeping
about a mail whose journey is over, and leaves no event.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from mail_ingest.models import FolderRole, InboundMessage, Mailbox, SourceAlias
from mail_ingest.sources.base import MessageUnreadable, MessageVanished, PositionLost, Reader, SourceUnavailable
from mail_ingest.sources.opening import opened

log = structlog.get_logger(__name__)

MAX_TRIES = 8
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=6)
WAITS_WHILE_AWAY = timedelta(minutes=5)
AT_ONCE = 200
REASON_CHARS = 300


def first_state(mailbox: Mailbox, *, role: str, origin: str) -> str:
    """Only what arrived in the inbox is moved or marked there; nobody asked for it with imported mail.

    A dropped file has its own way: it is moved as soon as it is stored.
    """
    wanted = (
        mailbox.kind != Mailbox.Kind.FOLDER
        and mailbox.after_filing != Mailbox.AfterFiling.LEAVE
        and role == FolderRole.INBOX
        and origin != InboundMessage.Origin.IMPORT
    )
    return InboundMessage.PutAway.DUE if wanted else InboundMessage.PutAway.NOTHING


def due(*, now: datetime) -> QuerySet[InboundMessage]:
    """Mail that is finished here and not yet put away there; while it is in quarantine it stays where it lies."""
    return InboundMessage.objects.filter(
        Q(put_away_next_at=None) | Q(put_away_next_at__lte=now),
        put_away=InboundMessage.PutAway.DUE,
        state__in=[InboundMessage.State.FILED, InboundMessage.State.IGNORED],
        mailbox__is_active=True,
    )


def mailboxes_with_due(*, now: datetime) -> list[int]:
    return list(due(now=now).order_by().values_list("mailbox_id", flat=True).distinct())


def put_away_due(mailbox: Mailbox, *, clock: Callable[[], datetime]) -> int:
    """Put away what is due in one mailbox; how many were. A mailbox that is away costs no message a try."""
    if mailbox.after_filing == Mailbox.AfterFiling.LEAVE:  # somebody has changed it since
        due(now=clock()).filter(mailbox=mailbox).update(put_away=InboundMessage.PutAway.NOTHING)
        return 0
    rows = list(due(now=clock()).filter(mailbox=mailbox).order_by("finished_at", "pk")[:AT_ONCE])
    done = 0
    try:
        with opened(mailbox) as reader:
            for row in rows:
                done += _put_away(reader, mailbox, row, now=clock())
    except SourceUnavailable as error:
        log.info("put_away_waits", mailbox=mailbox.slug, reason=error.detail)
        waits_until = max(error.retry_at or clock(), clock() + WAITS_WHILE_AWAY)
        due(now=clock()).filter(mailbox=mailbox).update(
            put_away_next_at=waits_until, put_away_detail=error.detail[:REASON_CHARS]
        )
    return done


def _put_away(reader: Reader, mailbox: Mailbox, row: InboundMessage, *, now: datetime) -> bool:
    """One message, under each of the ids that its mailbox has shown. The try is counted first: a kill repeats it later."""
    wait = min(FIRST_WAIT * 4**row.put_away_tries, LONGEST_WAIT)
    claimed = InboundMessage.objects.filter(
        pk=row.pk, put_away=InboundMessage.PutAway.DUE, put_away_tries=row.put_away_tries
    ).update(put_away_tries=F("put_away_tries") + 1, put_away_next_at=now + wait)
    if not claimed:
        return False
    aliases = SourceAlias.objects.filter(inbound=row).order_by("-pk").values_list("source_id", flat=True)
    trouble, gone, renumbered = "", False, False
    for source_id in (*aliases, row.source_id):
        try:
            reader.put_away(source_id, how=mailbox.after_filing, folder=mailbox.filed_folder)
        except MessageVanished:  # moved or deleted by somebody else: it is out of the inbox
            gone = True
        except PositionLost:
            renumbered = True
        except MessageUnreadable as error:
            trouble = error.reason
        except SourceUnavailable:
            InboundMessage.objects.filter(pk=row.pk).update(put_away_tries=row.put_away_tries, put_away_next_at=None)
            raise
        else:
            trouble, gone = "", True
            break
    if renumbered and not gone and not trouble:
        trouble = _("The mailbox has numbered its messages anew and has still to be read again.")
    gives_up = row.put_away_tries + 1 >= MAX_TRIES
    state = InboundMessage.PutAway.DONE
    if trouble:
        state = InboundMessage.PutAway.GIVEN_UP if gives_up else InboundMessage.PutAway.DUE
        log.warning("put_away_failed", mailbox=mailbox.slug, inbound_id=row.pk, reason=trouble, given_up=gives_up)
    InboundMessage.objects.filter(pk=row.pk).update(
        put_away=state,
        put_away_detail=trouble[:REASON_CHARS],
        put_away_next_at=now + wait if state == InboundMessage.PutAway.DUE else None,
    )
    return not trouble
