"""How mail looks from outside. Plain dictionaries: a list of 200 has to be quick."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from cases.models import Note
from mail_ingest.conversation import ConversationPart
from mail_ingest.models import (
    Draft,
    EmailMessage,
    EmailThread,
    InboundMessage,
    Mailbox,
    OutboundMessage,
    TriageResult,
    Upload,
)
from mail_ingest.parsing import Address
from mail_ingest.recipients import Warned
from mail_ingest.threading import Reason

AttachmentLink = Callable[[int | None, int, int], str]
"""The address of a file, by its mail's number in the intake ledger (None for what we sent) and in its conversation, and its rank."""


def message_row(inbound: InboundMessage) -> dict[str, Any]:
    """A mail of the intake ledger. Read it with `mailbox` and `email`. What is not known yet is empty."""
    email = inbound.email
    return {
        "id": inbound.pk,
        "mailbox": inbound.mailbox.slug,
        "source_id": inbound.source_id,
        "message_id": inbound.message_id,
        "sha256": inbound.sha256,
        "size_bytes": inbound.size_bytes,
        "state": inbound.state,
        "reason": inbound.reason,
        "case_id": inbound.case_id,
        "thread_id": email.thread_id if email else None,
        "email_id": inbound.email_id,
        "direction": email.direction if email else EmailMessage.Direction.INBOUND.value,
        "subject": email.subject if email else "",
        "sender": email.from_email if email else "",
        "sender_name": email.from_name if email else "",
        "automatic": email.automatic if email else None,
        "answerable": inbound.answerable,
        "origin": inbound.origin,
        "received_at": inbound.received_at,
        "stored_at": inbound.stored_at,
    }


def whole_message(inbound: InboundMessage, *, raw_url: str, attachment_link: AttachmentLink) -> dict[str, Any]:
    """One mail with all that was read out of it."""
    email = inbound.email
    newest = email.triage.order_by("-created_at", "-id").first() if email else None
    return {
        **message_row(inbound),
        "sent_at": email.sent_at if email else None,
        "to": list(email.to) if email else [],
        "cc": list(email.cc) if email else [],
        "reply_to": list(email.reply_to) if email else [],
        "headers": [{"name": header[0], "value": header[1]} for header in email.headers] if email else [],
        "html": email.html if email else "",
        "text": email.text if email else "",
        "visible_text": email.visible_text if email else "",
        "quoted_text": email.quoted_text if email else "",
        "attachments": attachments_of(email, inbound.pk, attachment_link) if email else [],
        "threaded_by": email.threaded_by if email else "",
        "threaded_by_label": reason_label(email.threaded_by) if email else "",
        "automatic_rule": email.automatic_rule if email else "",
        "triage": triage(newest) if newest else None,
        "attempts": inbound.attempts,
        "next_try_at": inbound.next_try_at,
        "finished_at": inbound.finished_at,
        "raw_url": raw_url,
    }


def triage(result: TriageResult) -> dict[str, Any]:
    """What a reader made of a message, and what it cost."""
    return {
        "source": result.source,
        "version": result.reader_version,
        "labels": result.labels,
        "confidence": result.confidence,
        "tokens_in": result.tokens_in,
        "tokens_out": result.tokens_out,
        "cost_microusd": result.cost_microusd,
        "latency_ms": result.latency_ms,
        "created_at": result.created_at,
    }


def attachments_of(email: EmailMessage, inbound_id: int | None, link: AttachmentLink) -> list[dict[str, Any]]:
    """The files of a message, in order. One that was refused has no address."""
    return [
        {
            "rank": file.rank,
            "filename": file.filename,
            "content_type": file.content_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
            "is_inline": file.is_inline,
            "content_id": file.content_id,
            "refused": file.refused,
            "url": None if file.refused else link(inbound_id, email.pk, file.rank),
        }
        for file in email.attachments.all()
    ]


def reason_label(threaded_by: str) -> str:
    """Why a mail is where it is, for people; empty for a mail that nobody had to place."""
    return str(Reason(threaded_by).label) if threaded_by in set(Reason) else ""


