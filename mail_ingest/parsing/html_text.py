"""Plain text out of an HTML tree, with the line breaks and quote marks that a reader would put."""

import re

from selectolax.lexbor import LexborNode

# A private-use character that cannot come from the mail: the writer drops it from all text. It stands alone on a line.
QUOTE_MARK = "\ue000"
RULE = "_" * 32

_SKIPPED = frozenset(
    ["head", "script", "style", "title", "template", "noembed", "noframes", "iframe", "object", "svg", "math"]
)
_SPACED = frozenset(
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "table", "blockquote", "figure", "fieldset"]
)
_BLOCKS = _SPACED | frozenset(
    [
        "address",
        "article",
        "aside",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dt",
        "fieldset",
        "figcaption",
        "footer",
        "form",
        "header",
        "hgroup",
        "html",
        "li",
        "main",
        "nav",
        "section",
        "summary",
        "tr",
        "thead",
        "tbody",
        "tfoot",
        "option",
    ]
)
# What mail programs wrap the history in: Gmail, Outlook, Yahoo, Thunderbird, Proton, Zimbra, Apple, GMX, Front, Airmail.
_QUOTE_NAMES = re.compile(
    r"(?:^|\s)(?:x_){0,5}(gmail_quote(_container)?|gmail_extra|yahoo_quoted\w*|moz-cite-prefix|OutlookMessageHeader|divRplyFwdMsg|OLK_SRC_BODY_SECTION|gmx_quote|front-blockquote|reply-intro|airmail_on|mailspring-quote"
    r"|appendonsend|protonmail_quote|tutanota_quote|zmail_extra|messageReplySection|mail-editor-reference-message-container"
    r"|ms-outlook-mobile-reference-message|freebirdFormviewerQuote)(?:$|\s)"
)
_QUOTE_TAGS = frozenset(["div", "span", "section"])
_HISTORY_RULES = re.compile(r"(?:x_)*(?:stopSpelling|zwchr)\Z")
# The line that Outlook draws above the head of the old mail, whatever the language of that head.
_OUTLOOK_BORDER = re.compile(r"border:\s*none;\s*border-top:\s*solid\s+#?\w{3,12}\s+1\.0pt", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_MAX_QUOTE_DEPTH = 20


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.row: list[str] = []
        self.quotes = 0
        self.pre = 0

    def text(self, value: str) -> None:
        value = value.replace(QUOTE_MARK, "")
        if self.pre:
            first, *rest = value.split("\n")
            self.row.append(first)
            for line in rest:
                self.newline()
                self.row.append(line)
            return
        value = _BLANKS.sub(" ", value)
        if not self.row or self.row[-1].endswith(" "):
            value = value.lstrip(" ")
        if value:
            self.row.append(value)

    def newline(self) -> None:
        row = "".join(self.row).replace("\xa0", " ").rstrip()
        self.row.clear()
        self.lines.append(("> " * min(self.quotes, _MAX_QUOTE_DEPTH) + row).rstrip())

    def fresh(self) -> None:
        if self.row:
            self.newline()

    def gap(self) -> None:
        self.fresh()
        if self.lines and self.lines[-1].strip("> "):
            self.newline()

    def own_line(self, value: str) -> None:
        self.fresh()
        self.lines.append("> " * min(self.quotes, _MAX_QUOTE_DEPTH) + value)

    def enter(self, node: LexborNode, tag: str) -> None:
        self._break(tag)
        if tag == "br":
            self.newline()
        elif tag == "hr":
            if not self.quotes and _HISTORY_RULES.match(node.attributes.get("id") or ""):
                self.own_line(QUOTE_MARK)
            self.own_line(RULE)
        elif tag == "li":
            self.row.append("- ")
        elif tag in {"td", "th"} and self.row:
            self.row.append(" ")
        elif tag == "img" and (alt := (node.attributes.get("alt") or "").strip()):
            self.text(f"[{alt}]")
        elif tag == "pre":
            self.pre += 1
        elif tag == "blockquote":
            self.quotes += 1
        elif tag in _QUOTE_TAGS and not self.quotes and _is_quote(node):
            self.own_line(QUOTE_MARK)

    def _break(self, tag: str) -> None:
        if tag in _SPACED:
            self.gap()
        elif tag in _BLOCKS:
            self.fresh()

    def leave(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.fresh()
        if tag == "pre":
            self.pre -= 1
        elif tag == "blockquote":
            self.quotes -= 1
            while self.lines and self.lines[-1] and not self.lines[-1].strip("> "):
                self.lines.pop()
        if tag in _SPACED:
            self.gap()


def to_text(root: LexborNode) -> str:
    """The text of everything below `root`: quotes as `> `, rules as a line, pictures by their alternative text."""
    writer = _Writer()
    todo: list[tuple[LexborNode | None, str]] = [(root, root.tag or "")]
    while todo:
        node, tag = todo.pop()
        if node is None:
            writer.leave(tag)
        elif node.is_text_node:
            writer.text(node.text_content or "")
        elif tag and tag not in _SKIPPED:
            writer.enter(node, tag)
            todo.append((None, tag))
            child = node.last_child
            while child is not None:
                todo.append((child, child.tag or ""))
                child = child.prev
    writer.fresh()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(writer.lines)).strip("\n")


def _is_quote(node: LexborNode) -> bool:
    attributes = node.attributes
    names = " ".join(attributes.get(key) or "" for key in ("class", "id", "name"))
    if (names and _QUOTE_NAMES.search(names[:500])) or attributes.get("name") == "quote":  # so GMX and web.de
        return True
    style = attributes.get("style") or ""
    return _OUTLOOK_BORDER.search(style[:500]) is not None and "@" in (node.text(deep=True) or "")[:2_000]
