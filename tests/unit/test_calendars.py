"""Expected values are counted by hand from the wall clock, come from published cases, or from the slow reference below."""

import copy
import json
import pickle
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sla.calendars import DAYS, InvalidCalendar, Unreachable, WorkingCalendar

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "sla" / "sla_cases.json"
OFFICE = dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def berlin(**extra: Any) -> WorkingCalendar:
    return WorkingCalendar("Europe/Berlin", OFFICE, **extra)


class TestDueAt:
    def test_counts_within_a_day(self) -> None:
        assert berlin().due_at(utc("2026-03-24 08:30"), 60) == utc("2026-03-24 09:30")

    def test_waits_for_the_opening(self) -> None:
        assert berlin().due_at(utc("2026-03-24 03:00"), 60) == utc("2026-03-24 09:00")

    def test_crosses_a_night_and_a_weekend(self) -> None:
        # Friday 16:00 in Berlin: one hour left, then Monday from 09:00 (by then in summer time).
        assert berlin().due_at(utc("2026-03-27 15:00"), 120) == utc("2026-03-30 08:00")

    def test_is_the_closing_instant_and_not_the_next_opening(self) -> None:
        calendar = berlin()
        assert calendar.due_at(utc("2026-03-24 08:00"), 8 * 60) == utc("2026-03-24 16:00")
        assert calendar.due_at(utc("2026-03-27 08:00"), 8 * 60) == utc("2026-03-27 16:00")

    def test_is_the_closing_instant_before_a_break_at_noon(self) -> None:
        calendar = WorkingCalendar("UTC", {"tue": [("13:00", "17:00"), ("09:00", "12:00")]})
        assert calendar.due_at(utc("2026-03-24 09:00"), 180) == utc("2026-03-24 12:00")
        assert calendar.due_at(utc("2026-03-24 09:00"), 181) == utc("2026-03-24 13:01")

    def test_of_nothing_is_the_start(self) -> None:
        assert berlin().due_at(utc("2026-03-28 03:00"), 0) == utc("2026-03-28 03:00")

    def test_keeps_seconds_and_microseconds(self) -> None:
        start = datetime(2016, 11, 7, 14, 26, 36, 123456, tzinfo=UTC)
        assert berlin().due_at(start, 60) == datetime(2016, 11, 7, 15, 26, 36, 123456, tzinfo=UTC)

    def test_takes_any_zone_and_answers_in_utc(self) -> None:
        due = berlin().due_at(local("2026-03-24 09:30", "Europe/Berlin"), 60)
        assert due == utc("2026-03-24 09:30")
        assert due.tzinfo is UTC

    def test_skips_holidays_and_follows_exceptions(self) -> None:
        calendar = berlin(
            holidays=frozenset({date(2026, 12, 25), date(2026, 12, 28)}),
            exceptions={date(2026, 12, 24): [("09:00", "12:00")], date(2026, 12, 28): [("10:00", "11:00")]},
        )
        # Thursday 24th until noon, Friday is a holiday, Monday is one too but opened for an hour, Tuesday as ever.
        assert calendar.due_at(utc("2026-12-24 08:00"), 3 * 60) == utc("2026-12-24 11:00")
        assert calendar.due_at(utc("2026-12-24 08:00"), 4 * 60) == utc("2026-12-28 10:00")
        assert calendar.due_at(utc("2026-12-24 08:00"), 5 * 60) == utc("2026-12-29 09:00")

    def test_refuses_a_naive_start_and_negative_minutes(self) -> None:
        with pytest.raises(ValueError, match="naive"):
            berlin().due_at(datetime(2026, 3, 24, 9), 60)  # noqa: DTZ001 - what is refused
        with pytest.raises(ValueError, match="negative"):
            berlin().due_at(utc("2026-03-24 09:00"), -1)

    def test_refuses_a_calendar_without_working_time(self) -> None:
        for calendar in (WorkingCalendar("UTC", {}), WorkingCalendar("UTC", {"mon": []}, exceptions={date.max: []})):
            with pytest.raises(Unreachable, match="no working time"):
                calendar.due_at(utc("2026-03-24 09:00"), 1)

    def test_refuses_what_the_exceptions_do_not_hold(self) -> None:
        calendar = WorkingCalendar("UTC", {}, exceptions={date(2026, 3, 28): [("09:00", "10:00")]})
        assert calendar.due_at(utc("2026-03-24 09:00"), 60) == utc("2026-03-28 10:00")
        for minutes, start in ((61, "2026-03-24 09:00"), (1, "2026-03-28 10:00")):
            with pytest.raises(Unreachable, match="not enough"):
                calendar.due_at(utc(start), minutes)

    def test_refuses_dates_outside_of_1970_to_2200(self) -> None:
        with pytest.raises(Unreachable, match="not enough"):
            berlin().due_at(utc("2199-12-01 09:00"), 60 * 24 * 366 * 2)
        for start in (utc("1969-06-01 09:00"), utc("2201-06-01 09:00"), datetime.min.replace(tzinfo=UTC)):
            with pytest.raises(Unreachable, match="1970 to 2200"):
                berlin().due_at(start, 60)

    def test_costs_the_same_ten_years_out_as_tomorrow(self) -> None:
        calendar, start = berlin(holidays=frozenset({date(2027, 1, 1)})), utc("2026-03-24 09:00")
        calendar.due_at(start, 1)  # makes the zone and the calendar ready
        minutes = 10 * 52 * 5 * 8 * 60

        def cost(minutes: int) -> float:
            began = time.perf_counter()
            for _turn in range(200):
                calendar.due_at(start, minutes)
            return time.perf_counter() - began

        near, far = (min(cost(distance) for _round in range(5)) for distance in (8 * 60, minutes))
        assert far < 20 * near, "a walk over ten years takes 3,600 times as long"
        due = calendar.due_at(start, minutes)
        assert calendar.working_minutes(start, due) == minutes


