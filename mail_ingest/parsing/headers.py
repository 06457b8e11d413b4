"""Header fields out of bytes: folded, encoded, repeated or broken, in bounded time."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.policy import compat32

from mail_ingest.parsing import charsets, clean

MAX_FIELDS = 1_000
MAX_BLOCK_BYTES = 2 * 1024 * 1024
MAX_FIELD_BYTES = 512 * 1024
_MAX_PARAM_CHARS = 8_000
_MAX_WORDS = 5_000

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_BLANK = re.compile(rb"\n\r?\n|\r\r")
_FROM = re.compile(rb"^from[ \t]*:[^\r\n]*@", re.IGNORECASE | re.MULTILINE)
_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,64})(?:\*[A-Za-z0-9-]{0,32})?\?([bBqQ])\?(.*?)\?=", re.DOTALL)
_QUOTED_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(slots=True)
class Headers:
    """The fields of one part in order. Names keep their case and are looked up without it."""

    fields: list[tuple[str, bytes]] = field(default_factory=list)
    charset: str = ""  # The charset that raw 8-bit values are tried in, after UTF-8.
    truncated: bool = False
    _places: dict[str, list[int]] = field(default_factory=dict)
    _guess: str = ""

    def add(self, name: str, value: bytes) -> None:
        """Append a field."""
        self._places.setdefault(name.lower(), []).append(len(self.fields))
        self.fields.append((name, value))

    def raw(self, name: str) -> Iterator[str]:
        """Every value of `name` that is not blank, unfolded, with encoded words still encoded."""
        return filter(None, (self._text(self.fields[place][1]) for place in self._places.get(name.lower(), ())))

    def first_raw(self, name: str) -> str:
        """The first value of `name` that is not blank, else ''."""
        return next(self.raw(name), "")

    def text(self, name: str) -> str:
        """The first value of `name` that is not blank, decoded, on one line."""
        return clean.line(decode_words(self.first_raw(name)))

    def decoded(self) -> tuple[tuple[str, str], ...]:
        """Every field in order, decoded, each value on one line."""
        return tuple((name, clean.line(decode_words(self._text(value)))) for name, value in self.fields)

    def param(self, name: str, key: str) -> str:
        """A parameter of a structured field, RFC 2231 and encoded words resolved: `param("content-type", "charset")`."""
        value = self.first_raw(name)[:_MAX_PARAM_CHARS]
        if key not in value.lower():
            return ""
        message = Message(policy=compat32)
        message[name] = value
        try:
            found = message.get_param(key, "", header=name)
        except (ValueError, LookupError, TypeError, AttributeError):
            found = ""  # Numbers with thousands of digits, for one.
        if isinstance(found, tuple):
            charset, _, escaped = found
            text = charsets.decode(escaped.encode("raw-unicode-escape", "replace"), charset or "utf-8")
        else:
            text = str(found or "")
        return decode_words(text or _loose_param(value, key)).strip()

    def _text(self, value: bytes) -> str:
        # Plain ASCII stays what it is, even in a part whose charset gives it another meaning (UTF-7).
        charset = "iso-2022-jp" if b"\x1b$" in value else "" if value.isascii() else self.charset
        text = charsets.declared(value, charset) or value.decode(self._guessed(), "replace")
        return clean.body(text).replace("\n", " ").strip()

    def _guessed(self) -> str:
        """One guess for all fields together: a single short value says too little, and guessing is slow."""
        if not self._guess:
            self._guess = charsets.guess(b" ".join(value for _, value in self.fields if not value.isascii()))
        return self._guess


def read_block(data: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The header fields at `start`, and where the body begins.

    The block ends at the first blank line, or before the first line that cannot be a header. What goes beyond the limits
    is skipped and noted in `truncated`.
    """
    found = Headers()
    rows = _Rows()
    body = _read_rows(data, start, end, found, rows)
    rows.close(found)
    return found, body


