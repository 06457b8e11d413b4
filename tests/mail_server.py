"""A mailbox in memory that keeps what a source promises, with a switch for each way in which one fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mail_ingest.models import Mailbox
from mail_ingest.sources.base import (
    Diagnosis,
    Found,
    MessageUnreadable,
    MessageVanished,
    Page,
    Position,
    PositionLost,
    SourceUnavailable,
)


@dataclass
class Lying:
    """A message that lies in a folder."""

    number: int
    raw: bytes
    received_at: datetime
    problem: str = ""


@dataclass
class Server:
    """What one mailbox holds, by role, and how it behaves."""

    folders: dict[str, list[Lying]] = field(default_factory=lambda: {"inbox": [], "sent": []})
    age: int = 1
    page_items: int = 2
    refuses: SourceUnavailable | None = None
    broken_folders: dict[str, SourceUnavailable] = field(default_factory=dict)
    fetch_raises: dict[int, Exception] = field(default_factory=dict)
    put_away_raises: Exception | None = None
    hides: set[int] = field(default_factory=set)  # from rounds, not from listings
    fetched: list[int] = field(default_factory=list)
    put_away: list[tuple[str, str, str]] = field(default_factory=list)
    loses_position_always: bool = False
    on_fetch: Any = None
    on_open: Any = None

    def deliver(self, raw: bytes, *, at: datetime, role: str = "inbox", problem: str = "") -> Lying:
        number = 1 + max((one.number for folder in self.folders.values() for one in folder), default=0)
        lying = Lying(number, raw, at, problem)
        self.folders[role].append(lying)
        return lying

    def renumber(self) -> None:
        """As when UIDVALIDITY changes: every id means something else from now on."""
        self.age += 1


SERVERS: dict[str, Server] = {}


@contextmanager
def opened(mailbox: Mailbox) -> Iterator["MemoryReader"]:
    server = SERVERS[mailbox.slug]
    if server.on_open:
        server.on_open()
    if server.refuses:
        raise server.refuses
    yield MemoryReader(server)


class MemoryReader:
    def __init__(self, server: Server) -> None:
        self._server = server

    def rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        server = self._server
        self._may_read(role)
        if server.loses_position_always or (position and position["age"] != server.age):
            raise PositionLost
        after = position.get("number", 0)
        lying = [
            one
            for one in server.folders[role]
            if one.number > after and one.number not in server.hides and (position or one.received_at >= since)
        ]
        reached = max((one.number for one in server.folders[role]), default=0)
        yield from self._pages(role, lying, reached)

    def listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        self._may_read(role)
        if position and position["age"] != self._server.age:
            raise PositionLost
        after = position.get("number", 0)
        lying = [one for one in self._server.folders[role] if one.number > after and since <= one.received_at < until]
        yield from self._pages(role, lying, after)

    def fetch(self, role: str, source_id: str) -> bytes:
        lying = self._find(role, source_id)
        self._server.fetched.append(lying.number)
        if self._server.on_fetch:
            self._server.on_fetch(lying)
        if error := self._server.fetch_raises.get(lying.number):
            raise error
        return lying.raw

    def put_away(self, source_id: str, *, how: str, folder: str) -> None:
        lying = self._find("inbox", source_id)
        if self._server.put_away_raises:
            raise self._server.put_away_raises
        self._server.put_away.append((source_id, how, folder))
        if how == "move":
            self._server.folders["inbox"].remove(lying)

    def check(self) -> Diagnosis:
        return Diagnosis(ok=True, detail="It can be read.", folders=["INBOX"])

    def _may_read(self, role: str) -> None:
        if error := self._server.broken_folders.get(role):
            raise error

    def _pages(self, role: str, lying: list[Lying], reached: int) -> Iterator[Page]:
        age, size = self._server.age, self._server.page_items
        for start in range(0, len(lying), size):
            page, is_last = lying[start : start + size], start + size >= len(lying)
            items = [
                Found(f"{role}:{age}:{one.number}", received_at=one.received_at, problem=one.problem) for one in page
            ]
            number = max(page[-1].number, reached) if is_last else page[-1].number
            yield Page(items, {"age": age, "number": number}, last=is_last)
        if not lying:
            yield Page((), {"age": age, "number": reached}, last=True)

    def _find(self, role: str, source_id: str) -> Lying:
        kind, age, number = source_id.split(":")
        if int(age) != self._server.age:
            raise PositionLost
        found = [one for one in self._server.folders[role] if kind == role and one.number == int(number)]
        if not found:
            raise MessageVanished(source_id)
        return found[0]


def unreadable(reason: str = "It is broken.", *, lasting: bool = False) -> MessageUnreadable:
    return MessageUnreadable(reason, lasting=lasting)


def away(detail: str = "The server does not answer.", **more: Any) -> SourceUnavailable:
    return SourceUnavailable(detail, **more)
