"""Sent Items: what a colleague typed in Outlook joins its case and counts as an answer. Nothing else of that folder is kept."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from cases.models import Case
from cases.services import lock_living, touch
from mail_ingest import automatic, parsing, threading
from mail_ingest.known import StoredThreads, participants
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, InboundRaw, OutboundMessage
from mail_ingest.services.intake import ignore
from mail_ingest.services.keeping import keep_message, thread_for
from mail_ingest.services.outbound import freshen
from mail_ingest.services.processing import clues_of, move
from mail_ingest.services.sending import confirm_sent, move_on, note_answer

WAITS_FOR_WHAT_IT_ANSWERS = timedelta(minutes=10)
OURS = Actor.system("sent items")
_COPY_WITHIN = timedelta(days=1)
_COMPARED_CHARS = 400


class NotYet(Exception):
    """What it answers has not come yet: the inbox may be behind."""


def join_sent(inbound: InboundMessage, mail: parsing.ParsedMail, *, at: datetime) -> InboundMessage:
    """RECEIVED → FILED with the case that it is about, or IGNORED, and then its bytes are not kept.

    A mail that we sent ourselves is not counted twice. Raises NotYet and Overtaken.
    """
    with transaction.atomic():
        if outbound := _sent_by_us(inbound, mail):
            confirm_sent(outbound.message_id, at=at)
            return _ignored(inbound, _("It is a copy of a mail that we sent."), at=at)
        people = frozenset(address.key for address in (*mail.to, *mail.cc))
        decision = threading.decide_sent(
            clues_of(mail, mailbox_id=inbound.mailbox_id), written_to=people, known=StoredThreads()
        )
        may_wait = bool(mail.in_reply_to) and at - inbound.stored_at < WAITS_FOR_WHAT_IT_ANSWERS
        thread = thread_for(inbound, mail, decision, locked=True) if decision else None
        if may_wait and (thread is None or thread.case_id is None):
            raise NotYet
        case = lock_living(thread.case_id) if thread and thread.case_id else None
        if decision is None or thread is None or case is None:
            return _ignored(inbound, _("It is about none of our cases."), at=at)
        return _join(inbound, mail, decision, thread, case, people=people, at=at)


def _join(
    inbound: InboundMessage,
    mail: parsing.ParsedMail,
    decision: threading.Decision,
    thread: EmailThread,
    case: Case,
    *,
    people: Collection[str],
    at: datetime,
) -> InboundMessage:
    verdict = automatic.classify(mail.headers, "", own_addresses=(), own_domains=(), content_type=mail.content_type)
    answers_customer = bool({case.customer.email, *participants(thread)}.intersection(people))
    email = keep_message(
        inbound,
        thread,
        mail,
        verdict=verdict,
        decision=decision,
        at=at,
        direction=EmailMessage.Direction.OUTBOUND,
    )
    freshen(thread, at=inbound.received_at)
    move(
        inbound,
        InboundMessage.State.FILED,
        email=email,
        case=case,
        message_id=email.message_id,
        reason="",
        finished_at=at,
        next_try_at=None,
    )
    sent_at = max(inbound.received_at, case.received_at)
    is_answer = answers_customer and verdict.kind == automatic.Kind.PERSON
    if is_answer:
        note_answer(case, at=sent_at, actor=OURS)
    else:
        touch(case, at=sent_at)
    facts.message_sent.emit(
        case=case,
        subject=email,
        actor=OURS,
        at=at,
        data={
            "thread_id": thread.pk,
            "by_us": False,
            "found_in": inbound.role,
            "sent_at": sent_at,
            "answer": is_answer,
        },
        personal={"subject": email.subject},
    )
    if is_answer:
        move_on(case, at=at, actor=OURS)
    return inbound


def _sent_by_us(inbound: InboundMessage, mail: parsing.ParsedMail) -> OutboundMessage | None:
    """The mail of our queue that this is a copy of: by its Message-ID; where the server gave it another, by what it says."""
    queue = OutboundMessage.objects.filter(mailbox=inbound.mailbox_id)
    if mail.message_id and (same := queue.filter(message_id=mail.message_id).first()):
        return same
    lately = queue.filter(
        state__in=[OutboundMessage.State.SENDING, OutboundMessage.State.MAYBE_SENT, OutboundMessage.State.SENT],
        subject=mail.subject,
        sending_since__range=(inbound.received_at - _COPY_WITHIN, inbound.received_at + _COPY_WITHIN),
        recipient__in=[address.key for address in mail.to],
    )
    return next((one for one in lately if _start(one.body) == _start(mail.text)), None)


def _start(text: str) -> str:
    return " ".join(text.split())[:_COMPARED_CHARS]


def _ignored(inbound: InboundMessage, reason: str, *, at: datetime) -> InboundMessage:
    ignore(inbound.pk, reason=reason, at=at)
    InboundRaw.objects.filter(pk=inbound.pk).delete()
    inbound.refresh_from_db(fields=["state", "reason"])
    return inbound