def outbound_row(outbound: OutboundMessage) -> dict[str, Any]:
    """A mail that was sent or waits. Read it with `mailbox` and `author`."""
    return {
        "id": outbound.pk,
        "mailbox": outbound.mailbox.slug,
        "case_id": outbound.case_id,
        "thread_id": outbound.thread_id,
        "email_id": outbound.email_id,
        "event_id": outbound.event_id,
        "purpose": outbound.purpose,
        "is_automatic": outbound.is_automatic,
        "author": outbound.author.username if outbound.author else None,
        "recipient": outbound.recipient,
        "to": list(outbound.to) or [{"name": "", "email": outbound.recipient}],
        "cc": list(outbound.cc),
        "bcc": list(outbound.bcc),
        "subject": outbound.subject,
        "message_id": outbound.message_id,
        "state": outbound.state,
        "reason": outbound.reason,
        "attempts": outbound.attempts,
        "send_after": outbound.send_after,
        "then_status": outbound.then_status or None,
        "created_at": outbound.created_at,
        "finished_at": outbound.finished_at,
        "bounced_at": outbound.bounced_at,
        "bounces": list(outbound.bounces),
    }


def whole_outbound(outbound: OutboundMessage) -> dict[str, Any]:
    """One mail of the queue with its text. Read it with its `uploads`, too."""
    return {
        **outbound_row(outbound),
        "in_reply_to": outbound.in_reply_to,
        "references": list(outbound.references),
        "body": outbound.body,
        "html": outbound.html,
        "quoted": outbound.quoted,
        "files": [upload_row(upload) for upload in outbound.uploads.all()],
    }


def upload_row(upload: Upload) -> dict[str, Any]:
    """A file that waits to be sent along."""
    return {
        "id": upload.pk,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "created_at": upload.created_at,
    }


def draft_row(draft: Draft) -> dict[str, Any]:
    """What somebody is writing. Read it with `author` and `uploads`."""
    return {
        "case_id": draft.case_id,
        "kind": draft.kind,
        "author": draft.author.username,
        "thread_id": draft.thread_id,
        "to": list(draft.to),
        "cc": list(draft.cc),
        "bcc": list(draft.bcc),
        "subject": draft.subject,
        "body": draft.body,
        "html": draft.html,
        "files": [upload_row(upload) for upload in draft.uploads.all()],
        "seen_state": draft.seen_state,
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
    }


def conversation_row(item: EmailMessage | Note | OutboundMessage, link: AttachmentLink) -> dict[str, Any]:
    """A part of a case's conversation: one of `mail`, `note` and `outbound` is there, `kind` says which.

    Read a mail with `inbound`, `outbound`, `author` and `attachments`, a note with `author`, and mail of the queue as `whole_outbound`.
    """
    row: dict[str, Any] = {"kind": "", "at": None, "author": None, "mail": None, "note": None, "outbound": None}
    row["author"] = item.author.username if item.author else None
    if isinstance(item, EmailMessage):
        sent = getattr(item, "outbound", None)
        mail = email_of_thread(item, link) | {
            "thread_id": item.thread_id,
            "outbound_id": sent.pk if sent else None,
            "bounced_at": sent.bounced_at if sent else None,
            "bounces": list(sent.bounces) if sent else [],
            "bcc": list(item.bcc),
        }
        return row | {"kind": ConversationPart.MAIL, "at": item.received_at, "mail": mail}
    if isinstance(item, Note):
        return row | {"kind": ConversationPart.NOTE, "at": item.created_at, "note": {"id": item.pk, "body": item.body}}
    return row | {"kind": ConversationPart.OUTBOUND, "at": item.created_at, "outbound": whole_outbound(item)}


def warning_row(warning: Warned) -> dict[str, Any]:
    return {"code": warning.code, "detail": warning.detail, "email": warning.email or None}


def address_row(address: Address) -> dict[str, str]:
    return {"name": address.name, "email": address.email}


