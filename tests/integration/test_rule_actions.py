"""What rules can do, and what they say of it."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from cases.models import Case
from cases.services import (
    add_note,
    change_status,
)
from mail_ingest.models import Mailbox, OutboundMessage
from notifications.models import Notification, NotificationTemplate
from tasks.models import Task
from tests.factories import (
    NOON,
    SYSTEM,
    MailboxFactory,
    MembershipFactory,
    TeamFactory,
    UserFactory,
    later,
    make_case,
    make_task,
)
from tests.rules import case_of, drain, events, events_of_rule, make_rule, make_template, receive, the_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(acknowledges=False)


class TestAssigningByLoad:
    def test_gives_the_case_to_whoever_has_the_fewest_open_ones_and_says_so(self) -> None:
        ana, ben = (UserFactory.create(username=name, first_name=name.title()) for name in ("ana", "ben"))
        UserFactory.create(role=User.Role.SUPERVISOR)
        UserFactory.create(takes_work=False)
        UserFactory.create(is_active=False)
        for owner, closed in ((ana, False), (ana, False), (ben, True), (ben, True), (ben, False)):
            case = make_case(assigned_to=owner)
            if closed:
                change_status(case.pk, "closed", at=NOON, actor=SYSTEM)
        drain()
        rule = make_rule({"do": "assign_least_loaded"})
        case = make_case()
        drain()
        case.refresh_from_db()
        assert case.assigned_to == ben
        (receipt,) = the_run(rule).receipts
        assert receipt["reason"] == "Ben: 1 open case, the fewest of 2"
        (assigned,) = events("case_assigned", case)
        assert assigned.data["reason"] == "Ben: 1 open case, the fewest of 2"

    def test_takes_turns_among_those_who_have_equally_little(self) -> None:
        people = [UserFactory.create(username=name) for name in ("ana", "ben", "cleo")]
        make_rule({"do": "assign_least_loaded"})
        owners = []
        for minute in range(6):
            case = make_case(at=later(minutes=minute))
            drain()
            case.refresh_from_db()
            owners.append(case.assigned_to)
        assert owners == people * 2

    def test_asks_the_team_of_the_case_before_others(self) -> None:
        UserFactory.create()
        membership = MembershipFactory.create()
        make_rule({"do": "assign_least_loaded"})
        make_case(assigned_to=membership.user)
        case = make_case(assigned_team=membership.team)
        drain()
        case.refresh_from_db()
        assert case.assigned_to == membership.user

    def test_asks_the_team_that_the_rule_names(self) -> None:
        UserFactory.create()
        membership = MembershipFactory.create()
        make_rule({"do": "assign_least_loaded", "team": membership.team.slug})
        case = make_case(assigned_team=TeamFactory.create())
        drain()
        case.refresh_from_db()
        assert case.assigned_to == membership.user

    def test_asks_all_where_nobody_in_the_team_takes_work(self) -> None:
        ana = UserFactory.create()
        absent = MembershipFactory.create(user__takes_work=False)
        make_rule({"do": "assign_least_loaded"})
        case = make_case(assigned_team=absent.team)
        drain()
        case.refresh_from_db()
        assert case.assigned_to == ana

    def test_leaves_a_case_with_whoever_has_it(self, agent: User) -> None:
        UserFactory.create()
        rule = make_rule({"do": "assign_least_loaded"})
        case = make_case(assigned_to=agent)
        drain()
        assert the_run(rule).receipts[0] == {
            "do": "assign_least_loaded",
            "did": False,
            "detail": "The case is already with ana.",
        }
        assert events("case_assigned", case) == []

    def test_says_that_there_is_nobody(self, supervisor: User) -> None:
        rule = make_rule({"do": "assign_least_loaded"})
        make_case()
        drain()
        assert the_run(rule).receipts[0]["detail"] == "There is no agent who takes new work."


class TestActionsThatFindTheCaseSo:
    @pytest.mark.parametrize(
        "action",
        [
            {"do": "set_status", "status": "new"},
            {"do": "set_priority", "priority": "high"},
            {"do": "add_tag", "tag": "vip"},
            {"do": "assign_to", "username": "ana"},
            {"do": "add_task", "subject": "Send a plumber"},
        ],
        ids=lambda action: str(action["do"]),
    )
    def test_do_nothing_and_say_so(self, action: dict[str, Any], agent: User) -> None:
        rule = make_rule(action)
        case = make_case(priority="high", tags=["vip"], assigned_to=agent)
        make_task(case=case)
        drain()
        (receipt,) = the_run(rule).receipts
        assert receipt["did"] is False
        assert "already" in receipt["detail"]
        assert the_run(rule).outcome == "done"
        assert [event for event in events_of_rule(rule) if event.kind != "rule_ran"] == []


class TestTheOtherActions:
    def test_set_a_status_add_a_tag_and_a_task(self) -> None:
        make_rule(
            {"do": "set_status", "status": "in_progress"},
            {"do": "add_tag", "tag": "vip"},
            {"do": "add_task", "subject": "Call the plumber", "kind": "contractor"},
            {"do": "escalate"},
        )
        case = make_case(priority="urgent")
        drain()
        case.refresh_from_db()
        assert (case.status, case.escalation_level) == ("in_progress", 1)
        assert list(case.tags.values_list("name", flat=True)) == ["vip"]
        task = Task.objects.get(case=case)
        assert (task.subject, task.kind, task.priority) == ("Call the plumber", "contractor", "urgent")

    def test_assign_to_the_person_whom_the_rule_names(self, agent: User) -> None:
        rule = make_rule({"do": "assign_to", "username": "ana"})
        case = make_case()
        drain()
        case.refresh_from_db()
        assert case.assigned_to == agent
        assert the_run(rule).receipts[0]["detail"] == "Assigned to ana."

    def test_do_not_assign_to_someone_who_has_left(self, agent: User) -> None:
        rule = make_rule({"do": "assign_to", "username": "ana"})
        User.objects.filter(pk=agent.pk).update(is_active=False)
        case = make_case()
        drain()
        case.refresh_from_db()
        assert case.assigned_to is None
        assert the_run(rule).receipts[0]["detail"] == "ana no longer works on cases."

    def test_tell_the_supervisors_of_the_team_or_else_all(self, supervisor: User) -> None:
        make_template()
        own = MembershipFactory.create(user__role=User.Role.SUPERVISOR)
        make_rule({"do": "notify", "to": "supervisor", "template": "news"})
        with_team = make_case(assigned_team=own.team)
        without = make_case()
        drain()
        assert {n.recipient for n in Notification.objects.filter(case=with_team)} == {own.user}
        assert {n.recipient for n in Notification.objects.filter(case=without)} == {own.user, supervisor}

    def test_tell_the_assignee_and_the_team(self, agent: User) -> None:
        make_template()
        member = MembershipFactory.create()
        make_rule({"do": "notify", "to": "assignee", "template": "news"}, on="note_added")
        make_rule({"do": "notify", "to": "team", "template": "news"}, on="note_added")
        case = make_case(assigned_to=agent, assigned_team=member.team)
        drain()
        add_note(case.pk, "Look at this.", at=NOON, actor=SYSTEM)
        drain()
        told = Notification.objects.filter(event__kind="note_added", channel="in_app")
        assert {one.recipient for one in told} == {agent, member.user}

    def test_tell_nobody_where_there_is_nobody(self) -> None:
        make_template()
        first = make_rule({"do": "notify", "to": "assignee", "template": "news"})
        second = make_rule({"do": "notify", "to": "team", "template": "news"})
        make_case()
        drain()
        assert the_run(first).receipts[0]["detail"] == "There is nobody to tell: assignee."
        assert the_run(second).receipts[0]["detail"] == "There is nobody to tell: team."

    def test_tell_nobody_twice_of_one_event(self, supervisor: User) -> None:
        make_template()
        make_rule({"do": "notify", "to": "supervisor", "template": "news"})
        second = make_rule({"do": "notify", "to": "supervisor", "template": "news"})
        make_case()
        drain()
        assert Notification.objects.filter(channel="in_app").count() == 1
        assert the_run(second).receipts[0]["did"] is False


class TestMailToTheCustomer:
    def test_is_queued_once_in_the_customers_language(self) -> None:
        make_template()
        make_template(language="de", body="Zu {{ case_number }}")
        MailboxFactory.create()
        rule = make_rule({"do": "send_template", "template": "news"})
        case = make_case()
        Case.objects.filter(pk=case.pk).update(language="de")
        drain()
        drain()
        outbound = OutboundMessage.objects.get()
        assert (outbound.recipient, outbound.purpose) == ("tenant@home.example", "template")
        assert outbound.body == f"Zu {case.case_number}"
        assert outbound.event == events("case_created", case)[0]
        assert the_run(rule).receipts == [
            {"do": "send_template", "did": True, "detail": "“news” goes to the customer.", "outbound": outbound.pk}
        ]

    def test_does_not_follow_from_old_mail(self, mailbox: Mailbox) -> None:
        make_template()
        rule = make_rule({"do": "send_template", "template": "news"}, {"do": "add_tag", "tag": "seen"})
        case = case_of(receive(mailbox, received_at=NOON - timedelta(days=3), at=NOON))
        drain()
        assert not OutboundMessage.objects.exists()
        run = the_run(rule)
        assert run.outcome == "done"
        assert run.receipts[0]["skipped"] == "not_answerable"
        assert run.receipts[1]["did"] is True
        assert list(case.tags.values_list("name", flat=True)) == ["seen"]

    def test_does_not_follow_from_a_case_that_only_old_mail_led_to(self, mailbox: Mailbox) -> None:
        make_template()
        rule = make_rule({"do": "send_template", "template": "news"}, on="case_status_changed")
        case = case_of(receive(mailbox, received_at=NOON - timedelta(days=3), at=NOON))
        change_status(case.pk, "in_progress", at=NOON, actor=SYSTEM)
        drain()
        assert the_run(rule).receipts[0]["skipped"] == "not_answerable"
        assert not OutboundMessage.objects.exists()

    def test_is_said_to_be_held_back_when_it_is(self, mailbox: Mailbox) -> None:
        make_template()
        rule = make_rule({"do": "send_template", "template": "news"})
        make_case(email=mailbox.address)
        drain()
        (receipt,) = the_run(rule).receipts
        assert receipt["did"] is False
        assert receipt["detail"].startswith("Held back: ")
        assert OutboundMessage.objects.get().state == "suppressed"

    def test_is_one_for_each_event(self, mailbox: Mailbox) -> None:
        make_template()
        make_template("other", body="Something else")
        rule = make_rule({"do": "send_template", "template": "news"}, {"do": "send_template", "template": "other"})
        make_case()
        drain()
        assert OutboundMessage.objects.count() == 1
        assert [receipt["did"] for receipt in the_run(rule).receipts] == [True, False]

    def test_needs_a_mailbox_to_send_from(self) -> None:
        make_template()
        rule = make_rule({"do": "send_template", "template": "news"})
        make_case()
        drain()
        assert the_run(rule).receipts[0]["error"] == "conflict"

    def test_never_repeats_what_the_customer_wrote(self, mailbox: Mailbox) -> None:
        make_template()
        rule = make_rule({"do": "send_template", "template": "news"})
        NotificationTemplate.objects.update(body="You wrote: {{ case_title }}")
        make_case()
        drain()
        assert the_run(rule).receipts[0]["error"] == "template_unfit"
        assert not OutboundMessage.objects.exists()
