"""Whole mails of our own making: what the reader finds in them, and that nothing in them stops it."""

import base64
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from mail_ingest.parsing import Address, ParsedMail, Unreadable, files, parse

TOP = b"From: Ada Tenant <ada@example.com>\r\nTo: desk@example.org\r\nSubject: Boiler\r\n"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def mail(body: bytes = b"Hello\r\n", *, head: bytes = b"") -> ParsedMail:
    return parse(TOP + head + b"\r\n" + body)


def multipart(*parts: bytes, kind: bytes = b"mixed") -> ParsedMail:
    body = b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"
    return mail(body, head=b'Content-Type: multipart/%s; boundary="frontier"\r\n' % kind)


def every_string(parsed: ParsedMail) -> str:
    addresses = [*parsed.reply_to, *parsed.to, *parsed.cc, *([parsed.sender] if parsed.sender else [])]
    return "\n".join(
        (
            *(parsed.message_id, parsed.subject, parsed.text, parsed.html, parsed.visible_text, parsed.quoted_text),
            *(parsed.in_reply_to + parsed.references),
            *(part for header in parsed.headers for part in header),
            *(f"{address.name} {address.email}" for address in addresses),
            *(f"{file.filename} {file.content_type} {file.content_id}" for file in parsed.attachments),
        )
    )


