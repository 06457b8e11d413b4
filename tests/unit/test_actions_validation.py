"""What can be said about a rule's actions, trigger and words without asking the database."""

from typing import Any

import pytest

from notifications import wording
from workflows import actions, silence
from workflows.models import WorkflowRule
from workflows.validation import problems

HIGH = {"all": [{"field": "case.priority", "op": "in", "value": ["high", "urgent"]}]}
ESCALATE = [{"do": "escalate"}]


def rule(**values: Any) -> WorkflowRule:
    given = {"trigger": "case_created", "trigger_options": {}, "conditions": HIGH, "actions": ESCALATE}
    return WorkflowRule(slug="a-rule", name="A rule", **(given | values))


class TestTheProblemsOfARule:
    def test_are_none_when_it_is_whole(self) -> None:
        assert problems(rule()) == {}

    def test_name_everything_at_once(self) -> None:
        found = problems(rule(trigger_options={"status": "new"}, conditions=[], actions=[]))
        assert set(found) == {"trigger_options", "conditions", "actions"}

    @pytest.mark.parametrize("listed", [None, {}, "escalate", []])
    def test_want_a_list_of_actions(self, listed: Any) -> None:
        assert problems(rule(actions=listed)) == {"actions": ["actions: must be a list of at least one action"]}

    def test_refuse_a_list_of_actions_without_end(self) -> None:
        assert problems(rule(actions=ESCALATE * 51)) == {"actions": ["actions: has more than 50 actions"]}

    def test_name_an_unknown_action_and_the_known_ones(self) -> None:
        (message,) = problems(rule(actions=[*ESCALATE, {"do": "explode"}]))["actions"]
        assert message.startswith("actions[1].do: 'explode' is not an action; choose add_note, add_tag, ")

    @pytest.mark.parametrize("item", [{}, {"do": None}, {"do": ["escalate"]}, {"do": {}}])
    def test_name_an_action_that_is_missing(self, item: Any) -> None:
        (message,) = problems(rule(actions=[item]))["actions"]
        assert message.startswith("actions[0].do: ")

    def test_want_each_action_to_be_an_object(self) -> None:
        assert problems(rule(actions=["escalate"])) == {"actions": ["actions[0]: must be an object"]}

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            ({"do": "set_status"}, "actions[0].status: is missing"),
            (
                {"do": "set_status", "status": "bananas"},
                (
                    "actions[0].status: 'bananas' is not a status that a rule can set; choose new, in_progress, "
                    "awaiting_customer, awaiting_vendor, resolved, closed"
                ),
            ),
            (
                {"do": "set_priority", "priority": "highest"},
                "actions[0].priority: 'highest' is not a priority; choose low, medium, high, urgent, critical",
            ),
            ({"do": "set_priority", "priority": 3}, "actions[0].priority: must be a text"),
            ({"do": "add_tag", "tag": "  "}, "actions[0].tag: must not be empty"),
            (
                {"do": "add_task", "subject": "Call", "kind": "external"},
                "actions[0].kind: 'external' is not a kind of task; choose internal, contractor",
            ),
            ({"do": "add_note", "body": ""}, "actions[0].body: must not be empty"),
            ({"do": "escalate", "by": 2}, "actions[0].by: is not a parameter of escalate; it takes none"),
            (
                {"do": "set_status", "status": "new", "state": "new"},
                "actions[0].state: is not a parameter of set_status; it takes status",
            ),
            (
                {"do": "notify", "to": "everybody", "template": "assigned"},
                "actions[0].to: 'everybody' is not somebody to notify; choose assignee, supervisor, team",
            ),
        ],
    )
    def test_name_the_parameter_and_what_it_takes(self, item: dict[str, Any], message: str) -> None:
        assert problems(rule(actions=[item])) == {"actions": [message]}

    def test_do_not_let_a_rule_merge(self) -> None:
        assert "actions" in problems(rule(actions=[{"do": "set_status", "status": "merged"}]))

    def test_name_the_condition(self) -> None:
        conditions = {"all": [{"field": "case.mood", "op": "is", "value": "bad"}]}
        (message,) = problems(rule(conditions=conditions))["conditions"]
        assert message.startswith("conditions.all[0].field: 'case.mood' is not a field")

    def test_refuse_options_that_a_trigger_does_not_have(self) -> None:
        found = problems(rule(trigger_options={"status": "new"}))
        assert found == {"trigger_options": ["The trigger “case_created” takes no options."]}


