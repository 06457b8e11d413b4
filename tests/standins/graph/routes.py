"""Which address means what."""

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.standins.graph import notify, reading, shapes, writing
from tests.standins.graph.http import NOT_FOUND, Failure, Request, Response
from tests.standins.graph.mailbox import Folder, Mailbox, Message

if TYPE_CHECKING:
    from tests.standins.graph.server import GraphStandIn

MAX_REQUEST_BYTES = 4 * 1024 * 1024 + 64 * 1024
_USER = re.compile(r"/v1\.0/users/([^/]+)(/.*)?$", re.IGNORECASE)
_FOLDERS = re.compile(r"/mailFolders(?:/([^/]+))?(/.*)?$", re.IGNORECASE)
_MESSAGE = re.compile(r"/messages/([^/]+)(/.*)?$", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"/v1\.0/subscriptions(?:/([^/]+))?(/reauthorize)?$", re.IGNORECASE)


def mailbox_in(path: str) -> str:
    found = _USER.match(path)
    return found[1] if found else ""


def answer(standin: "GraphStandIn", request: Request) -> Response:
    """Carries a request out. Raises Failure."""
    if len(request.body) > MAX_REQUEST_BYTES:
        raise Failure(413, "RequestEntityTooLarge", "The request is larger than 4 MB.")
    if found := _SUBSCRIPTION.match(request.path):
        return _subscriptions(standin, request, found[1], bool(found[2]))
    found = _USER.match(request.path)
    if not found:
        raise Failure(400, "BadRequest", "Resource not found for the segment.")
    box = standin.known_mailbox(found[1])
    rest = found[2] or ""
    if rest.casefold() == "/sendmail" and request.method == "POST":
        return writing.send_mail(standin, request, box)
    folder = None
    if in_folder := _FOLDERS.match(rest):
        rest = in_folder[2] or ""
        if in_folder[1] is None:
            return _folders(standin, request, box, box.folder("msgfolderroot"))
        folder = _folder(box, in_folder[1])
        if not rest:
            if request.method != "GET":
                raise Failure(405, "ErrorInvalidRequest", "Not played here.")
            return Response(body=reading.pick(shapes.folder(box, folder), request.selected))
        if rest.casefold() == "/childfolders":
            return _folders(standin, request, box, folder)
    return _messages(standin, request, box, folder, rest)


def _folders(standin: "GraphStandIn", request: Request, box: Mailbox, parent: Folder) -> Response:
    if request.method == "GET":
        return reading.folders(standin, request, box, parent)
    name = str(request.json().get("displayName") or "").strip()
    if not name or "/" in name:
        raise Failure(400, "ErrorInvalidRequest", "displayName is missing.")
    if any(one.name.casefold() == name.casefold() for one in box.children(parent.id)):
        raise Failure(409, "ErrorFolderExists", f"A folder with the specified name already exists., {name}")
    return Response(201, shapes.folder(box, box.make_folder(name, parent.id)))


def _messages(standin: "GraphStandIn", request: Request, box: Mailbox, folder: Folder | None, rest: str) -> Response:
    if rest.casefold() == "/messages":
        if request.method == "POST":
            return writing.make_draft(request, box)
        return reading.messages(standin, request, box, folder)
    if folder is not None and rest.casefold() in {
        "/messages/delta",
        "/messages/delta()",
        "/messages/microsoft.graph.delta()",
    }:
        return reading.delta(standin, request, box, folder)
    found = _MESSAGE.match(rest)
    if not found:
        raise Failure(400, "BadRequest", "Resource not found for the segment.")
    one = box.find(found[1])
    if one is None or (folder is not None and one.folder_id != folder.id):
        raise Failure(404, *NOT_FOUND)
    if request.method == "GET" and one.not_found_reads > 0:
        one.not_found_reads -= 1
        raise Failure(404, *NOT_FOUND)
    return _message(standin, request, box, one, (found[2] or "").casefold())


