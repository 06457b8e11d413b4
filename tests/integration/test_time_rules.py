"""Rules that wait for time to pass."""

from datetime import timedelta
from typing import Any

import pytest

from cases.models import Case, Note
from cases.services import (
    change_status,
    delete_case,
    touch,
    update_case,
)
from mail_ingest.models import Mailbox, OutboundMessage
from tests.factories import (
    NOON,
    SYSTEM,
    MailboxFactory,
    later,
    make_case,
)
from tests.rules import case_of, events, make_rule, make_template, receive, the_run, why_of
from workflows import engine, services, tasks
from workflows.models import RuleRun, WorkflowRule

pytestmark = pytest.mark.django_db

SILENT_WEEK = {"status": "awaiting_customer", "after_minutes": 7 * 24 * 60}


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(acknowledges=False)


class TestSilence:
    def rule(self, *actions: dict[str, Any], **values: Any) -> WorkflowRule:
        given = actions or ({"do": "set_status", "status": "resolved"},)
        return make_rule(*given, on="silence", trigger_options=SILENT_WEEK, **values)

    def waiting_case(self, **draft: Any) -> Case:
        case = make_case(**draft)
        return change_status(case.pk, "awaiting_customer", at=NOON, actor=SYSTEM)

    def test_resolves_with_a_notice_once(self, mailbox: Mailbox) -> None:
        make_template("resolved_after_silence")
        rule = self.rule(
            {"do": "set_status", "status": "resolved"}, {"do": "send_template", "template": "resolved_after_silence"}
        )
        case = self.waiting_case()
        assert services.run_time_rules(now=later(days=6)) == 0
        assert services.run_time_rules(now=later(days=7)) == 1
        assert services.run_time_rules(now=later(days=7)) == 0
        case.refresh_from_db()
        assert case.status == "resolved"
        run = the_run(rule)
        assert (run.event, run.occurrence, run.outcome) == (None, NOON.isoformat(), "done")
        (silent,) = events("case_silent", case)
        assert silent.data["since"] == NOON.isoformat()
        outbound = OutboundMessage.objects.get()
        assert (outbound.event, outbound.state) == (silent, "waiting")
        (told,) = events("rule_ran", case)
        assert (told.cause, told.depth, told.data["receipts"]) == (silent, 1, run.receipts)
        assert why_of(told)[0]["fact"] == "awaiting_customer"

    def test_sends_nothing_where_only_old_mail_led_to_the_case(self, mailbox: Mailbox) -> None:
        make_template("resolved_after_silence")
        rule = self.rule(
            {"do": "set_status", "status": "resolved"}, {"do": "send_template", "template": "resolved_after_silence"}
        )
        case = case_of(receive(mailbox, received_at=NOON - timedelta(days=3), at=NOON))
        change_status(case.pk, "awaiting_customer", at=NOON, actor=SYSTEM)
        assert services.run_time_rules(now=later(days=8)) == 1
        assert the_run(rule).receipts[1]["skipped"] == "not_answerable"
        assert not OutboundMessage.objects.exists()

    def test_does_not_fire_again_every_time_that_somebody_looks(self) -> None:
        rule = self.rule({"do": "add_note", "body": "A week."})
        case = self.waiting_case()
        for hour in range(5):
            services.run_time_rules(now=later(days=8, hours=hour))
        assert Note.objects.filter(case=case).count() == 1
        assert RuleRun.objects.filter(rule=rule).count() == 1

    def test_starts_anew_when_a_message_comes(self) -> None:
        rule = self.rule({"do": "add_note", "body": "A week."})
        case = self.waiting_case()
        services.run_time_rules(now=later(days=8))
        case.refresh_from_db()
        touch(case, at=later(days=9))
        assert services.run_time_rules(now=later(days=15)) == 0
        assert services.run_time_rules(now=later(days=16)) == 1
        assert list(RuleRun.objects.filter(rule=rule).order_by("id").values_list("occurrence", flat=True)) == [
            NOON.isoformat(),
            later(days=9).isoformat(),
        ]

    def test_waits_until_the_conditions_hold(self) -> None:
        rule = self.rule(conditions={"all": [{"field": "case.tags", "op": "has_any", "value": ["vip"]}]})
        case = self.waiting_case()
        assert services.run_time_rules(now=later(days=8)) == 0
        assert not RuleRun.objects.filter(rule=rule).exists()
        assert events("case_silent") == []
        update_case(case.pk, {}, tags=["vip"], at=later(days=8), actor=SYSTEM)
        assert services.run_time_rules(now=later(days=9)) == 1

    def test_concerns_no_other_status_and_no_deleted_case(self) -> None:
        self.rule()
        make_case()
        delete_case(self.waiting_case().pk, at=NOON, actor=SYSTEM)
        assert services.run_time_rules(now=later(days=30)) == 0

    def test_ends_at_a_rule_that_says_stop(self) -> None:
        self.rule({"do": "add_tag", "tag": "first"}, stop=True)
        self.rule({"do": "add_tag", "tag": "second"})
        case = self.waiting_case()
        services.run_time_rules(now=later(days=8))
        services.run_time_rules(now=later(days=9))
        assert list(case.tags.values_list("name", flat=True)) == ["first"]

    def test_goes_through_more_cases_than_one_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "BATCH", 2)
        rule = self.rule({"do": "escalate"})
        for _number in range(5):
            self.waiting_case()
        assert services.run_time_rules(now=later(days=8)) == 5
        assert RuleRun.objects.filter(rule=rule).count() == 5

    def test_is_not_kept_from_other_cases_by_one_that_breaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rule({"do": "escalate"})
        poisoned, sound = self.waiting_case(), self.waiting_case()
        run = engine.run_on_silence

        def poisonous(rule: WorkflowRule, case: Case, **values: Any) -> RuleRun | None:
            if case.pk == poisoned.pk:
                raise RuntimeError("poison")
            return run(rule, case, **values)

        monkeypatch.setattr(services, "run_on_silence", poisonous)
        assert services.run_time_rules(now=later(days=8)) == 1
        sound.refresh_from_db()
        assert sound.escalation_level == 1

    def test_passes_over_a_case_that_has_moved_since_it_was_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rule({"do": "escalate"})
        case = self.waiting_case()
        monkeypatch.setattr(services, "_silent_and_not_run", lambda *_a, **_k: [case.pk])
        change_status(case.pk, "in_progress", at=later(days=8), actor=SYSTEM)
        assert services.run_time_rules(now=later(days=8)) == 0

    def test_is_said_to_be_unreadable_and_the_other_rules_run(self) -> None:
        broken = self.rule()
        WorkflowRule.objects.filter(pk=broken.pk).update(trigger_options={"status": "bananas"})
        self.rule({"do": "escalate"})
        self.waiting_case()
        assert services.run_time_rules(now=later(days=8)) == 1

    def test_is_looked_after_by_a_task(self) -> None:
        self.rule()
        case = self.waiting_case(at=NOON)
        tasks.run_time_rules()
        case.refresh_from_db()
        assert case.status == "resolved"
