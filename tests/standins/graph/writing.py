"""What changes a mailbox: moves, marks, drafts, files, sending."""

import base64
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.standins.graph import drafts, shapes
from tests.standins.graph.http import NOT_FOUND, Failure, Request, Response
from tests.standins.graph.mailbox import Mailbox, Message

if TYPE_CHECKING:
    from tests.standins.graph.server import GraphStandIn

OF_SENT_MAIL = {"isRead", "categories", "flag", "importance", "inferenceClassification"}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")


@dataclass(frozen=True)
class Sent:
    """A mail that left. `way` is sendMail or send."""

    mailbox: str
    raw: bytes
    way: str
    message_id: str


@dataclass
class Upload:
    box: Mailbox
    draft: Message
    item: shapes.Json
    size: int
    content: bytearray = field(default_factory=bytearray)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


def move(request: Request, box: Mailbox, one: Message) -> Response:
    wanted = str(request.json().get("destinationId") or "")
    try:
        box.move(one, wanted)
    except KeyError:
        raise Failure(404, "ErrorItemNotFound", "The specified folder could not be found in the store.") from None
    return Response(201, shapes.message(box, one, immutable=request.immutable, selected=set()))


def patch(request: Request, box: Mailbox, one: Message) -> Response:
    fields = request.json()
    if not one.is_draft and (wrong := set(fields) - OF_SENT_MAIL):
        raise Failure(400, "ErrorInvalidPropertySet", f"Property {min(wrong)} can only be set on drafts.")
    if isinstance(fields.get("isRead"), bool):
        one.is_read = fields["isRead"]
    if one.is_draft:
        one.raw = drafts.changed(one.raw, fields)
    box.touch(one)
    return Response(body=shapes.message(box, one, immutable=request.immutable, selected=set()))


def make_draft(request: Request, box: Mailbox) -> Response:
    if request.headers.get("content-type", "").startswith("text/plain"):
        raw = drafts.from_base64(request.body)
    else:
        raw = drafts.from_json(box, request.json())
    one = box.add(raw, folder="drafts", is_read=True, is_draft=True, announced=False)
    return Response(201, shapes.message(box, one, immutable=request.immutable, selected=set()))


def make_reply(request: Request, box: Mailbox, original: Message, *, everybody: bool) -> Response:
    raw, fields = b"", {}
    if request.headers.get("content-type", "").startswith("text/plain"):
        raw = drafts.from_base64(request.body)
    else:
        fields = request.json()
        if "comment" in fields and "body" in (fields.get("message") or {}):
            raise Failure(400, "ErrorInvalidRequest", "Comment and message body cannot both be given.")
    answer = drafts.reply_to(box, original, raw, everybody=everybody)
    if changes := fields.get("message"):
        answer = drafts.changed(answer, changes)
    if comment := fields.get("comment"):
        answer = drafts.changed(answer, {"body": {"contentType": "text", "content": comment}})
    one = box.add(answer, folder="drafts", is_read=True, is_draft=True, announced=False)
    return Response(201, shapes.message(box, one, immutable=request.immutable, selected=set()))


def attach(request: Request, box: Mailbox, one: Message) -> Response:
    fields = request.json()
    if not one.is_draft:
        raise Failure(403, "ErrorAccessDenied", "Attachments can only be added to drafts.")
    if fields.get("@odata.type") not in {"#microsoft.graph.fileAttachment", "microsoft.graph.fileAttachment"}:
        raise Failure(400, "ErrorInvalidProperty", "The attachment has no known type.")
    drafts.from_base64(str(fields.get("contentBytes") or "").encode())
    one.extra_attachments.append(fields)
    box.touch(one)
    return Response(201, list(shapes.attachments(one))[-1][0])


