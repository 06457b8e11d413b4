"""The HTML of a stored mail as an agent sees it: pictures that came with it shown, remote ones only when asked for."""

from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import unquote

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from mail_ingest.parsing import html

REMOTE_MARK = "data-remote-src"
PLACEHOLDER_CLASS = "remote-image"
_TAGS = html.TAGS
_ATTRIBUTES = html.ATTRIBUTES | {
    "img": {"src", "alt", "width", "height", "referrerpolicy", "loading"},
    "span": {"style"},
}


def addresses_of_remote_pictures(stored: str) -> list[str]:
    """The addresses of the pictures that the stored HTML has elsewhere. Those of one pixel are there to spy, and are no such."""
    if REMOTE_MARK not in stored:
        return []
    pictures = [picture.attributes for picture in LexborHTMLParser(stored).css(f"img[{REMOTE_MARK}]")]
    return [address for one in pictures if (address := one.get(REMOTE_MARK)) and not _is_pixel(one)]


def show_html(stored: str, *, remote_images: bool, inline: Callable[[str], str | None]) -> str:
    """The body to display, out of HTML that was sanitised when it was stored, and is once more.

    `inline` gives the `data:` address of the picture with this content id (as in ParsedAttachment, compared without regard to
    case), or None; then its alternative text stands there. Remote pictures load only with `remote_images`, and tell the other side
    no address; without, a span of the class PLACEHOLDER_CLASS with the alternative text stands in their place. Links open elsewhere.
    """
    if html.is_too_complex(stored):
        return f'<div style="white-space:pre-wrap">{escape(html.bare_text(stored))}</div>'
    tree = LexborHTMLParser(stored)
    for picture in tree.css("img"):
        _show(picture, remote_images=remote_images, inline=inline)
    body = tree.body
    return _clean(body.inner_html or "" if body is not None else "", remote_images=remote_images)


def _show(picture: LexborNode, *, remote_images: bool, inline: Callable[[str], str | None]) -> None:
    attributes = picture.attributes
    source = (attributes.get("src") or "").strip()
    remote = (attributes.get(REMOTE_MARK) or "").strip()
    alt = (attributes.get("alt") or "").strip()
    if source[:4].lower() == "cid:":
        source = inline(unquote(source[4:]).strip("<> ")) or ""
    if not source and remote and html.is_remote(remote):
        if _is_pixel(attributes):
            picture.replace_with("")
            return
        if not remote_images:
            picture.replace_with(_placeholder(alt))
            return
        source = f"https:{remote}" if remote.startswith("//") else remote
        picture.attrs["referrerpolicy"] = "no-referrer"
        picture.attrs["loading"] = "lazy"
    if not source:
        picture.replace_with(f"[{alt}]" if alt else "")
        return
    picture.attrs["src"] = source


def _is_pixel(attributes: Mapping[str, str | None]) -> bool:
    return all((attributes.get(side) or "").strip().removesuffix("px") in {"0", "1"} for side in ("width", "height"))


def _placeholder(alt: str) -> LexborNode:
    tree = LexborHTMLParser(f'<span class="{PLACEHOLDER_CLASS}">{escape(alt)}</span>')
    (span,) = tree.css("span")
    return span


def _clean(source: str, *, remote_images: bool) -> str:
    def allowed(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src" and remote_images and html.is_remote(value):
            return value
        return html.filter_attribute(tag, name, value)

    return nh3.clean(
        source,
        tags=_TAGS,
        clean_content_tags=html.GONE_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        allowed_classes={"span": {PLACEHOLDER_CLASS}},
        attribute_filter=allowed,
        url_schemes=html.SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=html.STYLES,
    ).strip()
