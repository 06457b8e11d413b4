"""The rich text in which Outlook keeps a mail: unpacked ([MS-OXRTFCP]), and the HTML or text that it was made of taken out ([MS-OXRTFEX])."""

import re
import struct
from dataclasses import dataclass
from html import escape

from mail_ingest.parsing import charsets

MAX_BYTES = 2_000_000
_MAX_TOKENS = 200_000
_MAX_DEPTH = 500
_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArial"
    rb"Times New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096
_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,9})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|([^\\{}\r\n]+)", re.DOTALL
)
_NOT_TEXT = {
    *(b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"listtable"),
    *(b"listoverridetable", b"generator", b"themedata", b"datastore", b"latentstyles", b"pntext", b"mhtmltag"),
}
_SIGNS = {
    b"par": "\n",
    b"line": "\n",
    b"row": "\n",
    b"sect": "\n",
    b"tab": "\t",
    b"cell": "\t",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
    b"bullet": "\u2022",
    b"endash": "\u2013",
    b"emdash": "\u2014",
    b"emspace": "\u2003",
    b"enspace": "\u2002",
}

# https://learn.microsoft.com/windows/win32/intl/code-page-identifiers, where Python has no cp<number>.
_CODEPAGES = {
    10000: "macintosh",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc-jp",
    21866: "koi8-u",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    50222: "iso-2022-jp",
    50225: "iso-2022-kr",
    51932: "euc-jp",
    51936: "gb18030",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}
_ISO_8859 = range(28591, 28606)


class Broken(Exception):
    """The data is not what it says, or too large."""


@dataclass(frozen=True, slots=True)
class Page:
    """`html` where the rich text was made of HTML, else ''. `text` where it was not."""

    html: str
    text: str


def charset_of(codepage: int) -> str:
    """The name of a Windows code page."""
    if codepage in _ISO_8859:
        return f"iso-8859-{codepage - 28590}"
    return _CODEPAGES.get(codepage, f"cp{codepage}")


def unpack(data: bytes) -> bytes:
    """Undo the compression. Raises Broken."""
    try:
        _, size, kind, _ = struct.unpack_from("<II4sI", data)
    except struct.error as broken:
        raise Broken("no header") from broken
    if size > MAX_BYTES:
        raise Broken("too large")
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu":
        raise Broken("unknown compression")
    return _expand(data, size)


def _expand(data: bytes, size: int) -> bytes:
    """Each control byte tells of eight items, lowest bit first: a letter, or 12 bits of place and 4 of length in a ring."""
    out = bytearray(_START)
    limit = len(_START) + size
    at = 16
    while at < len(data) and len(out) < limit:
        control = data[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                out += data[at : at + 1]
                at += 1
                continue
            pair = int.from_bytes(data[at : at + 2], "big")
            at += 2
            # The ring begins with _START, so that a place in it is a place in `out`, less whole turns.
            back = (len(out) - (pair >> 4)) % _WINDOW
            if not back or at > len(data):
                return bytes(out[len(_START) : limit])
            if back > len(out):
                raise Broken("points at nothing")
            for _ in range((pair & 15) + 2):
                out.append(out[-back])
    return bytes(out[len(_START) : limit])


def read(data: bytes) -> Page:
    """The HTML that the rich text carries, or else its text. Raises Broken."""
    if not data.startswith(b"{\\rtf"):
        raise Broken("not rich text")
    is_html = b"\\fromhtml1" in data[:2_000]
    found = _Reader(is_html=is_html).run(data[:MAX_BYTES])
    return Page(found, "") if is_html else Page("", found)


@dataclass(slots=True)
class _Group:
    """What holds until the brace closes."""

    hidden: bool = False  # a table or picture, or a destination that nobody here knows
    for_rtf: bool = False  # between \\htmlrtf and \\htmlrtf0: what stands there is not in the HTML
    in_tag: bool = False
    skip: int = 1  # letters that stand behind a \\u for programs that know no Unicode
    starred: bool = False


class _Reader:
    def __init__(self, *, is_html: bool) -> None:
        self.is_html = is_html
        self.charset = "cp1252"
        self.out: list[str] = []
        self.letters = bytearray()
        self.groups = [_Group()]
        self.to_skip = 0

    def run(self, data: bytes) -> str:
        for count, token in enumerate(_TOKEN.finditer(data)):
            if count > _MAX_TOKENS:
                raise Broken("too long")
            word, number, byte, sign, brace, plain = token.groups()
            if brace:
                self.brace(brace)
            elif word:
                self.word(word.lower(), None if number is None else int(number))
            elif byte:
                self.take(bytes.fromhex(byte.decode()))
            elif sign:
                self.sign(sign)
            else:
                self.take(plain)
        self.flush()
        return "".join(self.out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    def brace(self, brace: bytes) -> None:
        self.to_skip = 0
        if brace == b"}":
            if len(self.groups) > 1:
                self.groups.pop()
            return
        if len(self.groups) > _MAX_DEPTH:
            raise Broken("too deep")
        above = self.group
        self.groups.append(_Group(above.hidden, above.for_rtf, above.in_tag, above.skip))

    def word(self, word: bytes, number: int | None) -> None:
        group = self.group
        starred, group.starred = group.starred, False
        if word == b"htmltag":
            group.in_tag = True
        elif starred or word in _NOT_TEXT:
            group.hidden = True
        elif word == b"htmlrtf":
            group.for_rtf = number != 0
        elif word == b"ansicpg" and number:
            self.charset = charset_of(number)
        elif word == b"uc":
            group.skip = max(number or 0, 0)
        elif word == b"u" and number is not None:
            self.unicode(number % 0x10000)
            self.to_skip = group.skip
        elif word in _SIGNS:
            self.put(_SIGNS[word])

    def unicode(self, unit: int) -> None:
        """One half of a letter beyond the first 65,536 stays a half until the end."""
        self.put(escape(chr(unit)) if self.is_html and not self.group.in_tag else chr(unit))

    def sign(self, sign: bytes) -> None:
        if sign == b"*":
            self.group.starred = True
        elif sign in b"\\{}":
            self.take(sign)
        elif sign == b"~":
            self.put("&nbsp;" if self.is_html else "\xa0")
        elif sign == b"_":
            self.put("&shy;" if self.is_html else "-")
        elif sign in b"\r\n":
            self.put("\n")

    def take(self, data: bytes) -> None:
        if self.to_skip:
            left = data[self.to_skip :]
            self.to_skip = max(self.to_skip - len(data), 0)
            data = left
        if data and self.is_seen:
            self.letters += data

    def put(self, text: str) -> None:
        if self.is_seen:
            self.flush()
            self.out.append(text)

    @property
    def is_seen(self) -> bool:
        group = self.group
        return not (group.hidden or (self.is_html and group.for_rtf))

    def flush(self) -> None:
        """A letter of Chinese or Japanese is two bytes that may come apart: decode only what is complete."""
        if self.letters:
            self.out.append(charsets.decode(bytes(self.letters), self.charset))
            self.letters.clear()
