"""Graph's JSON: messages, folders, attachments, errors, in the shapes that its documentation shows."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.message import Message as AnyMail
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from tests.standins.graph.mailbox import Folder, Mailbox, Message, opaque

Json = dict[str, Any]


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error(code: str, message: str, request_id: str) -> Json:
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": request_id,
    }
    return {"error": {"code": code, "message": message, "innerError": inner}}


def addresses(mail: AnyMail, name: str) -> list[Json]:
    found = getaddresses([str(value) for value in mail.get_all(name, [])])
    return [{"emailAddress": {"name": shown or address, "address": address}} for shown, address in found if address]


def message(box: Mailbox, one: Message, *, immutable: bool, selected: set[str]) -> Json:
    """The whole resource, or the selected properties, which always come with the id and the etag."""
    etag = f'W/"{one.change_key}"'
    message_id = one.id if immutable else one.mutable_id
    if selected and selected <= {"id"}:
        return {"@odata.etag": etag, "id": message_id}
    mail = one.modern_mail
    wanted = selected | {"id"} if selected else None
    told = {
        name: value() for name, value in _properties(box, one, mail, message_id).items() if not wanted or name in wanted
    }
    if "internetMessageHeaders" in selected:  # only ever told when asked for
        told["internetMessageHeaders"] = [{"name": name, "value": str(value)} for name, value in mail.items()]
    return {"@odata.etag": etag, **told}


def _properties(box: Mailbox, one: Message, mail: EmailMessage, message_id: str) -> dict[str, Callable[[], object]]:
    def sender() -> Json | None:
        return next(iter(addresses(mail, "From")), None)

    return {
        "id": lambda: message_id,
        "createdDateTime": lambda: stamp(one.received_at),
        "lastModifiedDateTime": lambda: stamp(one.received_at),
        "changeKey": lambda: one.change_key,
        "categories": list,
        "receivedDateTime": lambda: stamp(one.received_at),
        "sentDateTime": lambda: stamp(sent_at(mail) or one.received_at),
        "hasAttachments": lambda: any(not shape["isInline"] for shape, _content in attachments(one)),
        "internetMessageId": lambda: one.message_id,
        "subject": lambda: str(mail.get("Subject") or ""),
        "bodyPreview": lambda: preview(*body_of(mail)),
        "importance": lambda: "normal",
        "parentFolderId": lambda: one.folder_id,
        "conversationId": lambda: conversation(box, mail),
        "isDeliveryReceiptRequested": lambda: False,
        "isReadReceiptRequested": lambda: False,
        "isRead": lambda: one.is_read,
        "isDraft": lambda: one.is_draft,
        "webLink": lambda: f"https://outlook.example/owa/?ItemID={message_id}",
        "inferenceClassification": lambda: "focused",
        "body": lambda: dict(zip(("content", "contentType"), body_of(mail), strict=True)),
        "sender": sender,
        "from": sender,
        "toRecipients": lambda: addresses(mail, "To"),
        "ccRecipients": lambda: addresses(mail, "Cc"),
        "bccRecipients": lambda: addresses(mail, "Bcc") if one.is_draft else [],
        "replyTo": lambda: addresses(mail, "Reply-To"),
        "flag": lambda: {"flagStatus": "notFlagged"},
    }


def body_of(mail: EmailMessage) -> tuple[str, str]:
    try:
        part = mail.get_body(preferencelist=("html", "plain"))
        if part is None:
            return "", "text"
        return str(part.get_content()), "html" if part.get_content_subtype() == "html" else "text"
    except (LookupError, ValueError, AttributeError, KeyError):
        return "", "text"


def preview(text: str, kind: str) -> str:
    """255 characters, as Graph has it."""
    return " ".join((re.sub(r"<[^>]*>", " ", text) if kind == "html" else text).split())[:255]


def conversation(box: Mailbox, mail: AnyMail) -> str:
    """By the root of the References, else the Message-ID: near enough to what Exchange does."""
    known = re.findall(
        r"<[^>]+>", " ".join(str(mail.get(name) or "") for name in ("References", "In-Reply-To", "Message-ID"))
    )
    return opaque(box.address, known[0] if known else "", start="AAQk")


def sent_at(mail: AnyMail) -> datetime | None:
    try:
        return parsedate_to_datetime(str(mail.get("Date")))
    except (TypeError, ValueError):
        return None


def attachments(one: Message) -> Iterator[tuple[Json, bytes]]:
    """Each with its bytes, which `contentBytes` carries only where it is asked for."""
    for number, part in enumerate(_parts(one.mail)):
        name, kind = part.get_filename(), part.get_content_type()
        inside = part.get_payload()
        if kind == "message/rfc822":
            first = inside[0] if isinstance(inside, list) and inside else None
            content = first.as_bytes() if isinstance(first, AnyMail) else b""
            yield _attachment(one, number, "item", name or "message.eml", kind, content, part)
        elif name:
            decoded = part.get_payload(decode=True)
            yield _attachment(one, number, "file", name, kind, decoded if isinstance(decoded, bytes) else b"", part)
    for number, extra in enumerate(one.extra_attachments):
        content = base64.b64decode(str(extra.get("contentBytes") or ""))
        inline = {"isInline": bool(extra.get("isInline")), "contentId": extra.get("contentId")}
        kind = str(extra.get("contentType") or "application/octet-stream")
        shape, _none = _attachment(one, 1000 + number, "file", str(extra.get("name") or ""), kind, content, None)
        yield {**shape, **inline}, content


def _parts(mail: AnyMail) -> Iterator[AnyMail]:
    """The leaves; a message in the message is one, whatever it holds."""
    inside = mail.get_payload()
    if mail.get_content_type() == "message/rfc822" or not isinstance(inside, list):
        yield mail
        return
    for part in inside:
        if isinstance(part, AnyMail):
            yield from _parts(part)


def _attachment(  # noqa: PLR0917
    one: Message, number: int, sort: str, name: str, content_type: str, content: bytes, part: AnyMail | None
) -> tuple[Json, bytes]:
    content_id = str(part.get("Content-ID") or "").strip("<> ") if part is not None else ""
    shape = {
        "@odata.type": f"#microsoft.graph.{sort}Attachment",
        "@odata.mediaContentType": content_type,
        "id": opaque(one.uid, "attachment", number),
        "lastModifiedDateTime": stamp(one.received_at),
        "name": name,
        "contentType": content_type,
        "size": len(content),
        "isInline": bool(part is not None and part.get_content_disposition() == "inline"),
        "contentId": content_id or None,
        "contentLocation": None,
    }
    return shape, content


def folder(box: Mailbox, one: Folder) -> Json:
    inside = [message for message in box.all.values() if message.folder_id == one.id]
    return {
        "id": one.id,
        "displayName": one.name,
        "parentFolderId": one.parent_id or opaque(box.address, "store", start="AQMk"),
        "childFolderCount": len(box.children(one.id)),
        "unreadItemCount": sum(not message.is_read for message in inside),
        "totalItemCount": len(inside),
        "sizeInBytes": sum(len(message.raw) for message in inside),
        "isHidden": False,
    }


def token(text: str) -> str:
    """Something that looks like a signed token and is none."""
    head, claims = (
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in ('{"typ":"JWT","alg":"RS256"}', text)
    )
    return f"{head}.{claims}.{hashlib.sha256(text.encode()).hexdigest()}"
