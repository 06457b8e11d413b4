"""Lists and delta rounds: filters, orders, pages, and the ways in which they go wrong."""

import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.standins.graph import shapes
from tests.standins.graph.http import Failure, Request, Response
from tests.standins.graph.mailbox import Folder, Mailbox, Message, opaque
from tests.standins.graph.shapes import Json

if TYPE_CHECKING:
    from tests.standins.graph.server import GraphStandIn

COMPARED: dict[str, Callable[[datetime, datetime], bool]] = {
    "ge": lambda one, other: one >= other,
    "gt": lambda one, other: one > other,
    "le": lambda one, other: one <= other,
    "lt": lambda one, other: one < other,
}
_DATE = re.compile(r"receivedDateTime (ge|gt|le|lt) ([0-9T:.Z+-]+)$")
_TEXT = re.compile(r"(internetMessageId|displayName|conversationId) eq '((?:[^']|'')*)'$")
_FLAG = re.compile(r"(isRead|isDraft) eq (true|false)$")

Test = Callable[[Message], bool]


@dataclass
class Round:
    """A delta round under way: what it still has to tell, and from where in the changes the next one goes on."""

    entries: list[tuple[str, str]]  # (uid, "" or the reason of its removal)
    position: int
    filter: str
    selected: set[str]
    immutable: bool