def send(standin: "GraphStandIn", box: Mailbox, one: Message) -> Response:
    if not one.is_draft:
        raise Failure(400, "ErrorInvalidOperation", "The message is not a draft.")
    raw = drafts.finished(one)
    _refuse_without_recipients(one)
    with box.lock:
        one.raw, one.is_draft, one.extra_attachments = raw, False, []
        one.received_at = datetime.now(UTC).replace(microsecond=0)
        box.move(one, "sentitems")
    standin.sent.append(Sent(box.address, raw, "send", one.id))
    standin.notify(box, one)
    return Response(202)


def send_mail(standin: "GraphStandIn", request: Request, box: Mailbox) -> Response:
    keep = True
    if request.headers.get("content-type", "").startswith("text/plain"):
        raw = drafts.from_base64(request.body)
        extra = []
    else:
        fields = request.json()
        if not isinstance(content := fields.get("message"), dict):
            raise Failure(400, "ErrorInvalidRequest", "The message is missing.")
        raw, extra = drafts.from_json(box, content), list(content.get("attachments") or [])
        keep = str(fields.get("saveToSentItems", True)).casefold() != "false"
    draft = Message(
        uuid.uuid4().hex, raw, datetime.now(UTC), box.folder("drafts").id, is_draft=True, extra_attachments=extra
    )
    _refuse_without_recipients(draft)
    raw = drafts.finished(draft) if extra or b"\nmessage-id:" not in b"\n" + raw[:65536].lower() else raw
    kept = box.add_sent(raw) if keep else None
    standin.sent.append(Sent(box.address, raw, "sendMail", kept.id if kept else ""))
    return Response(202)


def open_upload(standin: "GraphStandIn", request: Request, box: Mailbox, one: Message) -> Response:
    item = request.json().get("AttachmentItem")
    if not isinstance(item, dict) or not isinstance(item.get("size"), int) or item.get("attachmentType") != "file":
        raise Failure(400, "ErrorInvalidRequest", "AttachmentItem is missing or not whole.")
    upload = Upload(box, one, item, item["size"])
    standin.uploads[upload.key] = upload
    until = shapes.stamp(datetime.now(UTC) + timedelta(hours=2))
    url = f"{standin.origin}/uploads/{upload.key}?authtoken={shapes.token(upload.key)}"
    return Response(201, {"uploadUrl": url, "expirationDateTime": until, "nextExpectedRanges": ["0-"]})


def upload_piece(standin: "GraphStandIn", request: Request, key: str) -> Response:
    upload = standin.uploads.get(key)
    if upload is None:
        raise Failure(404, *NOT_FOUND)
    if "authorization" in request.headers:
        raise Failure(401, "InvalidAudience", "The upload address carries its own token; send no other.")
    expected = {"ExpirationDateTime": shapes.stamp(datetime.now(UTC)), "NextExpectedRanges": [str(len(upload.content))]}
    if request.method == "GET":
        return Response(body=expected)
    if request.method == "DELETE":
        del standin.uploads[key]
        return Response(204)
    found = _RANGE.match(request.headers.get("content-range", ""))
    if not found or int(found[3]) != upload.size or int(found[2]) - int(found[1]) + 1 != len(request.body):
        raise Failure(400, "ErrorInvalidRange", "The range does not fit the content.")
    if int(found[1]) != len(upload.content):
        raise Failure(416, "invalidRange", "Uploaded fragment overlaps with existing data.")
    upload.content += request.body
    if len(upload.content) < upload.size:
        return Response(body={**expected, "NextExpectedRanges": [str(len(upload.content))]})
    fields = {**upload.item, "contentBytes": base64.b64encode(upload.content).decode()}
    upload.draft.extra_attachments.append(fields)
    upload.box.touch(upload.draft)
    shape = list(shapes.attachments(upload.draft))[-1][0]
    return Response(201, headers={"Location": f"{standin.url}/attachments/{shape['id']}"})


def _refuse_without_recipients(one: Message) -> None:
    if not any(one.mail.get(name) for name in ("To", "Cc", "Bcc")):
        raise Failure(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