class TestParse:
    def test_reads_an_ordinary_mail(self) -> None:
        parsed = mail(
            b"The boiler is cold.\r\n",
            head=b"Message-ID: <abc@example.com>\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x>\r\n <b@x>\r\n"
            b"Date: Mon, 2 Mar 2026 10:15:00 +0100\r\nCc: Bo <bo@example.net>\r\nReply-To: flat12@example.com\r\n",
        )
        assert parsed.message_id == "abc@example.com"
        assert parsed.in_reply_to == ("b@x",)
        assert parsed.references == ("a@x", "b@x")
        assert parsed.subject == "Boiler"
        assert parsed.sender == Address("Ada Tenant", "ada@example.com")
        assert parsed.to == (Address("", "desk@example.org"),)
        assert parsed.cc == (Address("Bo", "bo@example.net"),)
        assert parsed.reply_to == (Address("", "flat12@example.com"),)
        assert parsed.sent_at == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
        assert parsed.text == parsed.visible_text == "The boiler is cold."
        assert (parsed.html, parsed.quoted_text, parsed.attachments, parsed.defects) == ("", "", (), ())
        assert parsed.headers[:2] == (("From", "Ada Tenant <ada@example.com>"), ("To", "desk@example.org"))

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "empty"),
            (b" \r\n\x00\n ", "empty"),
            (bytes(range(256)) * 20, "not text"),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "not text"),
        ],
    )
    def test_gives_up_only_on_nothing_and_on_rubbish(self, raw: bytes, reason: str) -> None:
        with pytest.raises(Unreadable, match=reason) as refusal:
            parse(raw)
        assert reason in refusal.value.reason

    def test_takes_text_without_a_header_for_a_body(self) -> None:
        parsed = parse(b"just a note\nof two lines\n")
        assert parsed.text == "just a note\nof two lines"
        assert (parsed.sender, parsed.sent_at, parsed.message_id) == (None, None, "")

    def test_passes_over_a_mailbox_separator_and_a_byte_order_mark(self) -> None:
        assert parse(b"From ada@example.com Mon Mar  2 10:15:00 2026\n" + TOP + b"\nhi").subject == "Boiler"
        assert parse(b"\xef\xbb\xbf\r\n" + TOP + b"\r\nhi").subject == "Boiler"

    def test_takes_the_sender_where_from_has_no_address(self) -> None:
        sender = parse(b"From: Nobody <>\r\nSender: Bo <bo@example.net>\r\n\r\nhi").sender
        assert sender == Address("Bo", "bo@example.net")
        assert parse(b"From: Front Office\r\n\r\nhi").sender == Address("Front Office", "")

    @pytest.mark.parametrize(
        ("date", "expected"),
        [
            (b"Mon, 2 Mar 2026 10:15:00 -0330", datetime(2026, 3, 2, 13, 45, tzinfo=UTC)),
            (b"Mon, 2 Mar 2026 10:15:00", datetime(2026, 3, 2, 10, 15, tzinfo=UTC)),
            (b"Mon, 2 Mar 2026 10:15:00 GMT", datetime(2026, 3, 2, 10, 15, tzinfo=UTC)),
            (b"yesterday", None),
            (b"Mon, 32 Mar 2026 10:15:00 +0100", None),
            (b"Mon, 2 Mar 99999 10:15:00 +0100", None),
            (b"Mon, 2 Mar 2026 10:15:00 +9999999", None),
        ],
    )
    def test_reads_dates_and_leaves_out_what_is_none(self, date: bytes, expected: datetime | None) -> None:
        assert mail(head=b"Date: " + date + b"\r\n").sent_at == expected

    @pytest.mark.parametrize("letter", ["\u6f22", "\U00020000"])
    def test_cuts_message_ids_to_what_an_index_can_hold(self, letter: str) -> None:
        raw = f"From: t@home.example\r\nMessage-ID: <{letter * 1_500}@home.example>\r\n\r\nhi".encode()
        parsed = parse(raw)
        assert parsed.message_id.startswith(letter * 400)
        assert len(parsed.message_id.encode()) <= 2_704 - 100  # PostgreSQL's largest row of an index, and its header

    @pytest.mark.parametrize(
        ("value", "ids"),
        [
            (b"<a@x> <b@x> <a@x>", ("a@x", "b@x")),
            (b"<a@x>,<b@x>", ("a@x", "b@x")),
            (b"<a@\r\n x>", ("a@x",)),
            (b"a@x and b@x", ("a@x", "b@x")),
            (b"Your message of Monday", ()),
            (b"<>", ()),
            (b"<\xff\x00a@x>", ("\u00ffa@x",)),
        ],
    )
    def test_reads_message_ids_in_whatever_form(self, value: bytes, ids: tuple[str, ...]) -> None:
        assert mail(head=b"References: " + value + b"\r\n").references == ids

    def test_keeps_the_newest_of_too_many_references(self) -> None:
        many = b" ".join(b"<%d@x>" % number for number in range(500))
        assert mail(head=b"References: " + many + b"\r\n").references[-1] == "499@x"
        assert len(mail(head=b"References: " + many + b"\r\n").references) == 200

    def test_lets_no_character_through_that_a_database_refuses(self) -> None:
        parsed = multipart(
            b"Content-Type: text/plain; charset=utf-8\r\n\r\na\x00b\x1b[2J \xed\xa0\x80 \x7f c",
            b'Content-Type: image/png; name="a\x00b\r\n\t\x1fc.png"\r\nContent-ID: <x\x00y>\r\n\r\n' + PIXEL,
            b"Content-Type: text/html\r\n\r\n<p>x&#0;\x00y&#55296;</p>",
        )
        seen = every_string(parsed) + every_string(
            parse(
                b"From: =?utf-8?b?"
                + base64.b64encode(b"A\x00\xed\xb0\x80B")
                + b"?= <a\x00@example.com>\r\nSubject: a\x00b =?utf-8?q?=00?=\r\n\r\nx"
            )
        )
        assert "\x00" not in seen
        assert not [char for char in seen if (ord(char) < 32 and char != "\n") or 0xD800 <= ord(char) <= 0xDFFF]
        assert parsed.text.startswith("ab")

    def test_keeps_the_subject_on_one_line(self) -> None:
        parsed = parse(b"Subject: =?utf-8?q?one=0D=0ABcc:_x@example.com?=\r\n\ttwo\r\n\r\nx")
        assert parsed.subject == "one Bcc: x@example.com two"


