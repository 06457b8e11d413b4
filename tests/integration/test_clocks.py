"""Clocks on cases. Times are counted by hand: the calendar is Monday to Friday, 9 to 17, UTC; NOON is a Wednesday."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from accounts.actors import Actor
from cases.models import Case, TimelineEvent
from cases.services import change_status, delete_case, locked, update_case
from sla import services
from sla.models import SLAClock, SLAPolicy
from tests.factories import NOON, SYSTEM, PolicyFactory, later, make_case

pytestmark = pytest.mark.django_db


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment in March 2026. The 4th is the Wednesday of NOON."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def clock(case: Case, kind: str, cycle: int = 1) -> SLAClock:
    return SLAClock.objects.get(case=case, kind=kind, cycle=cycle)


def told(case: Case) -> list[str]:
    kinds = TimelineEvent.objects.filter(case=case, kind__startswith="sla_").order_by("id")
    return list(kinds.values_list("kind", flat=True))


@pytest.fixture(autouse=True)
def policy() -> SLAPolicy:
    return PolicyFactory.create()


class TestStart:
    def test_counts_working_hours_from_when_the_mail_came(self) -> None:
        case = make_case(priority="high", received_at=at(3, 16))  # Tuesday 16:00
        assert clock(case, "first_response").due_at == at(4, 12)  # 1 h on Tuesday, 3 h on Wednesday
        assert clock(case, "resolution").due_at == at(6, 16)  # 24 h: 1 + 8 + 8 + 7
        assert clock(case, "resolution").escalate_at == at(5, 12)  # 12 h: 1 + 8 + 3
        assert (case.sla_due_date, case.sla_status) == (at(4, 12), "at_risk")  # 75 % of 4 h: Wednesday 11:00

    def test_makes_no_promise_without_a_policy_or_a_target(self, policy: SLAPolicy) -> None:
        SLAPolicy.objects.update(targets={"high": policy.targets["high"]})
        assert make_case(priority="low").sla_status == "not_applicable"
        SLAPolicy.objects.update(is_active=False)
        assert make_case(priority="high").sla_status == "not_applicable"

    def test_files_the_case_also_when_the_calendar_has_no_working_time(self, policy: SLAPolicy) -> None:
        policy.calendar.hours = {}
        policy.calendar.save()
        assert make_case(priority="high").sla_status == "not_applicable"

    def test_keeps_the_terms_that_it_was_started_with(self, policy: SLAPolicy) -> None:
        case = make_case(priority="high")
        policy.targets["high"]["resolution_minutes"] = 1
        policy.save()
        services.follow_priority(case, NOON, SYSTEM)
        assert clock(case, "resolution").target_minutes == 1440


class TestStatus:
    def test_pauses_while_awaiting_the_customer_and_goes_on(self) -> None:
        case = make_case(priority="high")  # resolution: 24 h from Wednesday 12:00, due Monday 9th 12:00
        assert clock(case, "resolution").due_at == at(9, 12)
        case = change_status(case.pk, "awaiting_customer", at=at(4, 15), actor=SYSTEM)
        paused = clock(case, "resolution")
        assert (paused.state, paused.due_at, paused.next_check_at) == ("paused", None, None)
        case = change_status(case.pk, "in_progress", at=at(6, 9), actor=SYSTEM)  # 10 working hours later
        assert clock(case, "resolution").due_at == at(10, 14)

    def test_runs_on_while_awaiting_the_vendor(self) -> None:
        case = make_case(priority="high")
        change_status(case.pk, "awaiting_vendor", at=at(4, 15), actor=SYSTEM)
        assert clock(case, "resolution").state == "running"

    def test_shows_paused_when_nothing_else_runs(self) -> None:
        case = make_case(priority="high")
        services.note_first_response(case, at=at(4, 13), actor=SYSTEM)
        case = change_status(case.pk, "awaiting_customer", at=at(4, 15), actor=SYSTEM)
        assert (case.sla_status, case.sla_due_date) == ("paused", None)

    def test_is_met_when_resolved_in_time(self) -> None:
        case = make_case(priority="high")
        case = change_status(case.pk, "resolved", at=at(4, 14), actor=SYSTEM)
        assert clock(case, "resolution").state == "met"
        assert clock(case, "first_response").state == "cancelled"  # nobody answered, and nobody was late
        assert (case.sla_status, case.sla_due_date) == ("met", None)
        assert told(case) == ["sla_met"]

    def test_is_missed_when_resolved_too_late_and_says_so_once(self) -> None:
        case = make_case(priority="critical")  # resolution: 4 h, due Wednesday 16:00
        case = change_status(case.pk, "resolved", at=at(4, 16, 1), actor=SYSTEM)
        assert clock(case, "resolution").state == "missed"
        assert case.sla_status == "breached"
        services.sweep_clocks(now=at(5, 9))
        assert told(case).count("sla_breached") == 2  # the first response was missed as well

    def test_is_met_to_the_instant(self) -> None:
        case = make_case(priority="critical")
        change_status(case.pk, "resolved", at=at(4, 16), actor=SYSTEM)
        assert clock(case, "resolution").state == "met"

    def test_starts_again_when_the_case_is_reopened(self) -> None:
        case = make_case(priority="critical")
        change_status(case.pk, "closed", at=at(4, 13), actor=SYSTEM)
        case = change_status(case.pk, "in_progress", at=at(5, 10), actor=SYSTEM)
        assert clock(case, "resolution", cycle=2).due_at == at(5, 14)
        assert (case.sla_status, case.sla_due_date) == ("on_time", at(5, 14))

    def test_makes_no_second_promise_where_there_was_no_first(self) -> None:
        SLAPolicy.objects.update(is_active=False)
        case = make_case()
        change_status(case.pk, "closed", at=at(4, 13), actor=SYSTEM)
        assert change_status(case.pk, "in_progress", at=at(5, 10), actor=SYSTEM).sla_status == "not_applicable"


class TestPriority:
    def test_counts_the_new_promise_from_the_same_start(self) -> None:
        case = make_case(priority="low")
        case = update_case(case.pk, {"priority": "critical"}, at=at(4, 12, 30), actor=SYSTEM)
        assert clock(case, "first_response").due_at == at(4, 13)
        assert case.sla_due_date == at(4, 13)

    def test_keeps_the_old_promise_where_the_policy_has_none(self, policy: SLAPolicy) -> None:
        SLAPolicy.objects.update(targets={"high": policy.targets["high"]})
        case = make_case(priority="high")
        update_case(case.pk, {"priority": "low"}, at=NOON, actor=SYSTEM)
        assert clock(case, "resolution").due_at == at(9, 12)


class TestFirstResponse:
    def test_is_met_by_an_answer_in_time_and_noted_once(self) -> None:
        case = make_case(priority="high")
        services.note_first_response(case, at=at(4, 15), actor=SYSTEM)
        services.note_first_response(case, at=at(4, 16), actor=SYSTEM)
        first = clock(case, "first_response")
        assert (first.state, first.stopped_at) == ("met", at(4, 15))
        assert case.sla_due_date == at(9, 12)  # now the resolution is what comes next


class TestSweep:
    def test_tells_of_nothing_before_its_time(self) -> None:
        case = make_case(priority="high")
        assert services.sweep_clocks(now=at(4, 14, 59)) == 0
        assert told(case) == []

    def test_tells_when_at_risk_and_when_breached_once_each(self) -> None:
        case = make_case(priority="high")  # first response: 4 h; at risk after 3 h, due at 16:00
        services.sweep_clocks(now=at(4, 15))
        case.refresh_from_db()
        assert (told(case), case.sla_status) == (["sla_at_risk"], "at_risk")
        services.sweep_clocks(now=at(4, 16))  # due to the instant: still in time
        assert told(case) == ["sla_at_risk"]
        services.sweep_clocks(now=at(4, 16, 1))
        services.sweep_clocks(now=at(4, 16, 2))
        case.refresh_from_db()
        assert (told(case), case.sla_status) == (["sla_at_risk", "sla_breached"], "breached")

    def test_says_after_a_night_of_standing_still_when_it_should_have_been(self) -> None:
        case = make_case(priority="critical")  # resolution: escalates 14:00, at risk 15:00, due 16:00
        services.note_first_response(case, at=at(4, 12, 30), actor=SYSTEM)
        services.sweep_clocks(now=at(5, 8))
        happened = TimelineEvent.objects.filter(case=case, actor_reference="sla").order_by("id")
        assert [(event.kind, event.occurred_at) for event in happened if event.kind != "sla_met"] == [
            ("sla_escalated", at(4, 14)), ("sla_at_risk", at(4, 15)), ("sla_breached", at(4, 16)),
        ]  # fmt: skip
        assert happened.latest("id").data["noticed_at"].startswith("2026-03-05T08:00")

    def test_leaves_deleted_cases_alone(self) -> None:
        case = make_case(priority="critical")
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        services.sweep_clocks(now=at(6, 12))
        assert told(case) == []

    def test_works_through_more_than_one_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "BATCH", 2)
        for _number in range(3):
            make_case(priority="critical")
        assert services.sweep_clocks(now=at(5, 12)) == 6

    def test_says_a_late_answer_was_missed_only_once(self) -> None:
        case = make_case(priority="critical")
        services.sweep_clocks(now=at(4, 13, 30))
        services.note_first_response(case, at=at(4, 14), actor=Actor.system("test"))
        assert clock(case, "first_response").state == "missed"
        assert told(case).count("sla_breached") == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time")
@pytest.mark.django_db(transaction=True)
class TestASweepBesideAMove:
    def test_leaves_the_case_to_the_next_sweep(self) -> None:
        """Waiting for each other, the move for the clock and the sweep for the case, would end one of the two."""
        case = make_case(priority="critical")
        seen: list[int] = []

        def sweep() -> None:
            seen.append(services.sweep_clocks(now=at(5, 12)))
            connection.close()

        with transaction.atomic():
            locked(case.pk)
            beside = threading.Thread(target=sweep)
            beside.start()
            beside.join(timeout=10)
            assert seen == [0]
        assert services.sweep_clocks(now=at(5, 12)) == 2


class TestExplain:
    def test_says_why_a_case_is_due_when_it_is(self) -> None:
        case = make_case(priority="high", received_at=at(3, 16, 30))
        change_status(case.pk, "awaiting_customer", at=at(4, 10), actor=SYSTEM)
        change_status(case.pk, "in_progress", at=at(5, 10), actor=SYSTEM)
        explanation = services.explain_clock(clock(case, "resolution"), now=at(5, 12))
        assert explanation.reading.used_minutes == 30 + 60 + 120
        assert "1 d while awaiting the customer" in explanation.sentence
        assert "3 h 30 min of 24 h used" in explanation.sentence

    def test_reads_a_stopped_clock(self) -> None:
        case = make_case(priority="high")
        change_status(case.pk, "resolved", at=later(hours=2), actor=SYSTEM)
        assert services.explain_clock(clock(case, "resolution"), now=at(9, 9)).sentence.startswith("met")
