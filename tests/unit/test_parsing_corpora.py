"""Real odd mails that nobody here wrote, against what their collectors say is in them."""

import email
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.policy import compat32
from pathlib import Path

import pytest

from mail_ingest.parsing import Calendar, Protection, Unreadable, parse, structure
from mail_ingest.parsing.structure import Part
from tests.scoreboard.row import Row
from tests.scoreboard.rows_parsing import imap_tools, zammad
from tests.scoreboard.rows_quotes import github, mails, nothing_lost, talon
from tests.scoreboard.rows_xss import active, vectors
from tests.unit.test_parsing_html import assert_is_harmless

pytestmark = pytest.mark.no_cover  # slow when traced, and nothing here is what a line is covered by


class Tally:
    """Counts what is as expected, and remembers what is not."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.all: Counter[str] = Counter()
        self.wrong: list[tuple[str, str]] = []

    def add(self, what: str, name: str, *, is_right: bool) -> None:
        self.all[what] += 1
        self.right[what] += is_right
        if not is_right:
            self.wrong.append((what, name))

    def share(self, what: str) -> float:
        return self.right[what] / self.all[what]


class TestEveryRealMail:
    def test_is_read_and_harmless(self, corpora: Path) -> None:
        count = 0
        for path in mails(corpora):
            parsed = parse(path.read_bytes())
            count += 1
            assert_is_harmless(parsed.html)
            assert active(parsed.html) == [], path
            assert "\x00" not in parsed.text + parsed.html + parsed.subject, path
            (parsed.text + parsed.html + str(parsed.headers)).encode()
        assert count >= 300

    def test_has_the_parts_that_the_standard_library_finds(self, corpora: Path) -> None:
        def expected(message: Message) -> Iterator[tuple[str, bytes | None]]:
            if message.get_content_maintype() == "multipart" and message.is_multipart():
                for part in message.get_payload():
                    yield from expected(part)  # type: ignore[arg-type] # parts of a multipart are messages
            elif message.get_content_maintype() == "message":
                yield message.get_content_type(), None
            else:
                yield message.get_content_type(), message.get_payload(decode=True)  # type: ignore[misc] # bytes, when decoded

        def found(part: Part) -> Iterator[tuple[str, bytes | None]]:
            if part.is_multipart:
                for child in part.children:
                    yield from found(child)
            else:
                yield part.content_type, None if part.content_type.startswith("message/") else part.content()

        tally = Tally()
        for path in mails(corpora):
            raw = path.read_bytes()
            wanted = list(expected(email.message_from_bytes(raw, policy=compat32)))
            tally.add("parts", path.name, is_right=list(found(structure.read(raw).root)) == wanted)
        assert tally.share("parts") >= 0.97, tally.wrong

    def test_never_raises_when_it_is_damaged(self, corpora: Path) -> None:
        read = unreadable = 0
        for path in list(mails(corpora))[::5]:
            raw = path.read_bytes()[:20_000]
            for damaged in (
                raw[: len(raw) // 2],
                raw[len(raw) // 3 :],
                raw.replace(b"\n", b"\r"),
                raw.replace(b"=", b"\x00"),
                raw[::-1],
            ):
                try:
                    parse(damaged)
                    read += 1
                except Unreadable:
                    unreadable += 1
        assert read > unreadable


class TestScoreboard:
    @pytest.mark.parametrize("read", [imap_tools, zammad, talon, github, nothing_lost, vectors])
    def test_has_no_row_below_its_floor(self, corpora: Path, read: Callable[[Path], Iterable[Row]]) -> None:
        for row in read(corpora):
            assert row.passes, f"{row.name}: {row.wrong}"


class TestOfferedByOthers:
    def test_an_invitation_from_outlook_is_shown(self, corpora: Path) -> None:
        parsed = parse((corpora / "notmuch/corpora/attachment/text-calendar.eml").read_bytes())
        assert parsed.calendar == Calendar(
            method="REQUEST",
            summary="test [In-person]",
            start=datetime(2024, 5, 27, 17, tzinfo=UTC),  # 14:00 Atlantic daylight time
            end=datetime(2024, 5, 27, 17, 30, tzinfo=UTC),
            all_day=False,
            location="",
            organizer="bremner@example.com",
            status="CONFIRMED",
        )
        assert [file.filename for file in parsed.attachments] == ["invite.ics"]

    def test_a_signed_mail_says_so(self, corpora: Path) -> None:
        parsed = parse((corpora / "django-helpdesk/pgp.eml").read_bytes())
        assert parsed.protection == Protection.PGP_SIGNED
        assert "BEGIN PGP" not in parsed.visible_text


class TestFreeScout:
    def test_bytes_that_a_database_refuses_are_gone(self, corpora: Path) -> None:
        raw = (corpora / "freescout/message-4-null-bytes.eml").read_bytes()
        parsed = parse(raw)
        assert b"\x00" in raw
        assert "\x00" not in repr(parsed.text) + parsed.html
        assert parsed.text

    def test_japanese_is_readable(self, corpora: Path) -> None:
        parsed = parse((corpora / "freescout/message-5-iso-2022-jp.eml").read_bytes())
        assert "\ufffd" not in parsed.subject + parsed.text
        assert any("\u3040" <= char <= "\u30ff" for char in parsed.subject + parsed.text)

    def test_every_mail_has_a_sender_and_words(self, corpora: Path) -> None:
        for path in mails(corpora, "freescout"):
            parsed = parse(path.read_bytes())
            assert parsed.sender, path
            assert parsed.text.strip() or parsed.attachments, path


class TestDjangoHelpdesk:
    def test_a_blank_body_keeps_its_attachment(self, corpora: Path) -> None:
        parsed = parse((corpora / "django-helpdesk/blank-body-with-attachment.eml").read_bytes())
        assert parsed.text.strip() == ""
        assert len(parsed.attachments) == 1

    def test_what_cannot_be_decoded_is_read_all_the_same(self, corpora: Path) -> None:
        parsed = parse((corpora / "django-helpdesk/utf-nondecodable.eml").read_bytes())
        assert "Cyklozaměstnavatel" in parsed.text

    def test_special_characters_and_quoted_printable_are_text(self, corpora: Path) -> None:
        for name in ("all-special-chars.eml", "quoted_printable.eml"):
            parsed = parse((corpora / "django-helpdesk" / name).read_bytes())
            assert "\ufffd" not in parsed.subject + parsed.text
            assert "=?" not in parsed.subject
            assert not parsed.text.isascii()

    def test_the_original_below_a_reply_is_folded(self, corpora: Path) -> None:
        parsed = parse((corpora / "django-helpdesk/forwarded-message.eml").read_bytes())
        assert parsed.visible_text == "This is email body"
        assert "Hello there!" in parsed.quoted_text
