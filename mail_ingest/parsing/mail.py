"""What a mail is once it has been read: plain values, safe to store and to show."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Unreadable(Exception):
    """Nothing at all can be made of the bytes. `reason` says why, in words for the person who looks at quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address header. `email` is as written (not lower-cased), and '' when there was only a name."""

    name: str
    email: str

    @property
    def key(self) -> str:
        """The address in the form to compare and to look up with."""
        return self.email.strip().casefold()

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name and self.email else self.email or self.name


class Protection(StrEnum):
    """How the sender signed or encrypted the mail. Nothing is checked: that it says so is all that is known."""

    NONE = ""
    SMIME_SIGNED = "smime_signed"
    SMIME_ENCRYPTED = "smime_encrypted"
    PGP_SIGNED = "pgp_signed"
    PGP_ENCRYPTED = "pgp_encrypted"

    @property
    def is_encrypted(self) -> bool:
        return self in {Protection.SMIME_ENCRYPTED, Protection.PGP_ENCRYPTED}


@dataclass(frozen=True, slots=True)
class Calendar:
    """The event that an invitation is about.

    `method` is what it asks for (RFC 5546: REQUEST, CANCEL, REPLY, COUNTER, PUBLISH, …), `status` CONFIRMED, TENTATIVE or CANCELLED,
    of a REPLY the answer (ACCEPTED, DECLINED, TENTATIVE); upper-case words, or ''. `start` and `end` are aware UTC; of a day without
    hours midnight UTC, and `end` that of the day after the last. `organizer` is an address.
    """

    method: str
    summary: str
    start: datetime | None
    end: datetime | None
    all_day: bool
    location: str
    organizer: str
    status: str


@dataclass(frozen=True, slots=True)
class ParsedAttachment:
    """One attached file.

    `content_id` has no angle brackets. `is_inline` means that the HTML shows it by its `cid:`. `size_bytes` is the decoded
    size also where `content` was left out; then `refused_reason` says why. `content_type` is one of our own safe list.
    """

    filename: str
    content_type: str
    content: bytes
    content_id: str
    is_inline: bool
    size_bytes: int
    refused_reason: str = ""


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A mail as people read it. No text in it holds NUL, lone surrogates or other control characters.

    `message_id`, `in_reply_to` and `references` stand without angle brackets, `references` oldest first. `sent_at` is
    aware UTC. `visible_text` and `quoted_text` together hold every line of `text`. `html` is sanitised and loads nothing
    by itself: remote pictures wait in `data-remote-src`. `defects` are codes for what had to be cut or guessed.
    """

    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    sent_at: datetime | None
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    visible_text: str
    quoted_text: str
    attachments: tuple[ParsedAttachment, ...]
    content_type: str = ""
    defects: tuple[str, ...] = ()
    calendar: Calendar | None = None
    protection: Protection = Protection.NONE