class TestBodies:
    def test_prefer_the_plain_alternative_and_keep_the_html(self) -> None:
        parsed = multipart(
            b"Content-Type: text/plain\r\n\r\nplain words\r\n",
            b"Content-Type: text/html\r\n\r\n<p>rich <b>words</b></p>\r\n",
            b"Content-Type: text/x-amp-html\r\n\r\n<html amp></html>\r\n",
            kind=b"alternative",
        )
        assert parsed.text == "plain words"
        assert parsed.html == "<p>rich <b>words</b></p>"
        assert parsed.attachments == ()

    def test_make_the_text_out_of_html_where_the_plain_one_is_blank(self) -> None:
        parsed = multipart(
            b"Content-Type: text/plain\r\n\r\n \r\n", b"Content-Type: text/html\r\n\r\n<p>rich</p>", kind=b"alternative"
        )
        assert parsed.text == "rich"

    def test_take_real_plain_text_over_enriched(self) -> None:
        rich = b"Content-Type: text/enriched\r\n\r\n<bold>words</bold>"
        assert multipart(b"\r\nwords", rich, kind=b"alternative").text == "words"
        assert multipart(rich, kind=b"alternative").text == "words"

    def test_follow_each_other_in_a_mixed_mail(self) -> None:
        parsed = multipart(
            b"Content-Type: text/html\r\n\r\n<p>one</p>",
            b'Content-Type: image/png; name="a.png"\r\n\r\nx',
            b"Content-Type: text/plain\r\n\r\ntwo & <three>",
            b"Content-Type: text/plain\r\n\r\n",
        )
        assert parsed.text == "one\n\ntwo & <three>"
        assert "<p>one</p>" in parsed.html
        assert "two &amp; &lt;three&gt;" in parsed.html

    def test_are_found_in_a_part_with_a_name_if_there_is_no_other(self) -> None:
        parsed = mail(b"the text", head=b'Content-Type: text/plain; name="body.txt"\r\n')
        assert (parsed.text, parsed.attachments) == ("the text", ())
        attached = mail(b"the text", head=b'Content-Disposition: attachment; filename="body.txt"\r\n')
        assert attached.text == ""
        assert [file.filename for file in attached.attachments] == ["body.txt"]

    def test_join_the_lines_of_a_flowed_mail(self) -> None:
        flowed = b"The boiler is \r\ncold.\r\n>> was it \r\n>> serviced?\r\n> yes\r\n From here\r\n-- \r\nAda \r\n"
        assert mail(flowed, head=b"Content-Type: text/plain; format=flowed\r\n").text == (
            "The boiler is cold.\n>> was it serviced?\n> yes\nFrom here\n-- \nAda "
        )
        assert mail(b"bo \r\niler", head=b"Content-Type: text/plain; format=flowed; delsp=yes\r\n").text == "boiler"

    def test_are_cut_and_kept_whole_as_a_file_when_they_are_huge(self) -> None:
        parsed = mail(b"word " * 1_200_000)
        assert len(parsed.text) <= 5 * 1024 * 1024
        assert parsed.attachments[0].size_bytes == 6_000_000
        assert parsed.defects == ("body_cut",)

    def test_show_the_text_of_html_that_is_too_complex(self) -> None:
        parsed = mail(b"<div>" * 2_000 + b"cold &amp; dark", head=b"Content-Type: text/html\r\n")
        assert parsed.text.strip() == "cold & dark"
        assert (
            parsed.html == '<div style="white-space:pre-wrap">cold &amp; dark</div>' or "cold &amp; dark" in parsed.html
        )
        assert parsed.defects == ("html_too_complex",)

    def test_take_the_charset_that_the_html_names_itself(self) -> None:
        page = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Котёл</p>'.encode("cp1251")
        assert mail(page, head=b"Content-Type: text/html\r\n").text == "Котёл"

    def test_of_a_report_without_words_are_the_report(self) -> None:
        status = (
            b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@example.com\r\nAction: failed\r\n"
        )
        parsed = multipart(status, kind=b"report; report-type=delivery-status")
        assert "Action: failed" in parsed.text
        assert [(file.filename, file.content_type) for file in parsed.attachments] == [
            ("delivery-status.txt", "text/plain")
        ]
        assert parsed.content_type.startswith("multipart/report; report-type=delivery-status")