class TestClockChanges:
    """Berlin changes on 29 March and 25 October 2026 at 01:00 UTC; New York on 8 March at 07:00 and 1 November at 06:00."""

    @pytest.mark.parametrize(
        ("zone", "start", "due"),
        [
            # Around the clock, 24 hours from noon before the change: an hour later or earlier by the wall clock.
            ("Europe/Berlin", "2026-03-28 12:00", "2026-03-29 13:00"),
            ("Europe/Berlin", "2026-10-24 12:00", "2026-10-25 11:00"),
            ("America/New_York", "2026-03-07 12:00", "2026-03-08 13:00"),
            ("America/New_York", "2026-10-31 12:00", "2026-11-01 11:00"),
        ],
    )
    def test_do_not_change_how_long_an_hour_is(self, zone: str, start: str, due: str) -> None:
        calendar = WorkingCalendar.always(zone)
        assert calendar.due_at(local(start, zone), 24 * 60) == local(due, zone)
        assert calendar.working_minutes(local(start, zone), local(due, zone)) == 24 * 60

    @pytest.mark.parametrize(
        ("zone", "day", "minutes"),
        [
            ("Europe/Berlin", "2026-03-29", 23 * 60),
            ("Europe/Berlin", "2026-10-25", 25 * 60),
            ("America/New_York", "2026-03-08", 23 * 60),
            ("America/New_York", "2026-11-01", 25 * 60),
            ("Australia/Lord_Howe", "2026-04-05", 24 * 60 + 30),
            ("Australia/Lord_Howe", "2026-10-04", 24 * 60 - 30),
            ("America/Sao_Paulo", "2015-10-18", 23 * 60),  # its clocks changed at midnight
            ("America/Sao_Paulo", "2016-02-20", 25 * 60),
            ("America/St_Johns", "2006-10-28", 24 * 60),  # … and Newfoundland's at one minute past
            ("America/St_Johns", "2006-10-29", 25 * 60),
            ("Pacific/Apia", "2011-12-30", 0),  # Samoa left it out, to be on the other side of the date line
        ],
    )
    def test_make_a_day_shorter_or_longer(self, zone: str, day: str, minutes: int) -> None:
        only = WorkingCalendar(zone, {}, exceptions={date.fromisoformat(day): [("00:00", "24:00")]})
        year = utc(f"{day[:4]}-01-02 00:00")
        assert only.working_minutes(year, year + timedelta(days=368)) == minutes
        around = WorkingCalendar.always(zone)
        assert around.working_minutes(year, year + timedelta(days=368)) == 368 * 24 * 60

    def test_leave_office_hours_alone(self) -> None:
        # Friday 16:00 until Monday 10:00 is two working hours, whichever way the clocks went on Sunday.
        for friday, monday in (("2026-03-27", "2026-03-30"), ("2026-10-23", "2026-10-26")):
            start, end = local(f"{friday} 16:00", "Europe/Berlin"), local(f"{monday} 10:00", "Europe/Berlin")
            assert berlin().working_minutes(start, end) == 120
            assert berlin().due_at(start, 120) == end

    @pytest.mark.parametrize(
        ("zone", "day", "opens", "closes", "segment"),
        [
            # A skipped time is the same distance after the change …
            ("Europe/Berlin", "2026-03-29", "02:30", "05:00", ("01:30", "03:00")),
            ("Europe/Berlin", "2026-03-29", "01:00", "02:30", ("00:00", "01:30")),
            ("America/New_York", "2026-03-08", "02:30", "05:00", ("07:30", "09:00")),
            ("America/New_York", "2026-03-08", "02:15", "02:45", ("07:15", "07:45")),
            # … which may leave nothing: 02:30 would come after 03:15.
            ("America/Los_Angeles", "2026-03-08", "02:30", "03:15", None),
            # A repeated time is the first one.
            ("Europe/Berlin", "2026-10-25", "02:30", "04:00", ("00:30", "03:00")),
            ("Europe/Berlin", "2026-10-25", "01:00", "02:30", ("23:00-", "00:30")),
            ("America/New_York", "2026-11-01", "01:30", "03:00", ("05:30", "08:00")),
        ],
    )
    def test_follow_one_rule_where_hours_touch_them(
        self, zone: str, day: str, opens: str, closes: str, segment: tuple[str, str] | None
    ) -> None:
        calendar = WorkingCalendar(zone, {"sun": [(opens, closes)]})
        noon = utc(f"{day} 12:00")
        expected = []
        if segment:
            start = utc(f"{day} {segment[0].rstrip('-')}") - timedelta(days=segment[0].endswith("-"))
            expected = [(start, utc(f"{day} {segment[1]}"))]
        assert calendar.segments(noon - timedelta(hours=18), noon) == expected

    def test_count_no_instant_twice(self) -> None:
        # 01:00-02:45 reaches 03:45 on this day, where the next interval has already begun.
        calendar = WorkingCalendar("Europe/Berlin", {"sun": [("01:00", "02:45"), ("03:00", "05:00")]})
        assert calendar.working_minutes(utc("2026-03-28 12:00"), utc("2026-03-29 12:00")) == 3 * 60
        assert calendar.segments(utc("2026-03-28 12:00"), utc("2026-03-29 12:00")) == [
            (utc("2026-03-29 00:00"), utc("2026-03-29 03:00"))
        ]

    def test_set_back_over_midnight_belong_to_the_day_that_began(self) -> None:
        # St John's went from 00:01 back to 23:01: this instant reads 28 October 23:30, after midnight has been.
        calendar = WorkingCalendar("America/St_Johns", {}, exceptions={date(2006, 10, 29): [("00:00", "24:00")]})
        assert calendar.is_working(utc("2006-10-29 03:00"))
        assert not calendar.is_working(utc("2006-10-29 02:29"))
        assert calendar.next_opening(utc("2006-10-28 12:00")) == utc("2006-10-29 02:30")


