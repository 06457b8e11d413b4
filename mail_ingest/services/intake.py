"""Intake: the raw bytes are stored before anything else happens, once for each mailbox and source id."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from accounts.actors import Actor
from cases import facts
from handyconnect.refusals import Conflict, NotFound
from mail_ingest.identity import identify
from mail_ingest.models import FolderRole, InboundMessage, InboundRaw, Mailbox, SourceAlias
from mail_ingest.services.put_away import first_state

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
MAX_CLAIMS = 2 * MAX_ATTEMPTS


class NotInQuarantine(Conflict):
    """Only a mail that was quarantined or ignored can be replayed."""

    code = "not_in_quarantine"


@transaction.atomic
def store(
    mailbox: Mailbox,
    *,
    source_id: str,
    raw: bytes,
    received_at: datetime,
    at: datetime,
    origin: str = InboundMessage.Origin.LIVE,
    role: str = FolderRole.INBOX,
) -> tuple[InboundMessage, bool]:
    """Keep a mail; the ledger's row, and whether it is new. The same mail again changes nothing.

    It is the same when the source calls it the same, or when Message-ID and content are the same under another name,
    which is then remembered: a resync, a new UIDVALIDITY and a copy in another folder double nothing. (A file that was
    dropped is only ever the same as its very bytes: nothing renames those.) Other content under a Message-ID that was used
    before is another mail. Mail that is not live, or was already older than the mailbox
    answers, is marked as not to be answered.
    """
    received_at = min(received_at, at)
    fresh = at - received_at <= timedelta(hours=mailbox.answer_within_hours)
    identity = identify(raw)
    content_key = identity.sha256 if mailbox.kind == Mailbox.Kind.FOLDER else identity.content_key
    inbound = InboundMessage(
        mailbox=mailbox,
        role=role,
        source_id=source_id,
        message_id=identity.message_id,
        content_key=content_key,
        sha256=identity.sha256,
        size_bytes=len(raw),
        origin=origin,
        answerable=fresh and origin == InboundMessage.Origin.LIVE and role == FolderRole.INBOX,
        received_at=received_at,
        stored_at=at,
        put_away=first_state(mailbox, role=role, origin=origin),
    )
    try:
        with transaction.atomic():
            inbound.save(force_insert=True)
    except IntegrityError:
        return _known(mailbox, source_id=source_id, role=role, content_key=content_key), False
    InboundRaw.objects.create(inbound=inbound, content=raw)
    facts.mail_stored.emit(
        subject=inbound,
        actor=Actor.system("intake"),
        at=at,
        data={
            "mailbox": mailbox.slug,
            "sha256": inbound.sha256,
            "size_bytes": len(raw),
            "origin": inbound.origin,
            "role": inbound.role,
        },
    )
    return inbound, True


def _known(mailbox: Mailbox, *, source_id: str, role: str, content_key: str) -> InboundMessage:
    """The row that stands in the way of a second one; another name that the source has for it is remembered."""
    by_name = by_source_id(mailbox, source_id)
    if by_name:
        return by_name
    same = InboundMessage.objects.get(mailbox=mailbox, role=role, content_key=content_key)
    SourceAlias.objects.get_or_create(mailbox=mailbox, source_id=source_id, defaults={"inbound": same})
    return same


def by_source_id(mailbox: Mailbox, source_id: str) -> InboundMessage | None:
    """The ledger's row of what the source calls so, now or formerly."""
    return (
        InboundMessage.objects.filter(mailbox=mailbox, source_id=source_id).first()
        or InboundMessage.objects.filter(aliases__mailbox=mailbox, aliases__source_id=source_id).first()
    )


def known_source_ids(mailbox: Mailbox, source_ids: Collection[str]) -> set[str]:
    """Which of these ids of a source are in the ledger: two queries, however many there are."""
    rows = InboundMessage.objects.filter(mailbox=mailbox, source_id__in=source_ids).values_list("source_id", flat=True)
    aliases = SourceAlias.objects.filter(mailbox=mailbox, source_id__in=source_ids).values_list("source_id", flat=True)
    return {*rows, *aliases}


