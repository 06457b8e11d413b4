"""The queue of mail to send: put in, taken out by one sender at a time, and noted when it is gone."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from cases.models import Case, TimelineEvent
from cases.services import touch
from mail_ingest import message_ids
from mail_ingest.keys import signing_key
from mail_ingest.models import EmailMessage, EmailThread, Mailbox, OutboundMessage
from mail_ingest.services import loop_guard
from sla.services import note_first_response

MAX_ATTEMPTS = 6
STUCK_AFTER = timedelta(minutes=3)
SUBJECT_LENGTH = 250
SENDER = Actor.system("sender")


class NoMailbox(LookupError):
    """There is no mailbox to send from: an administrator has to add one."""


@transaction.atomic
def queue_automatic(
    *,
    case: Case,
    event: TimelineEvent,
    recipient: str,
    purpose: str,
    subject: str,
    body: str,
    at: datetime,
    actor: Actor,
    thread: EmailThread | None = None,
) -> OutboundMessage:
    """Queue an automatic mail to a customer, or hold it back where the loop guard says so: either way there is a row.

    One mail for each event, recipient and purpose: a repeat returns the row that is there.
    """
    return _queue(
        case=case,
        event=event,
        recipient=recipient,
        purpose=purpose,
        subject=subject,
        body=body,
        at=at,
        actor=actor,
        thread=thread or case.threads.order_by("-updated_at").first(),
    )


@transaction.atomic
def queue_staff_mail(
    *, event: TimelineEvent, case: Case | None, recipient: str, subject: str, body: str, at: datetime, actor: Actor
) -> OutboundMessage:
    """Queue a notification to a colleague. It stands in no conversation with the customer."""
    return _queue(
        case=case,
        event=event,
        recipient=recipient,
        purpose=OutboundMessage.Purpose.NOTIFICATION,
        subject=subject,
        body=body,
        at=at,
        actor=actor,
        thread=None,
    )


def _queue(
    *,
    case: Case | None,
    event: TimelineEvent,
    recipient: str,
    purpose: str,
    subject: str,
    body: str,
    at: datetime,
    actor: Actor,
    thread: EmailThread | None,
) -> OutboundMessage:
    recipient = recipient.strip().lower()
    there = OutboundMessage.objects.filter(event=event, recipient=recipient, purpose=purpose).first()
    if there:
        return there
    subject = " ".join(subject.split())[:SUBJECT_LENGTH]
    to_staff = purpose == OutboundMessage.Purpose.NOTIFICATION
    held_back = loop_guard.held_back(case=case, recipient=recipient, subject=subject, to_staff=to_staff, now=at)
    mailbox = mailbox_for(thread)
    answered = _last_inbound(thread)
    outbound = OutboundMessage.objects.create(
        mailbox=mailbox,
        case=case,
        thread=thread,
        event=event,
        purpose=purpose,
        recipient=recipient,
        subject=subject,
        body=body,
        message_id=new_message_id(mailbox, case),
        in_reply_to=answered.message_id if answered else "",
        references=[*answered.references, answered.message_id][-20:] if answered and answered.message_id else [],
        state=OutboundMessage.State.SUPPRESSED if held_back else OutboundMessage.State.WAITING,
        reason=held_back[:300],
        send_after=at,
        created_at=at,
        finished_at=at if held_back else None,
    )
    fact = facts.outbound_suppressed if held_back else facts.outbound_queued
    _tell(fact, outbound, actor=actor, at=at)
    return outbound


def mailbox_for(thread: EmailThread | None) -> Mailbox:
    """Where a mail is sent from: the mailbox of its conversation, else the first one in use. Raises NoMailbox."""
    if thread:
        return thread.mailbox
    mailbox = Mailbox.objects.filter(is_active=True).order_by("id").first()
    if mailbox is None:
        raise NoMailbox(_("Add a mailbox first: there is none to send from."))
    return mailbox


def new_message_id(mailbox: Mailbox, case: Case | None) -> str:
    """A Message-ID of our own; with a case it carries the case's signed token, by which the answer finds its way back."""
    domain = mailbox.address.rpartition("@")[2]
    if case is None:
        return f"{secrets.token_hex(16)}@{domain}"
    return message_ids.make(case.pk, domain=domain, key=signing_key(), nonce=secrets.token_hex(8))


def claim_next(*, now: datetime) -> OutboundMessage | None:
    """Take the next mail that may go out; None when there is none. From here on it is sent at most once."""
    with transaction.atomic():
        waiting = OutboundMessage.objects.filter(state=OutboundMessage.State.WAITING, send_after__lte=now)
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True)
        outbound = waiting.order_by("send_after", "id").first()
        if outbound is None:
            return None
        outbound.state = OutboundMessage.State.SENDING
        outbound.sending_since = now
        outbound.attempts += 1
        outbound.save(update_fields=["state", "sending_since", "attempts"])
        return outbound


@transaction.atomic
def mark_sent(outbound_id: int, *, at: datetime) -> None:
    """Note that a mail is gone, and put it into its conversation. Repeating it does nothing."""
    outbound = OutboundMessage.objects.select_for_update().get(pk=outbound_id)
    if outbound.state == OutboundMessage.State.SENT:
        return
    outbound.state = OutboundMessage.State.SENT
    outbound.reason = ""
    outbound.finished_at = at
    if outbound.thread:
        outbound.email = _as_message(outbound, outbound.thread, at=at)
    outbound.save(update_fields=["state", "reason", "finished_at", "email"])
    _tell(facts.outbound_sent, outbound, actor=SENDER, at=at)