@dataclass(slots=True)
class _Rows:
    """The rows of the last field, which are joined all at once: one by one takes quadratic time."""

    rows: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, row: bytes) -> None:
        self.rows.append(row.strip(b" \t"))
        self.size_bytes += len(row)

    def close(self, found: Headers) -> None:
        if len(self.rows) > 1:
            found.fields[-1] = (found.fields[-1][0], b" ".join(self.rows))
        self.rows = []
        self.size_bytes = 0


def _read_rows(data: bytes, start: int, end: int, found: Headers, rows: _Rows) -> int:
    """Fill `found`, but for the last field; answers where the body begins."""
    at = start
    salvage = -1
    while at < end:
        match = _LINE.match(data, at, end)
        stop = match.end() if match else end
        row = data[at : min(stop, at + MAX_FIELD_BYTES)].rstrip(b"\r\n")
        if not row.strip(b"\x00"):
            return stop
        if row[:1] in b" \t" and found.fields:
            _fold(found, rows, row)
        elif name := _NAME.match(row):
            _add(found, rows, name.group(1), row[name.end() :], spent=at - start)
        elif not (row.startswith((b"From ", b">From ")) and not found.fields):
            rows.close(found)
            salvage = _next_sender(data, at, end, found) if salvage < 0 else salvage
            if at >= salvage:
                return at
        at = stop
    return end


def _next_sender(data: bytes, at: int, end: int, found: Headers) -> int:
    """Where the header goes on behind a broken line: where the From that is still missing stands before any blank line."""
    if next(found.raw("from"), ""):
        return at
    blank = _BLANK.search(data, at, min(end, at + MAX_FIELD_BYTES))
    sender = _FROM.search(data, at, blank.start() if blank else min(end, at + MAX_FIELD_BYTES))
    return sender.start() if sender else at


def has_header_line(data: bytes) -> bool:
    """Whether one of the first lines looks like a header."""
    return any(_NAME.match(row) for row in data[:4096].splitlines()[:20])


def decode_words(value: str) -> str:
    """RFC 2047 encoded words to text. A character may be cut in two between neighbouring words of one charset."""
    if "=?" not in value:
        return value
    out: list[str] = []
    pending: bytes = b""
    charset = ""
    at = 0
    for count, word in enumerate(_WORD.finditer(value)):
        if count >= _MAX_WORDS:
            break
        gap = value[at : word.start()]
        if gap.strip() or word.group(1).lower() != charset:
            out.append(_word_text(pending, charset))
            pending = b""
        if gap.strip() or at == 0:
            out.append(gap)
        charset = word.group(1).lower()
        pending += _word_bytes(word.group(2), word.group(3))
        at = word.end()
    out += (_word_text(pending, charset), value[at:])
    return "".join(out)


def from_base64(data: bytes) -> bytes:
    """Base64 with whatever line ends, foreign characters and missing or early padding it came with."""
    out = bytearray()
    for piece in data.split(b"="):
        letters = _NOT_BASE64.sub(b"", piece)
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        out += binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    return bytes(out)


def _word_text(data: bytes, charset: str) -> str:
    return charsets.declared(data, charset) or data.decode("cp1252", "replace")


def _word_bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if kind in "bB":
        return from_base64(data)
    return _QUOTED_BYTE.sub(lambda hit: bytes((int(hit.group(1), 16),)), data.replace(b"_", b" "))


def _add(found: Headers, rows: _Rows, name: bytes, value: bytes, *, spent: int) -> None:
    rows.close(found)
    if len(found.fields) >= MAX_FIELDS or spent > MAX_BLOCK_BYTES:
        found.truncated = True
        return
    found.add(name.decode("ascii"), value.strip(b" \t"))
    rows.add(value)


def _fold(found: Headers, rows: _Rows, row: bytes) -> None:
    if not rows.rows:
        return  # it goes on with a line that was none, or with a field that was left out
    if rows.size_bytes + len(row) > MAX_FIELD_BYTES:
        found.truncated = True
        return
    rows.add(row)


def _loose_param(value: str, key: str) -> str:
    match = re.search(rf"(?:^|[;\s]){re.escape(key)}\*?\s*=\s*(?:\"([^\"]*)\"?|([^;\s]+))", value, re.IGNORECASE)
    return (match.group(1) or match.group(2) or "") if match else ""
