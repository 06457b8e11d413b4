"""A mail that was read becomes a message of a conversation, with its files. Called inside the transaction of a step."""

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mail_ingest.automatic import Verdict
from mail_ingest.bounces import BounceReport
from mail_ingest.models import Attachment, EmailMessage, EmailThread, InboundMessage
from mail_ingest.parsing import ParsedMail
from mail_ingest.threading import Decision

HEADER_CHARS = 998
NAME_CHARS = 320
MAX_RESULTS = 100


def thread_for(inbound: InboundMessage, mail: ParsedMail, decision: Decision, *, locked: bool = False) -> EmailThread:
    """The conversation that was decided on: an old one, locked until the transaction ends if asked, or a new one."""
    if decision.thread_id is not None:
        threads = EmailThread.objects.select_related("case")
        threads = threads.select_for_update(no_key=True, of=("self",)) if locked else threads
        return threads.get(pk=decision.thread_id)
    return EmailThread.objects.create(
        mailbox=inbound.mailbox,
        case_id=decision.case_id,
        subject=mail.subject[:HEADER_CHARS],
        created_at=inbound.received_at,
        updated_at=inbound.received_at,
    )


def keep_message(
    inbound: InboundMessage,
    thread: EmailThread,
    mail: ParsedMail,
    *,
    verdict: Verdict,
    decision: Decision,
    at: datetime,
    direction: str = EmailMessage.Direction.INBOUND,
    report: BounceReport | None = None,
) -> EmailMessage:
    """Store the message and its files; what is too long for a header is cut."""
    email = EmailMessage.objects.create(
        thread=thread,
        direction=direction,
        automatic=verdict.kind,
        automatic_rule=verdict.rule[:200],
        message_id=mail.message_id[:HEADER_CHARS],
        in_reply_to=list(mail.in_reply_to),
        references=list(mail.references),
        subject=mail.subject[:HEADER_CHARS],
        from_name=(mail.sender.name if mail.sender else "")[:NAME_CHARS],
        from_email=(mail.sender.key if mail.sender else "")[:NAME_CHARS],
        to=[asdict(address) for address in mail.to],
        cc=[asdict(address) for address in mail.cc],
        reply_to=[asdict(address) for address in mail.reply_to],
        headers=[list(header) for header in mail.headers],
        text=mail.text,
        html=mail.html,
        visible_text=mail.visible_text,
        quoted_text=mail.quoted_text,
        calendar=_invitation(mail),
        protection=mail.protection,
        report=_told_by(report),
        threaded_by=decision.reason,
        threaded_detail=decision.detail[:HEADER_CHARS],
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


def _invitation(mail: ParsedMail) -> dict[str, Any] | None:
    """`{method, summary, start, end, all_day, location, organizer, status}`, times in ISO 8601."""
    if mail.calendar is None:
        return None
    event = mail.calendar
    return {
        **asdict(event),
        "start": event.start.isoformat() if event.start else None,
        "end": event.end.isoformat() if event.end else None,
    }


def _told_by(report: BounceReport | None) -> dict[str, Any] | None:
    """`{kind, rule, results: [{recipient, action, reason, status, detail, is_permanent}]}`."""
    if report is None:
        return None
    return {
        "kind": report.kind,
        "rule": report.rule,
        "results": [
            {
                "recipient": result.original_recipient or result.recipient,
                "action": result.action,
                "reason": result.reason,
                "status": result.status or result.smtp_code,
                "detail": result.diagnostic,
                "is_permanent": result.is_permanent,
            }
            for result in report.results[:MAX_RESULTS]
        ],
    }
