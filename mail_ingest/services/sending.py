"""The way out of the queue: taken by one sender at a time, and noted when it is gone, or why it is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from cases.models import Case
from cases.services import add_note, change_status, lock_living, touch
from handyconnect.refusals import Refusal
from mail_ingest.models import Attachment, EmailMessage, EmailThread, Mailbox, OutboundMessage
from mail_ingest.services.outbound import freshen, tell
from sla.services import note_first_response

# A mail that was not taken for now: when it is tried again, after the first, the second … attempt.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 4, 15, 60, 240, 720))
MAX_ATTEMPTS = len(RETRY_AFTER) + 1
# How long an automatic mail waits for a server that is down (RFC 5321, 4.5.4.1). What a person wrote waits for a person.
GIVE_UP_AFTER = timedelta(days=4)
STUCK_AFTER = timedelta(seconds=100)
REPEAT_AFTER = timedelta(minutes=1)
MAX_REASON = 300
MAX_BOUNCES = 200
SENDER = Actor.system("sender")
State = OutboundMessage.State


def waiting(now: datetime) -> QuerySet[OutboundMessage]:
    """What may go out. Mail of a deleted case waits until somebody restores it."""
    return OutboundMessage.objects.filter(state=State.WAITING, send_after__lte=now, case__deleted_at=None)


def mailboxes_with_due(*, now: datetime) -> list[Mailbox]:
    """The mailboxes of which mail may go out, the one whose mail waits longest first."""
    oldest = waiting(now).filter(mailbox=OuterRef("pk")).order_by("send_after").values("send_after")[:1]
    return list(Mailbox.objects.annotate(oldest=Subquery(oldest)).exclude(oldest=None).order_by("oldest", "pk"))


def claim_next(*, now: datetime, mailbox_id: int | None = None, at: datetime | None = None) -> OutboundMessage | None:
    """Take the next mail (of that mailbox) that may go out by `now`; None when there is none. It is sent at most once.

    `at` is the moment of the claim, by default `now`.
    """
    with transaction.atomic():
        due = waiting(now) if mailbox_id is None else waiting(now).filter(mailbox=mailbox_id)
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        outbound = due.order_by("send_after", "id").first()
        if outbound is None:
            return None
        outbound.state = State.SENDING
        outbound.sending_since = at or now
        outbound.attempts += 1
        outbound.save(update_fields=["state", "sending_since", "attempts"])
        return outbound


@transaction.atomic
def mark_sent(outbound_id: int, *, at: datetime, not_for: str = "") -> None:
    """Note that a mail is gone, and put it into its conversation. Repeating it does nothing.

    `not_for` says whom the server did not take it for. What a person wrote to the customer is an answer: the first
    response is noted, and the case moves on as its writer wanted. Where the case does not allow that, a note says so.
    """
    outbound = _locked(outbound_id)
    if outbound.state == State.SENT:
        return
    by_person = not outbound.is_automatic
    thread = _conversation(outbound, at=at)
    case_id = (thread.case_id if thread else None) or outbound.case_id
    case = (
        lock_living(case_id) if case_id and by_person else None
    )  # locked after the mail and its conversation, as merges do
    outbound.state = State.SENT
    outbound.reason = not_for[:MAX_REASON]
    outbound.finished_at = at
    if thread:
        freshen(thread, at=at)
        outbound.thread = thread
        outbound.email = _as_message(outbound, thread, at=at)
    outbound.save(update_fields=["state", "reason", "finished_at", "thread", "email"])
    event = tell(facts.outbound_sent, outbound, actor=SENDER, at=at)
    if outbound.email and case and by_person:
        author = Actor.user(outbound.author) if outbound.author else SENDER
        _tell_conversation(outbound, outbound.email, case, at=at, actor=replace(author, cause_id=event.pk))


def note_answer(case: Case, *, at: datetime, actor: Actor) -> None:
    """A person has answered the customer: the first-response clock stops. The caller holds the case and tells of the mail."""
    touch(case, at=at, first_response=True)
    note_first_response(case, at=at, actor=actor)


def move_on(case: Case, *, then_status: str = "", at: datetime, actor: Actor) -> None:
    """Give the case the status that its answer came with; without one, a new case is in progress from now on.

    The mail is gone, whatever the case says to it: a refusal becomes an internal note.
    """
    wanted = then_status or (Case.Status.IN_PROGRESS if case.status == Case.Status.NEW else "")
    if not wanted:
        return
    try:
        change_status(case.pk, wanted, at=at, actor=actor)
    except Refusal as refusal:
        words = _("The reply was sent, but the case could not become “%(status)s”: %(why)s")
        label = Case.Status(wanted).label
        add_note(
            case.pk,
            words % {"status": label, "why": refusal.detail},
            at=at,
            actor=replace(SENDER, cause_id=actor.cause_id),
        )


@transaction.atomic
def mark_failed(outbound_id: int, *, error: str, at: datetime, for_good: bool = False) -> None:
    """Note that a mail did certainly not go: it waits for its next try, each time longer, or has failed (`for_good`)."""
    outbound = _locked(outbound_id)
    if outbound.state == State.SENT:
        return
    outbound.reason = error[:MAX_REASON] or _("It could not be sent.")
    if not for_good and outbound.attempts < MAX_ATTEMPTS:
        outbound.state = State.WAITING
        outbound.send_after = at + RETRY_AFTER[max(outbound.attempts, 1) - 1]
        outbound.save(update_fields=["state", "reason", "send_after"])
        return
    _give_up(outbound, at=at)


@transaction.atomic
def put_off(outbound_id: int, *, with_lane: bool, error: str, until: datetime, at: datetime) -> None:
    """The server is down: this mail and all that waits for the same one is left until later. It counts as no attempt.

    `with_lane`: all mailboxes that send by the server of the settings; else only the mail's own mailbox.
    """
    outbound = _locked(outbound_id)
    if outbound.state == State.SENT:
        return
    outbound.reason = error[:MAX_REASON] or _("The mail server cannot be reached.")
    outbound.attempts = max(outbound.attempts - 1, 0)
    if outbound.is_automatic and at - outbound.created_at > GIVE_UP_AFTER:
        _give_up(outbound, at=at)
    else:
        outbound.state = State.WAITING
        outbound.send_after = until
        outbound.save(update_fields=["state", "reason", "send_after", "attempts"])
    lane = Q(mailbox__sends_by=Mailbox.SendsBy.SERVER) if with_lane else Q(mailbox=outbound.mailbox_id)
    others = OutboundMessage.objects.filter(lane, state=State.WAITING, send_after__lte=at)
    others.update(send_after=until, reason=outbound.reason)


@transaction.atomic
def mark_maybe_sent(outbound_id: int, *, error: str, at: datetime) -> None:
    """Note that nobody knows whether a mail went: it is shown as such, and never sent again by itself."""
    outbound = _locked(outbound_id)
    if outbound.state == State.SENDING:
        _doubt(outbound, _("The server fell silent (%(error)s).") % {"error": error[:100]}, at=at)


@transaction.atomic
def settle_stuck(*, now: datetime, repeatable: bool) -> int:
    """Deal with mail whose sender died in the middle; how many there were.

    Where delivering twice leaves one mail (`repeatable`: the way out that the settings name is of that kind) it is sent
    again. Else it may have been sent: it is shown as such, and never sent again by itself.
    """
    by_settings = Q(mailbox__sends_by=Mailbox.SendsBy.SERVER)
    again = by_settings & Q(sending_since__lt=now - REPEAT_AFTER) if repeatable else Q(pk__in=())
    silent = Q(sending_since__lt=now - STUCK_AFTER) & (~by_settings if repeatable else Q())
    stuck = OutboundMessage.objects.select_related("mailbox", "case").filter(again | silent, state=State.SENDING)
    count = 0
    for outbound in stuck.select_for_update(of=("self",)):
        count += 1
        may_repeat = repeatable and outbound.mailbox.sends_by == Mailbox.SendsBy.SERVER
        if may_repeat and outbound.attempts < MAX_ATTEMPTS:  # else it is the mail itself that kills its senders
            outbound.state = State.WAITING
            outbound.save(update_fields=["state"])
        else:
            _doubt(outbound, _("The sender stopped while handing it over."), at=now)
    return count


@transaction.atomic
def confirm_sent(message_id: str, *, at: datetime) -> OutboundMessage | None:
    """A mail of ours was seen among the sent ones: whatever was thought of it, it has been sent.

    The row, or None when no mail of the queue bears that Message-ID. Repeating it does nothing.
    """
    outbound = OutboundMessage.objects.filter(message_id=message_id.strip("<> \t\r\n")).first()
    if outbound is None or outbound.state in {State.CANCELLED, State.SUPPRESSED}:
        return outbound
    mark_sent(outbound.pk, at=at)
    outbound.refresh_from_db()
    return outbound


@transaction.atomic
def mark_bounced(outbound_id: int, bounces: Sequence[Mapping[str, Any]], *, at: datetime) -> OutboundMessage | None:
    """Note that a mail came back, for whom and why: {recipient, reason, status, detail, is_permanent}; the row, if it exists.

    Each recipient counts once, and once more when what was passing has become permanent. A report that says nothing new
    changes nothing. Only what came back for good gives `bounced_at`.
    """
    outbound = OutboundMessage.objects.select_for_update(of=("self",)).filter(pk=outbound_id).first()
    if outbound is None:
        return None
    known = {(one["recipient"], one["is_permanent"]) for one in outbound.bounces}
    news = []
    for bounce in bounces:
        one = {
            "recipient": str(bounce.get("recipient", "")).strip().lower()[:320],
            "reason": str(bounce.get("reason", ""))[:60],
            "status": str(bounce.get("status", ""))[:20],
            "detail": str(bounce.get("detail", ""))[:500],
            "is_permanent": bool(bounce.get("is_permanent", True)),
        }
        mark = (one["recipient"], one["is_permanent"])
        if mark not in known and (one["recipient"], True) not in known and len(known) < MAX_BOUNCES:
            known.add(mark)
            news.append(one)
    if not news:
        return outbound
    outbound.bounces = [*outbound.bounces, *news]
    if outbound.bounced_at is None and any(one["is_permanent"] for one in news):
        outbound.bounced_at = at
    outbound.save(update_fields=["bounces", "bounced_at"])
    tell(
        facts.outbound_bounced,
        outbound,
        actor=SENDER,
        at=at,
        bounces=[{name: one[name] for name in ("reason", "status", "is_permanent")} for one in news],
    )
    return outbound


def _locked(outbound_id: int) -> OutboundMessage:
    with_all = OutboundMessage.objects.select_related("mailbox", "case", "author")
    return with_all.select_for_update(of=("self",)).get(pk=outbound_id)


def _conversation(outbound: OutboundMessage, *, at: datetime) -> EmailThread | None:
    """The conversation that the mail belongs to, locked. A person's mail to somebody new begins one."""
    if outbound.thread_id:
        return EmailThread.objects.select_for_update(no_key=True).get(pk=outbound.thread_id)
    if outbound.is_automatic or outbound.case_id is None:
        return None
    return EmailThread.objects.create(
        mailbox=outbound.mailbox, case=outbound.case, subject=outbound.subject, created_at=at, updated_at=at
    )