class TestZones:
    def test_with_half_and_quarter_hours_are_exact(self) -> None:
        kolkata = WorkingCalendar("Asia/Kolkata", OFFICE)  # UTC+5:30
        assert kolkata.due_at(utc("2026-03-24 00:00"), 60) == utc("2026-03-24 04:30")
        kathmandu = WorkingCalendar("Asia/Kathmandu", OFFICE)  # UTC+5:45
        assert kathmandu.due_at(utc("2026-03-24 00:00"), 60) == utc("2026-03-24 04:15")


class TestMidnight:
    NIGHT = WorkingCalendar("UTC", {"mon": [("22:00", "24:00")], "tue": [("00:00", "06:00")]})

    def test_is_crossed_without_a_seam(self) -> None:
        assert self.NIGHT.due_at(utc("2026-03-23 23:00"), 120) == utc("2026-03-24 01:00")
        assert self.NIGHT.segments(utc("2026-03-23 00:00"), utc("2026-03-25 00:00")) == [
            (utc("2026-03-23 22:00"), utc("2026-03-24 06:00"))
        ]

    def test_may_be_where_work_ends(self) -> None:
        assert self.NIGHT.due_at(utc("2026-03-23 22:00"), 120) == utc("2026-03-24 00:00")
        late = WorkingCalendar("UTC", {"mon": [("22:00", "24:00")]})
        assert late.due_at(utc("2026-03-23 22:00"), 120) == utc("2026-03-24 00:00")
        assert not late.is_working(utc("2026-03-24 00:00"))


