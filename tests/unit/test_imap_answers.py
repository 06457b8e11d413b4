"""What a server answers to FETCH, as imaplib hands it over (examples after RFC 3501, 7.4.2)."""

from datetime import UTC, datetime

import pytest

from mail_ingest.sources.base import Found, shortened
from mail_ingest.sources.imap.answers import answers, search_day
from mail_ingest.sources.imap.folders import Folder, sent_folder


class TestAnAnswer:
    def test_is_put_together_from_text_and_literal(self) -> None:
        data = [
            (
                b'12 (UID 44 INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4286 BODY[HEADER.FIELDS (MESSAGE-ID)] {30}',
                b"Message-ID:\r\n <a@b.example>\r\n\r\n",
            ),
            b")",
            b'13 (UID 45 INTERNALDATE " 7-Jul-1996 02:44:25 +0000" RFC822.SIZE 12)',
        ]
        first, second = answers(data)
        assert (first.uid, first.size_bytes, first.message_id) == (44, 4286, "a@b.example")
        assert first.received_at == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
        assert (second.uid, second.body, second.message_id) == (45, None, "")
        assert second.received_at == datetime(1996, 7, 7, 2, 44, 25, tzinfo=UTC)

    def test_may_tell_its_uid_behind_the_literal(self) -> None:
        (answer,) = answers([(b"1 (BODY[] {5}", b"UID 9"), b" FLAGS (\\Seen $Junk) UID 7)"])
        assert (answer.uid, answer.body) == (7, b"UID 9")
        assert answer.flags == frozenset({"\\seen", "$junk"})

    def test_may_hold_its_body_between_quotes(self) -> None:
        (answer,) = answers([rb'1 (UID 7 BODY[] "a \"b\" \\c")'])
        assert answer.body == rb'a "b" \c'

    def test_is_not_news_that_nobody_asked_for(self) -> None:
        assert [answer.uid for answer in answers([b"3 (FLAGS (\\Seen))", None, b"4 (UID 8)"])] == [8]

    @pytest.mark.parametrize(
        "date", ["31-Feb-2026 00:00:00 +0000", "01-Foo-2026 00:00:00 +0000", "01-Jan-0000 00:00:00 +0000"]
    )
    def test_has_no_date_that_is_none(self, date: str) -> None:
        (answer,) = answers([f'1 (UID 7 INTERNALDATE "{date}")'.encode()])
        assert answer.received_at is None


class TestASearchDay:
    def test_is_written_as_the_standard_has_it(self) -> None:
        moment = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
        assert (search_day(moment), search_day(moment, days=-1)) == ("01-Mar-2026", "28-Feb-2026")


class TestTheSentItems:
    def folder(self, name: str, *flags: str, delimiter: str = "/") -> Folder:
        return Folder(name, delimiter, frozenset(flags))

    def test_are_where_the_server_says_before_any_name(self) -> None:
        assert sent_folder([self.folder("Sent"), self.folder("Postausgang", "\\sent")]) == "Postausgang"

    @pytest.mark.parametrize(
        ("name", "delimiter"),
        [
            ("Sent", "/"),
            ("INBOX.Sent", "."),
            ("[Gmail]/Sent Mail", "/"),
            ("Gesendete Elemente", "NIL"),
            ("SENT ITEMS", "/"),
        ],
    )
    def test_are_known_by_their_usual_names(self, name: str, delimiter: str) -> None:
        folders = [self.folder("INBOX", delimiter=delimiter), self.folder(name, delimiter=delimiter)]
        assert sent_folder(folders) == name

    def test_may_not_be_there(self) -> None:
        assert sent_folder([self.folder("INBOX"), self.folder("Unsent")]) == ""


class TestWhatIsShown:
    def test_is_one_short_line(self) -> None:
        assert shortened("a\r\n\tb\x07c" + "x" * 999) == "a b c" + "x" * 295

    def test_a_message_that_was_found_has_no_problem_by_itself(self) -> None:
        assert Found("1").problem == ""