def message_tests(text: str, *, only_dates: bool = False) -> list[Test]:
    """What a $filter asks, as far as it is understood here; 400 for the rest, as Graph would."""
    tests: list[Test] = []
    for term in re.split(r" and ", text) if text else []:
        if found := _DATE.match(term):
            moment = datetime.fromisoformat(found[2])
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            tests.append(_by_date(COMPARED[found[1]], moment))
        elif only_dates:
            raise Failure(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
        elif (found := _TEXT.match(term)) and found[1] == "internetMessageId":
            tests.append(_by_message_id(found[2].replace("''", "'")))
        elif found := _FLAG.match(term):
            tests.append(_by_flag({"isRead": "is_read", "isDraft": "is_draft"}[found[1]], wanted=found[2] == "true"))
        else:
            raise Failure(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
    return tests


def _by_date(how: Callable[[datetime, datetime], bool], at: datetime) -> Test:
    return lambda one: how(one.received_at, at)


def _by_message_id(wanted: str) -> Test:
    return lambda one: one.message_id == wanted


def _by_flag(name: str, *, wanted: bool) -> Test:
    return lambda one: getattr(one, name) is wanted


def messages(standin: "GraphStandIn", request: Request, box: Mailbox, folder: Folder | None) -> Response:
    """GET …/messages, a page of it."""
    tests = message_tests(request.query.get("$filter", ""))
    found = [one for one in box.messages(folder.id if folder else "") if all(test(one) for test in tests)]
    order = request.query.get("$orderby", "receivedDateTime desc").split()
    if order[0] != "receivedDateTime":
        raise Failure(400, "ErrorInvalidUrlQuery", f"Sorting by '{order[0]}' is not supported.")
    found.sort(key=lambda one: (one.received_at, one.uid), reverse=order[-1].casefold() == "desc")
    top = max(1, min(_number(request, "$top", request.page_size(10)), 1000))
    skip = _number(request, "$skip", 0)
    shown = found[skip : skip + top]
    if standin.faults.hits(shown, request.selected):
        raise Failure(504, "UnknownError", "")
    page: Json = {
        "@odata.context": standin.context(f"users('{box.user_id}')/messages"),
        "value": [shapes.message(box, one, immutable=request.immutable, selected=request.selected) for one in shown],
    }
    if skip + top < len(found):
        query = {**request.query, "$top": str(top), "$skip": str(skip + top)}
        page["@odata.nextLink"] = standin.link(request.target.partition("?")[0], query)
    return Response(body=page)


def folders(standin: "GraphStandIn", request: Request, box: Mailbox, parent: Folder) -> Response:
    """GET …/mailFolders or …/childFolders, a page of it."""
    found = sorted(box.children(parent.id), key=lambda one: one.name.casefold())
    if term := request.query.get("$filter", ""):
        named = _TEXT.match(term)
        if not named or named[1] != "displayName":
            raise Failure(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
        wanted = named[2].replace("''", "'").casefold()
        found = [one for one in found if one.name.casefold() == wanted]
    top, skip = max(1, _number(request, "$top", 10)), _number(request, "$skip", 0)
    page: Json = {
        "@odata.context": standin.context(f"users('{box.user_id}')/mailFolders"),
        "value": [pick(shapes.folder(box, one), request.selected) for one in found[skip : skip + top]],
    }
    if skip + top < len(found):
        query = {**request.query, "$top": str(top), "$skip": str(skip + top)}
        page["@odata.nextLink"] = standin.link(request.target.partition("?")[0], query)
    return Response(body=page)


def delta(standin: "GraphStandIn", request: Request, box: Mailbox, folder: Folder) -> Response:
    """GET …/messages/delta: the first page of a round, or the one that a token stands for."""
    if (token := request.query.get("$skiptoken")) is not None:
        known = standin.rounds.get(token)
        if known is None:
            raise lost_state()
        return _page(standin, request, box, folder, known[0], known[1])
    if (token := request.query.get("$deltatoken")) is not None:
        known = standin.rounds.get(token)
        if known is None:
            raise lost_state()
        return _page(standin, request, box, folder, _changes_since(known[0], box, folder), 0)
    if set(request.query) - {"$select", "$filter", "$orderby", "$top", "$expand", "changeType"}:
        raise Failure(400, "ErrorInvalidUrlQuery", "The query is not supported with change tracking.")
    return _page(standin, request, box, folder, _first_round(standin, request, box, folder), 0)


def lost_state() -> Failure:
    text = "The sync state generation is not found; generation=149;[highest=157][157][155][156]."
    return Failure(410, "SyncStateNotFound", text)


def _first_round(standin: "GraphStandIn", request: Request, box: Mailbox, folder: Folder) -> Round:
    term = request.query.get("$filter", "")
    tests = message_tests(term, only_dates=True)
    with box.lock:
        entries = [(one.uid, "") for one in reversed(box.messages(folder.id)) if all(test(one) for test in tests)]
        position = len(box.changes)
    if standin.faults.removed_in_first_round:
        entries.insert(len(entries) // 2, (uuid.uuid4().hex, "deleted"))
    if standin.faults.unordered:
        random.shuffle(entries)
    return Round(entries, position, term, request.selected, request.immutable)


def _changes_since(before: Round, box: Mailbox, folder: Folder) -> Round:
    tests = message_tests(before.filter, only_dates=True)
    with box.lock:
        changed = dict.fromkeys(uid for place, uid in box.changes[before.position :] if place == folder.id)
        entries = []
        for uid in changed:
            one = box.all.get(uid)
            if one is None or one.folder_id != folder.id:
                entries.append((uid, "deleted"))
            elif all(test(one) for test in tests):
                entries.append((uid, ""))
        return Round(entries, len(box.changes), before.filter, before.selected, before.immutable)


def _page(  # noqa: PLR0917
    standin: "GraphStandIn", request: Request, box: Mailbox, folder: Folder, round_: Round, start: int
) -> Response:
    """Entries from `start`; one that has gone since the round began is told as removed."""
    faults = standin.faults
    size = request.page_size(10)
    if faults.empty_pages and start >= 0:
        link = standin.token_link(request, "$skiptoken", round_, -start - 1)
        return Response(
            body={"@odata.context": standin.context("Collection(message)"), "@odata.nextLink": link, "value": []}
        )
    start = -start - 1 if start < 0 else start
    entries = round_.entries[start : start + size]
    if faults.repeated_items and start:
        entries = [round_.entries[start - 1], *entries, *entries[-1:]]
    with box.lock:
        shown = [
            one
            for uid, reason in entries
            if not reason and (one := box.all.get(uid)) is not None and one.folder_id == folder.id
        ]
    if faults.hits(shown, round_.selected):
        raise Failure(504, "UnknownError", "")
    here = {one.uid: one for one in shown}
    values = []
    for uid, reason in entries:
        one = here.get(uid)
        if one is None:
            removed_id = opaque(uid, start="AAkA") if request.immutable else opaque(uid, folder.id, 0)
            values.append(
                {
                    "@odata.type": "#microsoft.graph.message",
                    "id": removed_id,
                    "@removed": {"reason": reason or "deleted"},
                }
            )
        else:
            shape = shapes.message(box, one, immutable=request.immutable, selected=round_.selected)
            values.append({"@odata.type": "#microsoft.graph.message", **shape})
    page: Json = {"@odata.context": standin.context("Collection(message)"), "value": values}
    end = start + size
    if end < len(round_.entries):
        page["@odata.nextLink"] = standin.token_link(request, "$skiptoken", round_, end)
    else:
        page["@odata.deltaLink"] = standin.token_link(request, "$deltatoken", round_, 0)
    return Response(body=page)


def pick(shape: Json, selected: set[str]) -> Json:
    return {name: value for name, value in shape.items() if not selected or name in selected | {"id"}}


def query_string(query: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if text and not text.isdigit():
        raise Failure(400, "ErrorInvalidUrlQuery", f"Invalid value for {name}.")
    return int(text) if text else default
