"""The arithmetic of reports: percentiles, days in time zones, cells that no spreadsheet computes."""

import csv
import io
import json
import statistics
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.metrics import metric_of
from analytics.numbers import Durations, percentile, share_of
from analytics.periods import Bucket, Interval, Period
from analytics.reports import Table, harmless

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")


def moment(day: int, hour: int = 0, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


class TestPercentile:
    @given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=2, max_size=60))
    def test_is_that_of_the_statistics_library(self, values: list[float]) -> None:
        ordered = sorted(values)
        hundredths = statistics.quantiles(ordered, n=100, method="inclusive")
        assert percentile(ordered, 0.5) == pytest.approx(statistics.median(ordered))
        assert percentile(ordered, 0.9) == pytest.approx(hundredths[89])
        assert percentile(ordered, 0.95) == pytest.approx(hundredths[94])

    def test_of_one_value_is_that_value_and_of_none_nothing(self) -> None:
        assert percentile([7.0], 0.9) == 7.0
        assert percentile([], 0.5) is None
        assert percentile([1.0, 2.0], 1.0) == 2.0


class TestDurations:
    def test_are_minutes(self) -> None:
        found = Durations.between(
            [(moment(4, 12), moment(4, 13)), (moment(4, 12), moment(4, 12, 30)), (moment(4), None)]
        )
        assert found == Durations(count=2, p50_minutes=45.0, p90_minutes=57.0, p95_minutes=58.5)

    def test_are_never_negative_and_none_without_any(self) -> None:
        assert Durations.between([(moment(4, 12), moment(4, 11))]).p50_minutes == 0.0
        assert Durations.between([]) == Durations(0, None, None, None)


class TestShareOf:
    def test_has_four_digits_and_is_none_of_nothing(self) -> None:
        assert share_of(1, 3) == 0.3333
        assert share_of(0, 0) is None


class TestPeriod:
    def test_ends_today_where_the_reader_is(self) -> None:
        now = moment(4, 23, 30)  # half past midnight in Berlin
        assert Period.last_days(3, now=now, zone=BERLIN) == Period(date(2026, 3, 3), date(2026, 3, 5), BERLIN)
        assert Period.last_days(1, now=now, zone=UTC_ZONE) == Period(date(2026, 3, 4), date(2026, 3, 4), UTC_ZONE)

    def test_begins_and_ends_at_the_reader_s_midnights(self) -> None:
        period = Period(date(2026, 3, 28), date(2026, 3, 29), BERLIN)  # the clocks go forward on the 29th
        assert (period.start, period.end) == (moment(27, 23), moment(29, 22))

    def test_knows_whether_its_days_are_those_of_utc(self) -> None:
        assert Period(date(2026, 3, 1), date(2026, 3, 1), UTC_ZONE).is_utc
        assert not Period(date(2026, 3, 1), date(2026, 3, 1), ZoneInfo("Europe/London")).is_utc

    def test_has_each_of_its_days(self) -> None:
        period = Period(date(2026, 2, 27), date(2026, 3, 1), UTC_ZONE)
        assert list(period.dates()) == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
        assert period.buckets(Interval.DAY) == [Bucket(day, day, 1) for day in period.dates()]

    def test_has_weeks_that_begin_on_monday(self) -> None:
        weeks = Period(date(2026, 2, 26), date(2026, 3, 10), UTC_ZONE).buckets(Interval.WEEK)
        assert weeks == [
            Bucket(date(2026, 2, 23), date(2026, 2, 26), 4),  # Thursday to Sunday
            Bucket(date(2026, 3, 2), date(2026, 3, 2), 7),
            Bucket(date(2026, 3, 9), date(2026, 3, 9), 2),
        ]


class TestMetricOf:
    @pytest.mark.parametrize(
        ("kind", "changes", "data", "expected"),
        [
            ("case_created", {}, {}, "arrived"),
            ("case_status_changed", {"status": ["new", "resolved"]}, {"reopened": False}, "resolved"),
            ("case_status_changed", {"status": ["awaiting_vendor", "closed"]}, {"reopened": False}, "resolved"),
            ("case_status_changed", {"status": ["resolved", "closed"]}, {"reopened": False}, None),
            ("case_status_changed", {"status": ["new", "in_progress"]}, {"reopened": False}, None),
            ("case_status_changed", {"status": ["closed", "in_progress"]}, {"reopened": True}, "reopened"),
            ("case_status_changed", {}, {}, None),
            ("sla_breached", {}, {}, "breached"),
            ("message_received", {}, {}, "messages_in"),
            ("message_sent", {}, {"by_us": False}, "messages_out"),
            ("message_sent", {}, {"by_us": True}, None),  # it is counted when it has gone
            ("outbound_sent", {}, {"purpose": "reply"}, "messages_out"),
            ("outbound_sent", {}, {"purpose": "notification"}, None),
            ("note_added", {}, {}, None),
        ],
    )
    def test_says_what_an_event_counts_as(
        self, kind: str, changes: dict[str, list[str]], data: dict[str, object], expected: str | None
    ) -> None:
        assert metric_of(kind, changes=changes, data=data) == expected


class TestHarmless:
    @pytest.mark.parametrize(
        "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "|x", "%x", "\uff1d1+1"]
    )
    def test_puts_an_apostrophe_before_what_could_be_a_formula(self, text: str) -> None:
        assert harmless(text) == f"'{text}"

    @pytest.mark.parametrize("cell", ["plain", "a=b", "'=1", "", 5, -5, 0.25])
    def test_leaves_everything_else_as_it_is(self, cell: object) -> None:
        assert harmless(cell) == cell

    def test_holds_for_every_vector_that_was_published(self, corpora: Path) -> None:
        vectors = json.loads((corpora / "security_vectors" / "vectors.json").read_text(encoding="utf-8"))[
            "csv_injection"
        ]
        written = Table(("cell",), [(text,) for text in vectors]).as_csv()
        cells = [row[0] for row in csv.reader(io.StringIO(written, newline=""))][1:]
        assert [cell.removeprefix("'") for cell in cells] == [text.removeprefix("'") for text in vectors]
        assert not any(cell[:1] in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") for cell in cells)


class TestTable:
    def test_is_the_same_as_csv_and_as_rows(self) -> None:
        table = Table(("group", "count"), [("a,b", 1), (None, 2)])
        assert table.as_dicts() == [{"group": "a,b", "count": 1}, {"group": None, "count": 2}]
        assert table.as_csv() == 'group,count\r\n"a,b",1\r\n,2\r\n'