def thread_row(thread: EmailThread, *, own: frozenset[str]) -> dict[str, Any]:
    """A conversation. Read it with `mailbox`, `case__category`, `case__customer` and `emails`; `own` are our addresses."""
    emails = list(thread.emails.all())
    case = thread.case
    return {
        "thread_id": thread.pk,
        "case_id": thread.case_id,
        "mailbox": thread.mailbox.slug,
        "subject": thread.subject,
        "participants": participants(thread, emails, own=own),
        "emails": [email.pk for email in emails],
        "email_count": len(emails),
        "status": thread.status,
        "priority": case.priority if case else None,
        "category": case.category.slug if case and case.category else None,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }


def whole_thread(thread: EmailThread, *, own: frozenset[str], attachment_link: AttachmentLink) -> dict[str, Any]:
    """A conversation with its messages, oldest first."""
    return {
        **thread_row(thread, own=own),
        "emails": [email_of_thread(email, attachment_link) for email in thread.emails.all()],
    }


def email_of_thread(email: EmailMessage, link: AttachmentLink) -> dict[str, Any]:
    """A message as it stands in its conversation. `inbound_id` is its number in the intake ledger, if it came in."""
    inbound = getattr(email, "inbound", None)
    inbound_id = inbound.pk if inbound else None
    return {
        "id": email.pk,
        "inbound_id": inbound_id,
        "message_id": email.message_id,
        "direction": email.direction,
        "automatic": email.automatic,
        "from": {"name": email.from_name, "email": email.from_email},
        "to": list(email.to),
        "cc": list(email.cc),
        "subject": email.subject,
        "visible_text": email.visible_text,
        "quoted_text": email.quoted_text,
        "text": email.text,
        "sent_at": email.sent_at,
        "received_at": email.received_at,
        "threaded_by": email.threaded_by,
        "threaded_by_label": reason_label(email.threaded_by),
        "attachments": attachments_of(email, inbound_id, link),
    }


def participants(thread: EmailThread, emails: Iterable[EmailMessage], *, own: frozenset[str]) -> list[str]:
    """Who writes and is written to, in order of appearance: addresses in lower case, without our own mailboxes."""
    found = [thread.case.customer.email.lower()] if thread.case else []
    for email in emails:
        found.append(email.from_email.lower())
        found += [str(address.get("email", "")).lower() for address in (*email.to, *email.cc)]
    return [address for address in dict.fromkeys(found) if address and address not in own]


def mailbox_row(mailbox: Mailbox, *, counts: Mapping[str, int], storm_since: datetime | None) -> dict[str, Any]:
    """One mailbox and how it does. A storm holds all automatic mail back, of whichever mailbox."""
    return {
        "slug": mailbox.slug,
        "name": mailbox.name,
        "address": mailbox.address,
        "kind": mailbox.kind,
        "team": mailbox.team.slug if mailbox.team else None,
        "is_active": mailbox.is_active,
        "acknowledges": mailbox.acknowledges,
        "answer_within_hours": mailbox.answer_within_hours,
        "health": mailbox.health,
        "health_detail": mailbox.health_detail or _health_in_words(mailbox),
        "checked_at": mailbox.checked_at,
        "pending": counts.get("pending", 0),
        "quarantined": counts.get("quarantined", 0),
        "missed": counts.get("missed", 0),
        "hanging": counts.get("hanging", 0),
        "stranded": counts.get("stranded", 0),
        "loop_guard": {
            "storm_since": storm_since,
            "automatic_last_10_minutes": counts.get("automatic", 0),
            "held_back_last_day": counts.get("held_back", 0),
        },
    }


def _health_in_words(mailbox: Mailbox) -> str:
    return _("It has not been read yet.") if mailbox.health == Mailbox.Health.UNKNOWN else ""


def thread_ids_of_cases(case_ids: Sequence[UUID]) -> dict[UUID, list[int]]:
    """The conversations of each case, oldest first: a part of the case's own representation."""
    found: dict[UUID, list[int]] = {}
    rows = EmailThread.objects.filter(case__in=case_ids).order_by("created_at", "id").values_list("case_id", "pk")
    for case_id, thread_id in rows:
        if case_id is not None:
            found.setdefault(case_id, []).append(thread_id)
    return found
