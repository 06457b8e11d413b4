"""Address headers, read in one pass: quotes, comments, groups and whatever else people and programs put there."""

import re
from collections.abc import Iterator

from mail_ingest.parsing import clean
from mail_ingest.parsing.headers import decode_words
from mail_ingest.parsing.mail import Address

MAX_ADDRESSES = 5_000
_MAX_CHARS = 500_000
_MAX_GROUP_CHARS = 300
_MAX_NESTED_CHARS = 2_000
_MAX_UNCLOSED = 50
_CLOSERS = {'"': '"', "(": ")", "<": ">"}
_TOKEN = re.compile(r'[",;:(<]')
_NESTED = re.compile(r'\\.|["()<>]', re.DOTALL)
_MAX_EMAIL_CHARS = 320  # 64 + @ + 255, RFC 3696 with erratum 1690
_BARE = re.compile(r"[^\s<>()\[\]\"',;:]{1,200}@[^\s<>()\[\]\"',;:@]{1,255}")
# Blanks around the dots of an address are obsolete, and legal (RFC 5322, 4.4).
_SPACED_DOMAIN = re.compile(
    r"[^\s<>()\[\]\"',;:@]{1,200}\s{0,9}@\s{0,9}[\w-]{1,63}(?:\s{0,9}\.\s{0,9}[\w-]{1,63}){1,20}"
)
_NO_ADDRESS = re.compile(r"[:;]@|@.*@")  # the end of a group that a gateway made an address of
_ESCAPE = re.compile(r"\\(.)")


def read(value: str) -> tuple[Address, ...]:
    """The addresses of an undecoded header value, in order, at most MAX_ADDRESSES. Groups are flattened."""
    found: list[Address] = []
    for piece in _split(value[:_MAX_CHARS]):
        address = _one(piece)
        if address.email or address.name:
            found.append(address)
        if len(found) >= MAX_ADDRESSES:
            break
    return tuple(found)


def _split(value: str) -> Iterator[str]:
    """Cut at top-level commas and semicolons; a group's name and its colon are dropped."""
    start = at = unclosed = 0
    for token in _TOKEN.finditer(value):
        if token.start() < at:
            continue
        char = token.group()
        if char in _CLOSERS:
            if unclosed < _MAX_UNCLOSED:
                at = _skip(value, token.start(), _CLOSERS[char])
                unclosed += at == token.end()
        elif char != ":":
            yield value[start : token.start()]
            start = token.end()
        elif _ends_group_name(value, start, token.start()):
            start = token.end()
    yield value[start:]


def _skip(value: str, at: int, closer: str) -> int:
    """Behind the quoted string, comment or angle address at `at`. An opener without an end is a letter like others."""
    depth = 0
    for token in _NESTED.finditer(value, at, at + _MAX_NESTED_CHARS):
        char = token.group()
        depth += (char == value[at] and (char == "(" or not depth)) - (
            char == closer and bool(depth) and token.start() > at
        )
        if not depth:
            return token.end()
    return at + 1


def _ends_group_name(value: str, start: int, at: int) -> bool:
    return at - start < _MAX_GROUP_CHARS and "@" not in value[start:at] and "=?" not in value[start:at]


def _one(piece: str) -> Address:
    piece = piece.strip()
    name, email = _parts(piece)
    if not email and "=?" in piece:  # Some encode the whole of it, angle brackets and all.
        name, email = _parts(decode_words(piece))
    name = clean.plain(decode_words(name), limit_chars=500).strip("\"' ")
    return Address(name=name, email=_email(email) if email else "")


def _parts(piece: str) -> tuple[str, str]:
    if piece.endswith(">") and "<" in piece:
        name, _, email = piece[:-1].rpartition("<")
        if email.strip() or not _bare(name):
            return _unquote(name), email
        piece = name
    outside, comment = _uncomment(piece)
    if _SPACED_DOMAIN.fullmatch(outside):
        outside = "".join(outside.split())
    bare = _bare(outside)
    if bare:
        rest = outside[: bare.start()] + outside[bare.end() :]
        return _unquote(rest.strip(" <>[]")) or comment, bare.group()
    bare = _bare(comment)
    if bare:
        return _unquote(outside), bare.group()
    if comment and outside and not re.search(r"\s", outside):
        return comment, outside  # MAILER-DAEMON (Mail Delivery System)
    alone = bool(outside) and not comment and re.fullmatch(r"[A-Za-z0-9._+-]+", outside)
    return ("", outside) if alone else (_unquote(outside), "")


def _uncomment(piece: str) -> tuple[str, str]:
    """What stands outside of parentheses, and what stood in the last pair."""
    outside: list[str] = []
    inside: list[str] = []
    depth, quoted = 0, False
    for char in piece:
        if char == '"' and not depth:
            quoted = not quoted
        if char == "(" and not quoted:
            if not depth:
                inside.clear()
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        else:
            (inside if depth else outside).append(char)
    return "".join(outside).strip(), _ESCAPE.sub(r"\1", "".join(inside)).strip()


def _bare(text: str) -> re.Match[str] | None:
    return _BARE.search(text) if "@" in text else None


def _unquote(name: str) -> str:
    name = name.strip()
    if name.startswith('"') and name.endswith('"') and len(name) > 1:
        return _ESCAPE.sub(r"\1", name[1:-1]).strip()
    return _ESCAPE.sub(r"\1", name.replace('"', "")).strip()


def _email(value: str) -> str:
    """The address without source route, comments and blanks: `<@a,@b:joe@example.com>` is joe@example.com."""
    value = clean.plain(decode_words(value), limit_chars=2_000)
    outside, _ = _uncomment(value)
    if outside.startswith("@") and ":" in outside:
        outside = outside.rpartition(":")[2]
    outside = outside.strip(" <>").removeprefix("mailto:")
    if _SPACED_DOMAIN.fullmatch(outside):
        outside = "".join(outside.split())
    bare = _bare(outside)
    if not bare and '"' not in outside and _NO_ADDRESS.search(outside):
        return ""
    return ("".join(outside.split()) if not bare or '"' in outside else bare.group())[:_MAX_EMAIL_CHARS]
