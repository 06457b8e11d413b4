"""What rules can ask about, held against real cases, mails and clocks; and the rules that ship."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from cases.models import TimelineEvent
from cases.services import (
    change_status,
    save_configuration,
    update_case,
)
from mail_ingest.models import Mailbox
from notifications.models import Notification, NotificationTemplate
from sla.models import SLAClock
from sla.services import sweep_clocks
from tests.factories import (
    NOON,
    SYSTEM,
    MailboxFactory,
    PolicyFactory,
    TeamFactory,
    later,
    make_case,
)
from tests.rules import (
    ADMIN,
    case_of,
    drain,
    events,
    make_rule,
    make_template,
    receive,
    the_run,
)
from workflows import services
from workflows.facts import Situation
from workflows.models import RuleRun, WorkflowRule

pytestmark = pytest.mark.django_db

DEFAULTS = Path(__file__).resolve().parents[2] / "handyconnect" / "defaults"


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(acknowledges=False)


class TestConditions:
    def test_may_ask_about_the_message(self, mailbox: Mailbox) -> None:
        conditions = {
            "all": [
                {"field": "message.direction", "op": "is", "value": "inbound"},
                {"field": "message.automatic_kind", "op": "is", "value": "person"},
                {"field": "message.text", "op": "matches_any_word", "value": ["radiators"]},
                {"field": "message.sender_domain", "op": "is", "value": "home.example"},
                {"field": "message.subject", "op": "starts_with", "value": "cold"},
                {"field": "message.has_attachments", "op": "is", "value": False},
                {"field": "case.customer_domain", "op": "is", "value": "home.example"},
                {"field": "event.hour_of_day", "op": "gte", "value": 12},
                {"field": "event.weekday", "op": "is", "value": "wed"},
            ]
        }
        for_mail = make_rule({"do": "escalate"}, on="message_received", conditions=conditions)
        for_case = make_rule({"do": "escalate"}, on="case_created", conditions=conditions)
        receive(mailbox)
        drain()
        assert the_run(for_mail).outcome == "done"
        assert the_run(for_case).outcome == "done"

    def test_may_ask_about_any_of_the_changes(self) -> None:
        conditions = {
            "all": [
                {"field": "change.field", "op": "is", "value": "priority"},
                {"field": "change.old", "op": "is", "value": "medium"},
                {"field": "change.new", "op": "is", "value": "high"},
            ]
        }
        rule = make_rule({"do": "escalate"}, on="case_updated", conditions=conditions)
        case = make_case()
        update_case(case.pk, {"sentiment": "negative", "priority": "high"}, at=NOON, actor=SYSTEM)
        update_case(case.pk, {"sentiment": "neutral"}, at=NOON, actor=SYSTEM)
        drain()
        assert list(RuleRun.objects.filter(rule=rule).order_by("id").values_list("outcome", flat=True)) == [
            "done",
            "not_matched",
        ]

    def test_may_ask_about_a_changed_title_and_tags(self) -> None:
        title = make_rule(
            {"do": "escalate"},
            on="case_updated",
            conditions={
                "all": [
                    {"field": "change.field", "op": "is", "value": "title"},
                    {"field": "change.new", "op": "contains", "value": "urgent"},
                ]
            },
        )
        tags = make_rule(
            {"do": "escalate"},
            on="case_updated",
            conditions={
                "all": [
                    {"field": "change.field", "op": "is", "value": "tags"},
                    {"field": "change.new", "op": "is", "value": "a, b"},
                    {"field": "case.tags", "op": "has_all", "value": ["a", "b"]},
                ]
            },
        )
        case = make_case()
        update_case(case.pk, {"title": "Urgent: no heating"}, tags=["b", "a"], at=NOON, actor=SYSTEM)
        drain()
        assert the_run(title).outcome == "done"
        assert the_run(tags).outcome == "done"

    def test_may_ask_about_an_escalation_level_as_it_changed(self) -> None:
        event = TimelineEvent(kind="case_escalated", changes={"escalation_level": [0, 1]}, data={})
        situation = Situation(case_id=make_case().pk, kind="case_escalated", occurred_at=NOON, event=event)
        (facts,) = situation.facts({"change.new", "change.old"})
        assert (facts["change.field"], facts["change.old"], facts["change.new"]) == ("escalation_level", "0", "1")

    def test_may_ask_which_deadline_it_is(self, agent: User, supervisor: User) -> None:
        PolicyFactory.create()
        make_template("sla_breached")
        rule = make_rule(
            {"do": "escalate"},
            {"do": "notify", "to": "supervisor", "template": "sla_breached"},
            on="sla_breached",
            conditions={
                "all": [
                    {"field": "clock.kind", "op": "is", "value": "first_response"},
                    {"field": "case.sla_status", "op": "is", "value": "breached"},
                ]
            },
        )
        case = make_case(priority="critical", assigned_to=agent)
        sweep_clocks(now=later(hours=2))
        assert SLAClock.objects.filter(case=case, breached_told_at__isnull=False).count() == 1
        drain(later(hours=2))
        case.refresh_from_db()
        assert the_run(rule).outcome == "done"
        assert case.escalation_level == 1
        assert Notification.objects.filter(recipient=supervisor, kind="sla_breached", channel="in_app").exists()

    def test_know_no_change_and_no_clock_where_there_is_no_event(self) -> None:
        rule = make_rule(
            {"do": "escalate"},
            on="silence",
            trigger_options={"status": "new", "after_minutes": 1},
            conditions={
                "all": [
                    {"field": "change.field", "op": "is_empty"},
                    {"field": "clock.kind", "op": "is_empty"},
                    {"field": "message.text", "op": "is_empty"},
                ]
            },
        )
        make_case()
        assert services.run_time_rules(now=later(minutes=1)) == 1
        assert the_run(rule).outcome == "done"

    def test_read_what_is_asked_for_in_few_queries(self, django_assert_max_num_queries: Any) -> None:
        case = make_case(assigned_team=TeamFactory.create())
        event = events("case_created", case)[0]
        situation = Situation(case_id=case.pk, kind=event.kind, occurred_at=NOON, event=event)
        with django_assert_max_num_queries(1):
            situation.facts({"case.priority", "case.assigned_team", "case.customer_email", "event.weekday"})


class TestTheDefaultRules:
    def test_are_whole_and_send_nothing_that_a_customer_wrote(self) -> None:
        for words in json.loads((DEFAULTS / "templates.json").read_text()):
            save_configuration(NotificationTemplate(**words), at=NOON, actor=ADMIN)
        shipped = [WorkflowRule(**rule) for rule in json.loads((DEFAULTS / "rules.json").read_text())]
        assert len(shipped) == 5
        for rule in shipped:
            services.save_rule(rule, at=NOON, actor=ADMIN)

    def test_move_a_case_on_when_its_customer_answers(self, mailbox: Mailbox) -> None:
        make_rule(
            {"do": "set_status", "status": "in_progress"},
            on="message_received",
            conditions={
                "all": [
                    {"field": "case.status", "op": "is", "value": "awaiting_customer"},
                    {"field": "message.direction", "op": "is", "value": "inbound"},
                    {"field": "message.automatic_kind", "op": "is", "value": "person"},
                ]
            },
        )
        case = case_of(receive(mailbox))
        drain()
        change_status(case.pk, "awaiting_customer", at=NOON, actor=SYSTEM)
        answer = "In-Reply-To: <mail1@home.example>\r\n"
        receive(mailbox, headers=f"{answer}Auto-Submitted: auto-replied\r\n")
        drain()
        case.refresh_from_db()
        assert case.status == "awaiting_customer"
        receive(mailbox, headers=answer)
        drain()
        case.refresh_from_db()
        assert case.status == "in_progress"
