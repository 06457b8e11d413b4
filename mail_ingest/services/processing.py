"""The steps of a mail's journey. Each is one transaction, and does nothing to a mail that is already past it."""

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from cases import facts
from cases.models import Case, Category
from cases.services import CaseDraft, CustomerInfo, change_status, create_case, touch
from mail_ingest import automatic, message_ids, parsing, threading
from mail_ingest.ai.schema import LABELS, Triage
from mail_ingest.keys import accepted_keys
from mail_ingest.known import StoredThreads, own_addresses
from mail_ingest.models import (
    Attachment,
    EmailMessage,
    EmailThread,
    InboundMessage,
    InboundRaw,
    Mailbox,
    OutboundMessage,
    TriageResult,
)
from tasks.services import TaskDraft, create_task

PIPELINE = Actor.system("pipeline")
HEADER_LIMIT = 998
NAME_LIMIT = 320


class OwnCopy(Exception):
    """The mail is one that we sent ourselves: there is nothing to do about it."""


def read_raw(inbound_id: int) -> parsing.ParsedMail:
    """Parse the stored bytes. Raises Unreadable."""
    raw = InboundRaw.objects.get(pk=inbound_id)
    return parsing.parse(bytes(raw.content), max_attachment_bytes=settings.MAX_ATTACHMENT_BYTES)


def thread_message(inbound_id: int, mail: parsing.ParsedMail, *, at: datetime) -> InboundMessage:
    """RECEIVED → THREADED: the mail becomes a message of a conversation, an old one or a new one. Raises OwnCopy."""
    with transaction.atomic():
        inbound = InboundMessage.objects.select_for_update(of=("self",)).select_related("mailbox").get(pk=inbound_id)
        if inbound.state != InboundMessage.State.RECEIVED:
            return inbound
        verdict = automatic.classify(
            mail.headers,
            mail.sender.key if mail.sender else "",
            own_addresses=own_addresses(),
            own_domains=(),
            content_type=mail.content_type,
        )
        # Only from our own address: whoever got a mail of ours knows its Message-ID, and could have theirs ignored by it.
        if verdict.kind == automatic.Kind.OWN and OutboundMessage.objects.filter(message_id=mail.message_id).exists():
            raise OwnCopy
        decision = threading.decide(_clues(mail, inbound.mailbox), known=StoredThreads())
        thread = _thread_for(inbound, mail, decision)
        email = _store_message(inbound, thread, mail, verdict, decision, at=at)
        inbound.email = email
        inbound.message_id = mail.message_id[:HEADER_LIMIT]
        inbound.state = InboundMessage.State.THREADED
        inbound.save(update_fields=["email", "message_id", "state"])
        facts.mail_threaded.emit(
            case=thread.case,
            subject=inbound,
            actor=PIPELINE,
            at=at,
            data={"thread_id": thread.pk, "because": email.threaded_by, "automatic": email.automatic},
        )
        return inbound


def keep_triage(
    inbound_id: int, triage: Triage, *, source: str, version: str, latency_ms: int, at: datetime
) -> InboundMessage:
    """THREADED → ANALYSED: store what a reader made of the mail. The reading itself happened outside any transaction."""
    with transaction.atomic():
        inbound = InboundMessage.objects.select_for_update(of=("self",)).select_related("email").get(pk=inbound_id)
        if inbound.state != InboundMessage.State.THREADED or inbound.email is None:
            return inbound
        labels = triage.model_dump(mode="json", exclude={"confidence"})
        TriageResult.objects.get_or_create(
            email=inbound.email,
            source=source,
            reader_version=version,
            defaults={
                "labels": labels,
                "confidence": triage.confidence,
                "latency_ms": latency_ms,
                "created_at": at,
            },
        )
        inbound.state = InboundMessage.State.ANALYSED
        inbound.save(update_fields=["state"])
        facts.mail_analysed.emit(
            subject=inbound,
            actor=PIPELINE,
            at=at,
            data={"source": source, "version": version, **{label: labels[label] for label in LABELS}},
        )
        return inbound