class TestWorkingTime:
    def test_is_nothing_backwards_and_from_an_instant_to_itself(self) -> None:
        for end in ("2026-03-24 10:00", "2026-03-20 10:00"):
            assert berlin().working_seconds(utc("2026-03-24 10:00"), utc(end)) == 0
            assert berlin().segments(utc("2026-03-24 10:00"), utc(end)) == []

    def test_is_rounded_down(self) -> None:
        start = utc("2026-03-24 10:00")
        assert berlin().working_seconds(start, start + timedelta(seconds=119, milliseconds=999)) == 119
        assert berlin().working_minutes(start, start + timedelta(seconds=119, milliseconds=999)) == 1

    def test_of_a_year_of_office_weeks(self) -> None:
        # 2026 has 261 weekdays.
        year = (local("2026-01-01", "Europe/Berlin"), local("2027-01-01", "Europe/Berlin"))
        assert berlin().working_minutes(*year) == 261 * 8 * 60
        with_holidays = berlin(holidays=frozenset({date(2026, 1, 1), date(2026, 12, 26)}))  # Thursday, Saturday
        assert with_holidays.working_minutes(*year) == 260 * 8 * 60


class TestOpening:
    def test_includes_its_instant_and_excludes_the_closing_one(self) -> None:
        calendar = berlin()
        assert calendar.is_working(utc("2026-03-24 08:00"))
        assert calendar.is_working(utc("2026-03-24 15:59:59.999999"))
        assert not calendar.is_working(utc("2026-03-24 16:00"))
        assert not calendar.is_working(utc("2026-03-28 10:00"))

    def test_is_found_from_closed_and_from_open_hours(self) -> None:
        calendar = berlin()
        assert calendar.next_opening(utc("2026-03-27 16:00")) == utc("2026-03-30 07:00")
        assert calendar.next_opening(utc("2026-03-24 03:00")) == utc("2026-03-24 08:00")
        assert calendar.next_opening(local("2026-03-24 11:00", "Europe/Berlin")) == utc("2026-03-24 10:00")

    def test_that_never_comes_is_refused(self) -> None:
        with pytest.raises(Unreachable):
            WorkingCalendar("UTC", {}).next_opening(utc("2026-03-24 03:00"))


