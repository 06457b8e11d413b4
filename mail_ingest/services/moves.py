"""Putting mail where it belongs: one message into another conversation, or some of them into a case of their own.

Locks are taken in the order in which those take them who file and send mail: mails, conversations, cases.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.actors import Actor
from accounts.models import User
from cases import facts
from cases.models import Case, CaseLink, Category
from cases.services import (
    AlreadyMerged,
    CaseDraft,
    CaseGone,
    CustomerInfo,
    change_status,
    create_case,
    link_cases,
    living_id,
    locked,
    remember_customer,
    touch,
)
from handyconnect.refusals import Conflict, Invalid, NotFound
from mail_ingest.ai.schema import LABELS
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, OutboundMessage, TriageResult
from mail_ingest.threading import Reason
from sla.services import note_first_response

DETAIL_LENGTH = 998
STILL_FILED = gettext_lazy("This message is still being filed. Try again in a moment.")
FINISHED = frozenset({Case.Status.RESOLVED, Case.Status.CLOSED})


class EmailGone(NotFound):
    code = "message_not_found"

    def __init__(self, email_id: int) -> None:
        super().__init__(_("There is no message %(id)s.") % {"id": email_id})


class NotFiledYet(Conflict):
    """The message is still on its way to its case."""

    code = "not_filed_yet"


@transaction.atomic
def move_message(
    email_id: int, *, to_case: UUID, to_thread: int | None = None, at: datetime, actor: Actor
) -> EmailMessage:
    """Put one message into a conversation of another case: the given one, else the case's newest, else a new one.

    Within its own case it goes into the given conversation, else into a new one. Answers to it follow it from now on; a
    case that loses its last message stays, empty. What was written after the case was resolved takes it up again. Moving
    it to where it is does nothing. Raises EmailGone, NotFiledYet, CaseGone, AlreadyMerged, and Invalid for a
    conversation that is not the case's.
    """
    _lock_mails([email_id])
    email = EmailMessage.objects.select_related("thread__mailbox").filter(pk=email_id).first()
    if email is None:
        raise EmailGone(email_id)
    if (old_id := email.thread.case_id) is None:
        raise NotFiledYet(str(STILL_FILED))
    if to_thread is None and to_case != old_id:
        newest = EmailThread.objects.filter(case=to_case).order_by("-updated_at", "-pk")
        to_thread = newest.values_list("pk", flat=True).first()
    old_thread, thread = _lock_threads(email.thread_id, to_thread)
    cases = {case_id: locked(case_id) for case_id in sorted({old_id, to_case})}
    old, case = cases[old_id], cases[to_case]
    _refuse_merged(case)
    if to_thread is not None and (thread is None or thread.case_id != to_case):
        raise Invalid(_("Conversation %(id)s does not belong to this case.") % {"id": to_thread}, field="thread_id")
    if thread == old_thread:
        return email
    if thread is None:
        thread = _new_thread(case, email, at=at)
    _put([email], thread, case, by=_name_of(actor))
    touch(case, at=email.received_at)
    _note_answer(case, [email], actor=actor)
    if _asks(email) and case.status in FINISHED and case.resolved_at and email.received_at > case.resolved_at:
        change_status(case.pk, Case.Status.IN_PROGRESS, at=at, actor=actor)
    data: dict[str, Any] = {"email_id": email.pk, "from_thread": old_thread.pk, "to_thread": thread.pk}
    personal = {"subject": email.subject, "sender": email.sender}
    if old.pk == case.pk:
        facts.message_moved.emit(case=case, subject=email, actor=actor, at=at, data=data, personal=personal)
        return email
    event = facts.message_moved.emit(
        case=old,
        subject=email,
        actor=actor,
        at=at,
        data={**data, "into_case": case.case_number},
        personal=personal,
    )
    facts.message_moved.emit(
        case=case,
        subject=email,
        actor=replace(actor, cause_id=event.pk),
        at=at,
        data={**data, "from_case": old.case_number},
        personal=personal,
    )
    return email


@transaction.atomic
def split_case(
    case_id: UUID, email_ids: Sequence[int], *, at: datetime, actor: Actor, title: str = "", and_later: bool = False
) -> Case:
    """Open a case of its own for some messages of a case, and put them there into a conversation of their own.

    Its customer is who wrote the first of them that came in, its labels are what triage made of that mail, and it counts
    as received when that mail was; the two cases are linked. Tasks stay. `and_later` takes along what follows the given
    messages in their conversations. Raises CaseGone, AlreadyMerged, NotFiledYet, and Invalid (field `message_ids`) for
    messages that are not the case's, or of which none came in.
    """
    emails = _locked_emails(case_id, email_ids, and_later=and_later)
    old = locked(case_id)
    _refuse_merged(old)
    first = next((email for email in emails if email.direction == EmailMessage.Direction.INBOUND), None)
    if first is None:
        raise Invalid(
            _("Take at least one message along that came in: its sender is the customer."), field="message_ids"
        )
    # First, and as a mail would: what a mail says of its sender does not replace what a colleague knows.
    remember_customer(_customer(first, old), at=at, actor=actor)
    case = create_case(_draft(first, old, emails, title=title, at=at), at=at, actor=actor)
    thread = _new_thread(case, first, at=at)
    _put(emails, thread, case, by=_name_of(actor))
    touch(case, at=max(email.received_at for email in emails))
    _note_answer(case, emails, actor=actor)
    facts.case_split.emit(
        case=old,
        actor=actor,
        at=at,
        data={"into_case": case.case_number, "email_ids": [email.pk for email in emails]},
    )
    link_cases(case.pk, old.pk, CaseLink.Kind.RELATED, at=at, actor=actor)
    return case


def _locked_emails(case_id: UUID, email_ids: Sequence[int], *, and_later: bool) -> list[EmailMessage]:
    """The messages that are meant, oldest first, and their conversations, locked. Raises Invalid and NotFiledYet."""
    wanted = set(email_ids)
    if not wanted:
        raise Invalid(_("Name at least one message."), field="message_ids")
    given = list(EmailMessage.objects.filter(pk__in=wanted, thread__case=case_id))
    threads = {email.thread_id for email in given}
    if and_later:
        of_threads = EmailMessage.objects.filter(thread__in=threads).values_list("pk", "thread", "received_at")
        since = {
            thread: min((one.received_at, one.pk) for one in given if one.thread_id == thread) for thread in threads
        }
        wanted |= {pk for pk, thread, received_at in of_threads if (received_at, pk) >= since[thread]}
    _lock_mails(wanted)
    list(EmailThread.objects.select_for_update(no_key=True).filter(pk__in=threads).order_by("pk"))
    emails = list(
        EmailMessage.objects.select_related("thread__mailbox__team")
        .filter(pk__in=wanted, thread__case=case_id)
        .order_by("received_at", "pk")
    )
    if missing := wanted - {email.pk for email in emails}:
        if not Case.objects.existing().filter(pk=case_id).exists():
            raise CaseGone(case_id)
        names = ", ".join(str(pk) for pk in sorted(missing))
        raise Invalid(_("These messages are not in this case: %(ids)s.") % {"ids": names}, field="message_ids")
    return emails


def _lock_mails(email_ids: Iterable[int]) -> None:
    """The messages, behind the rows of the ledger and of the queue that they have. Raises NotFiledYet for one on its way."""
    ids = list(email_ids)
    inbound = InboundMessage.objects.select_for_update(no_key=True).filter(email__in=ids).order_by("pk")
    if None in list(inbound.values_list("case", flat=True)):
        raise NotFiledYet(str(STILL_FILED))
    for rows in (OutboundMessage.objects.filter(email__in=ids), EmailMessage.objects.filter(pk__in=ids)):
        list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def _lock_threads(first: int, second: int | None) -> tuple[EmailThread, EmailThread | None]:
    """Both in one order, so that two moves at once do not wait for each other; the second is None if it is not there."""
    rows = EmailThread.objects.select_for_update(no_key=True).filter(pk__in=[first, second]).order_by("pk")
    found = {thread.pk: thread for thread in rows}
    return found[first], found.get(second) if second is not None else None


def _refuse_merged(case: Case) -> None:
    if case.merged_into_id:
        living = Case.objects.get(pk=living_id(case.pk))
        raise AlreadyMerged(
            _("%(number)s was merged into %(living)s. Name that one.")
            % {"number": case.case_number, "living": living.case_number},
            merged_into=living.case_number,
        )


def _new_thread(case: Case, email: EmailMessage, *, at: datetime) -> EmailThread:
    return EmailThread.objects.create(
        mailbox=email.thread.mailbox, case=case, subject=email.subject, created_at=at, updated_at=email.received_at
    )


def _put(emails: Sequence[EmailMessage], thread: EmailThread, case: Case, *, by: str) -> None:
    """The messages into the conversation, and with them what the ledger and the queue say of them."""
    for email in emails:
        email.thread = thread
        email.threaded_by = Reason.MOVED
        email.threaded_detail = by[:DETAIL_LENGTH]
    EmailMessage.objects.bulk_update(emails, ["thread", "threaded_by", "threaded_detail"])
    InboundMessage.objects.filter(email__in=emails).update(case=case)
    OutboundMessage.objects.filter(email__in=emails).update(case=case, thread=thread)
    thread.updated_at = max(thread.updated_at, *(email.received_at for email in emails))
    thread.save(update_fields=["updated_at"])


def _asks(email: EmailMessage) -> bool:
    """Whether a person wrote it to us."""
    by_person = email.automatic == EmailMessage.Automatic.PERSON
    return by_person and email.direction == EmailMessage.Direction.INBOUND


def _note_answer(case: Case, emails: Sequence[EmailMessage], *, actor: Actor) -> None:
    """A colleague's answer that comes along was the new case's first response, when it was given."""
    answers = [
        email.received_at
        for email in emails
        if email.direction == EmailMessage.Direction.OUTBOUND and email.automatic == EmailMessage.Automatic.PERSON
    ]
    if answers:
        touch(case, at=min(answers), first_response=True)
        note_first_response(case, at=min(answers), actor=actor)


def _draft(first: EmailMessage, old: Case, emails: Sequence[EmailMessage], *, title: str, at: datetime) -> CaseDraft:
    result = _triage(first)
    read: dict[str, Any] = dict(result.labels) if result else {}
    labels = {name: read[name] for name in (*LABELS, "summary", "action_required") if read.get(name)}
    if "category" in labels:
        labels["category"] = Category.objects.filter(slug=labels["category"], is_active=True).first()
    confidence: dict[str, float] = dict(result.confidence) if result else {}
    source = result.source if result else "mail"
    first_line = next((line.strip() for line in first.visible_text.splitlines() if line.strip()), "")
    came = [email for email in emails if _asks(email)]
    return CaseDraft(
        title=title.strip() or first.subject or first_line,
        description=first.visible_text,
        customer=CustomerInfo(email=_customer(first, old).email),
        labels=labels,
        provenance={name: {"by": source, "at": at.isoformat(), "confidence": confidence.get(name)} for name in labels},
        assigned_team=old.assigned_team or first.thread.mailbox.team,
        received_at=first.received_at,
        answerable=InboundMessage.objects.filter(email__in=came, answerable=True).exists(),
    )


def _customer(first: EmailMessage, old: Case) -> CustomerInfo:
    """Who wrote the mail, with what triage has read of them; the old case's customer for a mail that names no sender."""
    result = _triage(first)
    read: dict[str, Any] = dict(result.labels) if result else {}
    return CustomerInfo(
        email=first.from_email or old.customer.email,
        name=first.from_name,
        phone=read.get("phone", ""),
        property_address=read.get("address", ""),
        property_number=read.get("property_number", ""),
        block_number=read.get("block_number", ""),
    )


def _triage(email: EmailMessage) -> TriageResult | None:
    return email.triage.order_by("-created_at", "-id").first()


def _name_of(actor: Actor) -> str:
    """How the one who acts is called, for the reason that is stored with a message."""
    user = User.objects.filter(pk=actor.user_id).first() if actor.is_person else None
    return user.username if user else f"{actor.kind} {actor.reference}"