def _message(standin: "GraphStandIn", request: Request, box: Mailbox, one: Message, rest: str) -> Response:
    doing: dict[tuple[str, str], Callable[[], Response]] = {
        ("GET", ""): lambda: _whole(standin, request, box, one),
        ("PATCH", ""): lambda: writing.patch(request, box, one),
        ("DELETE", ""): lambda: _deleted(box, one),
        ("GET", "/$value"): lambda: _value(standin, one),
        ("GET", "/attachments"): lambda: _attachments(standin, box, one),
        ("POST", "/attachments"): lambda: writing.attach(request, box, one),
        ("POST", "/attachments/createuploadsession"): lambda: writing.open_upload(standin, request, box, one),
        ("POST", "/move"): lambda: writing.move(request, box, one),
        ("POST", "/createreply"): lambda: writing.make_reply(request, box, one, everybody=False),
        ("POST", "/createreplyall"): lambda: writing.make_reply(request, box, one, everybody=True),
        ("POST", "/send"): lambda: writing.send(standin, box, one),
    }
    if do := doing.get((request.method, rest)):
        return do()
    if rest.startswith("/attachments/") and request.method == "GET":
        return _attachment(request, one)
    raise Failure(405, "ErrorInvalidRequest", "Not played here.")


def _whole(standin: "GraphStandIn", request: Request, box: Mailbox, one: Message) -> Response:
    if standin.faults.hits([one], request.selected) and any(
        p.message is one and p.in_value for p in standin.faults.poisons
    ):
        raise Failure(504, "UnknownError", "")
    return Response(body=shapes.message(box, one, immutable=request.immutable, selected=request.selected))


def _value(standin: "GraphStandIn", one: Message) -> Response:
    if any(poison.message is one and poison.in_value for poison in standin.faults.poisons):
        raise Failure(504, "UnknownError", "")
    return Response(body=one.raw, content_type="text/plain")


def _deleted(box: Mailbox, one: Message) -> Response:
    box.move(one, "deleteditems")
    return Response(204)


def _attachments(standin: "GraphStandIn", box: Mailbox, one: Message) -> Response:
    context = standin.context(f"users('{box.user_id}')/messages('{one.id}')/attachments")
    return Response(body={"@odata.context": context, "value": [_with_bytes(*pair) for pair in shapes.attachments(one)]})


def _attachment(request: Request, one: Message) -> Response:
    wanted, _, rest = request.path.rpartition("/attachments/")[2].partition("/")
    for shape, content in shapes.attachments(one):
        if shape["id"] == wanted:
            if rest == "$value":
                return Response(body=content, content_type=str(shape["contentType"]))
            return Response(body=_with_bytes(shape, content))
    raise Failure(404, *NOT_FOUND)


def _with_bytes(shape: shapes.Json, content: bytes) -> shapes.Json:
    if shape["@odata.type"] != "#microsoft.graph.fileAttachment":
        return shape
    return {**shape, "contentBytes": base64.b64encode(content).decode()}


def _folder(box: Mailbox, name: str) -> Folder:
    try:
        found = box.folder(name)
    except KeyError:
        found = None
    if found is None or (name != found.id and name.casefold() != found.well_known):
        if len(name) < 40 and not name.startswith("AQMk"):
            raise Failure(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        raise Failure(404, "ErrorItemNotFound", "The specified folder could not be found in the store.")
    return found


def _subscriptions(standin: "GraphStandIn", request: Request, key: str | None, reauthorize: bool) -> Response:
    if key is None:
        if request.method == "POST":
            return notify.subscribe(standin, request)
        listed = [one.fields for one in standin.subscriptions.values()]
        return Response(body={"@odata.context": standin.context("subscriptions"), "value": listed})
    one = standin.subscriptions.get(key)
    if one is None:
        raise Failure(404, "ResourceNotFound", "The object was not found.")
    if reauthorize:
        return Response(204)
    if request.method == "PATCH":
        return notify.renew(standin, request, one)
    if request.method == "DELETE":
        del standin.subscriptions[key]
        return Response(204)
    return Response(body=one.fields)