def file_message(inbound_id: int, *, at: datetime) -> InboundMessage:
    """ANALYSED → FILED: open a case for the mail, or add it to the one that its conversation belongs to."""
    with transaction.atomic():
        inbound = (
            InboundMessage.objects.select_for_update(of=("self",))
            .select_related("mailbox__team", "email")
            .get(pk=inbound_id)
        )
        email = inbound.email
        if inbound.state != InboundMessage.State.ANALYSED or email is None:
            return inbound
        actor = Actor.mail(inbound.pk)
        # Two first mails of one conversation may be filed at once: the second waits here, and finds the case.
        thread = EmailThread.objects.select_for_update(no_key=True).get(pk=email.thread_id)
        case = _living_case(thread)
        is_first = case is None
        if case is None:
            case = _open_case(inbound, email, actor=actor, at=at)
        else:
            case = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
            touch(case, at=inbound.received_at)
        thread.case = case
        thread.updated_at = max(thread.updated_at, inbound.received_at)
        thread.save(update_fields=["case", "updated_at"])
        inbound.case = case
        inbound.state = InboundMessage.State.FILED
        inbound.reason = ""
        inbound.finished_at = at
        inbound.next_try_at = None
        inbound.save(update_fields=["case", "state", "reason", "finished_at", "next_try_at"])
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


def _clues(mail: parsing.ParsedMail, mailbox: Mailbox) -> threading.Clues:
    keys = accepted_keys()
    ids = (*mail.in_reply_to, *reversed(mail.references))
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
        mailbox_id=mailbox.pk,
    )


def _thread_for(inbound: InboundMessage, mail: parsing.ParsedMail, decision: threading.Decision) -> EmailThread:
    if decision.thread_id is not None:
        return EmailThread.objects.select_related("case").get(pk=decision.thread_id)
    return EmailThread.objects.create(
        mailbox=inbound.mailbox,
        case_id=decision.case_id,
        subject=mail.subject[:HEADER_LIMIT],
        created_at=inbound.received_at,
        updated_at=inbound.received_at,
    )


def _store_message(
    inbound: InboundMessage,
    thread: EmailThread,
    mail: parsing.ParsedMail,
    verdict: automatic.Verdict,
    decision: threading.Decision,
    *,
    at: datetime,
) -> EmailMessage:
    email = EmailMessage.objects.create(
        thread=thread,
        direction=EmailMessage.Direction.INBOUND,
        automatic=verdict.kind,
        automatic_rule=verdict.rule[:200],
        message_id=mail.message_id[:HEADER_LIMIT],
        in_reply_to=list(mail.in_reply_to),
        references=list(mail.references),
        subject=mail.subject[:HEADER_LIMIT],
        from_name=(mail.sender.name if mail.sender else "")[:NAME_LIMIT],
        from_email=(mail.sender.key if mail.sender else "")[:NAME_LIMIT],
        to=[asdict(address) for address in mail.to],
        cc=[asdict(address) for address in mail.cc],
        reply_to=[asdict(address) for address in mail.reply_to],
        headers=[list(header) for header in mail.headers],
        text=mail.text,
        html=mail.html,
        visible_text=mail.visible_text,
        quoted_text=mail.quoted_text,
        threaded_by=decision.reason,
        sent_at=mail.sent_at,
        received_at=inbound.received_at,
        created_at=at,
    )
    Attachment.objects.bulk_create(
        Attachment(
            email=email,
            rank=rank,
            filename=attachment.filename[:300],
            content_type=attachment.content_type[:200],
            content_id=attachment.content_id[:300],
            is_inline=attachment.is_inline,
            size_bytes=attachment.size_bytes,
            sha256=hashlib.sha256(attachment.content).hexdigest() if not attachment.refused_reason else "",
            content=attachment.content,
            refused=attachment.refused_reason[:300],
        )
        for rank, attachment in enumerate(mail.attachments, start=1)
    )
    return email


def _living_case(thread: EmailThread) -> Case | None:
    """The case that a new message of this conversation belongs to: the one it was merged into, none if it is deleted."""
    case, seen = thread.case, set()
    while case and case.merged_into_id and case.pk not in seen:
        seen.add(case.pk)
        case = Case.objects.get(pk=case.merged_into_id)
    return case if case and case.deleted_at is None else None


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


def mailboxes_to_read() -> list[Mailbox]:
    return list(Mailbox.objects.filter(is_active=True).select_related("team").order_by("id"))
