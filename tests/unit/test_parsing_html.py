"""HTML of strangers: what is left of it, and what text it becomes."""

import pytest
from selectolax.lexbor import LexborHTMLParser

from mail_ingest.parsing import html
from mail_ingest.parsing.html_text import RULE

ACTIVE = (
    "<script",
    "<iframe",
    "<object",
    "<embed",
    "<form",
    "<input",
    "<style",
    "<link",
    "<meta",
    "<base",
    "<svg",
    "<math",
)


def assert_is_harmless(safe: str) -> None:
    """Judged by another parser than the one that sanitised."""
    for node in LexborHTMLParser(safe).css("*"):
        assert f"<{node.tag}" not in ACTIVE
        for name, value in node.attributes.items():
            text = (value or "").strip().lower()
            assert not name.startswith("on")
            assert name not in {
                "srcset",
                "background",
                "poster",
                "formaction",
                "action",
                "srcdoc",
                "id",
                "name",
                "class",
                "xlink:href",
            }
            if name == "href":
                assert text.startswith(("http://", "https://", "mailto:", "tel:"))
            if name == "src":
                assert text.startswith(("cid:", "data:image/"))
            if name == "style":
                assert not any(
                    word in text for word in ("url", "expression", "javascript", "behavior", "position", "@")
                )


class TestSanitised:
    @pytest.mark.parametrize(
        ("source", "safe"),
        [
            ("<p onclick=x()>hi</p>", "<p>hi</p>"),
            ("<script>x</script><style>p{}</style><title>t</title>hi", "hi"),
            ("<form action=/x><input value=a><button>go</button></form>", "go"),
            ("<iframe src=http://x.example>a</iframe>b", "b"),
            ("<svg><script>x</script></svg>b", "b"),
            ('<p style="color:red;position:fixed">x</p>', '<p style="color:red">x</p>'),
            ('<p style="color:red;background-color:url(http://x.example)">x</p>', "<p>x</p>"),
            ('<p style="color:\\65xpression(1)">x</p>', "<p>x</p>"),
            ('<p class="a" id="b">x</p>', "<p>x</p>"),
            ('<img src="cid:a@b" alt="wall">', '<img src="cid:a@b" alt="wall">'),
            ('<img src="http://x.example/a.png" onerror="x">', '<img data-remote-src="http://x.example/a.png">'),
            ('<img src="//x.example/a.png">', '<img data-remote-src="//x.example/a.png">'),
            ('<img src="file:///etc/passwd">', "<img>"),
            ('<img src="/a.png" srcset="http://x.example/b.png 2x">', "<img>"),
            ('<img srcset="https://x.example/b.png 2x, c 3x">', '<img data-remote-src="https://x.example/b.png">'),
            ('<p style="color:red;margin-left:-99px">x</p>', "<p>x</p>"),
            ('<img src="cid:a" data-remote-src="javascript:x">', '<img src="cid:a">'),
            ('<img src="data:image/png;base64,AAAA">', '<img src="data:image/png;base64,AAAA">'),
            ('<img src="data:image/svg+xml;base64,AAAA">', "<img>"),
            ("<!-- hidden --><!--[if mso]><p>x</p><![endif]-->a", "a"),
        ],
    )
    def test_is(self, source: str, safe: str) -> None:
        assert html.read(source).safe == safe
        assert_is_harmless(html.read(source).safe)

    @pytest.mark.parametrize(
        "href", ["javascript:x", "jav&#x09;ascript:x", "data:text/html,x", "vbscript:x", "//x.example", "/x", " cid:a"]
    )
    def test_links_nowhere_but_to_the_web_mail_and_phones(self, href: str) -> None:
        safe = html.read(f'<a href="{href}">x</a>').safe
        assert "href" not in safe
        assert ">x</a>" in safe

    def test_links_tell_the_other_side_nothing(self) -> None:
        assert html.read('<a href="https://x.example/a">x</a>').safe == (
            '<a href="https://x.example/a" target="_blank" rel="noopener noreferrer nofollow">x</a>'
        )

    def test_names_the_pictures_that_it_shows(self) -> None:
        page = html.read('<img src="cid:One@x"><img src="CID:%3Ctwo%3E"><img src="cid:"><img>')
        assert page.content_ids == {"one@x", "two"}

    def test_of_nothing_is_nothing(self) -> None:
        assert html.read("") == html.Page("", "", frozenset())