class TestParse:
    DATA: dict[str, Any] = {
        "time_zone": "Europe/Berlin",
        "hours": {"mon": [["09:00", "12:30"], ["13:00", "24:00"]], "fri": [["8:00", "14:00"]]},
        "holidays": ["2026-12-25"],
        "exceptions": {"2026-12-24": [["09:00", "12:00"]], "2026-12-31": []},
    }

    def test_reads_and_writes_the_same(self) -> None:
        calendar = WorkingCalendar.parse(self.DATA)
        written = calendar.as_dict()
        assert written == {**self.DATA, "hours": {**self.DATA["hours"], "fri": [["08:00", "14:00"]]}}
        assert json.loads(json.dumps(written)) == written
        again = WorkingCalendar.parse(written)
        assert again == calendar
        assert hash(again) == hash(calendar)
        assert pickle.loads(pickle.dumps(calendar)) == copy.deepcopy(calendar) == calendar  # noqa: S301 - our own

    def test_understands_tz_labels_and_absent_parts(self) -> None:
        data: dict[str, Any] = {
            "tz": "UTC",
            "hours": {},
            "holidays": None,
            "exceptions": None,
            "breaks": None,
            "name": "Closed",
        }
        assert WorkingCalendar.parse(data) == WorkingCalendar("UTC", {})

    def test_takes_breaks_out_of_their_day(self) -> None:
        calendar = WorkingCalendar.parse(
            {
                "tz": "UTC",
                "hours": {"fri": [["09:00", "17:00"]], "mon": [["09:00", "17:00"]]},
                "exceptions": {"2026-03-30": [["08:00", "10:00"]]},
                "breaks": {
                    "2026-03-27": [["10:00", "11:30"], ["16:00", "18:00"]],
                    "2026-03-28": [["10:00", "11:00"]],
                    "2026-03-30": [["00:00", "09:00"]],
                },
            }
        )
        assert calendar.segments(utc("2026-03-27 00:00"), utc("2026-04-01 00:00")) == [
            (utc("2026-03-27 09:00"), utc("2026-03-27 10:00")),
            (utc("2026-03-27 11:30"), utc("2026-03-27 16:00")),
            (utc("2026-03-30 09:00"), utc("2026-03-30 10:00")),
        ]

    @pytest.mark.parametrize(
        ("change", "field", "reason"),
        [
            ({"time_zone": "Mars/Olympus"}, "time_zone", "not a time zone"),
            ({"time_zone": "../etc/passwd"}, "time_zone", "not a time zone"),
            ({"time_zone": "\0\ud800"}, "time_zone", "not a time zone"),
            ({"time_zone": ""}, "time_zone", "not a time zone"),
            ({"time_zone": "Europe"}, "time_zone", "not a time zone"),
            ({"time_zone": 1}, "time_zone", "not a time zone"),
            ({"time_zone": []}, "time_zone", "not a time zone"),
            ({"hours": []}, "hours", "object"),
            ({"hours": {"monday": []}}, "hours.monday", "not a day"),
            ({"hours": {"mon": "09:00-17:00"}}, "hours.mon", "list of pairs"),
            ({"hours": {"mon": None}}, "hours.mon", "list of pairs"),
            ({"hours": {"mon": ["09:00"]}}, "hours.mon[0]", "pair"),
            ({"hours": {"mon": [["09:00"]]}}, "hours.mon[0]", "pair"),
            ({"hours": {"mon": [["09:00", "25:00"]]}}, "hours.mon[0]", "'25:00' is not a time of day"),
            ({"hours": {"mon": [["09:00", "24:01"]]}}, "hours.mon[0]", "not a time of day"),
            ({"hours": {"mon": [["09:00", "17:60"]]}}, "hours.mon[0]", "not a time of day"),
            ({"hours": {"mon": [[9, 17]]}}, "hours.mon[0]", "not a time of day"),
            ({"hours": {"mon": [["22:00", "06:00"]]}}, "hours.mon[0]", "split what crosses midnight"),
            ({"hours": {"mon": [["09:00", "09:00"]]}}, "hours.mon[0]", "end after it begins"),
            ({"hours": {"mon": [["24:00", "24:00"]]}}, "hours.mon[0]", "end after it begins"),
            ({"hours": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "hours.mon[1]", "overlaps"),
            ({"holidays": "2026-12-25"}, "holidays", "list of dates"),
            ({"holidays": {"2026-12-25": "Christmas"}}, "holidays", "list of dates"),
            ({"holidays": 5}, "holidays", "list of dates"),
            ({"holidays": ["2026-12-25", "2026-02-30"]}, "holidays[1]", "must be a date"),
            ({"holidays": [20261225]}, "holidays[0]", "must be a date"),
            ({"exceptions": ["2026-12-24"]}, "exceptions", "object"),
            ({"exceptions": {"Christmas": []}}, "exceptions.Christmas", "must be a date"),
            ({"exceptions": {"2026-12-24": [["x", "y"]]}}, "exceptions.2026-12-24[0]", "not a time of day"),
            ({"breaks": {"2026-12-24": [["12:00", "11:00"]]}}, "breaks.2026-12-24[0]", "end after it begins"),
            ({"holiday": ["2026-12-25"]}, "holiday", "not part of a calendar"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, change: dict[str, Any], field: str, reason: str) -> None:
        with pytest.raises(InvalidCalendar, match=reason) as caught:
            WorkingCalendar.parse({**self.DATA, **change})
        assert caught.value.field == field
        str(caught.value).encode()  # can be sent back

    @pytest.mark.parametrize("missing", ["time_zone", "hours"])
    def test_names_the_field_that_is_missing(self, missing: str) -> None:
        data = {name: value for name, value in self.DATA.items() if name != missing}
        with pytest.raises(InvalidCalendar, match=f"{missing}: is missing"):
            WorkingCalendar.parse(data)

    def test_refuses_what_is_no_object(self) -> None:
        with pytest.raises(InvalidCalendar, match="calendar: must be an object"):
            WorkingCalendar.parse([])  # type: ignore[arg-type]  # what JSON may hold

    def test_refuses_a_datetime_as_a_holiday(self) -> None:
        with pytest.raises(InvalidCalendar, match=r"holidays\[0\]"):
            berlin(holidays=frozenset({utc("2026-12-25 00:00")}))


# --- Against a reference that knows nothing but minutes ---------------------------------------------------------------

HORIZON_DAYS = 12
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
STARTS = (
    "2026-03-05",
    "2026-03-26",
    "2026-10-22",
    "2026-10-29",
    "2026-06-10",
    "2015-10-15",
    "2016-02-18",
    "2026-04-02",
)


def working_minutes_of(calendar: WorkingCalendar, days: Iterable[date]) -> set[datetime]:
    """Every working minute of these days, by its first instant: nothing clever, only the documented conventions."""
    minutes = set()
    for day in days:
        hours = () if day in calendar.holidays else calendar.hours[DAYS[day.weekday()]]
        for opens, closes in calendar.exceptions.get(day, hours):
            at, end = (wall_instant(day, text, calendar.zone) for text in (opens, closes))
            while at < end:
                minutes.add(at)
                at += timedelta(minutes=1)
    return minutes


def wall_instant(day: date, text: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, text.split(":"))
    wall = datetime.combine(day + timedelta(days=hour // 24), datetime.min.time()).replace(
        hour=hour % 24, minute=minute
    )
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def clock_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


intervals = st.lists(st.integers(0, 96), unique=True, max_size=6).map(
    lambda marks: [
        (clock_text(opens * 15), clock_text(closes * 15))
        for opens, closes in zip(sorted(marks)[::2], sorted(marks)[1::2], strict=False)
    ]
)


@st.composite
def calendars_and_starts(draw: st.DrawFn) -> tuple[WorkingCalendar, datetime]:
    first = date.fromisoformat(draw(st.sampled_from(STARTS)))
    days = [first + timedelta(days=offset) for offset in range(HORIZON_DAYS)]
    calendar = WorkingCalendar(
        draw(st.sampled_from(ZONES)),
        draw(st.dictionaries(st.sampled_from(DAYS), intervals)),
        frozenset(draw(st.lists(st.sampled_from(days), max_size=3))),
        draw(st.dictionaries(st.sampled_from(days), intervals, max_size=3)),
    )
    start = utc(f"{first} 12:00") + timedelta(minutes=draw(st.integers(0, 8 * 24 * 60)))
    return calendar, start


class TestAgainstCountingMinutes:
    @settings(max_examples=80, deadline=None)
    @given(given_=calendars_and_starts(), length=st.integers(0, 4 * 24 * 60), wanted=st.integers(1, 3 * 24 * 60))
    def test_agrees(self, given_: tuple[WorkingCalendar, datetime], length: int, wanted: int) -> None:
        calendar, start = given_
        end = start + timedelta(minutes=length)
        first = start.date() - timedelta(days=2)
        working = sorted(working_minutes_of(calendar, (first + timedelta(days=day) for day in range(20))))

        between = [at for at in working if start <= at < end]
        assert calendar.working_minutes(start, end) == len(between)
        assert sum(((right - left) for left, right in calendar.segments(start, end)), timedelta()) == timedelta(
            minutes=len(between)
        )
        assert calendar.is_working(start) == (start in working)

        following = [at for at in working if at >= start and at < start + timedelta(days=10)]
        if len(following) >= wanted:
            # The earliest instant: the end of the last minute that was worked.
            assert calendar.due_at(start, wanted) == following[wanted - 1] + timedelta(minutes=1)
        if following:
            assert calendar.next_opening(start) == following[0]


# --- Published cases --------------------------------------------------------------------------------------------------


def published(part: str) -> list[Any]:
    """Those with pauses are the clock's: see test_clock_math."""
    if not CORPUS.is_file():
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason="the shared corpora are not here"))]
    return [
        pytest.param(case, id=case["id"]) for case in json.loads(CORPUS.read_text())[part] if not case.get("pauses")
    ]


def published_calendar(name: str) -> WorkingCalendar:
    return WorkingCalendar.parse(json.loads(CORPUS.read_text())["calendars"][name])


class TestPublishedCases:
    @pytest.mark.parametrize("case", published("due"))
    def test_of_due_dates_without_pauses(self, case: dict[str, Any]) -> None:
        due = published_calendar(case["calendar"]).due_at(
            datetime.fromisoformat(case["start"]), case["working_minutes"]
        )
        assert due == datetime.fromisoformat(case.get("inclusive_boundary_due", case["expected_due"]))

    @pytest.mark.parametrize("case", published("elapsed"))
    def test_of_elapsed_time_without_pauses(self, case: dict[str, Any]) -> None:
        start, end = datetime.fromisoformat(case["from"]), datetime.fromisoformat(case["to"])
        assert published_calendar(case["calendar"]).working_minutes(start, end) == case["expected_working_minutes"]

    @pytest.mark.parametrize("case", published("periods"))
    def test_of_periods(self, case: dict[str, Any]) -> None:
        expected = [tuple(map(datetime.fromisoformat, pair)) for pair in case["expected_first_periods"]]
        origin = datetime.fromisoformat(case["origin"])
        found = published_calendar(case["calendar"]).segments(origin, origin + timedelta(days=30))
        assert found[: len(expected)] == expected

    @pytest.mark.parametrize("case", published("local_to_utc"))
    def test_of_skipped_wall_clock_times(self, case: dict[str, Any]) -> None:
        day, clock = case["local"].split("T")
        exception = {date.fromisoformat(day): [("00:00", clock[:5])]}
        calendar = WorkingCalendar(case["tz"], {}, exceptions=exception)
        expected = datetime.fromisoformat(case["expected_utc"])
        assert calendar.segments(expected - timedelta(days=3), expected + timedelta(days=3))[-1][1] == expected