class TestTheOptionsOfSilence:
    def test_are_a_status_and_a_time(self) -> None:
        assert silence.problems({"status": "awaiting_customer", "after_minutes": 10080}) == []

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            ({}, ["status: is missing", "after_minutes: is missing"]),
            ({"status": "new", "after_minutes": 0}, ["after_minutes: must be at least 1 minute"]),
            ({"status": "new", "after_minutes": "7"}, ["after_minutes: must be a whole number of minutes"]),
            ({"status": "new", "after_minutes": True}, ["after_minutes: must be a whole number of minutes"]),
            ({"status": "new", "after_minutes": 10**9}, ["after_minutes: must be at most 5270400 minutes"]),
            ({"status": 3, "after_minutes": 7}, ["status: must be a text"]),
            (
                {"status": "closed", "after_minutes": 7},
                [
                    (
                        "status: 'closed' is not the status of an open case; choose new, in_progress, awaiting_customer, "
                        "awaiting_vendor"
                    )
                ],
            ),
            (
                {"status": "new", "after_minutes": 7, "every": 1},
                ["every: is not an option; give status and after_minutes"],
            ),
        ],
    )
    def test_are_refused_by_name(self, options: Any, found: list[str]) -> None:
        assert silence.problems(options) == found

    def test_must_be_an_object(self) -> None:
        (message,) = silence.problems([])
        assert message.startswith("trigger_options: ")


class TestTheRegistry:
    def test_describes_every_action(self) -> None:
        described = {one["name"]: one for one in actions.described()}
        assert set(described) == {
            "add_note",
            "add_tag",
            "add_task",
            "assign_least_loaded",
            "assign_to",
            "escalate",
            "notify",
            "send_template",
            "set_priority",
            "set_status",
        }
        assert described["set_status"]["params"]["required"] == ["status"]
        assert [name for name, one in described.items() if one["outward"]] == ["send_template"]


class TestWords:
    def test_are_filled_in_once(self) -> None:
        assert wording.render("{{ case_title }}", {"case_title": "{{ link }}", "link": "x"}) == "{{ link }}"

    def test_may_be_written_tightly_or_widely(self) -> None:
        assert wording.render("{{case_number}}/{{  case_number  }}", {"case_number": "7"}) == "7/7"

    def test_become_nothing_without_a_value(self) -> None:
        assert wording.render("a{{ link }}b", {}) == "ab"

    def test_take_no_line_and_no_header_from_a_value(self) -> None:
        hostile = "Hi\r\nBcc: all@example.com\n\nDear\u2028customer\x00\x1b[31m"
        assert wording.render_subject("Re: {{ case_title }}", {"case_title": hostile}) == (
            "Re: Hi Bcc: all@example.com Dear customer [31m"
        )
        assert "\n" not in wording.render("{{ case_title }}", {"case_title": hostile})

    def test_do_not_turn_around(self) -> None:
        assert wording.render("{{ case_title }}", {"case_title": "safe \u202egpj.exe"}) == "safe gpj.exe"
        assert wording.render("\u202eabc", {}) == "abc"

    def test_keep_their_own_lines_and_emoji(self) -> None:
        assert wording.render("one\r\ntwo\rthree 👩‍🔧", {}) == "one\ntwo\nthree 👩‍🔧"

    def test_drop_half_a_character(self) -> None:
        assert wording.render("{{ case_title }}", {"case_title": "a\ud800b"}) == "a b"

    def test_are_cut_where_they_have_no_end(self) -> None:
        assert len(wording.render("{{ case_title }}", {"case_title": "x" * 10_000})) == 300
        assert len(wording.render_subject("y" * 10_000, {})) == 300

    def test_name_a_placeholder_that_does_not_exist(self) -> None:
        (message,) = wording.problems("Hello {{ customer }}")
        assert message.startswith("{{ customer }} is not a placeholder here; choose from case_number, ")

    @pytest.mark.parametrize(
        "text", ["{{ case number }}", "{{ case_number", "case_number }}", "{% if x %}", "{{ a|safe }}", "{# no #}"]
    )
    def test_refuse_anything_else_in_braces(self, text: str) -> None:
        assert len(wording.problems(text)) == 1

    def test_leave_single_braces_alone(self) -> None:
        assert wording.problems("{case_number} {") == []
