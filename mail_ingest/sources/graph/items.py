"""What a page of messages says, read with distrust: ids and stamps only, never content."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mail_ingest.sources.graph.errors import BadAnswer

SELECTED = "internetMessageId,receivedDateTime,isDraft,isRead,parentFolderId,changeKey"
MAX_ID_CHARS = 1024
MAX_MESSAGE_ID_CHARS = 998  # a line of RFC 5322


@dataclass(frozen=True, slots=True)
class Item:
    """A message as a list or a delta round names it. Whatever the server left out is empty or None.

    `removed` is "" for a message that is there, else the reason ("deleted", "changed": it left the folder or the filter).
    """

    id: str
    removed: str = ""
    internet_message_id: str = ""
    received_at: datetime | None = None
    is_draft: bool = False
    is_read: bool | None = None
    parent_folder_id: str = ""
    change_key: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that breaks every page that holds it. Its id when the server gives at least that.

    Else its place: received between `after` and `before` (None: it is the newest), as message `position` from `window_from`.
    """

    id: str = ""
    after: datetime | None = None
    before: datetime | None = None
    window_from: datetime | None = field(default=None, compare=False)
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing or a round.

    `resume` is the link to store together with these items: it goes on after them. `is_complete` marks the last page of a
    round that has come to its end, when `resume` is the delta link. A round that a poison message blocks ends with a page
    that is not complete, and begins there again.
    """

    items: tuple[Item, ...] = ()
    poison: tuple[Poison, ...] = ()
    resume: str = ""
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """One page as the server gave it."""

    items: tuple[Item, ...]
    next_link: str = ""
    delta_link: str = ""
    skipped: int = field(default=0, compare=False)


def served(answer: dict[str, Any]) -> Served:
    """Reads a page. Raises BadAnswer when it is none; entries without a usable id are counted in `skipped`."""
    values = answer.get("value")
    if not isinstance(values, list):
        raise BadAnswer("the answer is not a page of messages")
    items = tuple(_items(values))
    next_link, delta_link = answer.get("@odata.nextLink"), answer.get("@odata.deltaLink")
    return Served(
        items,
        next_link if isinstance(next_link, str) else "",
        delta_link if isinstance(delta_link, str) else "",
        len(values) - len(items),
    )


def _items(values: Iterable[object]) -> Iterable[Item]:
    for value in values:
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            continue
        if not 0 < len(value["id"]) <= MAX_ID_CHARS:
            continue
        is_read = value.get("isRead")
        yield Item(
            id=value["id"],
            removed=_removed(value),
            internet_message_id=_text(value, "internetMessageId", MAX_MESSAGE_ID_CHARS),
            received_at=moment(value.get("receivedDateTime")),
            is_draft=value.get("isDraft") is True,
            is_read=is_read if isinstance(is_read, bool) else None,
            parent_folder_id=_text(value, "parentFolderId", MAX_ID_CHARS),
            change_key=_text(value, "changeKey", MAX_ID_CHARS),
        )


def _removed(value: dict[str, Any]) -> str:
    if "@removed" not in value:
        return ""
    removed = value["@removed"]
    reason = removed.get("reason") if isinstance(removed, dict) else None
    return reason if isinstance(reason, str) and reason else "deleted"


def _text(value: dict[str, Any], name: str, longest: int) -> str:
    text = value.get(name)
    return text.replace("\x00", "")[:longest] if isinstance(text, str) else ""


def moment(text: object) -> datetime | None:
    """A stamp such as 2026-03-01T08:00:00Z or 2026-03-01T08:00:00.1234567Z, in UTC. None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(_six_digits(text))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _six_digits(text: str) -> str:
    """Graph gives up to seven digits of a second; Python reads six."""
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[:digits][:6]}{rest[digits:]}"


def stamp(at: datetime) -> str:
    """The moment as Graph's filters take it, rounded down to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
