"""HTML of strangers: made harmless to show, and made into plain text.

The last word on what is harmless has nh3 (ammonia, html5ever). What runs before it only moves remote pictures aside and bounds the
work: both parsers need quadratic time for deep nesting and for tags with very many attributes.
"""

import html as stdlib_html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, unquote

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from mail_ingest.parsing import clean
from mail_ingest.parsing.html_text import QUOTE_MARK, to_text

MAX_CHARS = 2_000_000
MAX_DEPTH = 500
MAX_ATTRIBUTES = 500
MAX_TAGS = 100_000
_MAX_ADDRESS_CHARS = 4_000

TAGS = nh3.ALLOWED_TAGS - {"area", "map"} | {"font", "tfoot"}
GONE_WITH_CONTENT = {"script", "style", "title", "template", "noembed", "noframes", "iframe", "object", "svg", "math"}
ATTRIBUTES = {
    "*": {"dir", "lang", "title", "align", "valign", "style"},
    "a": {"href"},
    "font": {"color", "face", "size"},
    "img": {"src", "data-remote-src", "alt", "width", "height"},
    "ol": {"start", "type"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor"},
    "td": {"width", "height", "colspan", "rowspan", "bgcolor"},
    "th": {"width", "height", "colspan", "rowspan", "bgcolor"},
    "tr": {"bgcolor"},
    "blockquote": {"type"},
}
# Nothing that moves out of its place (also not by a negative length), covers other things, or fetches.
STYLES = {
    *("color", "background-color", "font-family", "font-size", "font-style", "font-weight", "line-height"),
    *("text-align", "text-decoration", "text-indent", "vertical-align", "white-space"),
    *("width", "height", "max-width", "border", "border-collapse", "border-spacing", "list-style-type"),
    *(f"{kind}-{side}" for kind in ("border", "padding") for side in ("top", "right", "bottom", "left")),
    *("padding", "border-color", "border-style", "border-width", "margin-left"),
}
_ACTIVE_STYLE = re.compile(
    r"url\s*\(|expression|image\s*\(|image-set|javascript|behaviou?r|binding|@|\\|/\*|:\s*-\s*[.\d]", re.IGNORECASE
)
SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
_LINK = re.compile(r"(https?://|mailto:|tel:)", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_PICTURE = re.compile(r"cid:[^\s]+\Z|data:image/(png|jpe?g|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]+\Z", re.IGNORECASE)

_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,40})")
_TOKEN = re.compile(r"""=\s*(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))|>|[\s/]+|=""")
_VOID = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "keygen",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
# Their end tags may be left out, and in old mail are: <p>one<p>two is not nested.
_SELF_CLOSING = frozenset(
    [
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "option",
        "optgroup",
        "colgroup",
        "rb",
        "rt",
        "rp",
    ]
)


@dataclass(frozen=True, slots=True)
class Page:
    """`text` holds QUOTE_MARK lines where a mail program says that the quoted history begins."""

    safe: str
    text: str
    content_ids: frozenset[str]
    too_complex: bool = False


def read(source: str, *, locations: Mapping[str, str] = MappingProxyType({})) -> Page:
    """The harmless form, the plain text and the pictures referred to by `cid:` (lower-case) of a piece of HTML.

    `locations` are the content ids of pictures that come with the mail under an address of their own (Content-Location).

    HTML that would take too long to parse gives only its text.
    """
    source = clean.body(source)
    if is_too_complex(source):
        return Page("", bare_text(source), frozenset(), too_complex=True)
    tree = LexborHTMLParser(source)
    content_ids = frozenset(filter(None, (_move_picture(picture, locations) for picture in tree.css("img"))))
    body = tree.body
    text = to_text(body) if body is not None else ""
    return Page(sanitise(tree.html or ""), text, content_ids)


def sanitise(source: str) -> str:
    """Only harmless tags, attributes and addresses. Nothing in the result acts or loads by itself."""
    return nh3.clean(
        source,
        tags=TAGS,
        clean_content_tags=GONE_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=filter_attribute,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=STYLES,
    ).strip()


def is_too_complex(source: str) -> bool:
    """Whether parsing could take longer than about two seconds: too long, too deep, or too many attributes on a tag."""
    if len(source) > MAX_CHARS:
        return True
    lower = source.lower()
    # Inside of SVG and MathML nothing closes itself.
    loose = _VOID if "<svg" in lower or "<math" in lower else _VOID | _SELF_CLOSING
    opened: dict[str, int] = {}
    depth = count = at = 0
    while tag := _TAG.search(lower, at):
        closes, name = tag.group(1), tag.group(2)
        attributes, at = _skip_tag(lower, tag.end())
        count += 1
        if name not in loose:
            step = -1 if closes and opened.get(name, 0) else int(not closes)
            opened[name] = opened.get(name, 0) + step
            depth += step
        if depth > MAX_DEPTH or attributes > MAX_ATTRIBUTES or count > MAX_TAGS:
            return True
    return False


def _skip_tag(source: str, at: int) -> tuple[int, int]:
    """At most how many attributes the tag has, and where it ends."""
    attributes = 0
    for token in _TOKEN.finditer(source, at):
        if token.group() == ">":
            return attributes, token.end()
        attributes += 1
        if attributes > 2 * MAX_ATTRIBUTES:
            return attributes, token.end()
    return attributes, len(source)


def is_remote(address: str) -> bool:
    """Whether a picture's address leads to another machine."""
    return _REMOTE.match(address) is not None


def filter_attribute(tag: str, name: str, value: str) -> str | None:
    """The value to keep of an allowed attribute, None to drop it."""
    if name == "style":
        return None if _ACTIVE_STYLE.search(value) else value
    if name == "href":
        return value if _LINK.match(value.strip()) else None
    if name == "src":
        return value if tag == "img" and _PICTURE.match(value.strip()) else None
    if name == "data-remote-src":
        return value.strip() if is_remote(value) else None
    return value


def _move_picture(picture: LexborNode, locations: Mapping[str, str]) -> str:
    """Put a remote source aside; answer the content id that a `cid:` source names."""
    source = (picture.attributes.get("src") or "").strip()
    if source in locations:
        source = picture.attrs["src"] = f"cid:{quote(locations[source], safe='@')}"
    picture.attrs["data-remote-src"] = source if is_remote(source) else _from_srcset(picture)
    if source[:4].lower() == "cid:":
        return unquote(source[4:]).strip("<> ").lower()
    return ""


def _from_srcset(picture: LexborNode) -> str:
    """The first remote address of a picture that names its sources only by size."""
    source = (picture.attributes.get("srcset") or "").strip()[:_MAX_ADDRESS_CHARS].partition(" ")[0].rstrip(",")
    return source if is_remote(source) and not picture.attributes.get("src") else ""


def bare_text(source: str) -> str:
    """What stands between the tags, for HTML that is too complex to parse."""
    text = clean.body(stdlib_html.unescape(re.sub(r"<[^<>]*>?", " ", source[:MAX_CHARS]))).replace(QUOTE_MARK, "")
    return re.sub(r"[ \t]{2,}", " ", text).strip()
