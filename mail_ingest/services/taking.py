"""From what a source shows to the ledger: each message is stored once, and one that cannot be had keeps no other waiting.

A message that its source does not hand over becomes a row of the ledger all the same: in quarantine, without bytes, with the
reason. It is asked for again by itself, and at once when somebody replays it; with its bytes it goes the way of every mail.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from mail_ingest.identity import identify
from mail_ingest.models import FolderRole, InboundMessage, InboundRaw, Mailbox
from mail_ingest.services import put_away
from mail_ingest.services.intake import by_source_id, known_source_ids, store
from mail_ingest.sources.base import Found, MessageUnreadable, MessageVanished, PositionLost, Reader, SourceUnavailable
from mail_ingest.sources.dates import received_at as date_of

log = structlog.get_logger(__name__)

INTAKE = Actor.system("intake")
REASON_CHARS = 300
ASKED_AGAIN_AFTER = timedelta(minutes=2)  # and each time after four times as long
ASKED_AGAIN_AT_MOST_AFTER = timedelta(days=1)
ASKED_AT_MOST = 8
MISSED_AT_ONCE = 20

Clock = Callable[[], datetime]


class Stuck(Exception):
    """The source broke off while it was asked for one message."""

    def __init__(self, source_id: str, error: SourceUnavailable) -> None:
        super().__init__(error.detail)
        self.source_id = source_id
        self.error = error


@dataclass(slots=True)
class Taken:
    """How many messages were new to the ledger, and whether all that were shown have been seen to."""

    new: int = 0
    complete: bool = True


def take_in(
    reader: Reader,
    mailbox: Mailbox,
    items: Sequence[Found],
    *,
    role: str,
    origin: str,
    clock: Clock,
    goes_on: Callable[[], bool] = lambda: True,
    give_up_on: str = "",
) -> Taken:
    """Store what of these the ledger does not know.

    `goes_on` is asked before each message. Raises Stuck when the source fails over one of them, and keeps that one as missed
    first if it is `give_up_on`; PositionLost when the ids have lost their meaning.
    """
    known = known_source_ids(mailbox, [item.source_id for item in items])
    taken = Taken()
    for item in items:
        if item.source_id in known:
            continue
        if not goes_on():
            taken.complete = False
            break
        known.add(item.source_id)  # a page may show it twice
        try:
            taken.new += _take(reader, mailbox, item, role=role, origin=origin, clock=clock)
        except SourceUnavailable as error:
            if item.source_id == give_up_on:
                _miss(mailbox, item, error.detail, role=role, origin=origin, at=clock())
            raise Stuck(item.source_id, error) from error
    return taken


def _fetch(reader: Reader, role: str, source_id: str) -> bytes:
    try:
        return reader.fetch(role, source_id)
    except (SourceUnavailable, MessageVanished, MessageUnreadable, PositionLost, DatabaseError, InterfaceError):
        raise
    except Exception as error:
        log.warning("message_fetching_broke", source_id=source_id, exc_info=True)
        raise SourceUnavailable(
            _("Fetching a message failed in an unexpected way (%(error)s).") % {"error": type(error).__name__}
        ) from error


def _take(reader: Reader, mailbox: Mailbox, item: Found, *, role: str, origin: str, clock: Clock) -> bool:
    if item.problem:
        return _miss(mailbox, item, item.problem, role=role, origin=origin, at=clock())
    try:
        raw = _fetch(reader, role, item.source_id)
    except MessageVanished:
        log.info("message_vanished", mailbox=mailbox.slug, source_id=item.source_id)
        return False
    except MessageUnreadable as error:
        return _miss(mailbox, item, error.reason, role=role, origin=origin, at=clock(), lasting=error.lasting)
    now = clock()
    try:
        _inbound, created = store(
            mailbox,
            source_id=item.source_id,
            raw=raw,
            received_at=item.received_at or date_of(raw, now=now),
            at=now,
            origin=origin,
            role=role,
        )
    except IntegrityError:
        if by_source_id(mailbox, item.source_id):  # another worker was quicker, and was handed other bytes
            return False
        raise
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # whatever one mail can do to us, it does not keep the others waiting
        log.warning("mail_not_stored", mailbox=mailbox.slug, source_id=item.source_id, exc_info=True)
        reason = _("It could not be stored: %(error)s") % {"error": type(error).__name__}
        return _miss(mailbox, item, reason, role=role, origin=origin, at=now)
    return created


@transaction.atomic
def _miss(
    mailbox: Mailbox, item: Found, reason: str, *, role: str, origin: str, at: datetime, lasting: bool = False
) -> bool:
    """Keep a message without its bytes, in quarantine. True when it is new to the ledger."""
    inbound, created = InboundMessage.objects.get_or_create(
        mailbox=mailbox,
        source_id=item.source_id,
        defaults={
            "role": role,
            "message_id": item.message_id[:REASON_CHARS],
            "content_key": hashlib.sha256(f"missed:{item.source_id}".encode()).hexdigest(),
            "sha256": "",
            "size_bytes": 0,
            "origin": origin,
            "answerable": False,
            "state": InboundMessage.State.QUARANTINED,
            "reason": _missed_because(reason),
            "received_at": min(item.received_at or at, at),
            "stored_at": at,
            "finished_at": at,
            "attempts": 1,
            "next_try_at": None if lasting else at + ASKED_AGAIN_AFTER,
        },
    )
    if created:
        facts.mail_quarantined.emit(subject=inbound, actor=INTAKE, at=at, data={"reason": inbound.reason})
    return created


def _missed_because(reason: str) -> str:
    return (_("Its mailbox does not hand it over: %(reason)s") % {"reason": reason})[:REASON_CHARS]


# --- Asking again -----------------------------------------------------------------------------------------------------


def missed(mailbox: Mailbox, *, now: datetime) -> list[InboundMessage]:
    """Messages without bytes that are to be asked for now: their time has come, or somebody has replayed them."""
    due = Q(state=InboundMessage.State.QUARANTINED, next_try_at__lte=now) | Q(state__in=InboundMessage.PENDING)
    return list(InboundMessage.objects.filter(due, mailbox=mailbox, sha256="").order_by("pk")[:MISSED_AT_ONCE])


def ask_again(reader: Reader, mailbox: Mailbox, *, clock: Clock) -> int:
    """Ask the source once more for what it did not hand over; how many came. Raises SourceUnavailable after noting it."""
    came = 0
    for inbound in missed(mailbox, now=clock()):
        try:
            raw = _fetch(reader, inbound.role, inbound.source_id)
        except (MessageVanished, PositionLost):
            _still_missed(inbound, _("it is not there any more."), at=clock(), lasting=True)
        except MessageUnreadable as error:
            _still_missed(inbound, error.reason, at=clock(), lasting=error.lasting)
        except SourceUnavailable as error:
            _still_missed(inbound, error.detail, at=clock())
            raise
        else:
            came += complete(inbound.pk, raw, at=clock())
    return came


@transaction.atomic
def complete(inbound_id: int, raw: bytes, *, at: datetime) -> bool:
    """Give a missed message its bytes: it is received now. False when they are those of another row, or came before."""
    inbound = (
        InboundMessage.objects.select_for_update(of=("self",))
        .select_related("mailbox")
        .filter(pk=inbound_id, sha256="")
        .first()
    )
    if inbound is None:
        return False
    mailbox, identity = inbound.mailbox, identify(raw)
    inbound.next_try_at = None
    same = InboundMessage.objects.filter(mailbox=mailbox, role=inbound.role, content_key=identity.content_key).first()
    if same:  # the bytes are there; a replay of this row would only ask for them again
        inbound.state, inbound.finished_at = InboundMessage.State.IGNORED, at
        inbound.reason = _("It is the same mail as number %(number)s of the ledger.") % {"number": same.pk}
        inbound.save()
        facts.mail_ignored.emit(subject=inbound, actor=INTAKE, at=at, data={"reason": inbound.reason})
        return False
    fresh = at - inbound.received_at <= timedelta(hours=mailbox.answer_within_hours)
    InboundRaw.objects.create(inbound=inbound, content=raw)
    inbound.sha256, inbound.size_bytes, inbound.message_id = identity.sha256, len(raw), identity.message_id
    inbound.content_key = identity.content_key
    inbound.answerable = fresh and inbound.origin == InboundMessage.Origin.LIVE and inbound.role == FolderRole.INBOX
    inbound.put_away = put_away.first_state(mailbox, role=inbound.role, origin=inbound.origin)
    inbound.state, inbound.reason, inbound.attempts = InboundMessage.State.RECEIVED, "", 0
    inbound.stored_at, inbound.finished_at = at, None
    inbound.save()
    facts.mail_stored.emit(
        subject=inbound,
        actor=INTAKE,
        at=at,
        data={
            "mailbox": mailbox.slug,
            "sha256": inbound.sha256,
            "size_bytes": inbound.size_bytes,
            "origin": inbound.origin,
            "role": inbound.role,
        },
    )
    return True


@transaction.atomic
def _still_missed(inbound: InboundMessage, reason: str, *, at: datetime, lasting: bool = False) -> None:
    """Back into quarantine, with the newest reason. After some tries only a replay asks again."""
    row = InboundMessage.objects.select_for_update().filter(pk=inbound.pk, sha256="").first()
    if row is None:
        return
    was = row.state
    wait = min(ASKED_AGAIN_AFTER * 4**row.attempts, ASKED_AGAIN_AT_MOST_AFTER)
    row.attempts += 1
    row.next_try_at = None if lasting or row.attempts > ASKED_AT_MOST else at + wait
    row.state, row.finished_at = InboundMessage.State.QUARANTINED, at
    row.reason = _missed_because(reason)
    row.save(update_fields=["attempts", "next_try_at", "state", "finished_at", "reason"])
    if was != row.state:  # somebody had replayed it
        facts.mail_quarantined.emit(subject=row, actor=INTAKE, at=at, data={"reason": row.reason})