def claim(inbound_id: int, *, now: datetime) -> InboundMessage | None:
    """Take a pending mail for processing, for the length of a lease; None when it is done or somebody else has it.

    A worker that is killed leaves the lease to run out, and the attempt counted: a mail that kills every worker that
    reads it is so recognised, and quarantined. Taking a lease is bookkeeping, not a fact, and leaves no event.
    """
    with transaction.atomic():
        due = InboundMessage.objects.due(now).select_for_update(of=("self",))
        inbound = due.select_related("mailbox__team").filter(pk=inbound_id).first()
        if inbound is None:
            return None
        if inbound.attempts >= MAX_CLAIMS:
            quarantine(inbound_id, reason=f"Each of {inbound.attempts} attempts to process it was broken off.", at=now)
            return None
        inbound.attempts += 1
        inbound.next_try_at = now + LEASE
        inbound.save(update_fields=["attempts", "next_try_at"])
        return inbound


@transaction.atomic
def quarantine(inbound_id: int, *, reason: str, at: datetime) -> None:
    """Put a mail aside, with its raw bytes, for a person to look at. Does nothing to one that is finished."""
    inbound = InboundMessage.objects.pending().select_for_update().filter(pk=inbound_id).first()
    if inbound:
        _finish(inbound, InboundMessage.State.QUARANTINED, reason=reason, at=at)
        facts.mail_quarantined.emit(
            subject=inbound, actor=Actor.system("pipeline"), at=at, data={"reason": inbound.reason}
        )


@transaction.atomic
def ignore(inbound_id: int, *, reason: str, at: datetime) -> None:
    """Note that a mail is not for us to work on. Does nothing to one that is finished."""
    inbound = InboundMessage.objects.pending().select_for_update().filter(pk=inbound_id).first()
    if inbound:
        _finish(inbound, InboundMessage.State.IGNORED, reason=reason, at=at)
        facts.mail_ignored.emit(subject=inbound, actor=Actor.system("pipeline"), at=at, data={"reason": inbound.reason})


@transaction.atomic
def replay(inbound_id: int, *, at: datetime, actor: Actor) -> InboundMessage:
    """Send a quarantined or ignored mail through the pipeline again. Raises NotFound and NotInQuarantine."""
    inbound = InboundMessage.objects.select_for_update().filter(pk=inbound_id).first()
    if inbound is None:
        raise NotFound(f"There is no message {inbound_id}.")
    if inbound.state not in {InboundMessage.State.QUARANTINED, InboundMessage.State.IGNORED}:
        raise NotInQuarantine("Only mail that was quarantined or ignored can be replayed.", state=inbound.state)
    old = inbound.state
    inbound.state = InboundMessage.State.THREADED if inbound.email_id else InboundMessage.State.RECEIVED
    inbound.reason, inbound.attempts, inbound.next_try_at, inbound.finished_at = "", 0, None, None
    inbound.save(update_fields=["state", "reason", "attempts", "next_try_at", "finished_at"])
    facts.mail_replayed.emit(subject=inbound, actor=actor, at=at, changes={"state": [old, inbound.state]})
    return inbound


def postpone(inbound_id: int, *, error: str, now: datetime) -> None:
    """A step failed: try again later, each time after twice as long; the last failure puts the mail in quarantine."""
    inbound = InboundMessage.objects.pending().filter(pk=inbound_id).first()
    if inbound is None:
        return
    if inbound.attempts >= MAX_ATTEMPTS:
        quarantine(inbound_id, reason=f"It could not be processed in {inbound.attempts} attempts: {error}", at=now)
        return
    InboundMessage.objects.pending().filter(pk=inbound_id).update(
        next_try_at=now + timedelta(seconds=5 * 2**inbound.attempts), reason=error[:300]
    )


def wait(inbound_id: int, *, until: datetime) -> None:
    """What the mail needs is not there yet, which is no fault of its own: it is looked at again, and no attempt is counted."""
    InboundMessage.objects.pending().filter(pk=inbound_id).update(
        next_try_at=until, attempts=Greatest(F("attempts") - 1, 0)
    )


def _finish(inbound: InboundMessage, state: str, *, reason: str, at: datetime) -> None:
    inbound.state = state
    inbound.reason = reason[:300]
    inbound.finished_at = at
    inbound.next_try_at = None
    inbound.save(update_fields=["state", "reason", "finished_at", "next_try_at"])
