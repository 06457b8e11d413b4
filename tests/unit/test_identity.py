"""When two receipts are the same mail."""

from mail_ingest.identity import identify

MAIL = (
    b"Received: from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0000\r\n"
    b"Message-ID: <one@a.example>\r\nDate: Mon, 2 Mar 2026 09:59:58 +0000\r\nFrom: Ada <ada@a.example>\r\nSubject: Boiler\r\n"
    b"\r\nIt is cold.\r\n"
)


class TestAMail:
    def test_is_the_same_whatever_way_it_went(self) -> None:
        other_way = MAIL.replace(b"from a.example by b.example", b"from c.example by d.example")
        assert identify(MAIL).content_key == identify(other_way).content_key
        assert identify(MAIL).sha256 != identify(other_way).sha256

    def test_is_the_same_with_other_line_ends_and_a_line_more_at_the_end(self) -> None:
        assert identify(MAIL).content_key == identify(MAIL.replace(b"\r\n", b"\n") + b"\n").content_key

    def test_is_another_with_other_words_under_the_same_id(self) -> None:
        assert identify(MAIL).content_key != identify(MAIL.replace(b"cold", b"hot")).content_key
        assert identify(MAIL).content_key != identify(MAIL.replace(b"Subject: Boiler", b"Subject: Roof")).content_key
        assert identify(MAIL).content_key != identify(b"To: bo@b.example\r\n" + MAIL).content_key

    def test_is_another_under_another_id(self) -> None:
        assert identify(MAIL).content_key != identify(MAIL.replace(b"one@", b"two@")).content_key

    def test_without_an_id_is_only_the_same_as_its_very_bytes(self) -> None:
        nameless = MAIL.replace(b"Message-ID: <one@a.example>\r\n", b"")
        assert identify(nameless).message_id == ""
        assert identify(nameless).content_key == identify(nameless).sha256

    def test_keeps_an_id_that_a_database_can_hold(self) -> None:
        long = identify(MAIL.replace(b"one@", b"\x00" + "ü".encode() * 3_000 + b"@")).message_id
        assert "\x00" not in long
        assert 0 < len(long.encode()) <= 2_000

    def test_of_nothing_but_rubbish_has_an_identity_too(self) -> None:
        assert identify(b"\x00\xff\xfe") == identify(b"\x00\xff\xfe")
        assert identify(b"").content_key == identify(b"").sha256
