"""The steps of a mail's journey. Each is one transaction, and does nothing to a mail that is already past it."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from cases import facts
from cases.models import Case, Category
from cases.services import CaseDraft, CustomerInfo, change_status, create_case, lock_living, touch
from mail_ingest import automatic, bounces, message_ids, parsing, threading
from mail_ingest.ai.schema import LABELS, Triage
from mail_ingest.keys import accepted_keys
from mail_ingest.known import StoredThreads, own_addresses
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, InboundRaw, OutboundMessage, TriageResult
from mail_ingest.services.keeping import HEADER_CHARS, keep_message, thread_for
from mail_ingest.services.returned import note_report, reported_on
from tasks.services import TaskDraft, create_task

PIPELINE = Actor.system("pipeline")


class Overtaken(Exception):
    """Another worker has taken the mail on, because our lease ran out: it is theirs now."""


class OwnCopy(Exception):
    """The mail is one that we sent ourselves: there is nothing to do about it."""


def read_raw(inbound_id: int) -> parsing.ParsedMail:
    """Parse the stored bytes. Raises Unreadable."""
    raw = InboundRaw.objects.get(pk=inbound_id)
    return parsing.parse(bytes(raw.content), max_attachment_bytes=settings.MAX_ATTACHMENT_BYTES)


def thread_message(inbound: InboundMessage, mail: parsing.ParsedMail, *, at: datetime) -> InboundMessage:
    """RECEIVED → THREADED: the mail becomes a message of a conversation, an old one or a new one. Raises OwnCopy."""
    with transaction.atomic():
        report = bounces.read(mail)
        verdict = automatic.classify(
            mail.headers,
            mail.sender.key if mail.sender else "",
            own_addresses=own_addresses(),
            own_domains=(),
            content_type=mail.content_type,
            report_rule=report.rule if report and report.kind != bounces.Kind.READ else "",
            calendar_method=mail.calendar.method if mail.calendar else "",
        )
        # Only from our own address: whoever got a mail of ours knows its Message-ID, and could have theirs ignored by it.
        if verdict.kind == automatic.Kind.OWN and OutboundMessage.objects.filter(message_id=mail.message_id).exists():
            raise OwnCopy
        outbound = reported_on(report, mailbox_id=inbound.mailbox_id) if report else None
        decision = _beside(outbound) or threading.decide(
            clues_of(mail, report, mailbox_id=inbound.mailbox_id), known=StoredThreads()
        )
        thread = thread_for(inbound, mail, decision)
        email = keep_message(inbound, thread, mail, verdict=verdict, decision=decision, report=report, at=at)
        move(inbound, InboundMessage.State.THREADED, email=email, message_id=mail.message_id[:HEADER_CHARS])
        facts.mail_threaded.emit(
            case=thread.case,
            subject=inbound,
            actor=PIPELINE,
            at=at,
            data={"thread_id": thread.pk, "because": email.threaded_by, "automatic": email.automatic},
        )
        if report and outbound:
            note_report(report, outbound, at=at)
        return inbound


def keep_triage(
    inbound: InboundMessage, triage: Triage, *, source: str, version: str, latency_ms: int, at: datetime
) -> InboundMessage:
    """THREADED → ANALYSED: store what a reader made of the mail. The reading itself happened outside any transaction."""
    with transaction.atomic():
        labels = triage.model_dump(mode="json", exclude={"confidence"})
        result = TriageResult(
            email=message_of(inbound),
            source=source,
            reader_version=version,
            labels=labels,
            confidence=triage.confidence,
            latency_ms=latency_ms,
            created_at=at,
        )
        # After a replay, the same reader's answer may be there already.
        TriageResult.objects.bulk_create([result], ignore_conflicts=True)
        move(inbound, InboundMessage.State.ANALYSED)
        facts.mail_analysed.emit(
            subject=inbound,
            actor=PIPELINE,
            at=at,
            data={"source": source, "version": version, **{label: labels[label] for label in LABELS}},
        )
        return inbound


def file_message(inbound: InboundMessage, *, at: datetime) -> InboundMessage:
    """ANALYSED → FILED: open a case for the mail, or add it to the one that its conversation belongs to."""
    with transaction.atomic():
        email = message_of(inbound)
        actor = Actor.mail(inbound.pk)
        # Two first mails of one conversation may be filed at once: the second waits here, and finds the case.
        thread = EmailThread.objects.select_for_update(no_key=True).get(pk=email.thread_id)
        case = lock_living(thread.case_id) if thread.case_id else None  # none: deleted, or none yet
        is_first = case is None
        if case is None:
            case = _open_case(inbound, email, actor=actor, at=at)
        else:
            touch(case, at=inbound.received_at)
        thread.case = case
        thread.updated_at = max(thread.updated_at, inbound.received_at)
        thread.save(update_fields=["case", "updated_at"])
        move(inbound, InboundMessage.State.FILED, case=case, reason="", finished_at=at, next_try_at=None)
        facts.message_received.emit(
            case=case,
            subject=inbound,
            actor=actor,
            at=at,
            data={
                "email_id": email.pk,
                "thread_id": thread.pk,
                "is_first": is_first,
                "automatic": email.automatic,
                "because": email.threaded_by,
                "answerable": _answerable(inbound, email),
                "received_at": inbound.received_at,
            },
            personal={"subject": email.subject, "sender": email.sender},
        )
        by_person = email.automatic == EmailMessage.Automatic.PERSON
        if not is_first and by_person and case.status in {Case.Status.RESOLVED, Case.Status.CLOSED}:
            change_status(case.pk, Case.Status.IN_PROGRESS, at=at, actor=actor)
        return inbound


def message_of(inbound: InboundMessage) -> EmailMessage:
    """The message that a mail has been since it was threaded. Raises LookupError for one that was not."""
    if inbound.email is None:
        raise LookupError(f"mail {inbound.pk} has not been threaded")
    return inbound.email


def move(inbound: InboundMessage, state: str, **values: Any) -> None:
    """Take the mail one step on, from where the caller found it. Raises Overtaken, which undoes the whole step."""
    still_there = InboundMessage.objects.filter(pk=inbound.pk, state=inbound.state)
    if not still_there.update(state=state, **values):
        raise Overtaken
    inbound.state = state
    for name, value in values.items():
        setattr(inbound, name, value)


def clues_of(
    mail: parsing.ParsedMail, report: bounces.BounceReport | None = None, *, mailbox_id: int
) -> threading.Clues:
    """What a mail says about where it belongs; of a delivery report, also what the mail says that came back."""
    keys = accepted_keys()
    ids = (*mail.in_reply_to, *reversed(mail.references), *(report.original_message_ids if report else ()))
    tags = message_ids.tags_in(address.key for address in (*mail.to, *mail.cc))
    return threading.Clues(
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=mail.references,
        subject=mail.subject,
        sender=mail.sender.key if mail.sender else "",
        signed_case_ids=tuple(case_id for one in ids if (case_id := message_ids.read(one, keys=keys))),
        tagged_case_ids=tuple(case_id for tag in tags if (case_id := message_ids.read_tag(tag, keys=keys))),
        case_numbers=message_ids.case_numbers_in(mail.subject),
        mailbox_id=mailbox_id,
    )


def _beside(outbound: OutboundMessage | None) -> threading.Decision | None:
    """A report goes to the mail that it is about: who sends reports takes part in nothing."""
    if outbound is None or outbound.thread is None or outbound.case is None or outbound.case.deleted_at:
        return None
    thread = outbound.thread
    return threading.Decision(thread.pk, thread.case_id, threading.Reason.REPORTS, outbound.message_id)


def _answerable(inbound: InboundMessage, email: EmailMessage) -> bool:
    return inbound.answerable and email.automatic == EmailMessage.Automatic.PERSON


def _open_case(inbound: InboundMessage, email: EmailMessage, *, actor: Actor, at: datetime) -> Case:
    result = email.triage.order_by("-created_at", "-id").first()
    labels: dict[str, Any] = dict(result.labels) if result else {}
    confidence: dict[str, float] = dict(result.confidence) if result else {}
    customer = CustomerInfo(
        email=email.from_email or f"unknown-sender+{inbound.pk}@invalid",
        name=email.from_name,
        phone=labels.get("phone", ""),
        property_address=labels.get("address", ""),
        property_number=labels.get("property_number", ""),
        block_number=labels.get("block_number", ""),
    )
    chosen = {name: labels[name] for name in (*LABELS, "summary", "action_required") if labels.get(name)}
    if "category" in chosen:
        chosen["category"] = Category.objects.filter(slug=chosen["category"], is_active=True).first()
    source = result.source if result else "mail"
    case = create_case(
        CaseDraft(
            title=email.subject or _first_line(email.visible_text),
            description=email.visible_text,
            customer=customer,
            labels=chosen,
            provenance={
                name: {"by": source, "at": at.isoformat(), "confidence": confidence.get(name)} for name in chosen
            },
            assigned_team=inbound.mailbox.team,
            received_at=inbound.received_at,
            answerable=_answerable(inbound, email),
        ),
        at=at,
        actor=actor,
    )
    for suggested in labels.get("suggested_tasks", ()):
        create_task(
            TaskDraft(
                case=case,
                subject=suggested["subject"],
                kind=suggested["kind"],
                trade=suggested.get("trade", ""),
                content=case.summary,
                priority=case.priority,
                category=labels.get("category", ""),
                sentiment=case.sentiment,
                summary=case.summary,
                action_required=case.action_required,
                sender=email.from_name,
                sender_email=email.from_email,
                email_id=email.pk,
                thread_id=email.thread_id,
            ),
            at=at,
            actor=actor,
        )
    return case


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
