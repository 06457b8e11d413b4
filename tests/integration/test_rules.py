"""Rules from end to end: events that fire them, what they do, and what the case's timeline tells of it."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError

from accounts.models import User
from cases import listeners
from cases.facts import case_created
from cases.models import ConfigVersion, ListenerFailure, Note, TimelineEvent
from cases.services import (
    add_note,
    delete_case,
    update_case,
)
from tests.factories import (
    NOON,
    SYSTEM,
    UserFactory,
    later,
    make_case,
    make_task,
)
from tests.rules import ADMIN, drain, events, make_rule, make_template, the_run, why_of
from workflows import engine, services
from workflows.models import RuleRun, WorkflowRule

pytestmark = pytest.mark.django_db


class TestARuleThatHearsAnEvent:
    def test_does_what_it_says_and_the_timeline_tells_why(self) -> None:
        rule = make_rule({"do": "set_priority", "priority": "urgent"}, name="Hurry")
        case = make_case(priority="high")
        drain()
        case.refresh_from_db()
        assert case.priority == "urgent"
        run = the_run(rule)
        assert (run.outcome, run.ran_at, run.case_id) == ("done", NOON, case.pk)
        assert run.receipts == [{"do": "set_priority", "did": True, "detail": "Priority: High → Urgent."}]
        (told,) = events("rule_ran", case)
        assert told.cause == run.event
        assert (told.actor_kind, told.actor_reference, told.depth) == ("rule", str(rule.pk), 1)
        assert told.data == {
            "rule": rule.slug,
            "name": "Hurry",
            "run": run.pk,
            "outcome": "done",
            "receipts": run.receipts,
        }
        assert why_of(told) == [
            {
                "path": "conditions.none[0]",
                "field": "case.status",
                "op": "in",
                "value": ["resolved", "closed", "merged"],
                "fact": "new",
                "matched": False,
            }
        ]

    def test_acts_as_the_rule_one_deeper_than_its_cause(self) -> None:
        rule = make_rule({"do": "set_priority", "priority": "urgent"})
        case = make_case()
        drain()
        (changed,) = events("case_updated", case)
        assert (changed.actor_kind, changed.actor_reference, changed.depth) == ("rule", str(rule.pk), 1)
        assert changed.cause == events("case_created", case)[0]

    def test_runs_once_per_event_also_when_the_log_is_drained_twice(self) -> None:
        rule = make_rule({"do": "add_note", "body": "Seen."})
        case = make_case()
        drain()
        drain()
        engine.handle(events("case_created", case)[0], NOON)
        assert Note.objects.filter(case=case).count() == 1
        assert the_run(rule).outcome == "done"
        assert len(events("rule_ran", case)) == 1

    def test_is_stopped_by_the_database_when_two_run_it_at_once(self) -> None:
        rule = make_rule({"do": "add_note", "body": "Seen."})
        case = make_case()
        drain()
        run = the_run(rule)
        with pytest.raises(IntegrityError):
            RuleRun.objects.create(rule=rule, event=run.event, case=case, outcome="done", ran_at=NOON)

    def test_leaves_a_run_also_when_its_conditions_do_not_hold(self) -> None:
        rule = make_rule(
            {"do": "escalate"}, conditions={"all": [{"field": "case.priority", "op": "is", "value": "low"}]}
        )
        case = make_case(priority="high")
        drain()
        run = the_run(rule)
        assert (run.outcome, run.receipts) == ("not_matched", [])
        assert [told["fact"] for told in run.why] == ["high"]
        assert events("rule_ran", case) == []

    @pytest.mark.parametrize("how", ["all", "any", "none"])
    def test_never_matches_with_an_empty_group(self, how: str) -> None:
        rule = make_rule({"do": "escalate"}, conditions={how: []})
        make_case()
        drain()
        assert the_run(rule).outcome == "not_matched"

    def test_means_not_a_single_one_by_none(self) -> None:
        rule = make_rule(
            {"do": "escalate"},
            conditions={
                "none": [
                    {"field": "case.priority", "op": "is", "value": "high"},
                    {"field": "case.title", "op": "contains", "value": "nothing of the kind"},
                ]
            },
        )
        make_case(priority="high")
        drain()
        assert the_run(rule).outcome == "not_matched"

    def test_does_nothing_when_it_is_off(self) -> None:
        make_rule({"do": "escalate"}, is_active=False)
        make_case()
        drain()
        assert not RuleRun.objects.exists()

    def test_does_nothing_to_a_deleted_case(self) -> None:
        make_rule({"do": "escalate"})
        case = make_case()
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        drain()
        assert not RuleRun.objects.exists()

    def test_hears_nothing_of_what_belongs_to_no_case(self, agent: User) -> None:
        make_rule({"do": "escalate"}, on="task_status_changed")
        make_task()
        event = TimelineEvent.objects.get(kind="task_created")
        engine.handle(event, NOON)
        assert not RuleRun.objects.exists()

    def test_keeps_no_whole_mail_with_its_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "MAX_TOLD", 10)
        rule = make_rule(
            {"do": "escalate"}, conditions={"all": [{"field": "case.title", "op": "contains", "value": "cold"}]}
        )
        make_case(title="The heating is cold")
        drain()
        assert the_run(rule).why[0]["fact"] == "The heatin…"


class TestRulesTogether:
    def test_run_in_their_order_and_each_sees_what_the_ones_before_have_done(self) -> None:
        make_rule({"do": "set_priority", "priority": "urgent"}, rank=2)
        make_rule(
            {"do": "add_tag", "tag": "seen"},
            rank=3,
            conditions={"all": [{"field": "case.priority", "op": "is", "value": "urgent"}]},
        )
        early = make_rule(
            {"do": "add_tag", "tag": "early"},
            rank=1,
            conditions={"all": [{"field": "case.priority", "op": "is", "value": "urgent"}]},
        )
        case = make_case(priority="low")
        drain()
        assert list(case.tags.values_list("name", flat=True)) == ["seen"]
        assert the_run(early).outcome == "not_matched"

    def test_end_at_one_that_matches_and_says_stop(self) -> None:
        make_rule({"do": "add_tag", "tag": "first"}, stop=True)
        second = make_rule({"do": "add_tag", "tag": "second"})
        case = make_case()
        drain()
        engine.handle(events("case_created", case)[0], NOON)  # the stop holds for a repeat as well
        assert list(case.tags.values_list("name", flat=True)) == ["first"]
        assert not RuleRun.objects.filter(rule=second).exists()

    def test_go_on_behind_one_that_says_stop_and_does_not_match(self) -> None:
        make_rule(
            {"do": "escalate"}, stop=True, conditions={"all": [{"field": "case.status", "op": "is", "value": "closed"}]}
        )
        make_rule({"do": "add_tag", "tag": "second"})
        case = make_case()
        drain()
        assert list(case.tags.values_list("name", flat=True)) == ["second"]

    def test_that_set_themselves_off_are_stopped_at_depth_5_and_reported(self) -> None:
        rule = make_rule({"do": "add_note", "body": "A note about a note."}, on="note_added", slug="echo")
        case = make_case()
        add_note(case.pk, "Hello?", at=NOON, actor=SYSTEM)
        drain()
        assert [event.depth for event in events("note_added", case)] == [0, 1, 2, 3, 4, 5]
        assert [event.depth for event in events("rule_ran", case)] == [1, 2, 3, 4, 5]
        (stopped,) = events("rule_stopped", case)
        assert (stopped.depth, stopped.data["depth"], stopped.data["reason"]) == (5, 5, "too_deep")
        assert stopped.data["chain"] == ["echo"] * 5
        assert stopped.cause == events("note_added", case)[-1]
        run = RuleRun.objects.get(rule=rule, outcome="too_deep")
        assert run.receipts[0]["error"] == "too_deep"
        drain()
        assert len(events("rule_stopped", case)) == 1

    def test_that_set_each_other_off_do_not_multiply(self) -> None:
        low = {"all": [{"field": "case.priority", "op": "is", "value": "low"}]}
        high = {"all": [{"field": "case.priority", "op": "is", "value": "high"}]}
        up = make_rule({"do": "set_priority", "priority": "high"}, on="case_updated", slug="up", conditions=low)
        down = make_rule({"do": "set_priority", "priority": "low"}, on="case_updated", slug="down", conditions=high)
        case = make_case(priority="medium")
        update_case(case.pk, {"priority": "low"}, at=NOON, actor=SYSTEM)
        drain()
        acted = RuleRun.objects.filter(outcome="done")
        assert (acted.filter(rule=up).count(), acted.filter(rule=down).count()) == (5, 5)
        stopped = events("rule_stopped", case)
        assert stopped
        assert len({event.data["rule"] for event in stopped}) == len(stopped)  # each told of once
        assert max(event.depth for event in events("case_updated", case)) <= 5

    def test_are_counted_anew_for_each_beginning(self) -> None:
        make_rule({"do": "add_note", "body": "A note about a note."}, on="note_added", slug="echo")
        case = make_case()
        for _time in range(2):
            add_note(case.pk, "Hello?", at=NOON, actor=SYSTEM)
            drain()
        assert len(events("rule_ran", case)) == 10
        assert len(events("rule_stopped", case)) == 2


class TestAnActionThatFails:
    def test_is_undone_and_reported_and_the_others_are_done(self) -> None:
        rule = make_rule(
            {"do": "add_tag", "tag": "before"},
            {"do": "set_status", "status": "resolved"},
            {"do": "add_tag", "tag": "after"},
        )
        case = make_case()
        make_task(case=case, is_required=True)
        drain()
        case.refresh_from_db()
        assert case.status == "new"
        assert sorted(case.tags.values_list("name", flat=True)) == ["after", "before"]
        run = the_run(rule)
        assert run.outcome == "failed"
        assert [receipt["did"] for receipt in run.receipts] == [True, False, True]
        assert run.receipts[1]["error"] == "open_required_tasks"
        (told,) = events("rule_ran", case)
        assert told.data["outcome"] == "failed"
        assert told.data["receipts"] == run.receipts

    def test_leaves_nothing_half_done_when_it_breaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*args: Any, **kwargs: Any) -> None:
            add_note(*args, **kwargs)
            raise RuntimeError("the cable was pulled")

        monkeypatch.setattr("workflows.actions.add_note.services.add_note", broken)
        rule = make_rule({"do": "add_note", "body": "Half"}, {"do": "escalate"})
        case = make_case()
        drain()
        assert not Note.objects.filter(case=case).exists()
        assert events("note_added", case) == []
        run = the_run(rule)
        assert run.receipts[0]["error"] == "error"
        assert "cable" not in str(run.receipts)  # what an exception says is for the log
        assert run.receipts[1]["did"] is True

    def test_is_tried_again_with_everything_else_when_the_database_failed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unlucky(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("the connection is gone")

        rule = make_rule({"do": "add_tag", "tag": "one"}, {"do": "add_note", "body": "two"})
        case = make_case()
        with monkeypatch.context() as patch:
            patch.setattr("workflows.actions.add_note.services.add_note", unlucky)
            with pytest.raises(OperationalError):
                drain()
        assert not ListenerFailure.objects.exists()  # the event is to blame for nothing
        assert not RuleRun.objects.exists()
        assert not case.tags.exists()
        drain(later(minutes=1))
        assert the_run(rule).outcome == "done"
        assert Note.objects.filter(case=case).count() == 1

    def test_is_one_that_no_longer_exists(self) -> None:
        rule = make_rule({"do": "escalate"})
        WorkflowRule.objects.filter(pk=rule.pk).update(actions=[{"do": "explode"}, {"do": "add_tag"}])
        make_case()
        drain()
        assert [receipt["error"] for receipt in the_run(rule).receipts] == ["invalid_action", "invalid_action"]

    def test_is_a_rule_whose_conditions_cannot_be_read(self) -> None:
        rule = make_rule({"do": "escalate"})
        WorkflowRule.objects.filter(pk=rule.pk).update(conditions={"all": [{"field": "case.mood", "op": "is"}]})
        case = make_case()
        drain()
        run = the_run(rule)
        assert run.outcome == "failed"
        assert run.receipts[0]["error"] == "invalid_conditions"
        case.refresh_from_db()
        assert case.escalation_level == 0
        assert len(events("rule_ran", case)) == 1


class TestSavingARule:
    def test_writes_a_version_and_an_event(self) -> None:
        rule = make_rule({"do": "escalate"})
        rule.name = "Another name"
        services.save_rule(rule, at=NOON, actor=ADMIN)
        versions = ConfigVersion.objects.filter(subject_type="workflowrule", subject_id=str(rule.pk))
        assert versions.count() == 2
        services.delete_rule(rule, at=NOON, actor=ADMIN)
        assert versions.count() == 3
        assert not WorkflowRule.objects.exists()

    def test_refuses_what_does_not_exist_by_name(self) -> None:
        with pytest.raises(ValidationError) as refused:
            make_rule(
                {"do": "assign_to", "username": "nobody"},
                {"do": "assign_least_loaded", "team": "no-team"},
                {"do": "notify", "to": "assignee", "template": "no-words"},
                {"do": "send_template", "template": "no-mail"},
            )
        assert refused.value.message_dict == {
            "actions": [
                "actions[0].username: 'nobody' is nobody who works on cases",
                "actions[1].team: 'no-team' is not a team",
                "actions[2].template: there is no template 'no-words'",
                "actions[3].template: there is no e-mail template 'no-mail'",
            ]
        }

    def test_refuses_to_let_a_contractor_have_cases(self) -> None:
        UserFactory.create(username="carl", role=User.Role.CONTRACTOR)
        with pytest.raises(ValidationError, match="'carl' is nobody who works on cases"):
            make_rule({"do": "assign_to", "username": "carl"})

    def test_refuses_a_template_that_would_repeat_what_the_customer_wrote(self) -> None:
        make_template(body="You wrote: {{ case_title }}")
        with pytest.raises(ValidationError, match="it repeats case_title"):
            make_rule({"do": "send_template", "template": "news"})


class TestEditingARule:
    def test_counts_its_versions(self) -> None:
        rule = make_rule({"do": "escalate"})
        assert services.version_of(WorkflowRule()) == 0
        assert services.version_of(rule) == 1
        edited = services.edit_rule(rule.pk, {"name": "Renamed"}, at=NOON, actor=ADMIN, expected_version=1)
        assert (edited.name, services.version_of(rule)) == ("Renamed", 2)

    def test_is_refused_on_an_old_version(self) -> None:
        rule = make_rule({"do": "escalate"})
        services.edit_rule(rule.pk, {"name": "Renamed"}, at=NOON, actor=ADMIN)
        with pytest.raises(services.RuleStale):
            services.remove_rule(rule.pk, at=NOON, actor=ADMIN, expected_version=1)
        assert WorkflowRule.objects.filter(pk=rule.pk).exists()

    def test_is_refused_once_it_is_gone(self) -> None:
        rule = make_rule({"do": "escalate"})
        services.remove_rule(rule.pk, at=NOON, actor=ADMIN, expected_version=1)
        with pytest.raises(services.RuleGone):
            services.edit_rule(rule.pk, {"name": "Renamed"}, at=NOON, actor=ADMIN)


class TestTheListener:
    def test_reads_on_from_where_it_stopped(self) -> None:
        rule = make_rule({"do": "escalate"})
        make_case()
        make_case()
        drain()
        assert RuleRun.objects.filter(rule=rule, outcome="done").count() == 2

    def test_hears_every_trigger_but_silence(self) -> None:
        assert case_created.name in engine.KINDS
        assert "silence" not in engine.KINDS
        assert {listener.name for listener in listeners.registered()} >= {"workflows", "notifications"}
