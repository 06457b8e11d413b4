"""The machine-readable part of a report: groups of fields (RFC 3464, 2.1), wherever a server put them."""

import re
from collections.abc import Iterable, Iterator

from mail_ingest.parsing import ParsedMail, charsets, clean

MAX_CHARS = 200_000
MAX_GROUPS = 200
_FIELD = re.compile(r"[ \t]{0,4}([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*)")
_RECIPIENT = {"final-recipient", "original-recipient", "x-actual-recipient"}
_OUTCOME = {"action", "status", "diagnostic-code"}
_ANY_RECIPIENT = re.compile(r"^[ \t]{0,4}(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_TEXT_TYPES = {"text/plain", "application/octet-stream"}


class Fields:
    """One group. Names are compared without case; the first of several values counts, `all` gives every one."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._last: list[str] = []

    def add(self, name: str, value: str) -> None:
        self._last = self._values.setdefault(name.lower(), [])
        self._last.append(value.strip())

    def fold(self, more: str) -> None:
        if self._last:
            self._last[-1] = f"{self._last[-1]} {more.strip()}"

    def first(self, *names: str) -> str:
        """The first value of the first of these names that has one, else ''."""
        return next((value for name in names for value in self._values.get(name, ()) if value), "")

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self._values.get(name, ()) if value)

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def is_recipient(self) -> bool:
        """Whether this is the group of one recipient (RFC 3464, 2.3)."""
        return bool(_RECIPIENT & self._values.keys()) and bool(_OUTCOME & self._values.keys())


def groups(text: str) -> list[Fields]:
    """The groups of fields in a text, as blank lines part them. What is no field is passed over."""
    found = [Fields()]
    for line in text[:MAX_CHARS].split("\n"):
        if not line.strip():
            if found[-1]:
                found.append(Fields())
        elif match := _FIELD.fullmatch(line):
            found[-1].add(match.group(1), match.group(2))
        elif line[:1] in " \t":
            found[-1].fold(line)
        if len(found) > MAX_GROUPS:
            break
    return [one for one in found if one]


def of_recipients(mail: ParsedMail, own_text: str) -> list[Fields]:
    """The groups that tell what became of the mail for one recipient: from the parts of the mail, else from its text."""
    for text in _texts(mail):
        if _ANY_RECIPIENT.search(text) and (found := _of_recipients(text)):
            return [*found, *_others(mail, seen=text)]
    return _of_recipients(own_text) if _ANY_RECIPIENT.search(own_text) else []


def of_message(mail: ParsedMail, *names: str) -> Fields | None:
    """The first group in a part of the mail that has one of these fields (lower-case names)."""
    for text in _texts(mail):
        for group in groups(text):
            if group.first(*names):
                return group
    return None


def _others(mail: ParsedMail, *, seen: str) -> Iterable[Fields]:
    """Some servers send one part for each recipient."""
    texts = [text for text in _texts(mail) if text != seen and _ANY_RECIPIENT.search(text)]
    return (group for text in texts for group in _of_recipients(text))


def _of_recipients(text: str) -> list[Fields]:
    """Groups that a server wrote without blank lines between them are one here; the first recipient of it is kept."""
    return [group for group in groups(text) if group.is_recipient]


def _texts(mail: ParsedMail) -> Iterator[str]:
    for attachment in mail.attachments:
        if attachment.content_type in _TEXT_TYPES and attachment.content:
            yield clean.body(charsets.decode(attachment.content[:MAX_CHARS], "utf-8"))
