"""Real odd mails that nobody here wrote, against what their collectors say is in them."""

import email
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from email.policy import compat32
from pathlib import Path
from typing import Any

import pytest
import yaml

from mail_ingest.parsing import ParsedMail, Unreadable, html, parse, quote_headers, quotes, structure
from mail_ingest.parsing.structure import Part
from tests.unit.test_parsing_html import assert_is_harmless

pytestmark = pytest.mark.no_cover  # slow when traced, and nothing here is what a line is covered by

FOLDERS = ("zammad/mail", "imap_tools/messages", "sisimai/maildir", "notmuch/corpora", "freescout", "django-helpdesk")


def mails(corpora: Path, *folders: str) -> Iterator[Path]:
    for folder in folders or FOLDERS:
        for path in sorted((corpora / folder).rglob("*")):
            if path.is_file() and path.suffix != ".yml" and not path.name.startswith("."):
                yield path


def words(text: str | None) -> str:
    return " ".join((text or "").split())


def load(path: Path) -> Any:
    return json.loads(path.read_text())


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
    def test_is_read_without_losing_a_line(self, corpora: Path) -> None:
        count = 0
        for path in mails(corpora):
            parsed = parse(path.read_bytes())
            count += 1
            given = Counter("".join(parsed.text.split()))
            shown = Counter("".join((parsed.visible_text + parsed.quoted_text).split()))
            assert given == shown, path
            assert bool(parsed.text.strip()) == bool(parsed.visible_text.strip()), path
            assert_is_harmless(parsed.html)
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
        for path in list(mails(corpora))[::5]:
            raw = path.read_bytes()[:20_000]
            for damaged in (
                raw[: len(raw) // 2],
                raw[len(raw) // 3 :],
                raw.replace(b"\n", b"\r"),
                raw.replace(b"=", b"\x00"),
                raw[::-1],
            ):
                with suppress(Unreadable):
                    parse(damaged)


class TestImapTools:
    def test_agrees(self, corpora: Path) -> None:
        """The floors are what is reached. What is missing to 100 % is where the collector's own reading is the poorer one:
        nested mails that it takes apart, words it drops, zones of half an hour, addresses it does not find."""
        tally = Tally()
        for name, expected in load(corpora / "imap_tools/expected.json")["expected"].items():
            parsed = parse((corpora / "imap_tools/messages" / name).read_bytes())
            self.compare(tally, name, parsed, expected)
        assert tally.share("subject") >= 0.97, tally.wrong
        assert tally.share("from") >= 0.97, tally.wrong
        assert tally.share("recipients") >= 0.94, tally.wrong
        assert tally.share("date") >= 0.96, tally.wrong
        assert tally.share("text") >= 0.96, tally.wrong
        assert tally.share("attachments") >= 0.96, tally.wrong
        assert tally.share("file names") == 1, tally.wrong

    def compare(self, tally: Tally, name: str, parsed: ParsedMail, expected: dict[str, Any]) -> None:
        tally.add("subject", name, is_right=words(parsed.subject) == words(expected["subject"]))
        tally.add("from", name, is_right=(parsed.sender.email if parsed.sender else "") == expected["from_"])
        for field in ("to", "cc", "reply_to"):
            emails = [address.email for address in getattr(parsed, field)]
            tally.add("recipients", name, is_right=emails == expected[field])
        date = datetime.fromisoformat(expected["date"])
        wanted = None if date.year == 1900 else date.replace(tzinfo=date.tzinfo or UTC)
        tally.add("date", name, is_right=parsed.sent_at == wanted)
        # Their text goes on into nested mails, which are attachments here, and spells undecodable bytes in its own way.
        readable = "".join(char for char in words(expected["text"]) if char.isascii() and char.isalnum())
        ours = "".join(char for char in words(parsed.text) if char.isascii() and char.isalnum())
        nested = any(file.content_type == "message/rfc822" for file in parsed.attachments)
        has_text = bool(words(expected["text"]))
        if has_text:
            tally.add("text", name, is_right=ours in readable if nested else self.is_nearly(ours, readable))
        files = [
            file for file in parsed.attachments if not file.filename.endswith(("delivery-status.txt", "headers.txt"))
        ]
        sums = {hashlib.sha256(file.content).hexdigest() for file in files}
        for file in expected["attachments"]:
            if nested or file["content_type"].startswith("text/"):
                continue
            tally.add("attachments", name, is_right=file["payload"]["sha256"] in sums)
            if file["filename"]:
                tally.add("file names", name, is_right=file["filename"] in {own.filename for own in files})

    def is_nearly(self, ours: str, theirs: str) -> bool:
        """Equal but for the header lines that a broken header lets slip into the text in one reading or the other."""
        shorter, longer = sorted((ours, theirs), key=len)
        return shorter in longer and len(shorter) * 10 >= len(longer) * 9


class TestZammad:
    def test_agrees(self, corpora: Path) -> None:
        tally = Tally()
        for path in sorted((corpora / "zammad/mail").glob("*.yml")):
            expected = yaml.load(path.read_text(), Loader=RubyLoader)  # noqa: S506 # builds plain values only, see RubyLoader
            parsed = parse(path.with_suffix(".box").read_bytes())
            if "subject" in expected:
                tally.add("subject", path.name, is_right=words(parsed.subject) == words(expected["subject"]))
            if "from_email" in expected:
                sender = parsed.sender
                tally.add("from", path.name, is_right=bool(sender) and sender.email == expected["from_email"])  # type: ignore[union-attr]
                name = words(sender.name if sender else "")
                tally.add("name", path.name, is_right=name == words(expected["from_display_name"]))
            if "attachments" in expected:
                # They keep the other form of the body as a file; colons are not for file names here.
                names = [
                    file["filename"].replace(":", "_")
                    for file in expected["attachments"]
                    if not (file.get("preferences") or {}).get("content-alternative")
                ]
                tally.add("attachments", path.name, is_right=[file.filename for file in parsed.attachments] == names)
        for what in ("subject", "from", "name", "attachments"):
            assert tally.all[what] >= 18
            assert tally.share(what) >= 0.95, tally.wrong


class RubyLoader(yaml.SafeLoader):
    """Takes Ruby's tagged hashes for plain ones."""


def plain_value(loader: RubyLoader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


RubyLoader.add_multi_constructor("!", plain_value)


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


class TestVisibleReplies:
    def test_are_what_talon_expects(self, corpora: Path) -> None:
        """29 of 30. The other one has its own limit of lines switched on."""

        def seen(text: str) -> str:
            return words(text.replace(">", " ").replace("_" * 32, " "))

        tally = Tally()
        for case in load(corpora / "talon/quotation_cases.json")["cases"]:
            is_html = case["function"] == "extract_from_html"
            given = html.read(case["input"]).text if is_html else case["input"]
            wanted = html.read(case["expected"]).text if is_html else case["expected"]
            tally.add("visible", case["test"], is_right=seen(quotes.split(given).visible) == seen(wanted))
        assert tally.right["visible"] >= 29, tally.wrong

    @pytest.mark.parametrize(
        ("name", "visible", "quoted"),
        [
            ("correct_sig.txt", 1, ("-- ",)),
            ("email_1_4.txt", 1, ("On Aug 22",)),
            ("email_1_6.txt", 1, ("Sent from a", "On Dec 16")),
            ("email_1_7.txt", 1, ("On Tue",)),
            ("email_2_1.txt", 1, ("*From:*", "Sincerely")),
            ("email_2_2.txt", 1, ("____", "From: CRM")),
            ("email_2_3.txt", 1, ("From: CRM",)),
            ("email_BlackBerry.txt", 1, ("Sent from",)),
            ("email_iPhone.txt", 1, ("Sent from",)),
            ("email_bullets.txt", 5, ("On Fri", "-- ", "*Joe Smith")),
            ("email_one_is_not_on.txt", 3, ("On Oct 1",)),
            ("email_sent_from_my_not_signature.txt", 2, ()),
            ("email_sig_delimiter_in_middle_of_line.txt", 4, ()),
            ("greedy_on.txt", 4, ("On 9 Jan",)),
            ("pathological.txt", 2, ("On Dec 8",)),
        ],
    )
    def test_of_the_github_samples_end_where_a_reader_would_say(
        self, corpora: Path, name: str, visible: int, quoted: tuple[str, ...]
    ) -> None:
        text = (corpora / "email_reply_parser_github/emails" / name).read_text()
        reply = quotes.split(text)
        assert len([line for line in reply.visible.split("\n") if line.strip()]) == visible
        for start in quoted:
            assert any(line.startswith(start.strip()) for line in reply.quoted.split("\n"))
        shared = [part for line in text.split("\n") for part in quote_headers.unglue(line) if part.strip()]
        assert len([line for line in (reply.visible + "\n" + reply.quoted).split("\n") if line.strip()]) == len(shared)


class TestPublishedAttacks:
    def test_leave_nothing_active(self, corpora: Path) -> None:
        count = 0
        for name in ("bleach_vectors.json", "zammad_html_sanitizer_vectors.json"):
            for vector in load(corpora / "xss" / name)["vectors"]:
                assert_is_harmless(html.read(vector["input"]).safe)
                assert_is_harmless(html.sanitise(vector["input"]))
                count += 1
        assert count >= 50

    def test_leave_the_strings_that_break_things_harmless(self, corpora: Path) -> None:
        for text in load(corpora / "naughty_strings/blns.json"):
            raw = f"From: {text}\nSubject: {text}\nContent-Type: text/html\n\n{text}".encode("utf-8", "surrogatepass")
            assert_is_harmless(parse(raw).html)