def _tell_conversation(
    outbound: OutboundMessage, email: EmailMessage, case: Case, *, at: datetime, actor: Actor
) -> None:
    is_answer = outbound.purpose == OutboundMessage.Purpose.REPLY
    if is_answer:
        note_answer(case, at=at, actor=actor)
    else:
        touch(case, at=at)
    facts.message_sent.emit(
        case=case,
        subject=email,
        actor=actor,
        at=at,
        data={"thread_id": email.thread_id, "by_us": True, "outbound_id": outbound.pk, "purpose": outbound.purpose},
        personal={"subject": email.subject},
    )
    if is_answer or outbound.then_status:
        move_on(case, then_status=outbound.then_status, at=at, actor=actor)


def _as_message(outbound: OutboundMessage, thread: EmailThread, *, at: datetime) -> EmailMessage:
    text = f"{outbound.body.rstrip()}\n\n{outbound.quoted}" if outbound.quoted else outbound.body
    email = EmailMessage.objects.create(
        thread=thread,
        direction=EmailMessage.Direction.OUTBOUND,
        automatic=EmailMessage.Automatic.OWN if outbound.is_automatic else EmailMessage.Automatic.PERSON,
        message_id=outbound.message_id,
        in_reply_to=[outbound.in_reply_to] if outbound.in_reply_to else [],
        references=outbound.references,
        subject=outbound.subject,
        from_name=outbound.mailbox.name,
        from_email=outbound.mailbox.address,
        to=outbound.to or [{"name": "", "email": outbound.recipient}],
        cc=outbound.cc,
        bcc=outbound.bcc,
        text=text,
        html=outbound.html,
        visible_text=outbound.body,
        quoted_text=outbound.quoted,
        author=outbound.author,
        sent_at=at,
        received_at=at,
        created_at=at,
    )
    Attachment.objects.bulk_create(
        Attachment(
            email=email,
            rank=rank,
            filename=upload.filename,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            content=bytes(upload.content),
        )
        for rank, upload in enumerate(outbound.uploads.order_by("pk"), start=1)
    )
    return email


def _doubt(outbound: OutboundMessage, why: str, *, at: datetime) -> None:
    outbound.state = State.MAYBE_SENT
    outbound.reason = _("%(why)s Look whether it arrived before you send it again.") % {"why": why}
    outbound.finished_at = at
    outbound.save(update_fields=["state", "reason", "finished_at"])
    tell(facts.outbound_failed, outbound, actor=SENDER, at=at)


def _give_up(outbound: OutboundMessage, *, at: datetime) -> None:
    outbound.state = State.FAILED
    outbound.finished_at = at
    outbound.save(update_fields=["state", "reason", "finished_at", "attempts"])
    tell(facts.outbound_failed, outbound, actor=SENDER, at=at)