class TestAttachments:
    def test_come_with_name_type_size_and_bytes(self) -> None:
        encoded = base64.encodebytes(PIXEL)
        parsed = multipart(
            b"\r\nsee the picture",
            b'Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="wall.png"\r\n\r\n'
            + encoded,
        )
        (file,) = parsed.attachments
        assert (file.filename, file.content_type, file.content, file.size_bytes) == (
            "wall.png",
            "image/png",
            PIXEL,
            len(PIXEL),
        )
        assert (file.is_inline, file.refused_reason) == (False, "")

    def test_are_inline_only_where_the_html_shows_them(self) -> None:
        parsed = multipart(
            b'Content-Type: text/html\r\n\r\n<img src="cid:Wall%40x">',
            b"Content-Type: image/png\r\nContent-ID: <wall@x>\r\n\r\nx",
            b"Content-Type: image/png\r\nContent-ID: <other@x>\r\nContent-Disposition: inline\r\n\r\nx",
            kind=b"related",
        )
        assert [(file.content_id, file.is_inline) for file in parsed.attachments] == [
            ("wall@x", True),
            ("other@x", False),
        ]
        assert 'src="cid:Wall%40x"' in parsed.html

    def test_larger_than_allowed_lose_their_content_and_say_so(self) -> None:
        raw = TOP + b"Content-Type: application/pdf\r\n\r\n" + b"x" * 101
        (file,) = parse(raw, max_attachment_bytes=100).attachments
        assert (file.content, file.size_bytes) == (b"", 101)
        assert file.refused_reason == "larger than 100 bytes"
        assert parse(raw, max_attachment_bytes=101).attachments[0].content == b"x" * 101

    def test_that_are_mails_are_named_after_their_subject(self) -> None:
        inner = b"From: bo@example.net\r\nSubject: Quote 12/34: =?utf-8?q?t=C3=BCr?=\r\n\r\ninner words"
        parsed = multipart(
            b"\r\nsee below",
            b"Content-Type: message/rfc822\r\n\r\n" + inner,
            b"Content-Type: message/rfc822\r\n\r\n\r\nno header",
        )
        assert [file.filename for file in parsed.attachments] == ["Quote 12-34_ tür.eml", "message-2.eml"]
        assert parsed.attachments[0].content == inner
        assert parsed.attachments[0].content_type == "message/rfc822"
        assert "inner words" not in parsed.text

    def test_of_a_digest_are_mails(self) -> None:
        parsed = multipart(b"\r\nSubject: One\r\n\r\nx", kind=b"digest")
        assert [(file.filename, file.content_type) for file in parsed.attachments] == [("One.eml", "message/rfc822")]

    @pytest.mark.parametrize(
        ("head", "name"),
        [
            (b"Content-Disposition: attachment; filename*=utf-8''T%C3%BCr.pdf", "Tür.pdf"),
            (b"Content-Disposition: attachment; filename*0*=utf-8''T%C3; filename*1*=%BCr; filename*2=.pdf", "Tür.pdf"),
            (b'Content-Disposition: attachment; filename="=?utf-8?q?T=C3=BCr?=.pdf"', "Tür.pdf"),
            (b'Content-Disposition: attachment; filename="T\xc3\xbcr.pdf"', "Tür.pdf"),
            (b"Content-Disposition: attachment; filename*=x-unknown''T%FCr.pdf", "Tür.pdf"),
            (b'Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
            (b'Content-Disposition: attachment; filename="C:\\\\tmp\\\\a.pdf"', "a.pdf"),
            (b'Content-Disposition: attachment; filename="a\xe2\x80\xaefdp.exe"', "afdp.exe"),
            (b'Content-Disposition: attachment; filename="a<b>|c?.pdf"', "a_b__c_.pdf"),
            (b'Content-Disposition: attachment; filename=".."\r\nContent-Type: application/pdf; name="b.pdf"', "b.pdf"),
            (b'Content-Type: application/pdf; name="c.pdf"', "c.pdf"),
            (b"Content-Type: application/pdf\r\nContent-Location: d.pdf", "d.pdf"),
            (b"Content-Type: application/pdf\r\nContent-Location: cid:123", "attachment-1.pdf"),
            (b"Content-Type: application/pdf", "attachment-1.pdf"),
            (b"Content-Type: image/jpg", "image-1.jpg"),
            (b"Content-Type: application/x-whatever", "attachment-1.bin"),
            (b'Content-Disposition: attachment; filename="' + b"x" * 300 + b'.pdf"', "x" * 146 + ".pdf"),
            (b'Content-Disposition: attachment; filename="' + b"x" * 300 + b'"', "x" * 150),
        ],
    )
    def test_get_a_safe_name(self, head: bytes, name: str) -> None:
        (file,) = multipart(b"\r\nx", head + b"\r\n\r\nx").attachments
        assert file.filename == name

    @pytest.mark.parametrize(
        ("declared", "stored"),
        [
            (b"image/JPEG", "image/jpeg"),
            (b"application/x-zip-compressed", "application/zip"),
            (b"text/html; name=a.html", "application/octet-stream"),
            (b"image/svg+xml", "application/octet-stream"),
            (b"application/javascript", "application/octet-stream"),
            (b"nonsense; name=a", "text/plain"),
        ],
    )
    def test_get_a_safe_type(self, declared: bytes, stored: str) -> None:
        (file,) = multipart(
            b"\r\nx", b"Content-Type: " + declared + b"\r\nContent-Disposition: attachment\r\n\r\nx"
        ).attachments
        assert file.content_type == stored

    def test_beyond_a_number_are_left_out_and_noted(self) -> None:
        parsed = multipart(*[b"Content-Type: image/png\r\n\r\nx"] * (files.MAX_FILES + 1))
        assert len(parsed.attachments) == files.MAX_FILES
        assert parsed.defects == ("too_many_attachments",)


UUENCODED = b"begin 644 a.txt\r\n&8F]I;&5R\r\n`\r\nend\r\n"


class TestEnclosedFiles:
    def test_come_out_of_the_text(self) -> None:
        parsed = mail(b"see\r\n" + UUENCODED + b"and\r\n" + UUENCODED.replace(b"a.txt", b"../b c.pdf") + b"after\r\n")
        assert parsed.text == "see\nand\nafter"
        assert [(file.filename, file.content_type, file.content) for file in parsed.attachments] == [
            ("a.txt", "text/plain", b"boiler"),
            ("b c.pdf", "application/pdf", b"boiler"),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            "begin 644 a.txt\nno code\xe4\nend",
            "begin 644 a.txt\n&8F]I;&5R\n",
            "we begin 644 x\nend",
            "begin 644 a\nend",
            "begin 644 a.txt\n\nend",
        ],
    )
    def test_stay_text_where_they_are_not_whole(self, body: str) -> None:
        parsed = mail(body.encode("latin-1"))
        assert (parsed.text, parsed.attachments) == (body.strip(), ())

    def test_are_so_many_and_no_more(self) -> None:
        assert len(mail(UUENCODED * 60).attachments) == 50


