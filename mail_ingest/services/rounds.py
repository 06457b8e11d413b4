"""Reading a mailbox in rounds: what has come since the last one is stored, then the position is kept.

A folder is read by one worker at a time, by a lease that a killed worker leaves to run out. Its position moves only when all
that it covers is in the ledger, so a kill anywhere reads some messages again and loses none. The lease, the position and the
back-off are bookkeeping; that a mailbox fails, is good again or is read from the start is an event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from mail_ingest.models import FolderRole, InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import taking
from mail_ingest.services.mailboxes import note_health
from mail_ingest.services.taking import Clock, Stuck, take_in
from mail_ingest.sources.base import FIRST_ROUND_REACHES_BACK, PositionLost, Reader, SourceUnavailable
from mail_ingest.sources.opening import opened

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
RENEWED_AFTER = timedelta(seconds=20)
ROUND_LASTS = timedelta(minutes=1)  # then others have their turn; it goes on where it stopped
ASKED_ANEW_AFTER = timedelta(seconds=30)
GOES_ON_AFTER = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(minutes=10)
RED_FROM_FAILURES = 2  # one time-out is no news; a wrong password is
STUCK_FROM_FAILURES = 2
EVERY: dict[str, timedelta] = {
    Mailbox.Kind.MAILDIR: timedelta(seconds=2),
    Mailbox.Kind.IMAP: timedelta(seconds=30),
    Mailbox.Kind.GRAPH: timedelta(seconds=60),
}


class LeaseLost(Exception):
    """Another worker reads this folder by now."""


def roles_of(mailbox: Mailbox) -> list[str]:
    return [FolderRole.INBOX, FolderRole.SENT] if mailbox.reads_sent else [FolderRole.INBOX]


def folders_of(mailbox: Mailbox, *, now: datetime) -> list[SourceFolder]:
    """The mailbox's folders, made when it is first read: from then, and a day back, its mail is news."""
    folders = []
    for role in roles_of(mailbox):
        since = now - FIRST_ROUND_REACHES_BACK
        folder, _created = SourceFolder.objects.get_or_create(mailbox=mailbox, role=role, defaults={"since": since})
        if folder.since is None:
            folder.since = since
            folder.save(update_fields=["since"])
        folders.append(folder)
    return folders


def to_read(*, now: datetime) -> list[int]:
    """The mailboxes that have a folder to be read now, each marked as asked for: for a while nobody else asks."""
    asked = []
    for mailbox in Mailbox.objects.filter(is_active=True, kind__in=list(EVERY)).order_by("pk"):
        folders_of(mailbox, now=now)
        if _due(mailbox, now=now).update(next_round_at=now + ASKED_ANEW_AFTER):
            asked.append(mailbox.pk)
    return asked


def hurry(mailbox: Mailbox, role: str, *, now: datetime) -> None:
    """Have a folder read at the next look: something is said to have come. A failing mailbox is asked again, too."""
    folders_of(mailbox, now=now)
    SourceFolder.objects.filter(mailbox=mailbox, role=role).update(next_round_at=now)


def _due(mailbox: Mailbox, *, now: datetime) -> Any:
    return SourceFolder.objects.filter(
        Q(next_round_at=None) | Q(next_round_at__lte=now),
        Q(leased_until=None) | Q(leased_until__lte=now),
        mailbox=mailbox,
        role__in=roles_of(mailbox),
    )


@dataclass(slots=True)
class Lease:
    """A folder that is ours until `folder.leased_until`, which is also the sign by which we know that it still is."""

    folder: SourceFolder
    taken_at: datetime
    clock: Clock

    def save(self, **values: Any) -> None:
        """Write to the folder. Raises LeaseLost."""
        mine = SourceFolder.objects.filter(pk=self.folder.pk, leased_until=self.folder.leased_until)
        if not mine.update(**values):
            raise LeaseLost
        for name, value in values.items():
            setattr(self.folder, name, value)

    def renew(self, now: datetime, **values: Any) -> None:
        self.save(leased_until=now + LEASE, **values)

    def goes_on(self) -> bool:
        """Whether there is time for one more message; keeps the lease alive."""
        now = self.clock()
        if self.folder.leased_until is None or self.folder.leased_until - now < LEASE - RENEWED_AFTER:
            self.renew(now)
        return now - self.taken_at < ROUND_LASTS


def take(folder: SourceFolder, *, clock: Clock) -> Lease | None:
    """The folder for one round; None while somebody else reads it."""
    now = clock()
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    if not SourceFolder.objects.filter(free, pk=folder.pk).update(leased_until=now + LEASE):
        return None
    folder.refresh_from_db()
    return Lease(folder, now, clock)


