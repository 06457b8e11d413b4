"""winmail.dat. The bytes are written as [MS-OXTNEF] says; the packed texts are the examples of [MS-OXRTFCP] and [MS-OXRTFEX]."""

import base64
import struct

import pytest

from mail_ingest.parsing import ParsedMail, parse, rtf, tnef

TOP = b"From: Ada Tenant <ada@example.com>\r\nSubject: Boiler\r\n"
TEXT, WIDE, BLOB, OBJECT = 0x1E, 0x1F, 0x102, 0x0D
MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")
# [MS-OXRTFCP], 4.1.1: {\rtf1\ansi\ansicpg1252\pard hello world}
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def attribute(name: int, value: bytes, *, level: int = 1, kind: int = 6) -> bytes:
    return struct.pack("<BHHI", level, name, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def padded(value: bytes) -> bytes:
    return value + b"\0" * (-len(value) % 4)


def variable(name: int, kind: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(value)) + padded(value)


def number(name: int, value: int) -> bytes:
    return struct.pack("<HHI", 3, name, value)


def properties(*rows: bytes) -> bytes:
    return struct.pack("<I", len(rows)) + b"".join(rows)


def winmail(*attributes: bytes) -> bytes:
    return tnef.SIGNATURE + b"\x01\x00" + b"".join(attributes)


def file(*rows: bytes) -> bytes:
    return attribute(0x9002, b"\0" * 14, level=2) + b"".join(rows)


def mail(data: bytes, *, text: bytes = b"", head: bytes = b"application/ms-tnef; name=winmail.dat") -> ParsedMail:
    return parse(
        TOP
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        + text
        + b"\r\n--b\r\nContent-Type: "
        + head
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(data)
        + b"--b--\r\n"
    )


TITLED = file(attribute(0x8010, b"plan.pdf\0", level=2), attribute(0x800F, b"%PDF-1.7", level=2))
DESCRIBED = file(
    attribute(0x8010, b"LONGNA~1.PNG\0", level=2),
    attribute(0x800F, b"old", level=2),
    attribute(
        0x9005,
        properties(
            variable(0x3707, WIDE, "Heizung Küche.png\0".encode("utf-16-le")),
            variable(0x370E, TEXT, b"image/png\0"),
            variable(0x3712, TEXT, b"wall@x\0"),
            variable(0x3701, BLOB, b"\x89PNG"),
        ),
        level=2,
    ),
)


class TestWinmail:
    def test_gives_its_files(self) -> None:
        parsed = mail(winmail(attribute(0x9007, struct.pack("<II", 1252, 0)), TITLED, DESCRIBED), text=b"see there")
        assert [(file.filename, file.content_type, file.content, file.content_id) for file in parsed.attachments] == [
            ("plan.pdf", "application/pdf", b"%PDF-1.7", ""),
            ("Heizung Küche.png", "image/png", b"\x89PNG", "wall@x"),
        ]
        assert (parsed.text, parsed.defects) == ("see there", ())

    def test_refuses_files_that_are_too_large_like_others(self) -> None:
        raw = TOP + b"Content-Type: application/ms-tnef\r\n\r\n" + winmail(TITLED)
        (file,) = parse(raw, max_attachment_bytes=7).attachments
        assert (file.content, file.size_bytes, file.refused_reason) == (b"", 8, "larger than 7 bytes")

    @pytest.mark.parametrize("head", [b"application/octet-stream; name=winmail.dat", b"application/octet-stream"])
    def test_is_known_by_its_name_or_its_first_bytes(self, head: bytes) -> None:
        assert [file.filename for file in mail(winmail(TITLED), head=head).attachments] == ["plan.pdf"]

    def test_gives_the_text_where_the_mail_has_none(self) -> None:
        rows = properties(
            variable(0x0037, TEXT, b"Boiler\0"),
            variable(0x1000, WIDE, "Der Kessel ist kalt.\0".encode("utf-16-le")),
            number(0x3FFD, 1252),
        )
        data = winmail(attribute(0x9003, rows))
        assert mail(data).text == "Der Kessel ist kalt."
        assert mail(data).attachments == ()
        assert mail(data, text=b"other words").text == "other words"
        assert mail(winmail(attribute(0x8004, b"Boiler\0"), attribute(0x800C, b"It is cold.\0"))).text == "It is cold."

    @pytest.mark.parametrize(("codepage", "charset"), [(65001, "utf-8"), (28592, "iso-8859-2"), (1250, "cp1250")])
    def test_gives_the_html_made_harmless(self, codepage: int, charset: str) -> None:
        page = "<p>Kočel <script>x</script></p>".encode(charset)
        parsed = mail(winmail(attribute(0x9003, properties(variable(0x1013, BLOB, page), number(0x3FDE, codepage)))))
        assert (parsed.html, parsed.text) == ("<p>Kočel </p>", "Kočel")

    def test_gives_the_rich_text_unpacked(self) -> None:
        assert mail(winmail(attribute(0x9003, properties(variable(0x1009, BLOB, PACKED))))).text == "hello world"
        plain = winmail(attribute(0x800C, b"plain\0"), attribute(0x9003, properties(variable(0x1009, BLOB, PACKED))))
        assert mail(plain).text == "plain"
        assert mail(winmail(attribute(0x9003, properties(variable(0x1009, BLOB, b"junk"))))).text == ""

    def test_gives_a_mail_in_it_as_a_mail(self) -> None:
        inner = winmail(
            attribute(
                0x9003, properties(variable(0x0037, TEXT, b"Old news\0"), variable(0x1013, BLOB, b"<p>inner words</p>"))
            ),
            TITLED,
            file(attribute(0x9005, properties(variable(0x3701, OBJECT, MESSAGE_INTERFACE + winmail(TITLED))), level=2)),
        )
        outer = file(attribute(0x9005, properties(variable(0x3701, OBJECT, MESSAGE_INTERFACE + inner)), level=2))
        (found,) = mail(winmail(outer), text=b"see").attachments
        assert (found.filename, found.content_type) == ("Old news.eml", "message/rfc822")
        inside = parse(found.content)
        assert inside.subject == "Old news"
        assert "inner words" in inside.html
        assert [file.filename for file in inside.attachments] == ["plan.pdf", "message.eml"]

    def test_passes_over_what_it_does_not_know(self) -> None:
        named = (
            struct.pack("<HH", TEXT, 0x8001)
            + b"\0" * 16
            + struct.pack("<II", 0, 7)
            + struct.pack("<II", 1, 2)
            + padded(b"x\0")
        )
        worded = (
            struct.pack("<HH", 3, 0x8002)
            + b"\0" * 16
            + struct.pack("<II", 1, 6)
            + padded(b"a\0b\0\0\0")
            + struct.pack("<I", 9)
        )
        many = struct.pack("<HHI", 0x1003, 0x6001, 2) + struct.pack("<II", 1, 2)
        rows = properties(named, worded, many, variable(0x1000, TEXT, b"words\0"))
        assert tnef.read(winmail(attribute(0x9003, rows), attribute(0x8005, b"\0" * 14))).text == "words"

    def test_takes_an_ole_object_for_a_file(self) -> None:
        data = file(attribute(0x9005, properties(variable(0x3701, OBJECT, b"\0" * 16 + b"\xd0\xcf\x11\xe0")), level=2))
        assert tnef.read(winmail(data)).files[0].content == b"\xd0\xcf\x11\xe0"

    @pytest.mark.parametrize(
        "data",
        [
            b"PK\x03\x04",
            winmail(attribute(0x8004, b"x"))[:-5] + b"\xff" * 9,
            winmail(struct.pack("<BHHI", 7, 1, 1, 1) + b"abcd"),
            winmail(attribute(0x800F, b"x", level=2)),
            winmail(*[attribute(0x9002, b"", level=2)] * 201),
            winmail(*[attribute(0x8005, b"")] * 20_001),
            winmail(attribute(0x9003, struct.pack("<I", 0xFFFFFFFF))),
            winmail(attribute(0x9003, properties(struct.pack("<HH", 0x99, 1)))),
            winmail(attribute(0x9003, properties(struct.pack("<HHII", TEXT, 0x1000, 1, 900)))),
            winmail(attribute(0x9003, properties(struct.pack("<HHI", 0x101E, 0x1000, 0xFFFFFFFF)))),
        ],
    )
    def test_stays_a_file_where_it_cannot_be_opened(self, data: bytes) -> None:
        with pytest.raises(tnef.Broken):
            tnef.read(data)
        parsed = mail(data)
        assert [file.content for file in parsed.attachments] == [data]
        assert parsed.defects == ("winmail_unreadable",)

    def test_stops_at_mails_within_mails(self) -> None:
        data = winmail(TITLED)
        for _ in range(tnef.MAX_DEPTH):
            data = winmail(
                file(attribute(0x9005, properties(variable(0x3701, OBJECT, MESSAGE_INTERFACE + data)), level=2))
            )
        with pytest.raises(tnef.Broken):
            tnef.read(data)

    @pytest.mark.parametrize("cut", range(6, 300, 5))
    def test_is_never_more_than_a_defect_when_cut(self, cut: int) -> None:
        parsed = mail(winmail(attribute(0x8004, b"Boiler\0"), TITLED, DESCRIBED)[:cut])
        assert parsed.subject == "Boiler"


class TestUnpack:
    def test_undoes_the_examples_of_the_standard(self) -> None:
        assert rtf.unpack(PACKED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
        # [MS-OXRTFCP], 4.1.2: a run that reads what it has just written
        crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
        assert rtf.unpack(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"

    def test_takes_what_is_not_packed(self) -> None:
        assert rtf.unpack(struct.pack("<II4sI", 20, 7, b"MELA", 0) + b"{\\rtf1}xx") == b"{\\rtf1}"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            struct.pack("<II4sI", 9, 9, b"ZZZZ", 0),
            struct.pack("<II4sI", 9, rtf.MAX_BYTES + 1, b"LZFu", 0),
            struct.pack("<II4sI", 9, 99, b"LZFu", 0) + b"\x01\x0d\x10",
        ],
    )
    def test_refuses_what_is_none(self, data: bytes) -> None:
        with pytest.raises(rtf.Broken):
            rtf.unpack(data)

    def test_ends_where_the_data_ends(self) -> None:
        assert rtf.unpack(struct.pack("<II4sI", 9, 99, b"LZFu", 0) + b"\x01\x0c") == b""


class TestRichText:
    def test_gives_the_html_of_the_example_of_the_standard(self) -> None:
        # The example of [MS-OXRTFEX], 3.1.
        source = rb"""{\rtf1\ansi\ansicpg1251\fromhtml1 \deff0
{\fonttbl {\f0\fmodern Courier New;}{\f1\fswiss Arial;}{\f2\fswiss\fcharset0 Arial;}}
{\colortbl\red0\green0\blue0;\red0\green0\blue255;}
{\*\htmltag19 <html>}{\*\htmltag2 \par }
{\*\htmltag50 <body>}{\*\htmltag0 \par }
{\htmlrtf \htmlrtf0 This is the plain text.\htmlrtf\par\htmlrtf0 }
{\*\htmltag84 &nbsp;}{\*\htmltag58 </body>}{\*\mhtmltag0 <a>}{\*\htmltag27 </html>}}"""
        assert rtf.read(source).html == "<html>\n<body>\nThis is the plain text.&nbsp;</body></html>"

    def test_escapes_what_is_not_a_tag(self) -> None:
        page = rtf.read(rb"{\rtf1\ansi\ansicpg1251\fromhtml1 \u60?b\'cf\'f0 \~\_{\*\htmltag <a title=\u60?>}\{\}}")
        assert page.html == "&lt;b\u041f\u0440 &nbsp;&shy;<a title=<>{}"

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            (rb"{\rtf1\ansi one\par two\tab three\line four}", "one\ntwo\tthree\nfour"),
            (rb"{\rtf1\ansi\fromtext \fbidis \deff0{\fonttbl{\f0 Courier;}}it is cold}", "it is cold"),
            (rb"{\rtf1\ansi\ansicpg932\'83\'7b\'83\'43}", "ボイ"),
            (rb"{\rtf1\ansi\ansicpg65001\'c3\'a4}", "ä"),
            (rb"{\rtf1\uc2\u228 ae\u-10179?!\u-8704?!x}", "ä😀x"),
            (rb"{\rtf1\uc0\u228 x\u56832 y}", "äx\ufffdy"),
            (rb"{\rtf1\uc5\u228 a{b}c}", "äbc"),
            (rb"{\rtf1 {\*\unknown hidden}{\pict 0123}seen\~\_\\}", "seen\xa0-\\"),
            (b"{\\rtf1 one\\\ntwo \\lquote a\\rquote \\-}", "one\ntwo \u2018a\u2019"),
            (rb"{\rtf1 one}}}two", "onetwo"),
        ],
    )
    def test_gives_its_words(self, source: bytes, text: str) -> None:
        assert rtf.read(source) == rtf.Page("", text)

    @pytest.mark.parametrize("source", [b"words", b"{\\rtf1" + b"{" * 600, b"{\\rtf1 " + b"\\par" * 200_002])
    def test_gives_up_on_what_is_none(self, source: bytes) -> None:
        with pytest.raises(rtf.Broken):
            rtf.read(source)
