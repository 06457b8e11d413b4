"""The event log in words."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import User
from cases import history
from cases.admin_base import readable_json
from cases.models import Case, EventDetail, TimelineEvent
from cases.services import add_note, assign_case, change_status, update_case
from tests.factories import NOON, later, make_case

pytestmark = pytest.mark.django_db


def newest(case: Case) -> history.Line:
    return history.of_case(case)[0][0]


class TestALine:
    def test_says_a_change_of_status_with_labels(self, agent: User) -> None:
        case = make_case()
        change_status(case.pk, "awaiting_customer", at=later(hours=1), actor=Actor.user(agent))
        line = newest(case)
        assert (line.label, line.who) == ("Status changed", "ana")
        assert line.changes == [history.Change("Status", "New", "Awaiting Customer")]

    def test_says_nobody_as_a_dash_and_gives_the_reason(self, agent: User) -> None:
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.system("tests"), reason="The fewest cases")
        line = newest(case)
        assert line.changes == [history.Change("Assigned to", "\u2013", "ana")]
        assert line.remarks == ["The fewest cases"]
        assert line.who == "System (tests)"

    def test_shows_what_is_personal_until_it_is_erased(self, agent: User) -> None:
        case = make_case(title="Old title")
        update_case(case.pk, {"title": "New title"}, at=NOON, actor=Actor.user(agent))
        assert newest(case).changes == [history.Change("Title", "Old title", "New title")]
        EventDetail.objects.update(body=None)
        assert newest(case).changes == []

    def test_carries_the_words_of_a_note(self, agent: User) -> None:
        case = make_case()
        add_note(case.pk, "Call back <b>tomorrow</b>", at=NOON, actor=Actor.user(agent))
        assert newest(case).remarks == ["Call back <b>tomorrow</b>"]

    def test_asks_for_all_names_at_once(self, agent: User, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def] # a fixture
        case = make_case()
        for number in range(6):
            add_note(case.pk, f"Note {number}", at=NOON, actor=Actor.user(agent))
        with django_assert_num_queries(2):
            history.of_case(case)

    def test_knows_somebody_who_is_gone(self) -> None:
        event = TimelineEvent(kind="odd_thing", actor_kind="user", actor_reference="0", subject_type="case")
        line = history.in_words([event])[0]
        assert (line.label, line.who) == ("odd_thing", "somebody who is gone")


class TestAWord:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("priority", "high", "High"),
            ("priority", "gone", "gone"),
            ("tags", ["a", "b"], "a, b"),
            ("tags", [], "\u2013"),
            ("metadata", {"b": 1}, '{"b": 1}'),
            ("escalation_level", 0, "0"),
            ("unknown", True, "yes"),
            ("unknown", False, "no"),
            ("resolved_at", "yesterday", "yesterday"),
            ("resolved_at", "2026-99-99T00:00:00Z", "2026-99-99T00:00:00Z"),
        ],
    )
    def test_is_the_value_as_people_say_it(self, name: str, value: object, expected: str) -> None:
        assert history.in_word(Case, name, value) == expected

    def test_shows_a_moment_in_the_readers_zone(self) -> None:
        moment = datetime(2026, 7, 1, 10, 0, tzinfo=UTC).isoformat()
        with timezone.override(ZoneInfo("Europe/Berlin")):
            assert history.in_word(Case, "resolved_at", moment) == "1 Jul 2026 12:00"

    def test_cuts_what_is_long(self) -> None:
        assert len(history.in_word(None, "text", "x" * 1000)) == history.LONGEST


class TestReadableJson:
    def test_keeps_short_things_on_one_line(self) -> None:
        assert readable_json({"a": [1, 2]}) == '{"a": [1, 2]}'

    def test_opens_what_is_long_one_level_at_a_time(self) -> None:
        short = {"first": "x" * 40}
        assert readable_json({"one": short, "two": [short["first"]]}) == (
            '{\n  "one": {"first": "' + "x" * 40 + '"},\n  "two": ["' + "x" * 40 + '"]\n}'
        )
