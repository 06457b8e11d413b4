"""What a server answers to FETCH, taken apart. Pure functions of what imaplib hands over."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([ \d]\d)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_QUOTED_BODY = re.compile(rb'BODY\[[^\]]*\](?:<\d+>)? "((?:[^"\\]|\\.)*)"', re.DOTALL)
_MESSAGE_ID = re.compile(rb"^message-id:\s*<?([^>\r\n]*)", re.IGNORECASE | re.MULTILINE)
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of an answer. What was not told is None; `body` is whatever part of it was asked for."""

    uid: int
    size_bytes: int | None
    received_at: datetime | None
    flags: frozenset[str] | None
    body: bytes | None

    @property
    def message_id(self) -> str:
        """Out of the header in `body`, without brackets."""
        found = _MESSAGE_ID.search(re.sub(rb"\r?\n[ \t]+", b" ", self.body or b""))
        return "".join(found[1].decode(errors="replace").split()) if found else ""


def answers(data: Iterable[object]) -> Iterator[Answer]:
    """imaplib gives a message as (text, literal) pairs and a closing text. What has no UID is news that nobody asked for."""
    text, literals = b"", []
    for item in data:
        if isinstance(item, tuple):
            text += item[0] + b" "
            literals.append(item[1])
            continue
        if isinstance(item, bytes):
            text += item
            if uid := _UID.search(text):
                yield _answer(int(uid[1]), text, literals)
        text, literals = b"", []


def _answer(uid: int, text: bytes, literals: list[bytes]) -> Answer:
    size, flags = _SIZE.search(text), _FLAGS.search(text)
    body = literals[-1] if literals else None
    if body is None and (quoted := _QUOTED_BODY.search(text)):
        body = re.sub(rb"\\(.)", rb"\1", quoted[1])
    return Answer(
        uid=uid,
        size_bytes=int(size[1]) if size else None,
        received_at=_moment(text),
        flags=frozenset(flags[1].decode(errors="replace").casefold().split()) if flags else None,
        body=body,
    )


def _moment(text: bytes) -> datetime | None:
    found = _DATE.search(text)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, off_hours, off_minutes = found.groups()
    offset = timedelta(hours=int(off_hours), minutes=int(off_minutes)) * (-1 if sign == b"-" else 1)
    try:
        moment = datetime(
            int(year),
            _MONTHS.index(month.lower()) + 1,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=timezone(offset),
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def search_day(moment: datetime, *, days: int = 0) -> str:
    """A day as SEARCH wants it (RFC 3501, 6.4.4): 03-Mar-2026, whatever the locale."""
    day = moment.astimezone(UTC) + timedelta(days=days)
    return f"{day.day:02d}-{_MONTHS[day.month - 1].decode().capitalize()}-{day.year:04d}"
