"""Sends mail through Graph. Every function says in its error whether the mail went: NotSent, MaybeSent, or Throttled."""

import base64
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mail_ingest.sources.graph.client import IMMUTABLE_IDS, Answer, Graph
from mail_ingest.sources.graph.errors import (
    BadAnswer,
    GraphError,
    MaybeSent,
    MessageGone,
    NotSent,
    NotThere,
    Refused,
    Throttled,
    UntrustedLink,
)
from mail_ingest.sources.graph.folders import WELL_KNOWN
from mail_ingest.sources.graph.items import MAX_ID_CHARS
from mail_ingest.sources.graph.messages import find

SMALL_BYTES = 3 * 1024 * 1024  # larger ones go by an upload session
CHUNK_BYTES = 12 * 320 * 1024  # below the 4 MB that one PUT may carry
MAX_MIME_REQUEST_BYTES = 4 * 1024 * 1024  # base64 and all

# Upload sessions live at Outlook, not at Graph; the address carries its own token.
_UPLOAD_HOSTS = (
    ".office.com",
    ".office365.com",
    ".office365.us",
    ".outlook.com",
    ".partner.outlook.cn",
    ".microsoft.com",
)
_RANGE_START = re.compile(r"\s*(\d{1,12})")
_RANGE_STATUSES = frozenset({400, 409, 416})


@dataclass(frozen=True, slots=True)
class Attachment:
    """`content_id` makes it an inline picture."""

    name: str
    content_type: str
    content: bytes
    content_id: str = ""


def send_mime(graph: Graph, mailbox: str, raw: bytes) -> None:
    """Send a finished mail; a copy goes to Sent Items. One too large for a request goes as a draft, its files one by one.

    Raises NotSent, Throttled (certainly not sent, later) or MaybeSent.
    """
    content = base64.b64encode(raw)
    if len(content) <= MAX_MIME_REQUEST_BYTES:
        url = graph.url("users", mailbox, "sendMail")
        graph.call_once(mailbox, "POST", url, content=content, headers={"Content-Type": "text/plain"})
        return
    light, files = _without_files(raw)
    if len(light) * 4 / 3 > MAX_MIME_REQUEST_BYTES:
        raise NotSent(Refused("the mail is too large, even without its files", code="ErrorMessageSizeExceeded"))
    _fill_and_send(graph, mailbox, create_draft(graph, mailbox, raw=light), None, files)


def create_reply(graph: Graph, mailbox: str, message_id: str, *, raw: bytes = b"") -> str:
    """A draft that answers a message, with Graph's own threading headers, or made from a MIME mail; its id."""
    url = graph.url("users", mailbox, "messages", message_id, "createReply")
    return _draft(graph, mailbox, url, raw)


def create_draft(graph: Graph, mailbox: str, *, raw: bytes = b"", message: dict[str, Any] | None = None) -> str:
    """A draft from a MIME mail or from Graph's own JSON (which takes only `x-` headers); its id."""
    return _draft(graph, mailbox, graph.url("users", mailbox, "messages"), raw, message)


def update_draft(graph: Graph, mailbox: str, draft_id: str, message: dict[str, Any]) -> None:
    """Change fields of a draft: body, subject, toRecipients and so on."""
    with _certainly_not_sent():
        url = graph.url("users", mailbox, "messages", draft_id)
        graph.call(mailbox, "PATCH", url, payload=message, headers={"Prefer": IMMUTABLE_IDS})


def attach(graph: Graph, mailbox: str, draft_id: str, attachment: Attachment) -> None:
    """Add a file to a draft, a large one in pieces."""
    with _certainly_not_sent():
        if len(attachment.content) < SMALL_BYTES:
            payload = {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": attachment.name,
                "contentType": attachment.content_type,
                "contentBytes": base64.b64encode(attachment.content).decode(),
                **({"isInline": True, "contentId": attachment.content_id} if attachment.content_id else {}),
            }
            url = graph.url("users", mailbox, "messages", draft_id, "attachments")
            graph.call(mailbox, "POST", url, payload=payload, headers={"Prefer": IMMUTABLE_IDS})
        else:
            _upload(graph, mailbox, draft_id, attachment)