@transaction.atomic
def mark_failed(outbound_id: int, *, error: str, at: datetime) -> None:
    """Note that a mail did certainly not go: it waits for its next try, each time twice as long, or has failed."""
    outbound = OutboundMessage.objects.select_for_update().get(pk=outbound_id)
    outbound.reason = error[:300] or _("It could not be sent.")
    if outbound.attempts < MAX_ATTEMPTS:
        outbound.state = OutboundMessage.State.WAITING
        outbound.send_after = at + timedelta(seconds=30 * 2**outbound.attempts)
        outbound.save(update_fields=["state", "reason", "send_after"])
        return
    outbound.state = OutboundMessage.State.FAILED
    outbound.finished_at = at
    outbound.save(update_fields=["state", "reason", "finished_at"])
    _tell(facts.outbound_failed, outbound, actor=SENDER, at=at)


@transaction.atomic
def settle_stuck(*, now: datetime, repeatable: bool) -> int:
    """Deal with mail whose sender died in the middle; how many there were.

    Where delivering twice leaves one mail (`repeatable`) it is sent again. Else it may have been sent: it is shown as
    such, and never sent again by itself.
    """
    stuck = OutboundMessage.objects.select_for_update().filter(
        state=OutboundMessage.State.SENDING, sending_since__lt=now - STUCK_AFTER
    )
    count = 0
    for outbound in stuck:
        count += 1
        if repeatable:
            outbound.state = OutboundMessage.State.WAITING
            outbound.save(update_fields=["state"])
            continue
        outbound.state = OutboundMessage.State.MAYBE_SENT
        outbound.reason = _(
            "The sender stopped while handing it over. Look whether it arrived before you send it again."
        )
        outbound.finished_at = now
        outbound.save(update_fields=["state", "reason", "finished_at"])
        _tell(facts.outbound_failed, outbound, actor=SENDER, at=now)
    return count


@transaction.atomic
def record_reply(case: Case, *, body: str, at: datetime, actor: Actor) -> EmailMessage:
    """Put an answer into the conversation that a colleague gave by other means. It is sent to nobody by us.

    It counts as a person's answer: the first-response clock stops.
    """
    thread = case.threads.order_by("-updated_at").first()
    if thread is None:
        thread = EmailThread.objects.create(
            mailbox=mailbox_for(None), case=case, subject=case.title, created_at=at, updated_at=at
        )
    email = EmailMessage.objects.create(
        thread=thread,
        direction=EmailMessage.Direction.OUTBOUND,
        message_id=new_message_id(thread.mailbox, case),
        subject=f"Re: {thread.subject}"[:SUBJECT_LENGTH],
        from_name=thread.mailbox.name,
        from_email=thread.mailbox.address,
        to=[{"name": case.customer.name, "email": case.customer.email}],
        text=body,
        visible_text=body,
        sent_at=at,
        received_at=at,
        created_at=at,
    )
    _freshen(thread, at=at)
    touch(case, at=at, first_response=True)
    note_first_response(case, at=at, actor=actor)
    facts.message_sent.emit(
        case=case,
        subject=email,
        actor=actor,
        at=at,
        data={"thread_id": thread.pk, "by_us": False},
        personal={"subject": email.subject},
    )
    return email


def _as_message(outbound: OutboundMessage, thread: EmailThread, *, at: datetime) -> EmailMessage:
    _freshen(thread, at=at)
    if outbound.case and not outbound.is_automatic:  # our own machine's mail must not look like life in the case
        touch(outbound.case, at=at)
    return EmailMessage.objects.create(
        thread=thread,
        direction=EmailMessage.Direction.OUTBOUND,
        automatic=EmailMessage.Automatic.OWN if outbound.is_automatic else EmailMessage.Automatic.PERSON,
        message_id=outbound.message_id,
        in_reply_to=[outbound.in_reply_to] if outbound.in_reply_to else [],
        references=outbound.references,
        subject=outbound.subject,
        from_name=outbound.mailbox.name,
        from_email=outbound.mailbox.address,
        to=[{"name": "", "email": outbound.recipient}],
        text=outbound.body,
        visible_text=outbound.body,
        sent_at=at,
        received_at=at,
        created_at=at,
    )


def _freshen(thread: EmailThread, *, at: datetime) -> None:
    thread.updated_at = max(thread.updated_at, at)
    thread.save(update_fields=["updated_at"])


def _last_inbound(thread: EmailThread | None) -> EmailMessage | None:
    if thread is None:
        return None
    return thread.emails.filter(direction=EmailMessage.Direction.INBOUND).order_by("-received_at", "-id").first()


def _tell(fact: facts.Fact, outbound: OutboundMessage, *, actor: Actor, at: datetime) -> None:
    data: dict[str, Any] = {"purpose": outbound.purpose, "state": outbound.state, "reason": outbound.reason}
    fact.emit(
        case=outbound.case, subject=outbound, actor=actor, at=at, data=data, personal={"recipient": outbound.recipient}
    )
