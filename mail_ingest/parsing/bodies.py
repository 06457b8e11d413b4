"""Which parts of a mail are its text, and which are files that came with it."""

import re
from dataclasses import dataclass, field
from html import escape

from mail_ingest.parsing import charsets, clean, html, invites, protection, structure, tnef, wrapped
from mail_ingest.parsing.html_text import QUOTE_MARK
from mail_ingest.parsing.mail import Calendar, Protection
from mail_ingest.parsing.structure import Part

_MAX_BODY_BYTES = 5 * 1024 * 1024
_CALENDAR_TYPES = {"text/calendar", "application/ics"}
_TEXT_TYPES = {"text/plain", "text/enriched", "text/richtext", "text/markdown"}


@dataclass(slots=True)
class _Unit:
    """One piece of body: its plain form, its HTML form, or both when they are alternatives."""

    plain: str | None = None
    html: str | None = None
    is_enriched: bool = (
        False  # Plain text made out of a richer form: never taken where real plain text stands beside it.
    )


@dataclass(slots=True)
class Bodies:
    """`text` may hold QUOTE_MARK lines, `files` are the leaves that are no body, in order."""

    text: str = ""
    html: str = ""
    content_ids: frozenset[str] = frozenset()
    files: list[Part] = field(default_factory=list)
    calendar: Calendar | None = None
    protection: Protection = Protection.NONE
    defects: set[str] = field(default_factory=set)


def read(root: Part) -> Bodies:
    """Sort the leaves of a mail into body and files, and make the text and the harmless HTML out of the body."""
    found = Bodies()
    locations = _locations(root)
    units = _units(root, found, in_alternative=False)
    units = _open_winmail(found, units)
    if not units:
        units = _promoted(found)
    pages = [html.read(unit.html, locations=locations) if unit.html is not None else None for unit in units]
    texts: list[str] = []
    shown: list[str] = []
    for unit, page in zip(units, pages, strict=True):
        own = (unit.plain or "").strip()
        texts.append(unit.plain or "" if own or page is None else page.text)
        if page is None:
            shown.append(f'<div style="white-space:pre-wrap">{escape(own)}</div>' if own else "")
            continue
        shown.append(page.safe or f'<div style="white-space:pre-wrap">{escape(own or page.text)}</div>')
        found.content_ids |= page.content_ids
        if page.too_complex:
            found.defects.add("html_too_complex")
    found.text = "\n\n".join(text.strip("\n") for text in texts if text.strip())
    if any(page is not None for page in pages):
        found.html = "\n".join(filter(None, shown))
    _read_invite(found)
    _take_enclosed(found)
    return found


def _locations(root: Part) -> dict[str, str]:
    """The content ids of the pictures that the HTML may show by their Content-Location (RFC 2557), each given one if it has none."""
    found: dict[str, str] = {}
    for number, part in enumerate(root.leaves(), start=1):
        location = part.headers.first_raw("content-location").strip() if part.content_type != "text/html" else ""
        if location:
            part.fallback_id = location[4:] if location[:4].lower() == "cid:" else f"part-{number}@content-location"
            found[location] = found[location.replace("\\", "/").rpartition("/")[2]] = part.content_id
    return found


def _open_winmail(found: Bodies, units: list[_Unit]) -> list[_Unit]:
    """Put what is in a winmail.dat in its place; its text is the mail's where the mail has no other."""
    is_blank = not any((unit.plain or unit.html or "").strip() for unit in units)
    opened: list[Part] = []
    for part in found.files:
        if not wrapped.is_winmail(part):
            opened.append(part)
            continue
        try:
            message, inside = wrapped.open_winmail(part)
        except tnef.Broken:
            found.defects.add("winmail_unreadable")
            opened.append(part)
            continue
        opened += inside
        if is_blank and (message.text.strip() or message.html.strip()):
            units = [*units, _Unit(message.text.replace(QUOTE_MARK, ""), message.html or None)]
    found.files = opened
    return units