class TestContentLocation:
    @pytest.mark.parametrize(
        ("location", "source"),
        [
            (b"https://desk.example/wall.png", b"https://desk.example/wall.png"),
            (b"file:///C:/tmp/wall.png", b"wall.png"),
            (b"wall.png", b"wall.png"),
        ],
    )
    def test_names_a_picture_that_came_with_the_mail(self, location: bytes, source: bytes) -> None:
        parsed = multipart(
            b'Content-Type: text/html\r\n\r\n<img src="' + source + b'">',
            b"Content-Type: image/png\r\nContent-Location: " + location + b"\r\n\r\n" + PIXEL,
            kind=b"related",
        )
        (file,) = parsed.attachments
        assert file.is_inline
        assert parsed.html == f'<img src="cid:{file.content_id}">'

    def test_takes_the_id_that_the_part_has(self) -> None:
        parsed = multipart(
            b'Content-Type: text/html\r\n\r\n<img src="a.png"><img src="cid:two">',
            b"Content-Type: image/png\r\nContent-ID: <one@x>\r\nContent-Location: a.png\r\n\r\nx",
            b"Content-Type: image/png\r\nContent-Location: cid:two\r\n\r\nx",
            kind=b"related",
        )
        assert [(file.content_id, file.is_inline) for file in parsed.attachments] == [("one@x", True), ("two", True)]
        assert parsed.html == '<img src="cid:one@x"><img src="cid:two">'


