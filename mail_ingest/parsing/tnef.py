"""winmail.dat: the mail inside the mail that Outlook wraps into TNEF, Microsoft's own format ([MS-OXTNEF], [MS-OXPROPS]).

The libraries for it copy the rest of the data for each field, and believe whatever count they read: fifty hostile bytes can hold them
for hours. Here every step moves forward in the data, and what is not as the format says ends the reading.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail_ingest.parsing import charsets, clean, rtf

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_DEPTH = 3
_MAX_FIELDS = 20_000
_MAX_FILES = 200

_LEVEL_MESSAGE, _LEVEL_ATTACHMENT = 1, 2
_SUBJECT, _BODY, _ATTACH_DATA, _ATTACH_TITLE = 0x8004, 0x800C, 0x800F, 0x8010
_ATTACH_START, _MESSAGE_PROPERTIES, _ATTACH_PROPERTIES, _CODEPAGE = 0x9002, 0x9003, 0x9005, 0x9007

_P_SUBJECT, _P_BODY, _P_RTF, _P_HTML, _P_INTERNET_CODEPAGE, _P_MESSAGE_CODEPAGE = (
    *(0x0037, 0x1000, 0x1009, 0x1013),
    *(0x3FDE, 0x3FFD),
)
_P_NAME, _P_DATA, _P_SHORT_NAME, _P_LONG_NAME, _P_MIME, _P_CONTENT_ID = 0x3001, 0x3701, 0x3704, 0x3707, 0x370E, 0x3712
_MULTIPLE, _NAMED = 0x1000, 0x8000
_OBJECT, _STRING, _UNICODE, _BINARY = 0x000D, 0x001E, 0x001F, 0x0102
_VARIABLE = {_OBJECT, _STRING, _UNICODE, _BINARY}
# Two-byte values are padded to four.
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")
_OLE_STORAGE = b"\xd0\xcf\x11\xe0"


class Broken(Exception):
    """The data is not TNEF, or not all of it is there."""


@dataclass(slots=True)
class File:
    """A file of the wrapped mail. `content_type` is what it claims, '' when it claims nothing."""

    filename: str = ""
    content_type: str = ""
    content_id: str = ""
    content: bytes = b""
    message: "Message | None" = None


@dataclass(slots=True)
class Message:
    """The wrapped mail: its bodies (any may be '') and files, a forwarded mail being a file with a `message`."""

    subject: str = ""
    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)


def read(data: bytes, *, depth: int = 1) -> Message:
    """Open a winmail.dat. Raises Broken, and nothing else. Takes time in proportion to the size of `data`."""
    if not data.startswith(SIGNATURE):
        raise Broken("no TNEF signature")
    message, codepage, rich = Message(), "cp1252", b""
    for level, name, value in _attributes(data):
        if level == _LEVEL_ATTACHMENT:
            _to_file(message, name, value, codepage, depth=depth)
        elif name == _CODEPAGE:
            codepage = rtf.charset_of(int.from_bytes(value[:4], "little"))
        elif name == _SUBJECT:
            message.subject = message.subject or _string(value, codepage)
        elif name == _BODY:
            message.text = message.text or _string(value, codepage)
        elif name == _MESSAGE_PROPERTIES:
            rich = _to_message(message, dict(_properties(value)), codepage) or rich
    if rich and not message.html:
        _read_rtf(message, rich)
    return message


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, name and value of each field; the two bytes of checksum behind it are not looked at, as in Outlook."""
    at = 6
    for _ in range(_MAX_FIELDS):
        if len(data) - at < 9 + 2:
            return
        level, name, _kind, size = struct.unpack_from("<BHHI", data, at)
        at += 9
        if level not in {_LEVEL_MESSAGE, _LEVEL_ATTACHMENT} or at + size > len(data):
            raise Broken("a field is cut off")
        yield level, name, data[at : at + size]
        at += size + 2
    raise Broken("too many fields")


