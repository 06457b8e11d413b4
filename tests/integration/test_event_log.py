"""The event log on the real database: append-only, sealed in order, and checked."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from accounts.actors import Actor
from cases import append_only, facts, timeline
from cases.models import EventDetail, LogHead, TimelineEvent
from cases.services import add_note, change_status
from tests.factories import NOON, SYSTEM, later, make_case

pytestmark = pytest.mark.django_db


class TestEmit:
    @pytest.mark.django_db(transaction=True)
    def test_refuses_to_write_outside_a_transaction(self) -> None:
        case = make_case()
        with pytest.raises(timeline.OutsideTransaction):
            facts.case_updated.emit(case=case, actor=SYSTEM, at=NOON)

    def test_needs_something_that_it_is_about(self) -> None:
        with pytest.raises(ValueError, match="needs a case or a subject"):
            facts.case_updated.emit(actor=SYSTEM, at=NOON)

    def test_keeps_what_is_personal_in_the_side_row(self) -> None:
        case = make_case(title="Leak at Mrs Example's flat")
        event = TimelineEvent.objects.get(kind="case_created")
        assert "Example" not in str([event.changes, event.data])
        assert (event.detail.body or {})["title"] == case.title

    def test_tells_the_signal_only_after_commit(self, django_capture_on_commit_callbacks: Any) -> None:
        heard: list[dict[str, Any]] = []

        def hear(**values: Any) -> None:
            heard.append(values)

        facts.case_created.connect(hear)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                case = make_case()
                assert heard == []
        finally:
            facts.case_created.disconnect(hear)
        assert [(values["case_id"], values["kind"]) for values in heard] == [(case.pk, "case_created")]

    def test_carries_the_cause_and_the_depth_of_its_actor(self) -> None:
        case = make_case()
        first = TimelineEvent.objects.get(kind="case_created")
        change_status(case.pk, "in_progress", at=NOON, actor=Actor.rule(7, cause_id=first.pk, depth=2))
        event = TimelineEvent.objects.get(kind="case_status_changed")
        assert (event.cause_id, event.depth, event.actor_kind, event.actor_reference) == (first.pk, 2, "rule", "7")

    def test_is_refused_by_the_database_when_it_is_too_deep(self) -> None:
        case = make_case()
        with pytest.raises(DatabaseError), transaction.atomic():
            change_status(case.pk, "in_progress", at=NOON, actor=Actor.rule(7, cause_id=None, depth=6))


class TestTheDatabase:
    @pytest.mark.parametrize("sealed", [False, True])
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE cases_timelineevent SET kind = 'forged'",
            "UPDATE cases_timelineevent SET data = '{}'",
            "UPDATE cases_timelineevent SET occurred_at = '2020-01-01 00:00:00+00:00'",
            "DELETE FROM cases_timelineevent",
        ],
    )
    def test_refuses_to_change_an_event(self, statement: str, *, sealed: bool) -> None:
        make_case()
        if sealed:
            timeline.seal()
        before = list(TimelineEvent.objects.values_list("id", "kind", "data", "occurred_at"))
        with (
            pytest.raises(DatabaseError, match=r"append-only|truncate"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert list(TimelineEvent.objects.values_list("id", "kind", "data", "occurred_at")) == before

    def test_refuses_a_second_seal(self) -> None:
        make_case()
        timeline.seal()
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            TimelineEvent.objects.filter(position=1).update(hash="f" * 64)

    def test_refuses_truncate_on_postgresql(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has no TRUNCATE")
        make_case()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE cases_timelineevent CASCADE")

    def test_refuses_half_a_seal(self) -> None:
        make_case()
        with pytest.raises(DatabaseError), transaction.atomic():
            TimelineEvent.objects.update(position=5)

    def test_says_in_the_system_check_when_its_protection_is_gone(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert append_only.missing() == []
        append_only.lift()
        try:
            assert "event_log_no_update" in append_only.missing()
            with pytest.raises(Exception, match=r"cases\.E001"):
                call_command("check", databases=["default"])
        finally:
            append_only.install()
        assert append_only.missing() == []


class TestSeal:
    def test_gives_gapless_positions_in_order_and_chains_the_hashes(self) -> None:
        case = make_case()
        add_note(case.pk, "one", at=NOON, actor=SYSTEM)
        sealed = timeline.seal()
        events = list(TimelineEvent.objects.order_by("position"))
        assert [event.position for event in events] == list(range(1, sealed + 1))
        assert LogHead.objects.get().hash == events[-1].hash
        assert timeline.seal() == 0

    def test_is_the_hash_that_the_documentation_describes(self) -> None:
        make_case()
        timeline.seal()
        event = TimelineEvent.objects.get(position=1)
        written = timeline.canonical(
            [
                "", 1, event.pk, event.kind, event.case_id, event.subject_type, event.subject_id, event.actor_kind,
                event.actor_reference, event.occurred_at.isoformat(), event.recorded_at.isoformat(), event.changes,
                event.data, event.detail_digest, event.cause_id, event.depth,
            ]
        )  # fmt: skip
        assert event.hash == hashlib.sha256(written.encode()).hexdigest()

    def test_goes_on_where_it_ended(self) -> None:
        case = make_case()
        first = timeline.seal()
        add_note(case.pk, "more", at=NOON, actor=SYSTEM)
        assert timeline.seal() == 1
        assert TimelineEvent.objects.get(kind="note_added").position == first + 1


class TestVerify:
    def test_finds_nothing_wrong_with_an_honest_log(self) -> None:
        make_case()
        timeline.seal()
        assert list(timeline.verify()) == []

    def test_holds_after_a_person_was_erased(self) -> None:
        make_case()
        timeline.seal()
        EventDetail.objects.update(body=None)
        assert list(timeline.verify()) == []

    def test_finds_a_changed_event(self) -> None:
        make_case()
        timeline.seal()
        with append_only.lifted():
            TimelineEvent.objects.filter(position=2).update(occurred_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert [fault.position for fault in timeline.verify()] == [2]

    def test_finds_a_changed_personal_part(self) -> None:
        make_case()
        timeline.seal()
        detail = EventDetail.objects.get(event__kind="case_created")
        EventDetail.objects.filter(pk=detail.pk).update(body={"title": "forged"})
        assert [fault.position for fault in timeline.verify()] == [detail.event.position]

    def test_finds_a_missing_personal_part(self) -> None:
        make_case()
        timeline.seal()
        EventDetail.objects.filter(event__kind="case_created").delete()
        assert ["missing" in fault.detail for fault in timeline.verify()] == [True]

    def test_finds_a_missing_event_and_a_missing_end(self) -> None:
        case = make_case()
        add_note(case.pk, "the end", at=later(hours=1), actor=SYSTEM)
        timeline.seal()
        last = LogHead.objects.get().position
        with append_only.lifted():
            EventDetail.objects.filter(event__position__in=[1, last]).delete()
            TimelineEvent.objects.filter(position__in=[1, last]).delete()
        positions = {fault.position for fault in timeline.verify()}
        assert {1, last} <= positions