def read(mailbox: Mailbox, *, clock: Clock) -> int:
    """One round of every folder that nobody else reads; how many mails are new.

    Whatever its source does, it is noted in the mailbox's health and raises nothing. Only our own database's failures are raised.
    """
    leases = [lease for folder in folders_of(mailbox, now=clock()) if (lease := take(folder, clock=clock)) is not None]
    if not leases:
        return 0
    new, failures = 0, []
    try:
        with opened(mailbox) as reader:
            for lease in leases:
                try:
                    new += _round(reader, mailbox, lease)
                except SourceUnavailable as error:
                    failures.append(_failed(mailbox, lease, error))
                except LeaseLost:
                    log.info("mailbox_lease_lost", mailbox=mailbox.slug, role=lease.folder.role)
            new += taking.ask_again(reader, mailbox, clock=clock)
    except SourceUnavailable as error:
        failures += [_failed(mailbox, lease, error) for lease in leases]
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        log.exception("mailbox_reading_broke", mailbox=mailbox.slug)
        trouble = SourceUnavailable(
            _("Reading it failed in an unexpected way (%(error)s); the log has more.") % {"error": type(error).__name__}
        )
        failures += [_failed(mailbox, lease, trouble) for lease in leases]
    _note(mailbox, [failure for failure in failures if failure], at=clock())
    return new


@dataclass(frozen=True, slots=True)
class Failure:
    detail: str
    is_red: bool


def _failed(mailbox: Mailbox, lease: Lease, error: SourceUnavailable) -> Failure | None:
    """Note that a folder could not be read, and when it is tried again. None when the folder has been read already."""
    folder, now = lease.folder, lease.clock()
    if folder.leased_until is None:
        return None
    log.warning("mailbox_failed", mailbox=mailbox.slug, role=folder.role, reason=error.detail)
    wait = min(EVERY[mailbox.kind] * 2 ** min(folder.failures, 20), LONGEST_BACK_OFF)
    next_round_at = max(now + wait, error.retry_at or now)
    try:
        lease.save(leased_until=None, failures=folder.failures + 1, next_round_at=next_round_at)
    except LeaseLost:
        return None
    is_red = error.lasting or folder.failures >= RED_FROM_FAILURES or next_round_at - now > LONGEST_BACK_OFF
    prefix = _("Sent items: %(detail)s") if folder.role == FolderRole.SENT else "%(detail)s"
    return Failure(prefix % {"detail": error.detail}, is_red)


def _note(mailbox: Mailbox, failures: Sequence[Failure], *, at: datetime) -> None:
    if any(failure.is_red for failure in failures):
        details = dict.fromkeys(failure.detail for failure in failures if failure.is_red)
        first = next(iter(details))  # one that concerns the whole mailbox is told once
        others = [detail for detail in details if not detail.endswith(first)]
        note_health(mailbox, Mailbox.Health.FAILING, detail=" ".join([first, *others]), at=at)
    elif not failures:
        note_health(mailbox, Mailbox.Health.GOOD, detail="", at=at)


def _round(reader: Reader, mailbox: Mailbox, lease: Lease) -> int:
    try:
        new, is_done = _pages(reader, mailbox, lease)
    except PositionLost:
        _start_over(mailbox, lease)
        try:
            new, is_done = _pages(reader, mailbox, lease)
        except PositionLost:
            raise SourceUnavailable(
                _("The server forgets at once how far it was read; it is asked again later.")
            ) from None
    now = lease.clock()
    values: dict[str, Any] = {"failures": 0, "stuck_on": "", "leased_until": None}
    if is_done:
        values |= {"round_at": now, "resyncing": False, "next_round_at": now + EVERY[mailbox.kind]}
    else:
        values["next_round_at"] = now + GOES_ON_AFTER  # others have their turn first
    lease.save(**values)
    return new


def _pages(reader: Reader, mailbox: Mailbox, lease: Lease) -> tuple[int, bool]:
    """Store page after page; how many mails are new, and whether the folder is read up to now."""
    folder, new = lease.folder, 0
    origin = InboundMessage.Origin.RESYNC if folder.resyncing else InboundMessage.Origin.LIVE
    since = folder.since or lease.taken_at - FIRST_ROUND_REACHES_BACK
    for page in reader.rounds(folder.role, folder.position, since=since):
        # Three rounds in a row have broken off at the same message: it is set aside, visibly, and asked for later.
        give_up_on = folder.stuck_on if folder.failures >= STUCK_FROM_FAILURES else ""
        try:
            taken = take_in(
                reader,
                mailbox,
                page.items,
                role=folder.role,
                origin=origin,
                clock=lease.clock,
                goes_on=lease.goes_on,
                give_up_on=give_up_on,
            )
        except Stuck as stuck:
            # A server that asks for patience, or lets nobody in, says nothing about the message.
            is_told = stuck.error.lasting or stuck.error.retry_at
            lease.save(stuck_on="" if is_told or stuck.source_id == give_up_on else stuck.source_id)
            raise stuck.error from stuck
        new += taken.new
        if not taken.complete:
            return new, False
        lease.renew(lease.clock(), position=dict(page.position))
        if page.last:
            return new, True
        if not lease.goes_on():
            return new, False
    return new, False


@transaction.atomic
def _start_over(mailbox: Mailbox, lease: Lease) -> None:
    """The position is lost: read all again. Only after a first round that came to its end is that a resync."""
    is_resync = lease.folder.round_at is not None
    lease.save(position={}, resyncing=is_resync)
    if is_resync:
        facts.mailbox_resynced.emit(
            subject=mailbox, actor=Actor.system("intake"), at=lease.clock(), data={"role": lease.folder.role}
        )