def _properties(data: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Each property's id with its type and first value."""
    try:
        (count,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(min(count, _MAX_FIELDS)):
            kind, name = struct.unpack_from("<HH", data, at)
            at = _skip_name(data, at + 4) if name >= _NAMED else at + 4
            single = kind & ~_MULTIPLE
            count_of_values = 1
            if kind & _MULTIPLE or single in _VARIABLE:
                (count_of_values,) = struct.unpack_from("<I", data, at)
                at += 4
            first, at = _values(data, at, single, count_of_values)
            if name < _NAMED:
                yield name, (single, first)
    except (struct.error, KeyError) as broken:
        raise Broken("a property is cut off") from broken


def _skip_name(data: bytes, at: int) -> int:
    """Behind the name of a named property: its set, then a number or a string."""
    (kind, number) = struct.unpack_from("<II", data, at + 16)
    return at + 24 + (_padded(number) if kind else 0)


def _values(data: bytes, at: int, kind: int, count: int) -> tuple[bytes, int]:
    first = b""
    for number in range(count):
        if kind in _VARIABLE:
            (size,) = struct.unpack_from("<I", data, at)
            start, at = at + 4, at + 4 + _padded(size)
        else:
            start, size = at, _FIXED[kind]
            at += size
        if start + size > len(data):
            raise Broken("a value is cut off")
        if not number:
            first = data[start : start + size]
    return first, at


def _padded(size: int) -> int:
    return size + -size % 4


def _string(value: bytes, codepage: str, *, kind: int = _STRING) -> str:
    text = value.decode("utf-16-le", "replace") if kind == _UNICODE else charsets.decode(value.rstrip(b"\0"), codepage)
    return clean.body(text)


def _to_message(message: Message, found: dict[int, tuple[int, bytes]], codepage: str) -> bytes:
    """Take over the properties of a message; answers its compressed RTF."""

    def text(name: int, charset: str) -> str:
        kind, value = found.get(name, (_STRING, b""))
        return _string(value, charset, kind=kind)

    def number(name: int) -> int:
        return int.from_bytes(found.get(name, (0, b""))[1][:4], "little")

    own = number(_P_MESSAGE_CODEPAGE)
    codepage = rtf.charset_of(own) if own else codepage
    web = number(_P_INTERNET_CODEPAGE)
    message.subject = text(_P_SUBJECT, codepage) or message.subject
    message.text = text(_P_BODY, codepage) or message.text
    message.html = text(_P_HTML, rtf.charset_of(web) if web else codepage)
    return found.get(_P_RTF, (0, b""))[1]


def _read_rtf(message: Message, packed: bytes) -> None:
    try:
        page = rtf.read(rtf.unpack(packed))
    except rtf.Broken:
        return
    message.html = clean.body(page.html)
    message.text = message.text if message.text.strip() else clean.body(page.text)


def _to_file(message: Message, name: int, value: bytes, codepage: str, *, depth: int) -> None:
    if name == _ATTACH_START:
        if len(message.files) >= _MAX_FILES:
            raise Broken("too many files")
        message.files.append(File())
    if not message.files:
        raise Broken("a file without a beginning")
    file = message.files[-1]
    if name == _ATTACH_TITLE:
        file.filename = file.filename or _string(value, codepage)
    elif name == _ATTACH_DATA:
        file.content = value
    elif name == _ATTACH_PROPERTIES:
        _describe(file, dict(_properties(value)), codepage, depth=depth)


def _describe(file: File, found: dict[int, tuple[int, bytes]], codepage: str, *, depth: int) -> None:
    def text(name: int) -> str:
        kind, value = found.get(name, (_STRING, b""))
        return clean.line(_string(value, codepage, kind=kind)) if kind in {_STRING, _UNICODE} else ""

    file.filename = text(_P_LONG_NAME) or file.filename or text(_P_SHORT_NAME) or text(_P_NAME)
    file.content_type = text(_P_MIME).lower()
    file.content_id = text(_P_CONTENT_ID)
    kind, data = found.get(_P_DATA, (0, b""))
    if kind == _OBJECT:
        interface, data = data[:16], data[16:]
        if interface == _MESSAGE_INTERFACE:
            if depth >= MAX_DEPTH:
                raise Broken("mails within mails within mails")
            file.message = read(data, depth=depth + 1)
            return
    file.content = data or file.content
