"""Header fields, addresses and charsets, case by case."""

import pytest

from mail_ingest.parsing import Address, addresses, charsets, clean
from mail_ingest.parsing.headers import MAX_FIELD_BYTES, decode_words, read_block


def field(raw: bytes, name: str = "x") -> str:
    return read_block(raw, 0, len(raw))[0].text(name)


class TestReadBlock:
    def test_unfolds_and_keeps_the_order(self) -> None:
        raw = b"A: one\r\n two\r\nb : three\r\n\r\nbody"
        found, body = read_block(raw, 0, len(raw))
        assert found.decoded() == (("A", "one two"), ("b", "three"))
        assert raw[body:] == b"body"

    @pytest.mark.parametrize("raw", [b"A: one\nno header\n\nbody", b"A: one\nno header here: no\n\nFrom: x@y\n"])
    def test_ends_before_a_line_that_is_no_header(self, raw: bytes) -> None:
        assert read_block(raw, 0, len(raw))[1] == 7

    def test_passes_over_a_broken_line_when_the_sender_is_still_to_come(self) -> None:
        raw = b"Received: x\nbroken line\nFrom: a@example.com\nSubject: hi\n\nbody"
        found, body = read_block(raw, 0, len(raw))
        assert found.text("from") == "a@example.com"
        assert raw[body:] == b"body"

    def test_stops_at_a_broken_line_when_the_sender_is_known(self) -> None:
        raw = b"From: a@example.com\nbroken line\nFrom: b@example.com\n\nbody"
        assert raw[read_block(raw, 0, len(raw))[1] :].startswith(b"broken")

    def test_passes_over_what_a_broken_line_goes_on_with(self) -> None:
        raw = b"Subject: hi\nbroken line\n that goes on\nFrom: a@example.com\n\nbody"
        found, _ = read_block(raw, 0, len(raw))
        assert (found.text("subject"), found.text("from"), found.truncated) == ("hi", "a@example.com", False)

    def test_joins_the_rows_of_a_long_field(self) -> None:
        raw = b"To: a@example.com" + b",\r\n b@example.com" * 20_000 + b"\r\n\r\n"
        assert read_block(raw, 0, len(raw))[0].first_raw("to").count("@") == 20_001

    def test_takes_headers_that_end_with_the_file(self) -> None:
        assert read_block(b"A: one", 0, 6)[1] == 6

    @pytest.mark.parametrize(
        "raw",
        [
            b"A: b\n" * 1_001 + b"\n",
            b"A: " + (b"b" * 1_000 + b"\n ") * 600 + b"\n\n",
            b"".join(b"A: " + b"b" * MAX_FIELD_BYTES + b"\n" for _ in range(6)) + b"\n",
        ],
    )
    def test_notes_what_it_cuts(self, raw: bytes) -> None:
        assert read_block(raw, 0, len(raw))[0].truncated

    def test_skips_a_blank_field_for_a_later_one_of_that_name(self) -> None:
        assert field(b"X: \nx: later\n\n") == "later"


class TestDecodeWords:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("plain", "plain"),
            ("=?utf-8?q?T=C3=BCr_zu?= now", "Tür zu now"),
            ("=?utf-8?B?VMO8cg==?=", "Tür"),
            ("=?utf-8?b?VMM=?=\t=?UTF-8?b?vHI=?=", "Tür"),
            ("a =?utf-8?q?b?= =?iso-8859-1?q?=FC?= c", "a bü c"),
            ("=?utf-8*de?q?T=C3=BCr?=", "Tür"),
            ("=?x-unknown?q?T=FCr?=", "Tür"),
            ("=?gb2312?b?vKjQp7ncwO0=?=", "绩效管理"),
            ("=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?=", "テスト"),
            ("=?utf-8?q?open", "=?utf-8?q?open"),
            ("=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
        ],
    )
    def test_reads(self, value: str, text: str) -> None:
        assert decode_words(value) == text

    def test_gives_up_after_a_number_of_words(self) -> None:
        assert decode_words("=?utf-8?q?a?= " * 6_000).startswith("a" * 5_000)


class TestRawHeaders:
    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            ("X: Tür\n\n".encode(), "Tür"),
            ("X: Tür\n\n".encode("cp1252"), "Tür"),
            ("X: テスト\n\n".encode("iso-2022-jp"), "テスト"),
        ],
    )
    def test_are_read_without_any_encoding_named(self, raw: bytes, text: str) -> None:
        assert field(raw) == text


