"""Comparing a mailbox with the ledger: what lies there and is not here is stored, and that it was missing is told.

Rounds should leave nothing to be found. This looks without a position, by what the mailbox holds, and so finds what a position
has wrongly passed.
"""

from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q

from accounts.actors import Actor
from cases import facts
from mail_ingest.models import InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import rounds
from mail_ingest.services.rounds import Lease, LeaseLost
from mail_ingest.services.taking import Clock, Stuck, take_in
from mail_ingest.sources.base import PositionLost, Reader, SourceUnavailable
from mail_ingest.sources.opening import opened

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=1)
LOOKS_BACK = timedelta(hours=48)
LEFT_TO_THE_ROUND = timedelta(minutes=5)  # what came so shortly ago may still be on its ordinary way
HANGS_AFTER = timedelta(minutes=10)


def to_compare(*, now: datetime) -> list[int]:
    """Mailboxes of which some folder has been read to its end, and was not compared for an hour."""
    folders = SourceFolder.objects.filter(
        Q(reconciled_at=None) | Q(reconciled_at__lte=now - EVERY),
        round_at__isnull=False,
        resyncing=False,
        failures=0,
        mailbox__is_active=True,
        mailbox__kind__in=list(rounds.EVERY),
    )
    return list(folders.order_by("mailbox_id").values_list("mailbox_id", flat=True).distinct())


def reconcile(mailbox: Mailbox, *, clock: Clock) -> int:
    """Store what the mailbox holds of the last 48 hours and the ledger does not; how many mails were missing.

    A mailbox that is away is left to its rounds, which say so; it is compared when it is back.
    """
    missing = 0
    _tell_what_hangs(mailbox, now=clock())
    try:
        with opened(mailbox) as reader:
            for folder in rounds.folders_of(mailbox, now=clock()):
                if folder.round_at is None or folder.resyncing:
                    continue
                if lease := rounds.take(folder, clock=clock):
                    missing += _compare(reader, mailbox, lease)
    except (SourceUnavailable, PositionLost, Stuck, LeaseLost) as error:
        log.info("mailbox_not_compared", mailbox=mailbox.slug, reason=str(error))
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("mailbox_comparing_broke", mailbox=mailbox.slug)
    return missing


def _compare(reader: Reader, mailbox: Mailbox, lease: Lease) -> int:
    now, role = lease.taken_at, lease.folder.role
    since = max(lease.folder.since or now, now - LOOKS_BACK)
    missing, seen = 0, 0
    try:
        for page in reader.listing(role, since=since, until=now - LEFT_TO_THE_ROUND, position={}):
            seen += len(page.items)
            taken = take_in(
                reader,
                mailbox,
                page.items,
                role=role,
                origin=InboundMessage.Origin.LIVE,
                clock=lease.clock,
                goes_on=lease.goes_on,
            )
            missing += taken.new
            if not taken.complete or page.last or not lease.goes_on():
                break
    finally:
        # Also a comparison that broke off waits for its hour: it must not stand in the way of the rounds.
        if missing:
            _tell_what_was_missing(mailbox, role, missing, at=lease.clock())
        lease.save(leased_until=None, reconciled_at=now)
    log.info("mailbox_compared", mailbox=mailbox.slug, role=role, seen=seen, missing=missing)
    return missing


def _tell_what_was_missing(mailbox: Mailbox, role: str, missing: int, *, at: datetime) -> None:
    with transaction.atomic():
        facts.mailbox_reconciled.emit(
            subject=mailbox, actor=Actor.system("intake"), at=at, data={"role": role, "missing": missing}
        )


def _tell_what_hangs(mailbox: Mailbox, *, now: datetime) -> None:
    """Mail that is stored, not waiting for a later try, and that nobody has gone on with. `counts` shows it, too."""
    hanging = InboundMessage.objects.due(now).stored_before(now - HANGS_AFTER).filter(mailbox=mailbox).count()
    if hanging:
        log.warning("mail_hangs", mailbox=mailbox.slug, count=hanging)