class TestIsTooComplex:
    @pytest.mark.parametrize(
        "source",
        [
            "x" * (html.MAX_CHARS + 1),
            "<div>" * (html.MAX_DEPTH + 1),
            "<div></span>" * (html.MAX_DEPTH + 1),
            "<p " + "a " * (html.MAX_ATTRIBUTES + 1) + ">",
            '<p title=">" ' + 'a="1"' * 2_000,
            "<br>" * (html.MAX_TAGS + 1),
            "<svg>" + "<td>" * (html.MAX_DEPTH + 1),
        ],
    )
    def test_says_so(self, source: str) -> None:
        assert html.is_too_complex(source)

    @pytest.mark.parametrize(
        "source",
        [
            "<p>one<p>two" * 5_000,
            "<br>" * 5_000,
            "<div>x</div>" * 5_000,
            "<p>" + "a = b " * 5_000,
            "<p title='a'>x" * 500,
            "a < b <c",
            "<p a=",
        ],
    )
    def test_is_patient_with_what_mail_programs_write(self, source: str) -> None:
        assert not html.is_too_complex(source)


class TestText:
    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("<p>one</p><p>two<br>three</p>", "one\n\ntwo\nthree"),
            ("<div>one</div><div><br></div><div>two</div>", "one\n\ntwo"),
            ("one\n  <b>two</b>\n<i> three</i>&nbsp;four", "one two three four"),
            ("<ul><li>one<li>two</ul>after", "- one\n- two\n\nafter"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", "a b\nc"),
            ("<pre>a\n  b\n</pre>c", "a\n  b\n\nc"),
            ("a<hr>b", "a\n________________________________\nb"),
            ("<p>see <img alt='the wall'> <img alt=' '><img></p>", "see [the wall]"),
            ("a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e", "a\n\n> b\n> c\n>\n> > d\n\ne"),
            ("<head><title>t</title></head><script>x</script><style>x</style><!-- x -->a", "a"),
            ("<h1>a</h1>b\ue000c", "a\n\nbc"),
        ],
    )
    def test_is(self, source: str, text: str) -> None:
        assert html.read(source).text == text

    @pytest.mark.parametrize(
        "marks",
        [
            'class="gmail_quote"',
            'id="divRplyFwdMsg"',
            'class="a moz-cite-prefix"',
            'name="messageReplySection"',
            'id="x_divRplyFwdMsg"',
            'name="quote"',
        ],
    )
    def test_marks_where_the_program_says_history_begins(self, marks: str) -> None:
        assert html.read(f"<div>new</div><div {marks}>old</div>").text == "new\n\ue000\nold"
        assert "\ue000" not in html.read(f"<blockquote><div {marks}>old</div></blockquote>").text

    def test_marks_where_outlook_draws_its_line_above_a_head_in_any_language(self) -> None:
        border = 'style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"'
        assert (
            html.read(f"<p>new</p><div {border}><b>Xyz:</b> a@example.com</div>").text
            == "new\n\n\ue000\nXyz: a@example.com"
        )
        assert "\ue000" not in html.read(f"<p>new</p><div {border}>a drawing</div>").text

    def test_marks_the_rule_of_hotmail_and_zimbra(self) -> None:
        assert html.read('new<hr id="stopSpelling">old').text == f"new\n\ue000\n{RULE}\nold"
        assert html.read('<span id="OLK_SRC_BODY_SECTION">old</span>').text == "\ue000\nold"

    def test_of_hopeless_html_is_what_stands_between_the_tags(self) -> None:
        page = html.read("<div>" * 600 + "cold &amp;\ue000 <b>dark</b>")
        assert (page.safe, page.text, page.too_complex) == ("", "cold & dark", True)