class TestParam:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (b'text/plain; charset="utf-8"', "utf-8"),
            (b"text/plain; charset=utf-8 (comment)", "utf-8 (comment)"),
            (b'text/plain charset="utf-8"', "utf-8"),
            (b"text/plain", ""),
            (b"text/plain; charset", ""),
            (b"text/plain; charset*=us-ascii'en'utf-8", "utf-8"),
            (b"text/plain; charset*=undefined''utf-8", "utf-8"),
            (b"text/plain; charset*" + b"9" * 5_000 + b"*=x; charset=utf-8", "utf-8"),
            (b"text/plain; charset*5*=x; charset*x=utf-8", "x"),
        ],
    )
    def test_reads(self, value: bytes, expected: str) -> None:
        raw = b"Content-Type: " + value + b"\n\n"
        assert read_block(raw, 0, len(raw))[0].param("content-type", "charset") == expected


class TestAddresses:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("ada@example.com", [("", "ada@example.com")]),
            ("Ada <ada@example.com>, bo@example.net", [("Ada", "ada@example.com"), ("", "bo@example.net")]),
            ('"Tenant, Ada" <ada@example.com>', [("Tenant, Ada", "ada@example.com")]),
            (r'"Big \"Ada\" T" <ada@example.com>', [('Big "Ada" T', "ada@example.com")]),
            ("ada@example.com (Ada Tenant)", [("Ada Tenant", "ada@example.com")]),
            ("Ada (ada@example.com)", [("Ada", "ada@example.com")]),
            ("=?utf-8?q?J=C3=BCrgen?= <j@example.com>", [("Jürgen", "j@example.com")]),
            ("=?utf-8?q?J=C3=BCrgen_=3Cj=40example=2Ecom=3E?=", [("Jürgen", "j@example.com")]),
            ("undisclosed-recipients:;", []),
            (
                "Team: ada@example.com, bo@example.net; cy@example.org",
                [("", "ada@example.com"), ("", "bo@example.net"), ("", "cy@example.org")],
            ),
            ("ada@example.com; bo@example.net", [("", "ada@example.com"), ("", "bo@example.net")]),
            ("<@relay.example,@b.example:ada@example.com>", [("", "ada@example.com")]),
            ("<mailto:ada@example.com>", [("", "ada@example.com")]),
            ("<ada@example.com", [("", "ada@example.com")]),
            ("Ada ada@example.com", [("Ada", "ada@example.com")]),
            ("ada@example.com <>", [("", "ada@example.com")]),
            ("bo@x.example <ada@example.com>", [("bo@x.example", "ada@example.com")]),
            ("MAILER-DAEMON (Mail Delivery System)", [("Mail Delivery System", "MAILER-DAEMON")]),
            ("MAILER-DAEMON", [("", "MAILER-DAEMON")]),
            ("Front Office <>", [("Front Office", "")]),
            ("Front Office", [("Front Office", "")]),
            ("(only a comment)", []),
            ('"Ada <ada@example.com>, bo@example.net', [("Ada", "ada@example.com"), ("", "bo@example.net")]),
            ("Ada (the (nested) one) <ada@example.com>", [("Ada (the (nested) one)", "ada@example.com")]),
            ('<"odd local"@example.com>', [("", '"oddlocal"@example.com')]),
            ("ada(home)@example.com", [("home", "ada@example.com")]),
            ("Ada\u202e <ada@exa\u200bmple.com>", [("Ada", "ada@example.com")]),
            (
                "<@relay.example:ada@example . com>, bo@example  . net",
                [("", "ada@example.com"), ("", "bo@example.net")],
            ),
            ("Ada <ada@machine(comment).  example>", [("Ada", "ada@machine.example")]),
            ("<Undisclosed-Recipient:@gateway.example;>", []),
            ("", []),
            (",,;", []),
        ],
    )
    def test_are_read(self, value: str, expected: list[tuple[str, str]]) -> None:
        assert addresses.read(value) == tuple(Address(name, email) for name, email in expected)

    def test_stop_at_a_number(self) -> None:
        assert len(addresses.read("a@example.com," * 6_000)) == 5_000

    def test_are_split_even_behind_many_open_brackets(self) -> None:
        assert addresses.read("( " * 100 + ", bo@example.net")[-1].email == "bo@example.net"