def send_draft(graph: Graph, mailbox: str, draft_id: str) -> None:
    """Send a draft. Raises NotSent, Throttled or MaybeSent (then `is_sent` can tell)."""
    graph.call_once(mailbox, "POST", graph.url("users", mailbox, "messages", draft_id, "send"))


def discard(graph: Graph, mailbox: str, draft_id: str) -> None:
    """Delete a draft that was not sent; one that is gone is discarded."""
    with contextlib.suppress(NotThere):
        graph.call(
            mailbox, "DELETE", graph.url("users", mailbox, "messages", draft_id), headers={"Prefer": IMMUTABLE_IDS}
        )


def reply(
    graph: Graph,
    mailbox: str,
    message_id: str,
    *,
    raw: bytes = b"",
    fields: dict[str, Any] | None = None,
    attachments: Sequence[Attachment] = (),
) -> str:
    """Answer a message: draft, fields, files, send. Returns the sent message's immutable id.

    Raises NotSent, Throttled or MaybeSent; after the first two the draft is taken away again.
    """
    draft_id = create_reply(graph, mailbox, message_id, raw=raw)
    _fill_and_send(graph, mailbox, draft_id, fields, attachments)
    return draft_id


def is_sent(graph: Graph, mailbox: str, draft_id: str) -> bool | None:
    """Whether a draft has become a sent message; None when there is no such message any more."""
    url = graph.url("users", mailbox, "messages", draft_id, select="isDraft")
    try:
        draft = graph.call_json(mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS}).get("isDraft")
    except NotThere:
        return None
    return not draft


def sent_copy(graph: Graph, mailbox: str, internet_message_id: str) -> str:
    """The id of the mail in Sent Items that carries this Message-ID; "" while there is none.

    Answers MaybeSent when it finds one; finding none proves nothing, because the copy may come late.
    """
    found = find(graph, mailbox, internet_message_id, folder="sentitems")
    return found[0].id if found else ""


def _fill_and_send(
    graph: Graph, mailbox: str, draft_id: str, fields: dict[str, Any] | None, attachments: Sequence[Attachment]
) -> None:
    try:
        if fields:
            update_draft(graph, mailbox, draft_id, fields)
        for attachment in attachments:
            attach(graph, mailbox, draft_id, attachment)
        send_draft(graph, mailbox, draft_id)
    except (NotSent, Throttled):
        with contextlib.suppress(GraphError):
            discard(graph, mailbox, draft_id)
        raise


def _without_files(raw: bytes) -> tuple[bytes, list[Attachment]]:
    """The mail with its headers and texts, and the files taken out of it."""
    mail = message_from_bytes(raw)
    files: list[Attachment] = []
    _take_files(mail, files)
    return mail.as_bytes(), files


def _take_files(container: Message, files: list[Attachment]) -> None:
    parts = container.get_payload()
    if not isinstance(parts, list) or container.get_content_maintype() != "multipart":
        return
    kept: list[Message | str] = []
    for part in parts:
        if not isinstance(part, Message):
            continue
        if part.get_content_maintype() != "multipart" and (
            part.get_filename() or part.get_content_disposition() == "attachment"
        ):
            files.append(_as_file(part))
        else:
            _take_files(part, files)
            kept.append(part)
    container.set_payload(kept)


def _as_file(part: Message) -> Attachment:
    inside = part.get_payload()
    if isinstance(inside, list):
        content = b"".join(one.as_bytes() for one in inside if isinstance(one, Message))
    else:
        decoded = part.get_payload(decode=True)
        content = decoded if isinstance(decoded, bytes) else b""
    name = str(make_header(decode_header(part.get_filename() or ""))) or "attachment"
    is_inline = part.get_content_disposition() == "inline"
    content_id = str(part.get("Content-ID") or "").strip("<> ") if is_inline else ""
    return Attachment(name, part.get_content_type(), content, content_id)