def _read_invite(found: Bodies) -> None:
    """The first event of the mail; the same file twice, as Gmail sends it, is kept once."""
    seen: set[bytes] = set()
    for part in [part for part in found.files if part.content_type in _CALENDAR_TYPES]:
        content = part.content()
        if content in seen:
            found.files.remove(part)
            continue
        seen.add(content)
        text = charsets.decode(content[: 4 * invites.MAX_CHARS], part.headers.param("content-type", "charset"))
        invite = invites.read(clean.body(text), method=part.headers.param("content-type", "method"))
        if invite and not found.calendar:
            found.calendar = invite.calendar
            if not found.text.strip():
                found.text = invite.text.replace(QUOTE_MARK, "")


def _take_enclosed(found: Bodies) -> None:
    """Files that stand within the text go to the files."""
    found.text, files = wrapped.take_uuencoded(found.text)
    clear = protection.unarmour(found.text)
    found.text, found.protection = clear.text.strip("\n"), clear.protection
    found.files += files
    found.files += [structure.made("application/pgp-encrypted", name, content) for name, content in clear.files]


def _units(part: Part, found: Bodies, *, in_alternative: bool) -> list[_Unit]:
    """Recursion is as deep as the tree of parts, which is bounded."""
    if not part.is_multipart:
        return _leaf(part, found, in_alternative=in_alternative)
    alternative = part.content_type == "multipart/alternative"
    units = [
        unit for child in part.children for unit in _units(child, found, in_alternative=alternative or in_alternative)
    ]
    return [_merged(units)] if alternative and units else units


def _leaf(part: Part, found: Bodies, *, in_alternative: bool) -> list[_Unit]:
    kind = part.content_type
    if kind == "text/x-amp-html" and in_alternative:
        return []  # The same mail once more, for one mail program alone.
    is_body = kind in _TEXT_TYPES or kind == "text/html"
    if not is_body or part.disposition == "attachment" or part.name:
        found.files.append(part)
        return []
    return [_unit(part, found)]


def _unit(part: Part, found: Bodies) -> _Unit:
    data = part.content()
    if len(data) > _MAX_BODY_BYTES:
        found.defects.add("body_cut")
        found.files.append(part)
        data = data[:_MAX_BODY_BYTES]
    charset = part.headers.param("content-type", "charset")
    if part.content_type == "text/html":
        return _Unit(html=charsets.decode(data, charset or _meta_charset(data)))
    text = clean.body(charsets.decode(data, charset)).replace(QUOTE_MARK, "")
    if part.headers.param("content-type", "format").lower() == "flowed":
        text = unflow(text, delsp=part.headers.param("content-type", "delsp").lower() == "yes")
    if part.content_type in {"text/enriched", "text/richtext"}:
        return _Unit(plain=re.sub(r"</?[A-Za-z-]{1,60}>", "", text), is_enriched=True)
    return _Unit(plain=text)


def _merged(units: list[_Unit]) -> _Unit:
    plain = [unit.plain for unit in units if unit.plain is not None and not unit.is_enriched]
    plain = plain or [unit.plain for unit in units if unit.plain is not None]
    rich = [unit.html for unit in units if unit.html is not None]
    return _Unit("\n\n".join(plain) if plain else None, "\n".join(rich) if rich else None)


def _promoted(found: Bodies) -> list[_Unit]:
    """A mail whose only text has a file name, but is not called an attachment, is still a mail with that text."""
    for part in found.files:
        if part.content_type in {"text/plain", "text/html"} and part.disposition != "attachment":
            found.files.remove(part)
            return [_unit(part, found)]
    return []


def _meta_charset(data: bytes) -> str:
    match = re.search(
        rb"<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([A-Za-z0-9_:.-]{1,40})", data[:4096], re.IGNORECASE
    )
    return match.group(1).decode("ascii") if match else ""


def unflow(text: str, *, delsp: bool) -> str:
    """Join the lines that a format=flowed sender broke (RFC 3676). Quote depth and signature lines end a paragraph."""
    paragraphs: list[list[str]] = []
    open_depth = -1
    for line in text.split("\n"):
        row = line.lstrip(">")
        depth = len(line) - len(row)
        row = row.removeprefix(" ")
        flows = row.endswith(" ") and row != "-- "
        if open_depth != depth or row == "-- ":
            paragraphs.append([f"{'>' * depth} " if depth else ""])
        paragraphs[-1].append(row[:-1] if flows and delsp else row)
        open_depth = depth if flows else -1
    return "\n".join("".join(rows) for rows in paragraphs)