class TestAddress:
    def test_is_written_as_people_write_it(self) -> None:
        assert str(Address("Ada", "ada@example.com")) == "Ada <ada@example.com>"
        assert str(Address("", "ada@example.com")) == "ada@example.com"
        assert str(Address("Ada", "")) == "Ada"

    def test_is_compared_without_case(self) -> None:
        assert Address("", " Ada@Example.COM").key == "ada@example.com"


class TestCharsets:
    @pytest.mark.parametrize(
        ("label", "codec"),
        [
            ("UTF-8", "utf-8"),
            ("utf8mb4", "utf-8"),
            ("iso-8859-1", "cp1252"),
            ("X-GBK", "gb18030"),
            ("iso-gb2312", "gb18030"),
            ("GB_2312-80", "gb18030"),
            ("ks_c_5601-1987", "cp949"),
            ("'windows-1251'", "cp1251"),
            ("charset=utf-8", "utf-8"),
            ("X-UNKNOWN", ""),
            ("unicode_escape", ""),
            ("idna", ""),
            ("punycode", ""),
            ("iso-9999", ""),
            ("rot13", ""),
            ("", ""),
        ],
    )
    def test_are_known_by_many_names_and_only_safe_ones(self, label: str, codec: str) -> None:
        assert charsets.codec_for(label) == codec

    @pytest.mark.parametrize(
        ("data", "label", "text"),
        [
            ("Tür".encode(), "iso-8859-1", "Tür"),
            ("Tür".encode("latin-1"), "us-ascii", "Tür"),
            (b"\x93quoted\x94", "iso-8859-1", "“quoted”"),
            ("Tür".encode("utf-16"), "utf-16", "Tür"),
            ("Tür zu".encode("utf-16-le"), "x-unknown", "Tür zu"),
            ("Tür zu".encode("utf-16-be"), "x-unknown", "Tür zu"),
            ("Tür".encode("utf-7"), "utf-7", "Tür"),
            ("\ufeffTür".encode(), "utf-8", "Tür"),
            ("绩效管理。究竟谁错了".encode("gbk"), "gb2312", "绩效管理。究竟谁错了"),
            (
                "Доброе утро! Холодная батарея".encode("koi8-r"),
                "koi8-r",
                "Доброе утро! Холодная батарея",
            ),
            (b"a" * 200 + b"\xff" + b"b" * 200, "euc-kr", "a" * 200 + "\ufffd" + "b" * 200),
            (b"\x1b$B-!\x1b(B and \x1b$BF|K\\\x1b(B", "iso-2022-jp", "① and 日本"),
            (b"\x1b(I1\x1b(B \x1b$(D0!\x1b(J~", "iso-2022-jp", "ｱ 丂~"),
            ("日本".encode("cp932"), "iso-2022-jp", "日本"),
            (b"Dij\x8aat", "iso-2022-jp", "Dij\ufffdat"),
            (b"", "utf-8", ""),
        ],
    )
    def test_turn_bytes_into_text(self, data: bytes, label: str, text: str) -> None:
        assert charsets.decode(data, label) == text

    @pytest.mark.parametrize(
        ("text", "codec"),
        [
            ("Добрый день! Нашей квартире уже третий день не работает отопление, очень холодно.", "cp1251"),
            ("您好。我们公寓的暖气已经三天不工作了。请尽快派人来修理。谢谢。", "gb18030"),
            ("Die Tür schließt nicht, und über dem Küchenfenster läuft Wasser herunter.", "cp1252"),
        ],
    )
    def test_are_guessed_where_the_label_is_wrong(self, text: str, codec: str) -> None:
        assert charsets.decode(text.encode(codec), "utf-8") == text

    def test_always_give_something(self) -> None:
        assert charsets.decode(bytes(range(128, 256)) * 4, "x-unknown")


class TestClean:
    def test_keeps_lines_and_drops_controls(self) -> None:
        assert clean.body("a\r\nb\rc\u2028d\x00\x1b\ud800\t.") == "a\nb\nc\nd\ufffd\t."

    def test_makes_one_line_of_many(self) -> None:
        assert clean.line(" a\r\n b\x00\x1fc\x85d ") == "a b c d"
        assert clean.line("x" * 50, limit_chars=10) == "x" * 10
