"""Messages of a mailbox: their lists by date, their bytes, and the mark that they were read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mail_ingest.sources.graph.client import IMMUTABLE_IDS, MAX_MIME_BYTES, Answer, Graph
from mail_ingest.sources.graph.errors import BadAnswer, GraphError, MessageGone, NotThere, Throttled, Unreachable
from mail_ingest.sources.graph.items import SELECTED, Item, Page, Poison, Served, served, stamp
from mail_ingest.sources.graph.retry import PROBE, Attempts, Policy

LIST_PAGE = 200
MAX_POISON = 25
NOT_YET_THERE = Policy(tries=4, total_seconds=10.0, first_wait_seconds=0.5)

_CLOSING = re.compile(rb"\n--[^\r\n]{1,200}--[ \t]*\r?\n?\s*\Z")


def mime(graph: Graph, mailbox: str, message_id: str, *, max_bytes: int = MAX_MIME_BYTES) -> bytes:
    """The whole message as it travelled.

    A message that was only just announced may not be found at once, so "not found" is asked again for a few seconds. Raises
    MessageGone, TooLarge, or what `Graph.call` raises. A body that was cut short is fetched again, never returned.
    """
    url = graph.url("users", mailbox, "messages", message_id, "$value")
    attempts = Attempts(NOT_YET_THERE, graph.pace)
    for _ in attempts:
        try:
            return _whole(graph, mailbox, url, max_bytes)
        except NotThere as error:
            gone = MessageGone(error.detail, status=error.status, code=error.code, request_id=error.request_id)
            attempts.failed(gone)
    raise AssertionError  # pragma: no cover - the loop ends by returning or raising


def item(graph: Graph, mailbox: str, message_id: str, *, patience: Policy = NOT_YET_THERE) -> Item:
    """What a list would tell of one message; waits, as `mime` does, for one that was only just announced.

    Raises MessageGone, or what `Graph.call` raises.
    """
    url = graph.url("users", mailbox, "messages", message_id, select=SELECTED)
    attempts = Attempts(patience, graph.pace)
    for _ in attempts:
        try:
            told = graph.call_json(mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS})
        except NotThere as error:
            gone = MessageGone(error.detail, status=error.status, code=error.code, request_id=error.request_id)
            attempts.failed(gone)
        else:
            found = served({"value": [told]}).items
            if not found:
                raise BadAnswer("the answer is not a message")
            return found[0]
    raise AssertionError  # pragma: no cover - the loop ends by returning or raising


def _whole(graph: Graph, mailbox: str, url: str, max_bytes: int) -> bytes:
    """The bytes, once they are believed: marked as whole by HTTP, or the same when read twice."""
    attempts, before = Attempts(graph.policy, graph.pace), None
    for _ in attempts:
        answer = graph.call(
            mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS, "Accept": "*/*"}, max_bytes=max_bytes
        )
        wrong = _wrong(answer)
        if not wrong and (answer.body == before or not (wrong := _doubt(answer))):
            return answer.body
        before = answer.body
        attempts.failed(BadAnswer(wrong, status=answer.status))
    raise AssertionError  # pragma: no cover


def _wrong(answer: Answer) -> str:
    """Why this is no message, however often it comes; "" for one."""
    if not answer.body.strip():
        return "the message came without a single byte"
    return "the message came as JSON" if "json" in answer.headers.get("Content-Type", "").casefold() else ""


def _doubt(answer: Answer) -> str:
    """Why these bytes may not be the whole message (some senders write such mails: then they come twice)."""
    if not answer.is_framed:
        return "the end of the message was not marked"
    head = b"\n" + answer.body[: 64 * 1024].partition(b"\r\n\r\n")[0].lower()
    if b"\ncontent-type: multipart/" in head and not _CLOSING.search(answer.body[-4096:]):
        return "the message ends before its last part does"
    return ""


def mark_read(graph: Graph, mailbox: str, message_id: str) -> None:
    """Marks a message as read; again changes nothing. Raises MessageGone, or what `Graph.call` raises."""
    url = graph.url("users", mailbox, "messages", message_id)
    try:
        graph.call(mailbox, "PATCH", url, payload={"isRead": True}, headers={"Prefer": IMMUTABLE_IDS})
    except NotThere as error:
        raise MessageGone(error.detail, status=error.status, code=error.code, request_id=error.request_id) from error


def find(graph: Graph, mailbox: str, internet_message_id: str, *, folder: str = "") -> tuple[Item, ...]:
    """The messages with this Message-ID (with its angle brackets), in one folder or anywhere."""
    where = ("mailFolders", folder, "messages") if folder else ("messages",)
    quoted = internet_message_id.replace("'", "''")
    url = graph.url("users", mailbox, *where, select=SELECTED, filter=f"internetMessageId eq '{quoted}'", top=10)
    return served(graph.call_json(mailbox, "GET", url, headers={"Prefer": IMMUTABLE_IDS})).items


def listing(
    graph: Graph,
    mailbox: str,
    folder: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    page_size: int = LIST_PAGE,
) -> Iterator[Page]:
    """The messages of a folder received from `since` to before `until`, oldest first, each once.

    Goes on by date and not by position, so that messages that are moved away meanwhile hide no others. A message that breaks
    its page is isolated and told as Poison; the others come all the same.
    """
    window = _Window(graph, mailbox, folder, until, page_size)
    start, skip, seen, told = since, 0, set[str](), set[Poison]()
    while True:
        found, poison, may_be_more = window.read(start, skip)
        items = tuple(item for item in found if item.id not in seen)
        new_poison = tuple(one for one in poison if one not in told)
        told.update(new_poison)
        if items or new_poison:
            yield Page(items, new_poison)
        if not may_be_more:
            return
        newest = max((item.received_at for item in found if item.received_at), default=None)
        newest = newest.replace(microsecond=0) if newest else None
        if newest is not None and (start is None or newest > start):
            start, skip = newest, 0
            seen = {item.id for item in found if item.received_at and item.received_at >= newest}
        else:  # more of one second than a page holds, or nothing readable: the one case that needs positions
            skip += page_size
            seen |= {item.id for item in found}


@dataclass(slots=True)
class _Window:
    """Reads `page_size` messages from a moment on, in smaller and smaller pieces where a piece fails."""

    graph: Graph
    mailbox: str
    folder: str
    until: datetime | None
    page_size: int
    poisoned: int = 0

    def read(self, start: datetime | None, skip: int) -> tuple[list[Item], list[Poison], bool]:
        try:
            page = self._ask(start, skip, self.page_size, self.graph.policy)
        except Unreachable as error:
            items, poison = self._split(start, skip, self.page_size, error)
            if not poison:  # it passed on being asked in pieces
                return items, poison, bool(items)
            return items, poison, True
        return list(page.items), [], bool(page.next_link)

    def _ask(self, start: datetime | None, skip: int, top: int, policy: Policy, *, select: str = SELECTED) -> Served:
        bounds = [f"receivedDateTime ge {stamp(start)}"] if start else []
        bounds += [f"receivedDateTime lt {stamp(self.until)}"] if self.until else []
        url = self.graph.url(
            *("users", self.mailbox, "mailFolders", self.folder, "messages"),
            select=select,
            filter=" and ".join(bounds) or None,
            orderby="receivedDateTime asc",
            top=top,
            skip=skip or None,
        )
        headers = {"Prefer": IMMUTABLE_IDS}
        page = served(self.graph.call_json(self.mailbox, "GET", url, headers=headers, policy=policy))
        if page.next_link:
            self.graph.same_origin(page.next_link)
        return page

    def _split(self, start: datetime | None, skip: int, top: int, error: GraphError) -> tuple[list[Item], list[Poison]]:
        if top == 1:
            return [], [self._poison(start, skip, error)]
        items: list[Item] = []
        poison: list[Poison] = []
        half = top // 2
        for at, size in ((skip, half), (skip + half, top - half)):
            try:
                page = self._ask(start, at, size, PROBE)
            except Unreachable as piece_error:
                found, bad = self._split(start, at, size, piece_error)
                items += found
                poison += bad
            else:
                items += page.items
                if not page.next_link:
                    break
        return items, poison

    def _poison(self, start: datetime | None, skip: int, error: GraphError) -> Poison:
        """Which message it is. Raises `error` when it is the mailbox that fails, and not one message."""
        self.poisoned += 1
        if self.poisoned > MAX_POISON or not is_healthy(self.graph, self.mailbox, self.folder):
            raise error
        try:
            bare = self._ask(start, skip, 1, PROBE, select="id").items
        except Unreachable:
            bare = ()
        before = self._received(start, skip + 1)
        if bare:
            return Poison(id=bare[0].id, before=before)
        return Poison(after=self._received(start, skip - 1), before=before, window_from=start, position=skip)

    def _received(self, start: datetime | None, skip: int) -> datetime | None:
        """When the neighbour was received, if it can be read."""
        if skip < 0:
            return start
        try:
            items = self._ask(start, skip, 1, PROBE, select="receivedDateTime").items
        except Unreachable:
            return None
        return items[0].received_at if items else None


def is_healthy(graph: Graph, mailbox: str, folder: str) -> bool:
    """Whether the folder itself answers: then what fails is a message in it, not the mailbox."""
    try:
        graph.call_json(mailbox, "GET", graph.url("users", mailbox, "mailFolders", folder, select="id"), policy=PROBE)
    except (Unreachable, Throttled):
        return False
    return True
