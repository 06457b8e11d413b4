"""Folders of a mailbox: by well-known name, by path, made when missing; and moving a message into one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mail_ingest.sources.graph.client import IMMUTABLE_IDS, Graph
from mail_ingest.sources.graph.errors import BadAnswer, MessageGone, NotThere, Refused
from mail_ingest.sources.graph.items import MAX_ID_CHARS

WELL_KNOWN = frozenset(
    {
        "archive",
        "clutter",
        "conflicts",
        "conversationhistory",
        "deleteditems",
        "drafts",
        "inbox",
        "junkemail",
        "localfailures",
        "msgfolderroot",
        "outbox",
        "recoverableitemsdeletions",
        "scheduled",
        "searchfolders",
        "sentitems",
        "serverfailures",
        "syncissues",
    }
)
ROOT = "msgfolderroot"
MAX_FOLDERS = 2000
MAX_DEPTH = 12

_SELECTED = "displayName,parentFolderId,childFolderCount,totalItemCount,unreadItemCount"
_CONFLICT = 409
_ID = re.compile(r"[A-Za-z0-9_=-]{64,}")  # nobody names a folder so


@dataclass(frozen=True, slots=True)
class Folder:
    """`path` is the way to it from the top, by display names ("Inbox/Filed")."""

    id: str
    name: str
    path: str
    parent_id: str = ""
    children: int = 0
    total: int = 0
    unread: int = 0


def folder_id(graph: Graph, mailbox: str, name: str) -> str:
    """The id of a well-known folder ("inbox", "sentitems"), or of one by its id. Raises NotThere."""
    url = graph.url("users", mailbox, "mailFolders", name, select="id")
    return _id(graph.call_json(mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS}))


def folders(graph: Graph, mailbox: str) -> tuple[Folder, ...]:
    """All folders, parents before their children; at most MAX_FOLDERS."""
    found: list[Folder] = []
    waiting: list[tuple[str, str, int]] = [("", "", 0)]
    while waiting and len(found) < MAX_FOLDERS:
        parent, path, depth = waiting.pop(0)
        for folder in _children(graph, mailbox, parent, path):
            found.append(folder)
            if folder.children and depth < MAX_DEPTH:
                waiting.append((folder.id, f"{folder.path}/", depth + 1))
    return tuple(found[:MAX_FOLDERS])


def resolve(graph: Graph, mailbox: str, destination: str) -> str:
    """The id, or well-known name, of a destination: either of them, or a path of display names, made where missing.

    A path begins at the top of the mailbox, or in a well-known folder ("inbox/Filed/2026").
    """
    here, names = _beginning(destination)
    for name in names:
        here = _child(graph, mailbox, here, name) or _made(graph, mailbox, here, name)
    return here


def find(graph: Graph, mailbox: str, place: str) -> str:
    """As `resolve`, but nothing is made: "" when there is no such folder."""
    here, names = _beginning(place)
    try:
        for name in names:
            here = _child(graph, mailbox, here, name)
            if not here:
                break
    except NotThere:
        return ""
    return here


def _beginning(place: str) -> tuple[str, list[str]]:
    """Where a path begins, and the names to go on by."""
    names = [name.strip() for name in place.strip("/ ").split("/") if name.strip()]
    if not names:
        raise Refused("no folder is named", code="invalidDestination")
    if len(names) == 1 and _ID.fullmatch(names[0]):
        return names[0], []
    if names[0].casefold() in WELL_KNOWN:
        return names[0].casefold(), names[1:]
    return ROOT, names


def move(graph: Graph, mailbox: str, message_id: str, destination: str) -> str:
    """Move a message to a folder (see `resolve`); its id from then on, the same one while ids are immutable.

    Moving it to where it is changes nothing. Raises MessageGone, or what `Graph.call` raises.
    """
    place = (mailbox.casefold(), destination)
    if target := graph.known_folders.get(place):
        try:
            return _moved(graph, mailbox, message_id, target)
        except NotThere:  # the message, or the folder: somebody may have deleted it since
            graph.known_folders.pop(place, None)
    target = graph.known_folders[place] = resolve(graph, mailbox, destination)
    try:
        return _moved(graph, mailbox, message_id, target)
    except NotThere as error:
        raise MessageGone(error.detail, status=error.status, code=error.code, request_id=error.request_id) from error


def _moved(graph: Graph, mailbox: str, message_id: str, target: str) -> str:
    url = graph.url("users", mailbox, "messages", message_id, "move")
    return _id(
        graph.call_json(mailbox, "POST", url, payload={"destinationId": target}, headers={"Prefer": IMMUTABLE_IDS})
    )


def _children(graph: Graph, mailbox: str, parent: str, path: str, *, named: str = "") -> Iterator[Folder]:
    where = ("mailFolders", parent, "childFolders") if parent else ("mailFolders",)
    quoted = named.replace("'", "''")
    url = graph.url(
        "users", mailbox, *where, select=_SELECTED, filter=f"displayName eq '{quoted}'" if named else None, top=100
    )
    seen: set[str] = set()
    while url and url not in seen and len(seen) <= MAX_FOLDERS:
        seen.add(url)
        page = graph.call_json(mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS})
        values = page.get("value")
        if not isinstance(values, list):
            raise BadAnswer("the answer is not a list of folders")
        for value in values:
            if isinstance(value, dict):
                yield _folder(value, path)
        link = page.get("@odata.nextLink")
        url = graph.same_origin(link) if isinstance(link, str) and link else ""


def _child(graph: Graph, mailbox: str, parent: str, name: str) -> str:
    for folder in _children(graph, mailbox, parent, "", named=name):
        if folder.name.casefold() == name.casefold():
            return folder.id
    return ""


def _made(graph: Graph, mailbox: str, parent: str, name: str) -> str:
    url = graph.url("users", mailbox, "mailFolders", parent, "childFolders")
    try:
        return _id(
            graph.call_json(mailbox, "POST", url, payload={"displayName": name}, headers={"Prefer": IMMUTABLE_IDS})
        )
    except Refused as error:  # another worker, or our own first try whose answer was lost, has made it
        if error.status != _CONFLICT and error.code.casefold() != "errorfolderexists":
            raise
        if found := _child(graph, mailbox, parent, name):
            return found
        raise


def _folder(value: dict[str, Any], path: str) -> Folder:
    name = str(value.get("displayName") or "")
    return Folder(
        id=_id(value),
        name=name,
        path=f"{path}{name}",
        parent_id=str(value.get("parentFolderId") or ""),
        children=_count(value.get("childFolderCount")),
        total=_count(value.get("totalItemCount")),
        unread=_count(value.get("unreadItemCount")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _id(value: dict[str, Any]) -> str:
    found = value.get("id")
    if not isinstance(found, str) or not 0 < len(found) <= MAX_ID_CHARS:
        raise BadAnswer("the answer names no id")
    return found