class TestStructure:
    def test_forgives_a_missing_last_delimiter_and_takes_similar_ones_apart(self) -> None:
        raw = TOP + (
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\nContent-Type: multipart/alternative; boundary="b-1"\r\n\r\n'
            b"--b-1\r\n\r\none --b\r\n--b x\r\n--b-1--\r\nepilogue\r\n--b \t\r\nContent-Type: image/gif\r\n\r\nGIF"
        )
        parsed = parse(raw)
        assert parsed.text == "one --b\n--b x"
        assert [file.content for file in parsed.attachments] == [b"GIF"]

    def test_finds_a_delimiter_that_nobody_declared(self) -> None:
        assert mail(b"--x\r\n\r\nwords\r\n--x--\r\n", head=b"Content-Type: multipart/mixed\r\n").text == "words"

    def test_reads_a_multipart_without_parts_as_text(self) -> None:
        parsed = mail(b"words", head=b"Content-Type: multipart/mixed; boundary=b\r\n")
        assert (parsed.text, parsed.defects) == ("words", ("no_boundary",))

    def test_takes_empty_parts_and_bare_line_ends(self) -> None:
        parsed = parse(b"Content-Type: multipart/mixed; boundary=b\r\r--b\r--b\r\rwords\r--b--")
        assert parsed.text == "words"
        assert parse(b"Content-Type: multipart/mixed; boundary=b\n\n--b").text == ""

    def test_stops_at_a_depth(self) -> None:
        raw = TOP + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
        for level in range(1, 60):
            raw += b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (level - 1, level)
        parsed = parse(raw + b"deep")
        assert parsed.defects == ("too_deep",)
        assert b"deep" in parsed.attachments[0].content

    def test_stops_at_a_number_of_parts(self) -> None:
        parsed = multipart(*[b"\r\nx"] * 2_000)
        assert parsed.defects == ("too_many_parts",)
        assert parsed.text.count("x") == 999

    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            (b"base64", b"Ym9pbGVy"),
            (b"BASE64", b"Ym9p\r\nbG!Vy=\r\n"),
            (b"base64", b"Ym9pbGV=\r\ncg=="),
            (b"base64", b"Ym9pbGVyC"),
            (b"quoted-printable", b"b=6Fil=\r\ner"),
            (b"quoted printable", b"b=6filer"),
            (b"x-uuencode", b"words\r\nbegin 644 a.txt\r\n&8F]I;&5R\r\n`\r\nend\r\nafter"),
            (b"x-uuencode", b"begin 644 a.txt\r\n&8F]I;&5R?\r\n\r\n&@@@\x80\x80\r\nend\r\n"),
            (b"x-uuencode", b"boiler"),
            (b"spam", b"boiler"),
            (b"", b"boiler"),
        ],
    )
    def test_undoes_every_transfer_encoding(self, encoding: bytes, body: bytes) -> None:
        assert mail(body, head=b"Content-Transfer-Encoding: " + encoding + b"\r\n").text.strip() == "boiler"


def nested(levels: int) -> bytes:
    parts = (
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (level, level + 1) for level in range(levels)
    )
    return TOP + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + b"".join(parts)


