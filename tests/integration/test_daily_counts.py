"""The daily roll-ups: counted once as events come, and the same when they are counted again."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from analytics import services
from analytics.metrics import METRIC, metric_of
from analytics.models import DailyCount
from analytics.periods import Period
from analytics.queries import flow
from cases import listeners
from cases.listeners import drain
from cases.models import ListenerCursor, ListenerFailure, TimelineEvent
from cases.services import change_status
from mail_ingest.services import record_reply
from tests.factories import NOON, SYSTEM, MailboxFactory, PolicyFactory, later, make_case

pytestmark = pytest.mark.django_db

UTC_ZONE = ZoneInfo("UTC")


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def days() -> dict[tuple[int, str], int]:
    return {(row.day.day, row.metric): row.count for row in DailyCount.objects.all()}


def a_week() -> None:
    """Three cases: one done, one reopened, one closed late with an answer."""
    PolicyFactory.create()
    MailboxFactory.create()
    one, two = make_case(at=at(2, 23, 59)), make_case(at=at(3, 0, 1))
    three = make_case(at=at(3), priority="critical")
    change_status(one.pk, "resolved", at=at(3), actor=SYSTEM)
    change_status(one.pk, "closed", at=at(5), actor=SYSTEM)
    change_status(two.pk, "resolved", at=at(4), actor=SYSTEM)
    change_status(two.pk, "in_progress", at=at(5), actor=SYSTEM)
    record_reply(three, body="We come.", at=at(3, 12, 30), actor=SYSTEM)
    change_status(three.pk, "closed", at=at(4), actor=SYSTEM)


A_WEEK = {
    (2, "arrived"): 1,
    (3, "arrived"): 2,
    (3, "resolved"): 1,
    (4, "resolved"): 2,
    (5, "reopened"): 1,
    (3, "breached"): 2,  # the second case's first answer was due at 17:00, the third case at 16:00
    (3, "messages_out"): 1,
}


class TestCounting:
    def test_counts_each_event_once_on_the_day_on_which_it_occurred(self) -> None:
        a_week()
        assert days() == {}
        drain(now=NOON)
        assert days() == A_WEEK
        drain(now=NOON)
        assert days() == A_WEEK

    def test_begins_with_the_oldest_event_of_the_log(self) -> None:
        a_week()
        ListenerCursor.objects.all().delete()
        drain(now=NOON)  # seals; nobody reads
        listeners.create_cursors()
        positions = dict(ListenerCursor.objects.values_list("name", "position"))
        assert positions.pop("analytics") == 0
        assert all(position > 0 for position in positions.values())
        drain(now=NOON)
        assert days() == A_WEEK


class TestRecount:
    def test_finds_nothing_wrong_with_what_was_counted(self) -> None:
        a_week()
        drain(now=NOON)
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 0
        assert days() == A_WEEK

    def test_puts_right_what_is_wrong_and_nothing_else(self) -> None:
        a_week()
        drain(now=NOON)
        DailyCount.objects.filter(metric="breached").delete()
        DailyCount.objects.filter(metric="resolved").update(count=9)
        DailyCount.objects.create(day=date(2026, 3, 7), metric="arrived", count=3)
        DailyCount.objects.create(day=date(2026, 3, 8), metric="arrived", count=3)  # beyond what is recounted
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 4
        assert days() == {**A_WEEK, (8, "arrived"): 3}
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 0

    def test_leaves_to_the_listener_what_it_has_not_read(self) -> None:
        make_case(at=at(2))
        drain(now=NOON)
        make_case(at=at(2))
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 0
        drain(now=NOON)
        assert days() == {(2, "arrived"): 2}

    def test_does_not_count_what_was_set_aside(self) -> None:
        make_case(at=at(2))
        drain(now=NOON)
        event = TimelineEvent.objects.get(kind="case_created")
        failure = ListenerFailure.objects.create(
            listener="analytics", event=event, error="broken", failed_at=NOON, set_aside_at=NOON
        )
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 1
        assert days() == {}
        listeners.retry_set_aside(failure.pk, at=NOON, actor=SYSTEM)
        assert days() == {(2, "arrived"): 1}
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 0

    def test_without_a_listener_counts_nothing(self) -> None:
        make_case(at=at(2))
        ListenerCursor.objects.all().delete()
        assert services.recount(first=date(2026, 3, 1), last=date(2026, 3, 7)) == 0

    def test_of_events_that_do_not_count_changes_nothing(self) -> None:
        case = make_case(at=at(2))
        change_status(case.pk, "in_progress", at=at(3), actor=SYSTEM)
        for event in TimelineEvent.objects.filter(kind="case_status_changed"):
            services.count([event])
        assert days() == {}


class TestTheCommand:
    def test_counts_all_there_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        a_week()
        drain(now=NOON)
        DailyCount.objects.all().delete()
        DailyCount.objects.create(day=date(2025, 1, 1), metric="arrived", count=1)
        call_command("recount")
        assert "2025-01-01 to 2026-03-05: 8 figures put right." in capsys.readouterr().out
        assert days() == A_WEEK

    def test_counts_the_days_that_are_asked_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        a_week()
        drain(now=NOON)
        DailyCount.objects.all().delete()
        call_command("recount", first=date(2026, 3, 2), last=date(2026, 3, 2))
        assert "1 figures" in capsys.readouterr().out
        assert days() == {(2, "arrived"): 1}

    def test_refuses_days_in_the_wrong_order(self) -> None:
        with pytest.raises(CommandError, match="comes after"):
            call_command("recount", first=date(2026, 3, 3), last=date(2026, 3, 2))


class TestTheTwoWaysToSayWhatCounts:
    @pytest.mark.parametrize(
        ("kind", "changes", "data"),
        [
            (kind, changes, data)
            for kind in (
                "case_created",
                "case_status_changed",
                "sla_breached",
                "message_received",
                "message_sent",
                "outbound_sent",
                "note_added",
            )
            for changes, data in (
                ({}, {}),
                ({"status": ["new", "resolved"]}, {"reopened": False}),
                ({"status": ["in_progress", "closed"]}, {}),
                ({"status": ["resolved", "closed"]}, {"reopened": False}),
                ({"status": ["closed", "in_progress"]}, {"reopened": True}),
                ({"status": [None, "closed"]}, {"reopened": None}),
                ({"priority": ["new", "resolved"]}, {"by_us": True}),
                ({}, {"by_us": False}),
                ({}, {"purpose": "notification"}),
                ({}, {"purpose": "reply"}),
                ({}, {"purpose": None}),
            )
        ],
    )
    def test_agree(self, kind: str, changes: dict[str, Any], data: dict[str, Any]) -> None:
        event = TimelineEvent.objects.create(
            kind=kind,
            subject_type="case",
            subject_id="1",
            actor_kind="system",
            actor_reference="tests",
            occurred_at=NOON,
            recorded_at=NOON,
            changes=changes,
            data=data,
        )
        told = TimelineEvent.objects.filter(pk=event.pk).values_list(METRIC, flat=True).get()
        assert (told or None) == metric_of(kind, changes=changes, data=data)


class TestByDay:
    def test_is_of_this_moment_whatever_the_listener_has_read(self) -> None:
        period = Period(date(2026, 3, 1), date(2026, 3, 7), UTC_ZONE)
        a_week()
        unsealed = flow.by_day(period)
        drain(now=NOON, max_rounds=1)
        half_read = flow.by_day(period)
        drain(now=NOON)
        read = flow.by_day(period)
        make_case(at=at(6))
        assert {(day.day, metric): count for (day, metric), count in read.items()} == A_WEEK
        assert unsealed == half_read == read
        assert flow.by_day(period)[date(2026, 3, 6), "arrived"] == 1

    def test_follows_the_days_of_the_reader(self) -> None:
        make_case(at=at(2, 23, 30))
        make_case(at=later(days=-2, hours=1))  # the 2nd, 13:00
        drain(now=NOON)
        berlin = flow.by_day(Period(date(2026, 3, 2), date(2026, 3, 3), ZoneInfo("Europe/Berlin")))
        assert berlin == {(date(2026, 3, 2), "arrived"): 1, (date(2026, 3, 3), "arrived"): 1}
        only_the_third = flow.by_day(Period(date(2026, 3, 3), date(2026, 3, 3), ZoneInfo("Europe/Berlin")))
        assert only_the_third == {(date(2026, 3, 3), "arrived"): 1}
