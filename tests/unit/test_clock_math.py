"""Expected values are counted by hand from the wall clock, come from published cases, or from counting minutes."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from sla.calendars import Unreachable, WorkingCalendar
from sla.clock_math import (
    Pause,
    Reading,
    Run,
    State,
    explain,
    moment,
    pauses_between,
    reached_at,
    read,
    runs_from_pauses,
    wall_duration,
    working_duration,
)

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "sla" / "sla_cases.json"
WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), (("09:00", "17:00"),))
OFFICE = WorkingCalendar("UTC", WEEK)
BERLIN = WorkingCalendar("Europe/Berlin", WEEK)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def reading(
    *runs: Run,
    target_minutes: int = 240,
    now: str,
    at_risk_percent: int = 75,
    stopped_at: str | None = None,
    calendar: WorkingCalendar = OFFICE,
) -> Reading:
    return read(
        calendar,
        started_at=runs[0].started_at,
        runs=runs,
        target_minutes=target_minutes,
        at_risk_percent=at_risk_percent,
        now=utc(now),
        stopped_at=utc(stopped_at) if stopped_at else None,
    )


class TestRead:
    """24 March 2026 is a Tuesday."""

    def test_of_a_running_clock(self) -> None:
        shown = reading(Run(utc("03-24 15:00")), now="03-25 10:30")
        assert shown.state is State.RUNNING
        assert shown.due_at == shown.projected_due_at == utc("03-25 11:00")
        assert shown.at_risk_at == utc("03-25 10:00")
        assert shown.used == minutes(210)
        assert shown.used_minutes == 210
        assert shown.remaining_minutes == 30
        assert shown.used_percent == 87.5
        assert shown.paused == timedelta(0)
        assert not shown.is_breached

    def test_of_a_paused_clock_has_no_due_date_but_a_projected_one(self) -> None:
        shown = reading(Run(utc("03-24 15:00"), utc("03-24 16:00")), now="03-26 09:00")
        assert shown.state is State.PAUSED
        assert shown.due_at is None
        assert shown.at_risk_at is None
        assert shown.used == minutes(60)
        assert shown.paused == timedelta(days=1, hours=17)
        assert shown.projected_due_at == utc("03-26 12:00")

    def test_of_a_resumed_clock_moves_by_the_working_time_of_the_pause(self) -> None:
        # Paused from Tuesday 16:00 to Thursday 10:00: 1 + 8 + 1 working hours, so due on Thursday instead of Wednesday.
        shown = reading(Run(utc("03-24 15:00"), utc("03-24 16:00")), Run(utc("03-26 10:00")), now="03-26 11:00")
        assert shown.due_at == utc("03-26 13:00")
        assert shown.at_risk_at == utc("03-26 12:00")
        assert shown.paused == timedelta(days=1, hours=18)

    def test_of_a_clock_that_was_paused_over_a_weekend_is_not_moved(self) -> None:
        paused = reading(Run(utc("03-27 16:00"), utc("03-27 17:00")), Run(utc("03-30 09:00")), now="03-30 09:00")
        assert paused.due_at == reading(Run(utc("03-27 16:00")), now="03-30 09:00").due_at == utc("03-30 12:00")

    def test_of_a_breach_that_came_before_a_pause_stays_where_it_was(self) -> None:
        shown = reading(Run(utc("03-24 09:00"), utc("03-24 15:00")), now="03-26 09:00")
        assert shown.state is State.PAUSED
        assert shown.due_at == shown.projected_due_at == utc("03-24 13:00")
        assert shown.is_breached
        assert shown.remaining_minutes == -120
        assert shown.used_percent == 150

    def test_of_a_target_used_to_the_instant_is_in_time(self) -> None:
        shown = reading(Run(utc("03-24 13:00"), utc("03-24 17:00")), now="03-25 09:00")
        assert shown.due_at == utc("03-24 17:00"), "the closing instant, not the next opening"
        assert not shown.is_breached

    def test_of_a_pause_after_the_warning_keeps_the_warning(self) -> None:
        shown = reading(Run(utc("03-24 09:00"), utc("03-24 12:30")), now="03-24 13:00")
        assert shown.at_risk_at == utc("03-24 12:00")
        assert shown.due_at is None

    def test_of_a_stopped_clock_says_when_it_would_have_been_due(self) -> None:
        running = reading(Run(utc("03-24 15:00"), utc("03-24 16:30")), now="03-30 09:00", stopped_at="03-24 16:30")
        assert running.state is State.STOPPED
        assert running.read_at == utc("03-24 16:30")
        assert running.due_at == utc("03-25 11:00")
        assert running.at_risk_at == utc("03-25 10:00")
        assert running.used == minutes(90)
        paused = reading(Run(utc("03-24 15:00"), utc("03-24 16:00")), now="03-30 09:00", stopped_at="03-25 12:00")
        assert paused.due_at == utc("03-25 15:00")
        assert paused.paused == timedelta(hours=20)

    def test_of_a_past_moment_shows_the_clock_as_it_stood(self) -> None:
        runs = (Run(utc("03-24 15:00"), utc("03-24 16:00")), Run(utc("03-26 10:00"), utc("03-26 12:00")))
        before = reading(*runs, now="03-24 15:30", stopped_at="03-26 12:00")
        assert before.state is State.RUNNING
        assert before.due_at == utc("03-25 11:00")
        assert reading(*runs, now="03-25 12:00", stopped_at="03-26 12:00").state is State.PAUSED

    def test_of_no_time_at_all_is_used_up_at_once(self) -> None:
        shown = reading(Run(utc("03-24 15:00")), target_minutes=0, now="03-24 15:00")
        assert shown.due_at == shown.at_risk_at == utc("03-24 15:00")
        assert shown.used_percent == 100
        assert not shown.is_breached

    def test_answers_in_utc(self) -> None:
        run = Run(datetime.fromisoformat("2026-03-24T16:00:00+01:00"))
        assert reading(run, now="03-24 15:00").started_at.isoformat() == "2026-03-24T15:00:00+00:00"

    def test_refuses_a_calendar_without_working_time(self) -> None:
        with pytest.raises(Unreachable):
            reading(Run(utc("03-24 15:00")), now="03-24 15:00", calendar=WorkingCalendar("UTC", {}))

    def test_pauses_are_exact_across_a_clock_change(self) -> None:
        # Around the clock in Berlin, paused from 01:30 to 03:30 by the wall clock of 29 March: one hour.
        always = WorkingCalendar.always("Europe/Berlin")
        runs = runs_from_pauses(utc("03-28 23:00"), [Pause(utc("03-29 00:30"), utc("03-29 01:30"))])
        shown = reading(*runs, now="03-29 06:00", calendar=always, target_minutes=24 * 60)
        assert shown.due_at == utc("03-30 00:00")
        assert shown.paused == timedelta(hours=1)


class TestRunsFromPauses:
    START = utc("03-24 09:00")

    def test_are_what_lies_between_the_pauses(self) -> None:
        pauses = [Pause(utc("03-24 12:00"), utc("03-24 13:00")), Pause(utc("03-24 10:00"), utc("03-24 11:00"))]
        assert runs_from_pauses(self.START, pauses) == (
            Run(self.START, utc("03-24 10:00")),
            Run(utc("03-24 11:00"), utc("03-24 12:00")),
            Run(utc("03-24 13:00")),
        )

    def test_bear_pauses_that_overlap_and_that_began_before(self) -> None:
        pauses = [
            Pause(utc("03-24 08:00"), utc("03-24 10:00")),
            Pause(utc("03-24 09:30"), utc("03-24 11:00")),
            Pause(utc("03-24 10:00"), utc("03-24 10:30")),
        ]
        assert runs_from_pauses(self.START, pauses) == (Run(utc("03-24 11:00")),)

    def test_end_with_a_pause_that_does_not(self) -> None:
        pauses = [Pause(utc("03-24 10:00")), Pause(utc("03-24 12:00"), utc("03-24 13:00"))]
        assert runs_from_pauses(self.START, pauses) == (Run(self.START, utc("03-24 10:00")),)

    def test_end_when_the_clock_stops(self) -> None:
        pauses = [Pause(utc("03-24 10:00"), utc("03-24 11:00")), Pause(utc("03-24 14:00"), utc("03-24 15:00"))]
        stopped = runs_from_pauses(self.START, pauses, stopped_at=utc("03-24 12:00"))
        assert stopped == (Run(self.START, utc("03-24 10:00")), Run(utc("03-24 11:00"), utc("03-24 12:00")))
        while_paused = runs_from_pauses(self.START, pauses, stopped_at=utc("03-24 10:30"))
        assert while_paused == (Run(self.START, utc("03-24 10:00")),)


class TestPausesBetween:
    def test_are_the_gaps_of_the_ledger(self) -> None:
        runs = (Run(utc("03-24 10:00"), utc("03-24 11:00")), Run(utc("03-24 12:00")))
        assert pauses_between(runs, started_at=utc("03-24 09:00")) == (
            Pause(utc("03-24 09:00"), utc("03-24 10:00")),
            Pause(utc("03-24 11:00"), utc("03-24 12:00")),
        )

    def test_go_on_after_the_last_run(self) -> None:
        runs = (Run(utc("03-24 09:00"), utc("03-24 11:00")),)
        assert pauses_between(runs, started_at=utc("03-24 09:00")) == (Pause(utc("03-24 11:00")),)


class TestReachedAt:
    def test_is_unknown_when_the_runs_end_before(self) -> None:
        assert reached_at(OFFICE, [Run(utc("03-24 09:00"), utc("03-24 10:00"))], minutes(61)) is None

    def test_is_the_end_of_a_run_that_just_suffices(self) -> None:
        runs = [Run(utc("03-24 09:00"), utc("03-24 10:00")), Run(utc("03-24 12:00"))]
        assert reached_at(OFFICE, runs, minutes(60)) == utc("03-24 10:00")


class TestExplain:
    def test_is_a_sentence_that_a_customer_would_accept(self) -> None:
        # Berlin is an hour ahead: received Tuesday 16:30, paused from Wednesday 08:30 to Thursday 10:30 there.
        pauses = [Pause(utc("03-25 07:30"), utc("03-26 09:30"), "awaiting_customer")]
        runs = runs_from_pauses(utc("03-24 15:30"), pauses)
        shown = reading(*runs, now="03-26 12:20", calendar=BERLIN)
        explanation = explain(BERLIN, shown, calendar_name="Berlin office", pauses=pauses)
        assert explanation.sentence == (
            "due Thu 14:00: received Tue 16:30, 3 h 20 min of 4 h used, "
            "paused 1 d 2 h while awaiting the customer, calendar Berlin office"
        )
        assert list(explanation.parts) == ["due", "received", "used", "paused", "calendar"]

    def test_carries_the_values_that_the_sentence_is_made_from(self) -> None:
        pauses = [Pause(utc("03-25 07:30"), utc("03-26 09:30"), "awaiting_customer")]
        shown = reading(*runs_from_pauses(utc("03-24 15:30"), pauses), now="03-26 12:20", calendar=BERLIN)
        data = explain(BERLIN, shown, calendar_name="Berlin office", pauses=pauses).as_dict()
        assert json.loads(json.dumps(data)) == data
        assert data["due_at"] == data["projected_due_at"] == "2026-03-26T13:00:00+00:00"
        assert data["at_risk_at"] == "2026-03-26T12:00:00+00:00"
        assert data["started_at"] == "2026-03-24T15:30:00+00:00"
        assert (data["used_seconds"], data["remaining_seconds"], data["target_minutes"]) == (12_000, 2_400, 240)
        assert data["paused_seconds"] == 26 * 3600
        assert (data["state"], data["is_breached"]) == ("running", False)
        assert (data["calendar"], data["time_zone"]) == ("Berlin office", "Europe/Berlin")

    def test_of_a_paused_clock_promises_no_date(self) -> None:
        shown = reading(Run(utc("03-24 15:00"), utc("03-24 16:00")), now="03-25 09:00")
        explanation = explain(OFFICE, shown, calendar_name="Office")
        assert explanation.sentence == (
            "paused, due no earlier than Wed 12:00: received Tue 15:00, 1 h of 4 h used, paused 17 h, calendar Office"
        )
        assert explanation.as_dict()["due_at"] is None

    def test_of_a_breach_says_by_how_much(self) -> None:
        shown = reading(Run(utc("03-24 09:00")), now="03-24 14:05")
        assert explain(OFFICE, shown, calendar_name="Office").sentence == (
            "was due Tue 13:00: received Tue 09:00, 5 h 5 min of 4 h used, 1 h 5 min over, calendar Office"
        )

    def test_of_a_stopped_clock_says_how_it_ended(self) -> None:
        met = reading(Run(utc("03-24 09:00"), utc("03-24 10:00")), now="03-27 12:00", stopped_at="03-24 10:00")
        assert explain(OFFICE, met, calendar_name="Office").sentence == (
            "met (done Tue 10:00, was due Tue 13:00): received Tue 09:00, 1 h of 4 h used, calendar Office"
        )
        missed = reading(Run(utc("03-24 09:00"), utc("03-24 14:00")), now="03-27 12:00", stopped_at="03-24 14:00")
        assert (
            explain(OFFICE, missed, calendar_name="Office").parts["due"] == "missed (done Tue 14:00, was due Tue 13:00)"
        )

    def test_adds_up_pauses_by_reason(self) -> None:
        pauses = [
            Pause(utc("03-24 10:00"), utc("03-24 11:00"), "awaiting_customer"),
            Pause(utc("03-24 11:30"), utc("03-24 12:00"), "awaiting_vendor"),
            Pause(utc("03-24 13:00"), utc("03-24 13:30"), "awaiting_customer"),
            Pause(utc("03-24 14:00"), utc("03-24 14:00:20"), "resolved"),
            Pause(utc("03-24 15:00"), utc("03-24 15:10"), "some_status_of_tomorrow"),
        ]
        shown = reading(*runs_from_pauses(utc("03-24 09:00"), pauses), now="03-24 16:00")
        assert explain(OFFICE, shown, calendar_name="Office", pauses=pauses).parts["paused"] == (
            "paused 1 h 30 min while awaiting the customer and 30 min while awaiting the vendor and 10 min"
        )

    def test_tells_the_whole_time_when_each_pause_is_too_short_to_tell(self) -> None:
        pauses = [
            Pause(utc("03-24 10:00"), utc("03-24 10:00:40"), "awaiting_customer"),
            Pause(utc("03-24 11:00"), utc("03-24 11:00:40"), "awaiting_vendor"),
        ]
        shown = reading(*runs_from_pauses(utc("03-24 09:00"), pauses), now="03-24 12:00")
        assert explain(OFFICE, shown, calendar_name="Office", pauses=pauses).parts["paused"] == "paused 1 min"

    def test_counts_a_pause_only_until_the_moment_of_reading(self) -> None:
        pauses = [Pause(utc("03-24 10:00"), reason="awaiting_customer"), Pause(utc("03-25 10:00"), reason="closed")]
        shown = reading(*runs_from_pauses(utc("03-24 09:00"), pauses[:1]), now="03-24 12:00")
        assert explain(OFFICE, shown, calendar_name="Office", pauses=pauses).parts["paused"] == (
            "paused 2 h while awaiting the customer"
        )

    def test_speaks_the_language_in_force(self) -> None:
        shown = reading(Run(utc("03-24 09:00")), now="03-24 10:00")
        with translation.override("de"):
            assert "Di" in explain(OFFICE, shown, calendar_name="Büro").parts["due"]


class TestWords:
    @pytest.mark.parametrize(
        ("minutes_long", "working", "wall"),
        [
            (0, "0 min", "0 min"),
            (59, "59 min", "59 min"),
            (60, "1 h", "1 h"),
            (200, "3 h 20 min", "3 h 20 min"),
            (26 * 60, "26 h", "1 d 2 h"),
            (168 * 60, "168 h", "7 d"),
            (24 * 60 + 1, "24 h 1 min", "1 d 1 min"),
        ],
    )
    def test_for_durations_count_working_time_in_hours(self, minutes_long: int, working: str, wall: str) -> None:
        assert working_duration(minutes(minutes_long) + timedelta(seconds=59)) == working
        assert wall_duration(minutes(minutes_long)) == wall

    @pytest.mark.parametrize(
        ("at", "words"),
        [
            ("03-26 13:10", "Thu 14:10"),
            ("03-27 13:10", "Fri 14:10"),
            ("03-28 23:30", "Sun 29 Mar 00:30"),  # in the calendar's zone it is already the next day
            ("03-31 12:10", "Tue 31 Mar 14:10"),
            ("03-21 08:00", "Sat 09:00"),
            ("03-20 08:00", "Fri 20 Mar 09:00"),
        ],
    )
    def test_for_moments_are_as_short_as_is_clear(self, at: str, words: str) -> None:
        assert moment(utc(at), calendar=BERLIN, seen_from=utc("03-24 09:00")) == words

    def test_for_moments_of_another_year_name_it(self) -> None:
        assert (
            moment(utc("01-02 09:00"), calendar=OFFICE, seen_from=datetime(2025, 12, 20, tzinfo=UTC))
            == "Fri 2 Jan 2026 09:00"
        )


# --- Against counting minutes -----------------------------------------------------------------------------------------

BASE = utc("03-27 06:00")  # a Friday; Berlin's clocks change on the Sunday
SPAN = 5 * 24 * 60

pause_lists = st.lists(
    st.tuples(st.integers(0, SPAN), st.integers(0, 24 * 60)).map(
        lambda pair: Pause(BASE + minutes(pair[0]), BASE + minutes(pair[0] + pair[1]))
    ),
    max_size=5,
)


@cache
def calendar_and_its_minutes(zone: str) -> tuple[WorkingCalendar, list[datetime]]:
    days = dict.fromkeys(("mon", "tue", "fri", "sat", "sun"), (("08:00", "12:15"), ("13:00", "24:00")))
    calendar = WorkingCalendar(zone, days)
    return calendar, [at for at in (BASE + minutes(count) for count in range(SPAN * 2)) if calendar.is_working(at)]


class TestAgainstCountingMinutes:
    @settings(max_examples=40, deadline=None)
    @given(
        pauses=pause_lists,
        target=st.integers(1, 16 * 60),
        now_minute=st.integers(0, SPAN),
        zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    )
    def test_agrees(self, pauses: list[Pause], target: int, now_minute: int, zone: str) -> None:
        calendar, working = calendar_and_its_minutes(zone)
        counted = [at for at in working if not any(pause.started_at <= at < (pause.ended_at or at) for pause in pauses)]
        now = BASE + minutes(now_minute)
        shown = read(
            calendar,
            started_at=BASE,
            runs=runs_from_pauses(BASE, pauses),
            target_minutes=target,
            at_risk_percent=100,
            now=BASE + minutes(SPAN * 2),
        )
        assert shown.due_at == shown.at_risk_at == counted[target - 1] + minutes(1)
        as_it_stood = read(
            calendar,
            started_at=BASE,
            runs=runs_from_pauses(BASE, pauses),
            target_minutes=target,
            at_risk_percent=50,
            now=now,
        )
        assert as_it_stood.used_minutes == len([at for at in counted if at < now])


# --- Published cases --------------------------------------------------------------------------------------------------


def published(part: str) -> list[Any]:
    if not CORPUS.is_file():
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason="the shared corpora are not here"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(CORPUS.read_text())[part]]


def published_runs(case: dict[str, Any], start: str) -> tuple[WorkingCalendar, datetime, tuple[Run, ...]]:
    calendar = WorkingCalendar.parse(json.loads(CORPUS.read_text())["calendars"][case["calendar"]])
    pauses = [Pause(datetime.fromisoformat(begin), datetime.fromisoformat(end)) for begin, end in case["pauses"]]
    started_at = datetime.fromisoformat(case[start])
    return calendar, started_at, runs_from_pauses(started_at, pauses)


class TestPublishedCases:
    @pytest.mark.parametrize("case", published("due"))
    def test_of_due_dates(self, case: dict[str, Any]) -> None:
        calendar, started_at, runs = published_runs(case, "start")
        shown = read(
            calendar,
            started_at=started_at,
            runs=runs,
            target_minutes=case["working_minutes"],
            at_risk_percent=75,
            now=datetime(2020, 1, 1, tzinfo=UTC),
        )
        assert shown.due_at == datetime.fromisoformat(case.get("inclusive_boundary_due", case["expected_due"]))

    @pytest.mark.parametrize("case", published("elapsed"))
    def test_of_elapsed_time(self, case: dict[str, Any]) -> None:
        calendar, started_at, runs = published_runs(case, "from")
        shown = read(
            calendar,
            started_at=started_at,
            runs=runs,
            target_minutes=1,
            at_risk_percent=75,
            now=datetime.fromisoformat(case["to"]),
        )
        assert shown.used_minutes == case["expected_working_minutes"]
