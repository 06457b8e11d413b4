"""From the bytes of a mail to a ParsedMail, whatever the bytes."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from mail_ingest.parsing import (
    addresses,
    bodies,
    charsets,
    clean,
    files,
    headers,
    protection,
    quote_headers,
    quotes,
    structure,
)
from mail_ingest.parsing.headers import Headers
from mail_ingest.parsing.html_text import QUOTE_MARK
from mail_ingest.parsing.mail import Address, ParsedAttachment, ParsedMail, Unreadable

MAX_ATTACHMENT_BYTES = 25 * 1024 * 1024
MAX_IDS = 200
_MAX_ID_CHARS = 900
_MAX_ID_BYTES = 2_000  # A row of an index of PostgreSQL holds at most 2,704 bytes.
_MAX_SUBJECT_CHARS = 1_000
_ID = re.compile(r"<([^<>]{1,2000})>")
_ODD = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_LEADING = re.compile(rb"(?:\xef\xbb\xbf)?[\s\x00]*")


def parse(raw: bytes, *, max_attachment_bytes: int = MAX_ATTACHMENT_BYTES) -> ParsedMail:
    """Read a mail. Time is bounded by the size of `raw`, whatever it holds.

    Raises Unreadable, and nothing else, when nothing can be made of the bytes: none there, or binary data without headers.
    """
    start = _LEADING.match(raw)
    data = raw[start.end() :] if start else raw
    if not data:
        raise Unreadable("the mail is empty")
    if not headers.has_header_line(data) and _is_binary(data):
        raise Unreadable("there is no header line, and what is there is not text")
    tree = structure.read(data)
    top = tree.root.headers
    protected = protection.read(tree)
    found = bodies.read(tree.root)
    attachments = _attachments(found, max_bytes=max_attachment_bytes)
    if not found.text.strip():
        found.text = _report_text(attachments)
    subject = clean.line(headers.decode_words(top.first_raw("subject")), limit_chars=_MAX_SUBJECT_CHARS)
    reply = quotes.split(found.text, is_forward=quote_headers.is_forward_subject(subject))
    references = _ids(top, "references")
    return ParsedMail(
        message_id=next(iter(_ids(top, "message-id")), ""),
        in_reply_to=_ids(top, "in-reply-to"),
        references=references,
        subject=subject,
        sender=_sender(top),
        reply_to=_addresses(top, "reply-to"),
        to=_addresses(top, "to"),
        cc=_addresses(top, "cc"),
        sent_at=_sent_at(top),
        headers=top.decoded(),
        text=_without_marks(found.text),
        html=found.html,
        visible_text=reply.visible,
        quoted_text=reply.quoted,
        attachments=attachments,
        content_type=clean.line(top.first_raw("content-type"), limit_chars=1_000),
        defects=tuple(sorted(tree.defects | found.defects)),
        calendar=found.calendar,
        protection=found.protection if found.protection.is_encrypted else protected or found.protection,
    )


def _is_binary(data: bytes) -> bool:
    sample = data[:4096]
    return b"\x00" in sample or len(_ODD.findall(sample)) * 20 > len(sample)


def _attachments(found: bodies.Bodies, *, max_bytes: int) -> tuple[ParsedAttachment, ...]:
    if len(found.files) > files.MAX_FILES:
        found.defects.add("too_many_attachments")
    return tuple(
        files.read(part, number=number, shown=found.content_ids, max_bytes=max_bytes)
        for number, part in enumerate(found.files[: files.MAX_FILES], start=1)
    )


def _report_text(attachments: tuple[ParsedAttachment, ...]) -> str:
    """A mail server's report that came without a word for people."""
    reports = (item.content for item in attachments if item.filename in {"delivery-status.txt", "feedback-report.txt"})
    return "\n\n".join(clean.body(charsets.decode(content[:100_000], "utf-8")).strip() for content in reports)


def _without_marks(text: str) -> str:
    return re.sub(rf"^{QUOTE_MARK}(?:\n|\Z)", "", text, flags=re.MULTILINE).strip("\n")


def _addresses(top: Headers, name: str) -> tuple[Address, ...]:
    found = [address for value in top.raw(name) for address in addresses.read(value)]
    return tuple(found[: addresses.MAX_ADDRESSES])


def _sender(top: Headers) -> Address | None:
    """Who wrote: From, else Sender. Where neither has an address, Reply-To helps out, and at last a bare name."""
    candidates = [address for name in ("from", "sender", "reply-to") for address in _addresses(top, name)]
    return next((address for address in candidates if "@" in address.email), candidates[0] if candidates else None)


def _ids(top: Headers, name: str) -> tuple[str, ...]:
    """Message ids without brackets, each once, in order; of too many the newest."""
    found: dict[str, None] = {}
    for raw in top.raw(name):
        value = headers.decode_words(
            raw
        )  # not allowed in ids, and done: Python's own mail library encodes an id that is long
        bracketed = _ID.findall(value)
        for one in bracketed or (word for word in value.split() if "@" in word):
            cleaned = clean.plain("".join(one.split()), limit_chars=_MAX_ID_CHARS).strip("<>,;\"'")
            cleaned = cleaned.encode()[:_MAX_ID_BYTES].decode(errors="ignore")
            if cleaned:
                found.setdefault(cleaned)
    return tuple(found)[-MAX_IDS:]


def _sent_at(top: Headers) -> datetime | None:
    """The Date header in UTC. A date without a zone is taken for UTC (RFC 5322 calls such a zone unknown)."""
    try:
        parts = parsedate_tz(clean.line(top.first_raw("date"), limit_chars=200))
        if parts is None:
            return None
        zone = timezone(timedelta(seconds=parts[9] or 0))
        return datetime(*parts[:6], tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
