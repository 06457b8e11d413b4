"""The stored HTML of a mail, made ready to be seen."""

import pytest

from mail_ingest.parsing import addresses_of_remote_pictures, html, show_html

PICTURE = "data:image/png;base64,AAAA"
REMOTE = '<img data-remote-src="https://x.example/a.png?a=1&amp;b=2" alt="logo &lt;b&gt;" width="90">'
PIXEL = '<img data-remote-src="https://x.example/t" width="1px" height="1">'


def show(stored: str, *, remote_images: bool = False, inline: dict[str, str] | None = None) -> str:
    return show_html(stored, remote_images=remote_images, inline=(inline or {}).get)


class TestShowHtml:
    @pytest.mark.parametrize("source", ["cid:wall%40x", "CID:wall@x", "cid:%3Cwall@x%3E"])
    def test_shows_pictures_that_came_with_the_mail(self, source: str) -> None:
        assert show(f'<p>a <img src="{source}" alt="wall"></p>', inline={"wall@x": PICTURE}) == (
            f'<p>a <img src="{PICTURE}" alt="wall"></p>'
        )

    def test_says_what_a_missing_picture_is(self) -> None:
        assert show('a <img src="cid:x" alt="the &lt;wall&gt;">b<img src="cid:y">') == "a [the &lt;wall&gt;]b"

    def test_takes_only_a_picture_for_a_picture(self) -> None:
        assert show('<img src="cid:x">', inline={"x": "javascript:alert(1)"}) == "<img>"
        assert show('<img src="cid:x">', inline={"x": "https://x.example/"}) == "<img>"

    def test_puts_something_in_the_place_of_remote_pictures(self) -> None:
        assert show(f"<p>{REMOTE}</p>") == '<p><span class="remote-image">logo &lt;b&gt;</span></p>'

    def test_loads_remote_pictures_when_asked_and_tells_no_address(self) -> None:
        shown = show(REMOTE + '<img data-remote-src="//x.example/b.png">', remote_images=True)
        assert 'src="https://x.example/a.png?a=1&amp;b=2"' in shown
        assert 'src="https://x.example/b.png"' in shown
        assert shown.count('referrerpolicy="no-referrer"') == 2

    @pytest.mark.parametrize("remote_images", [True, False])
    def test_never_loads_what_is_there_to_spy(self, remote_images: bool) -> None:
        assert show(f"a{PIXEL}b", remote_images=remote_images) == "ab"

    def test_opens_links_elsewhere(self) -> None:
        assert show('<a href="https://x.example">x</a>') == (
            '<a href="https://x.example" target="_blank" rel="noopener noreferrer nofollow">x</a>'
        )

    def test_lets_nothing_through_that_storage_should_have_stopped(self) -> None:
        assert (
            show('<script>x</script><p onclick=x class="remote-image">a<img src="https://x.example/"></p>')
            == "<p>a<img></p>"
        )
        assert show('<img data-remote-src="javascript:x">', remote_images=True) == ""

    def test_shows_only_the_text_of_what_is_too_complex(self) -> None:
        shown = show("<div>" * (html.MAX_DEPTH + 1) + "a &lt;b&gt;")
        assert shown == '<div style="white-space:pre-wrap">a &lt;b&gt;</div>'

    def test_of_nothing_is_nothing(self) -> None:
        assert show("") == ""

    def test_shows_what_was_read(self) -> None:
        stored = html.read('<p style="color:red">x<img srcset="https://x.example/a.png 2x"></p>').safe
        assert show(stored) == '<p style="color:red">x<span class="remote-image"></span></p>'


class TestRemotePictures:
    @pytest.mark.parametrize(
        ("stored", "expected"),
        [(REMOTE, True), (PIXEL, False), (PIXEL + REMOTE, True), ("<p>data-remote-src=</p>", False), ("", False)],
    )
    def test_answers(self, stored: str, expected: bool) -> None:
        assert bool(addresses_of_remote_pictures(stored)) is expected