@contextlib.contextmanager
def _certainly_not_sent() -> Iterator[None]:
    """What happens to a draft sends nothing, whatever goes wrong."""
    try:
        yield
    except (Throttled, NotSent, MaybeSent):
        raise
    except GraphError as error:
        raise NotSent(error) from error


def _draft(graph: Graph, mailbox: str, url: str, raw: bytes, message: dict[str, Any] | None = None) -> str:
    headers = {"Prefer": IMMUTABLE_IDS}
    with _certainly_not_sent():
        try:
            if raw:
                content, kind = base64.b64encode(raw), {"Content-Type": "text/plain"}
                made = graph.call_json(mailbox, "POST", url, content=content, headers={**headers, **kind})
            else:
                made = graph.call_json(mailbox, "POST", url, payload=message or {}, headers=headers)
        except NotThere as error:
            raise MessageGone(
                error.detail, status=error.status, code=error.code, request_id=error.request_id
            ) from error
        found = made.get("id")
        if not isinstance(found, str) or not 0 < len(found) <= MAX_ID_CHARS or found in WELL_KNOWN:
            raise BadAnswer("the answer names no draft")
        return found


def _upload(graph: Graph, mailbox: str, draft_id: str, attachment: Attachment) -> None:
    """Source: the Graph documentation, "attach large files to Outlook messages"."""
    size = len(attachment.content)
    item: dict[str, Any] = {"attachmentType": "file", "name": attachment.name, "size": size}
    item["contentType"] = attachment.content_type
    if attachment.content_id:
        item |= {"isInline": True, "contentId": attachment.content_id}
    url = graph.url("users", mailbox, "messages", draft_id, "attachments", "createUploadSession")
    session = graph.call_json(mailbox, "POST", url, payload={"AttachmentItem": item}, headers={"Prefer": IMMUTABLE_IDS})
    target = _upload_target(graph, session.get("uploadUrl"))
    start, steps = 0, 0
    while start < size:
        steps += 1
        if steps > 3 * (size // CHUNK_BYTES + 2):
            raise BadAnswer("the upload does not get on")
        piece = attachment.content[start : start + CHUNK_BYTES]
        end = start + len(piece)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes {start}-{end - 1}/{size}"}
        try:
            answer = graph.call(mailbox, "PUT", target, content=piece, headers=headers, authorized=False)
        except Refused as error:
            if error.status not in _RANGE_STATUSES:
                raise
            # The piece had arrived, only its answer was lost: the session knows how far it is.
            start = _next_start(graph.call(mailbox, "GET", target, authorized=False), default=size)
        else:
            start = size if answer.status == 201 else _next_start(answer, default=end)  # noqa: PLR2004


def _next_start(answer: Answer, *, default: int) -> int:
    if not answer.body:
        return default
    session = answer.json()
    ranges = session.get("nextExpectedRanges", session.get("NextExpectedRanges"))
    found = _RANGE_START.match(str(ranges[0])) if isinstance(ranges, list) and ranges else None
    return int(found[1]) if found else default


def _upload_target(graph: Graph, link: object) -> str:
    """Where the pieces go: Graph itself, or a host of Outlook's. Raises UntrustedLink: they are somebody's files."""
    if not isinstance(link, str):
        raise BadAnswer("the answer names no place for the upload")
    with contextlib.suppress(UntrustedLink):
        return graph.same_origin(link)
    try:
        url = httpx2.URL(link)
    except httpx2.InvalidURL as error:
        raise UntrustedLink("the server gave a link that is no address") from error
    own = urlsplit(graph.account.base_url)
    is_own = (url.scheme, url.netloc.decode()) == (own.scheme, own.netloc)
    if url.userinfo or not (
        is_own or (url.scheme == "https" and url.host.endswith(_UPLOAD_HOSTS) and url.port is None)
    ):
        raise UntrustedLink(f"the server gave a link to another place: {url.scheme}://{url.host}")
    return str(url)
