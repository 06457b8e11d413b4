"""The queue of mail to send, and what is put into it by itself. People's own mail is in `replies`, the way out in `sending`."""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from cases.models import Case, TimelineEvent
from cases.services import touch
from handyconnect.refusals import Conflict
from mail_ingest import message_ids
from mail_ingest.keys import signing_key
from mail_ingest.models import EmailMessage, EmailThread, Mailbox, OutboundMessage
from mail_ingest.quoting import SUBJECT_LENGTH, references_of
from mail_ingest.recipients import travelling
from mail_ingest.services import loop_guard
from sla.services import note_first_response


class NoMailbox(Conflict, LookupError):
    """There is no mailbox to send from: an administrator has to add one."""

    code = "no_mailbox"


@transaction.atomic(savepoint=False)
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
    answered = last_inbound(thread)
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
        references=references_of(answered.references, answered.message_id) if answered and answered.message_id else [],
        state=OutboundMessage.State.SUPPRESSED if held_back else OutboundMessage.State.WAITING,
        reason=held_back[:300],
        send_after=at,
        created_at=at,
        finished_at=at if held_back else None,
    )
    fact = facts.outbound_suppressed if held_back else facts.outbound_queued
    tell(fact, outbound, actor=actor, at=at)
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
    domain = travelling(mailbox.address).rpartition("@")[2]
    if case is None:
        return f"{secrets.token_hex(16)}@{domain}"
    return message_ids.make(case.pk, domain=domain, key=signing_key(), nonce=secrets.token_hex(8))


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
    freshen(thread, at=at)
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


def freshen(thread: EmailThread, *, at: datetime) -> None:
    """Note that something happened in a conversation."""
    thread.updated_at = max(thread.updated_at, at)
    thread.save(update_fields=["updated_at"])


def last_inbound(thread: EmailThread | None) -> EmailMessage | None:
    """The newest mail that came in, a server's report apart: nobody answers that."""
    if thread is None:
        return None
    came = thread.emails.filter(direction=EmailMessage.Direction.INBOUND).exclude(
        automatic=EmailMessage.Automatic.BOUNCE
    )
    return came.order_by("-received_at", "-id").first()


def tell(fact: facts.Fact, outbound: OutboundMessage, *, actor: Actor, at: datetime, **more: Any) -> TimelineEvent:
    """The event of what happened to a mail of the queue."""
    data: dict[str, Any] = {"purpose": outbound.purpose, "state": outbound.state, "reason": outbound.reason, **more}
    return fact.emit(
        case=outbound.case, subject=outbound, actor=actor, at=at, data=data, personal={"recipient": outbound.recipient}
    )