LIMIT_SECONDS = 8  # of processor time, on a slow machine under coverage; here the slowest takes less than two
HOSTILE = {
    "very deep": nested(3_000),
    "very many parts": TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 30_000,
    "mails in mails": TOP + b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
    "one long header": b"X-A: " + b"a" * 3_000_000 + b"\r\n\r\nhi",
    "very many headers": b"X-A: a\r\n" * 100_000 + b"\r\nhi",
    "very many recipients": b"To: " + b"a@example.com, " * 50_000 + b"\r\n\r\nhi",
    "open brackets": b"To: " + b"(<" * 50_000 + b"\r\n\r\nhi",
    "colons": b"To: a@" + b":" * 100_000 + b"\r\n\r\nhi",
    "one long word": b"To: " + b"a" * 100_000 + b"@\r\n\r\nhi",
    "half encoded words": b"Subject: " + b"=?a?q?" * 20_000 + b"\r\n\r\nhi",
    "very many encoded words": b"Subject: " + b"=?x-none?q?=ff?= " * 20_000 + b"\r\n\r\nhi",
    "raw headers": b"X-A: \xff\xfe\xe9\xa0\r\n" * 1_000 + b"\r\nhi",
    "parameters": b"Content-Type: text/plain" + b';a="' * 20_000 + b"\r\n\r\nhi",
    "deep html": TOP + b"Content-Type: text/html\r\n\r\n" + b"<div></b>" * 50_000,
    "attributes": TOP + b"Content-Type: text/html\r\n\r\n<p " + b"a=1 " * 50_000 + b">x",
    "open tags": TOP + b"Content-Type: text/html\r\n\r\n" + b'<a x="' * 50_000,
    "foreign elements": TOP + b"Content-Type: text/html\r\n\r\n<svg>" + b"<td>" * 20_000,
    "announcements": TOP + b"\r\n" + (b"On 1 1:11" + b" wrote" * 15 + b" x:\r\n") * 12_000,
    "false labels": TOP + b"\r\n" + (b"From: " + b" " * 380 + b"x\r\n") * 4_000,
    "quote marks": TOP + b"\r\n" + b"> " * 300_000,
    "quotes and answers": TOP + b"\r\n" + b"> a\r\n" * 3 + b"b\r\n" * 50_000,
    "flowed": TOP + b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"a \r\n" * 100_000,
    "unknown charset": TOP + b"Content-Type: text/plain; charset=x-unknown\r\n\r\n" + bytes(range(128, 256)) * 5_000,
    "many answers": TOP + b"\r\n" + b"Ada wrote:\n> x\n" * 20_000,
    "drawn lines": TOP + b"\r\n" + (b"-" * 398 + b"\n") * 20_000,
    "glued lines": TOP + b"\r\n" + (b"a. " * 100 + b"On 1 " * 15 + b":\n") * 5_000,
    "armour": TOP + b"\r\n" + b"-----BEGIN PGP MESSAGE-----\n" * 50_000,
    "uuencoded": TOP + b"\r\n" + b"begin 644 x\nM\n" * 50_000 + b"\nend\n",
    "folded recipients": b"To: a" + b"\r\n x" * 400_000 + b"\r\n\r\nhi",
    "calendar": TOP + b"Content-Type: text/calendar\r\n\r\n" + b"BEGIN:VEVENT\n" * 18_000,
    "counted properties": TOP
    + b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\0\0\x01\x03\x90\x06\0\x08\0\0\0\xff\xff\xff\xff\x02\x10\1\0\0\0",
    "open lengths": TOP + b"Content-Type: application/pkcs7-mime\r\n\r\n" + b"\x30\x80" * 50_000,
    "slow codec": TOP + b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"\xffa" * 50_000,
}


class TestParsingHostileMail:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_ends(self, name: str) -> None:
        """Each of these took minutes, or the whole stack, in one reader or another."""
        started = time.process_time()
        parsed = parse(HOSTILE[name])
        assert time.process_time() - started < LIMIT_SECONDS
        assert len(parsed.to) <= 5_000
        assert len(parsed.headers) <= 1_000

    @pytest.mark.parametrize("cut", range(0, 400, 7))
    def test_reads_a_mail_cut_anywhere(self, cut: int) -> None:
        whole = TOP + (
            b'Content-Type: multipart/alternative; boundary="=_b"\r\n\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\nVGhlIGJvaWxlciBpcyBjb2xkLg==\r\n--=_b\r\nContent-Type: text/html\r\n\r\n<p>The boiler</p>\r\n--=_b--\r\n"
        )
        parsed = parse(whole[: cut + 1])
        lines = Counter(line for line in parsed.text.split("\n") if line.strip())
        both = Counter(
            line for side in (parsed.visible_text, parsed.quoted_text) for line in side.split("\n") if line.strip()
        )
        assert lines == both
