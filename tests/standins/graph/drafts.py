"""Builds mails as Graph does from its JSON: drafts, replies, files added to them."""

import base64
import binascii
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from tests.standins.graph.mailbox import Mailbox, Message

RECIPIENTS = {"toRecipients": "To", "ccRecipients": "Cc", "bccRecipients": "Bcc", "replyTo": "Reply-To"}


class BadRequest(Exception):
    """`code` and text as Graph would give them, with 400."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def from_base64(body: bytes) -> bytes:
    """The MIME mail in a text/plain body."""
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise BadRequest("ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.") from None


def from_json(box: Mailbox, fields: dict[str, Any]) -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = box.address
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail.set_content("")
    return changed(mail.as_bytes(), fields)


def changed(raw: bytes, fields: dict[str, Any]) -> bytes:
    """The mail with these of Graph's properties set."""
    mail: EmailMessage = message_from_bytes(raw, policy=policy.SMTP)
    if "subject" in fields:
        del mail["Subject"]
        mail["Subject"] = str(fields["subject"] or "")
    for name, header in RECIPIENTS.items():
        if name in fields:
            del mail[header]
            if listed := [_address(one) for one in fields[name] or []]:
                mail[header] = listed
    if isinstance(body := fields.get("body"), dict):
        is_html = str(body.get("contentType", "")).casefold() == "html"
        for header in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
            del mail[header]
        mail.set_content(str(body.get("content") or ""), subtype="html" if is_html else "plain")
    for header in fields.get("internetMessageHeaders") or []:
        name = str(header.get("name", ""))
        if not name.casefold().startswith("x-"):
            text = f"The internet message header name '{name}' should start with 'x-' or 'X-'."
            raise BadRequest("InvalidInternetMessageHeader", text)
        mail[name] = str(header.get("value", ""))
    return mail.as_bytes()


def reply_to(box: Mailbox, original: Message, raw: bytes, *, everybody: bool) -> bytes:
    """The draft of an answer: threading headers and recipients are Exchange's doing."""
    old = original.modern_mail
    mail: EmailMessage = message_from_bytes(raw or from_json(box, {}), policy=policy.SMTP)
    references = " ".join([*str(old.get("References") or "").split(), original.message_id])
    for name, value in (("In-Reply-To", original.message_id), ("References", references)):
        if name not in mail:
            mail[name] = value
    if not raw:
        subject = str(old.get("Subject") or "")
        answered = [str(old.get("Reply-To") or old.get("From") or "")]
        others = [str(old.get(name)) for name in ("To", "Cc") if everybody and old.get(name)]
        mail["Subject"] = subject if subject.casefold().startswith("re:") else f"RE: {subject}"
        if any(answered):
            mail["To"] = ", ".join(answered)
        if kept := [one for one in others if parseaddr(one)[1].casefold() != box.address.casefold()]:
            mail["Cc"] = ", ".join(kept)
    return mail.as_bytes()


def finished(one: Message) -> bytes:
    """What travels: the draft with its files, without Bcc, under a Message-ID."""
    mail: EmailMessage = message_from_bytes(one.raw, policy=policy.SMTP)
    if "Message-ID" not in mail:
        mail["Message-ID"] = one.message_id
    for extra in one.extra_attachments:
        kind, _, subtype = str(extra.get("contentType") or "application/octet-stream").partition("/")
        content_id = extra.get("contentId")
        mail.add_attachment(
            base64.b64decode(str(extra.get("contentBytes") or "")),
            maintype=kind,
            subtype=subtype or "octet-stream",
            filename=str(extra.get("name") or "file"),
            disposition="inline" if extra.get("isInline") else "attachment",
            cid=f"<{content_id}>" if content_id else None,
        )
    del mail["Bcc"]
    return mail.as_bytes()


def _address(one: object) -> Address:
    inside = one.get("emailAddress") if isinstance(one, dict) else None
    address = str(inside.get("address") or "") if isinstance(inside, dict) else ""
    if "@" not in address:
        raise BadRequest("ErrorInvalidRecipients", "At least one recipient is not valid.")
    return Address(str((inside or {}).get("name") or ""), addr_spec=address)
