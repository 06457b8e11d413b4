"""What every source of mail can do, so that whatever reads, compares, backfills and puts away need not know which it is.

A source knows nothing of the ledger: it shows what a mailbox holds and hands over bytes. What is stored, skipped or tried again
is decided in `mail_ingest.services.rounds`. Everything that a source says is untrusted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

MAX_MESSAGE_BYTES = 150 * 1024 * 1024
PAGE_ITEMS = 100
SHOWN_CHARS = 300

Position = Mapping[str, Any]


class SourceUnavailable(Exception):
    """The mailbox, or one of its folders, cannot be read now. Nothing is wrong with any single message.

    `detail` is for people: what is wrong, and what to do about it; it holds no secret. `retry_at` is when the source said that
    it may be asked again, None when it did not say. `lasting`: it does not pass by itself, a person has to change something.
    """

    def __init__(self, detail: str, *, retry_at: datetime | None = None, lasting: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_at = retry_at
        self.lasting = lasting


class PositionLost(Exception):
    """The source does not know the position any more (UIDVALIDITY changed, delta state gone): read from the start."""


class MessageVanished(Exception):
    """The message is no longer there: somebody deleted or moved it in the meantime."""


class MessageUnreadable(Exception):
    """The source does not hand over this one message, while it goes on with others.

    `reason` is for people. `lasting`: asking again changes nothing (it is too large).
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Found:
    """A message that the source shows. `source_id` is at most 500 characters and never used twice in a mailbox.

    `received_at` None: its own headers have to say. `message_id` without brackets, only where it comes without another request.
    `problem`: why it cannot even be asked for; it is then kept in quarantine without being fetched.
    """

    source_id: str
    received_at: datetime | None = None
    message_id: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages (none is no end), and the position to keep once all of them are in the ledger.

    `last`: the folder is read up to now. The iterator may end without it, when the source needs a pause.
    """

    items: Sequence[Found]
    position: Position
    last: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a connection test found out: `ok`, and in plain words what works or what to change."""

    ok: bool
    detail: str
    folders: Sequence[str] = field(default=())


class Reader(Protocol):
    """A mailbox that was opened. Roles are those of FolderRole. Every call may raise SourceUnavailable."""

    def rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        """What has come since `position`, oldest first as far as the source has an order.

        An empty position begins anew: then, and in what goes on from there, mail received before `since` is left out; so is old
        mail that is shown again only because somebody read, flagged or categorised it. What certainly arrived after the last round
        is shown whatever its date. Repeating an item is harmless, leaving one out is not. Raises PositionLost.
        """

    def listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        """Everything received in `since <= received < until` that lies in the folder now, oldest first.

        `position` is {} or that of a page of an earlier listing of the same span, to go on behind it. Raises PositionLost.
        """

    def fetch(self, role: str, source_id: str) -> bytes:
        """The whole message (RFC 5322), leaving it unread if it was. At most MAX_MESSAGE_BYTES.

        Raises MessageVanished, MessageUnreadable; PositionLost when the id is of another age of the folder.
        """

    def put_away(self, source_id: str, *, how: str, folder: str) -> None:
        """Mark a message of the inbox as read or move it to `folder` (AfterFiling), which is made when it is not there.

        May be repeated. Raises MessageVanished, MessageUnreadable when it is refused for this one, PositionLost.
        """

    def check(self) -> Diagnosis:
        """Whether all that the mailbox is configured for can be done. Changes nothing there."""


def shortened(text: str) -> str:
    """What a server said, on one line and short enough to be shown."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))[:SHOWN_CHARS]


def too_large(size_bytes: int) -> MessageUnreadable:
    megabyte = 1024 * 1024
    return MessageUnreadable(
        f"It has {size_bytes // megabyte} MB; at most {MAX_MESSAGE_BYTES // megabyte} MB are read.", lasting=True
    )


# How far before its beginning a mailbox is read: what came in this time is still news.
FIRST_ROUND_REACHES_BACK = timedelta(hours=24)
