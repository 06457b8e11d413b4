"""The tree of parts of a mail, cut out of the bytes by position.

The standard library's parser walks every line through every level of nesting and recurses without a limit, so that a small hostile
mail can hold a worker for minutes. This one looks only for delimiter lines, and depth and number of parts are bounded.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from urllib.parse import quote

from mail_ingest.parsing import charsets, clean, headers
from mail_ingest.parsing.headers import Headers

MAX_DEPTH = 50
MAX_PARTS = 1_000
_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,80})\s*/\s*([A-Za-z0-9!#$&^_.+-]{1,80})")
_SNIFF = re.compile(rb"\s*--([^\r\n]{1,200}?)-{0,2}[ \t]*[\r\n]")
_CHARSET = re.compile(rb"charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)


@dataclass(slots=True)
class Part:
    """One part. `children` is filled for multiparts only; the body of a leaf is `data[start:end]`, still encoded."""

    headers: Headers
    content_type: str
    data: bytes
    start: int
    end: int
    children: list["Part"] = field(default_factory=list)
    fallback_name: str = ""  # what to call the file if the mail gives it no name
    fallback_id: str = ""  # what the HTML shows it by if the mail gives it no Content-ID

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    @property
    def disposition(self) -> str:
        """`attachment`, `inline`, another lower-case word, or ''."""
        return self.headers.first_raw("content-disposition").partition(";")[0].strip().lower()

    @property
    def content_id(self) -> str:
        """The Content-ID without brackets, or the one that it was given here, or ''."""
        own = clean.plain(self.headers.first_raw("content-id"), limit_chars=300).strip("<> ")
        return own or self.fallback_id

    @property
    def name(self) -> str:
        """The file name as the mail gives it, or ''."""
        return self.headers.param("content-disposition", "filename") or self.headers.param("content-type", "name")

    def leaves(self) -> Iterator["Part"]:
        """The parts below (or this one) that have no parts, in order. Recursion is as deep as the tree, which is bounded."""
        if not self.is_multipart:
            yield self
        for child in self.children:
            yield from child.leaves()

    def opening(self) -> bytes:
        """The first few bytes of the content, without decoding the rest."""
        return replace_fields(self, end=min(self.end, self.start + 64)).content()

    def content(self) -> bytes:
        """The body with its transfer encoding undone. An encoding that nobody knows is left as it is."""
        body = self.data[self.start : self.end]
        encoding = self.headers.first_raw("content-transfer-encoding").lower()
        if "base64" in encoding:
            return headers.from_base64(body)
        if encoding.startswith("quoted"):
            return quopri.decodestring(body)
        if "uu" in encoding:
            return from_uu(body)
        return body


@dataclass(slots=True)
class Tree:
    """The parts of one mail, and what had to be left out."""

    root: Part
    defects: set[str] = field(default_factory=set)
    count: int = 1


def read(data: bytes) -> Tree:
    """Read the tree of parts of a whole mail."""
    root = _part(data, 0, len(data), default="text/plain", charset=_likely_charset(data))
    tree = Tree(root)
    _divide(root, tree, depth=1)
    return tree


def read_headers(data: bytes) -> Headers:
    """Only the header fields of a mail."""
    return headers.read_block(data, 0, len(data))[0]


def replace(part: Part, data: bytes, tree: Tree) -> None:
    """Put the mail or part in `data` in the place of `part`."""
    inner = read(data)
    part.content_type = "multipart/mixed"
    part.children = [inner.root]
    tree.defects |= inner.defects


def made(content_type: str, filename: str, content: bytes, *, content_id: str = "") -> Part:
    """A part for a file that did not stand in one."""
    found = Headers()
    found.add("Content-Type", content_type.encode("utf-8", "replace"))
    name = quote(filename, safe="", errors="replace")
    found.add("Content-Disposition", b"attachment" + (f"; filename*=utf-8''{name}".encode() if name else b""))
    if content_id:
        found.add("Content-ID", content_id.encode("utf-8", "replace"))
    return Part(found, content_type.partition(";")[0].strip().lower(), content, 0, len(content))


def _likely_charset(data: bytes) -> str:
    """The first charset named anywhere near the top that says more than "Western": raw 8-bit headers are mostly in it."""
    named = (match.group(1).decode("ascii") for match in _CHARSET.finditer(data, 0, 65_536))
    return next((name for name in named if charsets.codec_for(name) not in {"", "ascii", "cp1252", "utf-8"}), "")


def _part(data: bytes, start: int, end: int, *, default: str, charset: str) -> Part:
    found, body = headers.read_block(data, start, end)
    found.charset = charset
    own = found.param("content-type", "charset")
    found.charset = own if charsets.codec_for(own) not in {"", "ascii", "utf-8"} else charset
    match = next(filter(None, (_TYPE.match(value) for value in found.raw("content-type"))), None)
    content_type = f"{match.group(1)}/{match.group(2)}".lower() if match else default
    return Part(found, content_type, data, min(body, end), end)


def _divide(part: Part, tree: Tree, *, depth: int) -> None:
    if part.headers.truncated:
        tree.defects.add("headers_cut")
    if not part.content_type.startswith("multipart/"):
        return
    spans = _spans(part, limit=MAX_PARTS + 1)
    if not spans:
        # A multipart without a delimiter is what follows its headers, in plain text.
        tree.defects.add("no_boundary")
        part.content_type = "text/plain"
        return
    if depth >= MAX_DEPTH:
        tree.defects.add("too_deep")
        part.content_type = "application/octet-stream"
        return
    default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
    for start, end in spans:
        if tree.count >= MAX_PARTS:
            tree.defects.add("too_many_parts")
            break
        tree.count += 1
        child = _part(part.data, start, end, default=default, charset=part.headers.charset)
        part.children.append(child)
        _divide(child, tree, depth=depth + 1)


def _spans(part: Part, *, limit: int) -> list[tuple[int, int]]:
    boundary = part.headers.param("content-type", "boundary").encode("utf-8", "replace")
    spans = _cut(part, boundary, limit=limit) if boundary else []
    if spans:
        return spans
    sniffed = _SNIFF.match(part.data, part.start, part.end)
    return _cut(part, sniffed.group(1), limit=limit) if sniffed else []


def _cut(part: Part, boundary: bytes, *, limit: int) -> list[tuple[int, int]]:
    """The spans between delimiter lines (RFC 2046, 5.1.1). A missing last delimiter is forgiven."""
    data, mark = part.data, b"--" + boundary
    spans: list[tuple[int, int]] = []
    opened = -1
    at = data.find(mark, part.start, part.end)
    while at >= 0 and len(spans) < limit:
        stop = at + len(mark)
        last = data.startswith(b"--", stop, part.end)
        tail_end = _line_end(data, stop, part.end)
        own_line = at == part.start or data[at - 1 : at] in {b"\n", b"\r"}
        if own_line and (last or not data[stop:tail_end].strip()):
            if opened >= 0:
                spans.append((opened, max(opened, _before_break(data, at))))
            opened = -1 if last else _after_break(data, tail_end, part.end)
            if last:
                break
        at = data.find(mark, stop, part.end)
    if opened >= 0 and len(spans) < limit:
        spans.append((opened, part.end))
    return spans


def _line_end(data: bytes, at: int, end: int) -> int:
    """Where the line ends; only a short way ahead, since nothing but blanks may follow a delimiter."""
    window = data[at : min(end, at + 200)]
    found = [spot for spot in (window.find(b"\n"), window.find(b"\r")) if spot >= 0]
    return at + (min(found) if found else len(window))


def _after_break(data: bytes, at: int, end: int) -> int:
    if data.startswith(b"\r\n", at):
        at += 2
    elif at < end:
        at += 1
    return min(at, end)


def _before_break(data: bytes, at: int) -> int:
    return at - (2 if data[at - 2 : at] == b"\r\n" else 1)


def from_uu(body: bytes) -> bytes:
    """What is uuencoded in the body; the body itself where nothing is."""
    begin = _UU_BEGIN.search(body)
    if not begin:
        return body
    out = bytearray()
    for row in body[begin.end() :].splitlines():
        if row.strip() == b"end":
            break
        try:
            out += binascii.a2b_uu(row)
        except binascii.Error:
            # Some encoders leave rubbish behind the counted bytes of a line.
            size = (((row[0] - 32) & 63) * 4 + 5) // 3 if row else 0
            try:
                out += binascii.a2b_uu(row[:size])
            except binascii.Error:
                continue
    return bytes(out)
