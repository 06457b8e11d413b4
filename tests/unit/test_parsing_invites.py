"""Calendar invitations, in the forms that RFC 5545 and RFC 5546 give and that mail programs send."""

import base64
from datetime import UTC, datetime

import pytest

from mail_ingest.parsing import Calendar, ParsedMail, invites, parse

OUTLOOK_ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def ics(*rows: str, method: str = "REQUEST", zone: str = "", kind: str = "VEVENT") -> str:
    event = "\n".join(rows)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:{method}\n{zone}BEGIN:{kind}\n{event}\nEND:{kind}\nEND:VCALENDAR\n"


VISIT = ics(
    "SUMMARY;LANGUAGE=en:Boiler\\, second visit",
    "DTSTART;TZID=W. Europe Standard Time:20260702T101500",
    "DTEND;TZID=W. Europe Standard Time:20260702T111500",
    "LOCATION:Flat 12\\; basement",
    'ORGANIZER;CN="Desk, the":MAILTO:desk@example.org',
    "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ada@example.com",
    "STATUS:CONFIRMED",
    "DESCRIPTION:Please let us\\n in.",
    "BEGIN:VALARM",
    "DESCRIPTION:REMINDER",
    "TRIGGER:-PT15M",
    "END:VALARM",
)


def found(text: str, method: str = "") -> Calendar:
    invite = invites.read(text, method=method)
    assert invite
    return invite.calendar


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc] # a date and a time


class TestRead:
    def test_tells_what_when_and_where(self) -> None:
        assert found(VISIT) == Calendar(
            method="REQUEST",
            summary="Boiler, second visit",
            start=utc(2026, 7, 2, 8, 15),
            end=utc(2026, 7, 2, 9, 15),
            all_day=False,
            location="Flat 12; basement",
            organizer="desk@example.org",
            status="CONFIRMED",
        )

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            ("DTSTART:20260702T081500Z", utc(2026, 7, 2, 8, 15)),
            ("DTSTART;TZID=Europe/Berlin:20260102T101500", utc(2026, 1, 2, 9, 15)),
            ("DTSTART;TZID=/vendor.example/Europe/Berlin:20260702T101500", utc(2026, 7, 2, 8, 15)),
            ("DTSTART:20260702T101500", utc(2026, 7, 2, 10, 15)),
            ("DTSTART;TZID=Nowhere:20260702T101500", utc(2026, 7, 2, 10, 15)),
            ("DTSTART;TZID=Europe/Berlin:00010101T000000", None),
            ("DTSTART:20269902T101500Z", None),
            ("DTSTART:P1D", None),
            ("DTSTART:", None),
        ],
    )
    def test_gives_times_in_utc(self, start: str, expected: datetime | None) -> None:
        assert found(ics(start)).start == expected

    @pytest.mark.parametrize(
        ("local", "expected"),
        [
            ("20260328T120000", utc(2026, 3, 28, 11)),
            ("20260329T120000", utc(2026, 3, 29, 10)),  # the last Sunday of March 2026
            ("20261024T120000", utc(2026, 10, 24, 10)),
            ("20261025T120000", utc(2026, 10, 25, 11)),
            ("20260115T120000", utc(2026, 1, 15, 11)),
            ("00010101T120000", utc(1, 1, 1, 11)),
        ],
    )
    def test_takes_the_zone_that_the_mail_brings(self, local: str, expected: datetime) -> None:
        start = f"DTSTART;TZID=Customized Time Zone:{local}"
        assert found(ics(start, zone=OUTLOOK_ZONE)).start == expected

    def test_lets_no_mail_move_the_times_of_another(self) -> None:
        start = "DTSTART;TZID=Customized Time Zone:20260702T120000"
        assert found(ics(start, zone=OUTLOOK_ZONE)).start == utc(2026, 7, 2, 10)
        other = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETTO:-0500\nEND:STANDARD\nEND:VTIMEZONE\n"
        assert found(ics(start, zone=other)).start == utc(2026, 7, 2, 17)

    @pytest.mark.parametrize(
        "row",
        [
            "TZOFFSETTO:none",
            "DTSTART:19700101\nTZOFFSETTO:+0100",
            "DTSTART:19700101T000000\nTZOFFSETTO:+9900",
            "DTSTART:19700101T000000\nTZOFFSETTO:-2400",
        ],
    )
    def test_takes_a_zone_that_is_none_for_utc(self, row: str) -> None:
        zone = f"BEGIN:VTIMEZONE\nTZID:Odd\nBEGIN:STANDARD\n{row}\nEND:STANDARD\nEND:VTIMEZONE\n"
        assert found(ics("DTSTART;TZID=Odd:20260702T120000", zone=zone)).start == utc(2026, 7, 2, 12)

    @pytest.mark.parametrize(
        ("nth", "month", "local", "expected"),
        [
            ("2SU", 3, "20260308T120000", utc(2026, 3, 8, 16)),
            ("5SU", 2, "20260301T120000", utc(2026, 3, 1, 16)),  # there are but four: the last of them
            ("-5SU", 2, "20260301T120000", utc(2026, 3, 1, 16)),
        ],
    )
    def test_counts_the_weekdays_of_a_month(self, nth: str, month: int, local: str, expected: datetime) -> None:
        zone = (
            "BEGIN:VTIMEZONE\nTZID:East\nBEGIN:DAYLIGHT\nDTSTART:20070311T020000\nTZOFFSETTO:-0400\n"
            f"RRULE:FREQ=YEARLY;BYMONTH={month};BYDAY={nth}\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
        )
        assert found(ics(f"DTSTART;TZID=East:{local}", zone=zone)).start == expected

    def test_takes_the_zone_of_the_whole_calendar(self) -> None:
        text = ics("DTSTART:20260702T101500", zone="X-WR-TIMEZONE:Europe/Berlin\n")
        assert found(text).start == utc(2026, 7, 2, 8, 15)

    @pytest.mark.parametrize(
        ("rows", "start", "end"),
        [
            (["DTSTART;VALUE=DATE:20260702"], utc(2026, 7, 2), utc(2026, 7, 3)),
            (["DTSTART;VALUE=DATE:20260702", "DTEND;VALUE=DATE:20260705"], utc(2026, 7, 2), utc(2026, 7, 5)),
            (["DTSTART;VALUE=DATE:99991231"], utc(9999, 12, 31), None),
        ],
    )
    def test_knows_whole_days(self, rows: list[str], start: datetime, end: datetime | None) -> None:
        calendar = found(ics(*rows))
        assert (calendar.all_day, calendar.start, calendar.end) == (True, start, end)

    @pytest.mark.parametrize(
        ("row", "end"),
        [
            ("DURATION:PT45M", utc(2026, 7, 2, 11)),
            ("DURATION:x", utc(2026, 7, 2, 10, 15)),
            ("SUMMARY:x", utc(2026, 7, 2, 10, 15)),
            ("DTEND:20260702", utc(2026, 7, 2, 10, 15)),
            ("DTEND:20260701T101500Z", None),
        ],
    )
    def test_finds_the_end(self, row: str, end: datetime | None) -> None:
        assert found(ics("DTSTART:20260702T101500Z", row)).end == end

    def test_tells_the_answer_of_a_reply(self) -> None:
        text = ics(
            "SUMMARY:x", "ATTENDEE;PARTSTAT=DECLINED;CN=Ada:mailto:ada@example.com", "STATUS:CONFIRMED", method="reply"
        )
        assert (found(text).method, found(text).status) == ("REPLY", "DECLINED")
        assert invites.read(text).text == "Answer (declined): x"  # type: ignore[union-attr] # found above

    def test_takes_the_method_of_the_part_where_the_calendar_has_none(self) -> None:
        text = "BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT"
        assert found(text, "cancel").method == "CANCEL"
        assert found(text, "two words").method == ""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "words",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT",
            "END:VEVENT\nSUMMARY:x",
            "BEGIN:VEVENT\nSUMMARY:" + "x" * invites.MAX_CHARS,
            "BEGIN:VEVENT\nSUMMARY:" + "x" * 30_000,
            'BEGIN:VEVENT\nSUMMARY;="":x\nSUMMARY;A:',
        ],
    )
    def test_finds_no_event_where_none_is(self, text: str) -> None:
        assert invites.read(text) is None

    def test_takes_the_first_of_many_and_forgives_a_missing_end(self) -> None:
        text = ics("SUMMARY:one") + "BEGIN:VEVENT\nSUMMARY:two\nEND:VEVENT\n"
        assert found(text).summary == "one"
        assert found("BEGIN:VTODO\r\nSUMMARY:o\r\n ne\r\n").summary == "one"

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            (["SUMMARY:x", "DTSTART:20260702T081500Z"], "Invitation: x\nWhen: 2026-07-02 08:15 (UTC)"),
            (
                ["SUMMARY:x", "DTSTART:20260702T081500Z", "DTEND:20260703T091500Z"],
                "Invitation: x\nWhen: 2026-07-02 08:15 to 2026-07-03 09:15 (UTC)",
            ),
            (["DTSTART;VALUE=DATE:20260702"], "Invitation\nWhen: 2026-07-02"),
            (
                ["DTSTART;VALUE=DATE:20260702", "DTEND;VALUE=DATE:20260705"],
                "Invitation\nWhen: 2026-07-02 to 2026-07-04",
            ),
        ],
    )
    def test_says_it_in_words(self, rows: list[str], words: str) -> None:
        invite = invites.read(ics(*rows))
        assert invite
        assert invite.text == words


