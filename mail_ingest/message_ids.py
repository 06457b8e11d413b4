"""Message-IDs and address tags that prove themselves: whoever answers one of ours finds its case, and nobody can make one up.

Ids stand without angle brackets here, as everywhere in this project; whoever writes a header puts them on.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from uuid import UUID

MAX_CASE_NUMBERS = 10
_ID_MAC_BYTES = 16
_TAG_MAC_BYTES = (
    10  # The local part of an address holds 64 characters (RFC 5321, 4.5.3.1.1), the mailbox's own name among them.
)
_NONCE = re.compile(r"[a-z0-9]{1,40}\Z")
# Letters are compared without case, since some gateways change it.
_ID = re.compile(r"hc\.([a-z2-7]{26})\.([a-z0-9]{1,40})\.([a-z2-7]{26})@[^\s@<>]+\Z")
_TAG = re.compile(r"hc-([a-z2-7]{26})-([a-z2-7]{16})\Z")
# Phones and word processors turn the hyphen into its look-alikes.
_CASE_NUMBER = re.compile("(?<![A-Za-z0-9])HC[-\u2010\u2011\u2013]([0-9]{1,18})(?![0-9])", re.IGNORECASE)
_MAX_SUBJECT_CHARS = 5_000


def make(case_id: UUID, *, domain: str, key: bytes, nonce: str) -> str:
    """A Message-ID of our own for a mail about this case, without angle brackets.

    `nonce` makes it unique: 1 to 40 lower-case letters and digits, else ValueError. The signature is HMAC-SHA256 over
    case and nonce, cut to 128 bits (RFC 2104, section 5).
    """
    if not _NONCE.match(nonce):
        raise ValueError("a nonce is 1 to 40 lower-case letters and digits")
    case = _text(case_id.bytes)
    return f"hc.{case}.{nonce}.{_mac('id', f'{case}.{nonce}', key=key, size_bytes=_ID_MAC_BYTES)}@{domain}"


def read(message_id: str, *, keys: Sequence[bytes]) -> UUID | None:
    """The case that one of our Message-IDs is about. None when it is not ours, was changed, or is signed with another key.

    Angle brackets and letter case do not matter.
    """
    match = _ID.match(message_id.strip("<> \t\r\n").lower())
    if not match:
        return None
    case, nonce, mac = match.groups()
    return _checked(case, f"{case}.{nonce}", mac, kind="id", size_bytes=_ID_MAC_BYTES, keys=keys)


def make_tag(case_id: UUID, *, key: bytes) -> str:
    """What to put behind the plus of our own address (`support+<tag>@example.com`) so that any answer finds the case."""
    case = _text(case_id.bytes)
    return f"hc-{case}-{_mac('tag', case, key=key, size_bytes=_TAG_MAC_BYTES)}"


def read_tag(tag: str, *, keys: Sequence[bytes]) -> UUID | None:
    """The case that a plus tag of ours names. None when it is not ours, was changed, or is signed with another key."""
    match = _TAG.match(tag.strip().lower())
    if not match:
        return None
    case, mac = match.groups()
    return _checked(case, case, mac, kind="tag", size_bytes=_TAG_MAC_BYTES, keys=keys)


def tags_in(emails: Iterable[str]) -> tuple[str, ...]:
    """What stands behind the plus of these addresses, in order."""
    locals_ = (email.rpartition("@")[0] for email in emails)
    return tuple(tag for tag in (local.partition("+")[2] for local in locals_) if tag)


def case_numbers_in(subject: str) -> tuple[str, ...]:
    """Every `HC-<digits>` in a subject, in order, each once, written as we write it; at most MAX_CASE_NUMBERS."""
    found = (f"HC-{match.group(1)}" for match in _CASE_NUMBER.finditer(subject[:_MAX_SUBJECT_CHARS]))
    return tuple(dict.fromkeys(found))[:MAX_CASE_NUMBERS]


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _mac(kind: str, text: str, *, key: bytes, size_bytes: int) -> str:
    return _text(hmac.digest(key, f"handyconnect:{kind}:v1:{text}".encode(), hashlib.sha256)[:size_bytes])


def _checked(case: str, text: str, mac: str, *, kind: str, size_bytes: int, keys: Sequence[bytes]) -> UUID | None:
    right = [hmac.compare_digest(mac, _mac(kind, text, key=key, size_bytes=size_bytes)) for key in keys]
    return UUID(bytes=base64.b32decode(case.upper() + "======")) if any(right) else None