def mail(*parts: bytes) -> ParsedMail:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return parse(b"Subject: Visit\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" + body + b"--b--\r\n")


INVITE = b"Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n" + VISIT.encode()


class TestAMail:
    def test_with_an_invitation_shows_it_and_keeps_the_file(self) -> None:
        parsed = mail(b"Content-Type: text/plain\r\n\r\nwe shall come", INVITE)
        assert parsed.calendar == found(VISIT)
        assert (parsed.text, [file.filename for file in parsed.attachments]) == ("we shall come", ["invite.ics"])
        assert parsed.attachments[0].content_type == "text/calendar"

    def test_that_is_nothing_else_gets_words(self) -> None:
        assert mail(INVITE).visible_text == (
            "Invitation: Boiler, second visit\nWhen: 2026-07-02 10:15 to 11:15 (Europe/Berlin)\nWhere: Flat 12; basement\n"
            "Organizer: desk@example.org\n\nPlease let us\n in."
        )

    def test_with_the_same_file_twice_keeps_one(self) -> None:
        again = (
            b"Content-Type: application/ics; name=invite.ics\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(VISIT.encode())
        )
        parsed = mail(b"\r\nwords", INVITE, again)
        assert [file.filename for file in parsed.attachments] == ["invite.ics"]

    def test_with_a_broken_one_keeps_the_file(self) -> None:
        parsed = mail(b"\r\nwords", b"Content-Type: text/calendar\r\n\r\nnothing")
        assert (parsed.calendar, len(parsed.attachments)) == (None, 1)
