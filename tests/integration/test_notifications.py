"""Who is told of what: acknowledgments to customers, notifications to colleagues, each once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.models import User
from cases import listeners
from cases.models import Case, TimelineEvent
from cases.services import assign_case, delete_case, save_configuration
from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage
from mail_ingest.pipeline import process_message
from mail_ingest.services import record_reply, store
from notifications import receivers
from notifications.events import message_of
from notifications.models import Channel, Notification, NotificationTemplate, Preference
from notifications.services import NotificationGone, acknowledge, mark_all_read, mark_read, notify, notify_all
from notifications.templates import NoTemplate, UnfitForCustomers, words_for_colleague, words_for_customer
from sla.models import SLAClock
from sla.services import sweep_clocks
from tasks.services import assign_task
from tests.factories import (
    NOON,
    SYSTEM,
    MailboxFactory,
    MembershipFactory,
    PolicyFactory,
    TeamFactory,
    UserFactory,
    later,
    make_case,
    make_task,
)

pytestmark = pytest.mark.django_db

OLD = NOON - timedelta(days=3)


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Harbour Court")


@pytest.fixture(autouse=True)
def words(db: None) -> None:
    for key, channel, language, subject, body in (
        ("acknowledgment", "email", "en", "We have your message [{{ case_number }}]", "Hello,\n\n{{ team_name }}"),
        ("acknowledgment", "email", "de", "Ihre Nachricht ist da [{{ case_number }}]", "Guten Tag,\n\n{{ team_name }}"),
        ("assigned", "email", "en", "Yours: {{ case_number }}", "{{ actor_name }}: {{ case_title }}\n{{ link }}"),
        ("assigned", "in_app", "en", "{{ case_number }} is yours", "{{ case_title }}, {{ priority }}, {{ due_at }}"),
        ("assigned", "in_app", "de", "{{ case_number }} gehört Ihnen", "{{ case_title }}, {{ priority }}"),
        ("message_received", "in_app", "en", "News in {{ case_number }}", "{{ customer_name }}"),
        ("sla_at_risk", "in_app", "en", "{{ case_number }} is due", "{{ due_at }} because {{ reason }}"),
        ("task_assigned", "in_app", "en", "A task in {{ case_number }}", "{{ task_subject }}"),
    ):
        NotificationTemplate.objects.create(key=key, channel=channel, language=language, subject=subject, body=body)


def drain(now: datetime = NOON) -> None:
    listeners.drain(now=now)


def replay_all(now: datetime = NOON) -> None:
    """As after a cursor that was lost: every event is handled again."""
    for event in TimelineEvent.objects.filter(kind__in=receivers.KINDS).order_by("position"):
        receivers.handle(event, now)


def the_event(kind: str) -> TimelineEvent:
    return TimelineEvent.objects.get(kind=kind)


def receive(
    mailbox: Mailbox, *, body: str = "", headers: str = "", received_at: datetime = NOON, at: datetime = NOON
) -> Case:
    """A mail through the real pipeline; the case that it is filed in."""
    number = InboundMessage.objects.count() + 1
    text = body or "Good morning, the radiators in our flat have been cold since yesterday. Could you please help?"
    raw = (
        f"From: Tina Tenant <tenant@home.example>\r\nTo: {mailbox.address}\r\nSubject: Cold radiators\r\n"
        f"Message-ID: <mail{number}@home.example>\r\n{headers}"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    ).encode()
    inbound, _created = store(mailbox, source_id=f"mail-{number}", raw=raw, received_at=received_at, at=at)
    assert process_message(inbound.pk, now=at) == "filed"
    inbound.refresh_from_db()
    assert inbound.case
    return inbound.case


def bell(user: User) -> list[str]:
    return list(Notification.objects.bell_of(user).order_by("id").values_list("title", flat=True))


class TestAnAcknowledgment:
    def test_goes_to_the_customer_once(self, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        drain()
        replay_all()
        drain()
        outbound = OutboundMessage.objects.get()
        assert (outbound.purpose, outbound.recipient, outbound.state) == (
            "acknowledgment",
            "tenant@home.example",
            "waiting",
        )
        assert outbound.subject == f"We have your message [{case.case_number}]"
        assert outbound.body == "Hello,\n\nHarbour Court"
        assert outbound.thread == case.threads.get()
        assert outbound.event == the_event("case_created")

    def test_is_in_the_language_of_the_mail_and_names_the_team(self, mailbox: Mailbox) -> None:
        mailbox.team = TeamFactory.create(name="Hausverwaltung")
        mailbox.save()
        receive(
            mailbox,
            body="Guten Morgen, seit gestern sind die Heizkörper in unserer Wohnung kalt. Bitte schicken Sie jemanden.",
        )
        drain()
        outbound = OutboundMessage.objects.get()
        assert outbound.subject.startswith("Ihre Nachricht ist da [")
        assert outbound.body == "Guten Tag,\n\nHausverwaltung"

    def test_is_not_sent_again_for_a_reply(self, mailbox: Mailbox) -> None:
        receive(mailbox)
        receive(mailbox, headers="In-Reply-To: <mail1@home.example>\r\n")
        drain()
        assert OutboundMessage.objects.filter(purpose="acknowledgment").count() == 1

    def test_does_not_answer_old_mail(self, mailbox: Mailbox) -> None:
        receive(mailbox, received_at=OLD)
        drain()
        assert not OutboundMessage.objects.exists()

    def test_does_not_answer_a_machine(self, mailbox: Mailbox) -> None:
        receive(mailbox, headers="Auto-Submitted: auto-replied\r\n")
        drain()
        assert not OutboundMessage.objects.exists()

    def test_does_not_answer_a_machine_whatever_the_event_says(self, mailbox: Mailbox) -> None:
        receive(mailbox, headers="Auto-Submitted: auto-replied\r\n")
        event = the_event("case_created")
        event.data["answerable"] = True
        assert acknowledge(event, at=NOON) is None

    def test_is_not_sent_from_a_mailbox_that_does_not_acknowledge(self, mailbox: Mailbox) -> None:
        mailbox.acknowledges = False
        mailbox.save()
        receive(mailbox)
        drain()
        assert not OutboundMessage.objects.exists()

    def test_is_not_sent_for_a_case_that_a_person_opens(self, agent: User, mailbox: Mailbox) -> None:
        make_case(actor=Actor.user(agent))
        drain()
        assert not OutboundMessage.objects.exists()

    def test_is_not_sent_for_a_case_that_is_gone(self, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        drain()
        assert not OutboundMessage.objects.exists()

    def test_without_words_keeps_nobody_else_from_being_told(self, mailbox: Mailbox) -> None:
        NotificationTemplate.objects.filter(key="acknowledgment").delete()
        member = MembershipFactory.create()
        mailbox.team = member.team
        mailbox.save()
        receive(mailbox)
        drain()
        assert not OutboundMessage.objects.exists()
        assert len(bell(member.user)) == 1

    def test_never_repeats_what_the_customer_wrote(self, mailbox: Mailbox) -> None:
        NotificationTemplate.objects.filter(key="acknowledgment").update(subject="Re: {{ case_title }}")
        receive(mailbox)
        drain()
        assert not OutboundMessage.objects.exists()


class TestAnAssignment:
    def test_is_told_in_the_desk_and_by_mail_once(self, agent: User, supervisor: User, mailbox: Mailbox) -> None:
        case = make_case(title="No heating")
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(supervisor))
        drain()
        replay_all()
        in_app, by_mail = Notification.objects.order_by("id")
        assert (in_app.channel, in_app.title, in_app.recipient) == ("in_app", f"{case.case_number} is yours", agent)
        assert in_app.body == "No heating, Medium, not set"
        assert (by_mail.channel, by_mail.title) == ("email", f"Yours: {case.case_number}")
        assert by_mail.body.startswith("sam: No heating\nhttp")
        outbound = OutboundMessage.objects.get()
        assert by_mail.outbound == outbound
        assert (outbound.recipient, outbound.purpose, outbound.thread) == ("ana@staff.example", "notification", None)

    def test_is_told_once_by_the_database_itself(self, agent: User) -> None:
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        told = Notification.objects.get()
        told.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            told.save(force_insert=True)

    def test_is_not_told_to_whoever_takes_a_case(self, agent: User) -> None:
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(agent))
        drain()
        assert not Notification.objects.exists()

    def test_is_told_in_the_language_and_time_zone_of_the_reader(self, agent: User) -> None:
        PolicyFactory.create()
        UserFactory.create(username="bea", language="de")
        agent.time_zone = "America/New_York"
        agent.save()
        for name in ("ana", "bea"):
            case = make_case(title="Kalt", priority="high")
            assign_case(case.pk, assigned_to=User.objects.get(username=name), at=NOON, actor=SYSTEM)
        drain()
        ana, bea = Notification.objects.filter(channel="in_app").order_by("id")
        assert bea.title.endswith("gehört Ihnen")
        assert case.sla_due_date == datetime(2026, 3, 4, 16, 0, tzinfo=NOON.tzinfo)
        assert ana.body.endswith(", 4 Mar 2026 11:00 EST")

    def test_is_not_told_to_somebody_who_has_left(self, agent: User) -> None:
        agent.is_active = False
        agent.save()
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        assert not Notification.objects.exists()

    def test_is_not_told_by_a_channel_that_was_declined(self, agent: User, mailbox: Mailbox) -> None:
        Preference.objects.create(user=agent, kind="assigned", channel=Channel.EMAIL, wanted=False)
        Preference.objects.create(user=agent, kind="message_received", channel=Channel.IN_APP, wanted=False)
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        assert [told.channel for told in Notification.objects.all()] == ["in_app"]
        assert not OutboundMessage.objects.exists()

    def test_is_told_to_whom_a_new_case_is_given_at_once(self, agent: User, supervisor: User) -> None:
        case = make_case(assigned_to=agent, actor=Actor.user(supervisor))
        drain()
        assert bell(agent) == [f"{case.case_number} is yours"]

    def test_is_told_once_when_it_followed_before_anybody_looked(self, agent: User) -> None:
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        assert bell(agent) == [f"{case.case_number} is yours"]
        assert Notification.objects.get(channel="in_app").event == the_event("case_assigned")

    def test_of_a_case_from_old_mail_is_told_in_the_desk_alone(self, agent: User, mailbox: Mailbox) -> None:
        case = receive(mailbox, received_at=OLD)
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        assert bell(agent) == [f"{case.case_number} is yours"]
        assert not OutboundMessage.objects.exists()

    def test_is_told_in_the_desk_where_there_is_no_mailbox_to_send_from(self, agent: User) -> None:
        case = make_case()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        assert [told.channel for told in Notification.objects.all()] == ["in_app"]

    def test_is_mailed_once_to_an_address_that_two_people_share(self, mailbox: Mailbox) -> None:
        one, two = (UserFactory.create(email="desk@staff.example") for _number in range(2))
        make_case()
        event = the_event("case_created")
        for person in (one, two):
            notify(event=event, recipient=person, kind="assigned", at=NOON)
        assert OutboundMessage.objects.count() == 1
        assert Notification.objects.filter(channel="in_app").count() == 2

    def test_is_not_mailed_to_somebody_without_an_address(self, mailbox: Mailbox) -> None:
        person = UserFactory.create(email="")
        make_case()
        (told,) = notify(event=the_event("case_created"), recipient=person, kind="assigned", at=NOON)
        assert told.channel == "in_app"

    def test_that_is_taken_back_is_told_to_nobody(self, agent: User) -> None:
        case = make_case(assigned_to=agent, actor=Actor.user(agent))
        assign_case(case.pk, assigned_to=None, at=NOON, actor=SYSTEM)
        drain()
        assert not Notification.objects.exists()

    def test_by_a_rule_or_the_system_says_so(self, agent: User) -> None:
        case = make_case()
        for actor in (Actor.rule(7, cause_id=None, depth=1), SYSTEM, Actor.user(agent), Actor.mail(1)):
            event = TimelineEvent(
                kind="case_assigned", case=case, actor_kind=actor.kind, actor_reference=actor.reference, data={}
            )
            told = words_for_colleague(
                event=event, case=case, recipient=agent, kind="assigned", channel="email", at=NOON
            )
            assert told.body.split(":")[0] in {"A rule", "HandyConnect", "ana", "Tina Tenant"}
        gone = TimelineEvent(kind="case_assigned", case=case, actor_kind="user", actor_reference="0", data={})
        told = words_for_colleague(event=gone, case=case, recipient=agent, kind="assigned", channel="email", at=NOON)
        assert told.body.startswith("Somebody: ")


class TestANewCase:
    def test_is_told_to_its_team_in_the_desk_alone(self, mailbox: Mailbox) -> None:
        member = MembershipFactory.create()
        MembershipFactory.create(team=member.team, user__role=User.Role.SUPERVISOR)
        UserFactory.create()
        case = make_case(title="No heating", assigned_team=member.team)
        drain()
        told = Notification.objects.get()
        assert (told.recipient, told.channel, told.kind) == (member.user, "in_app", "case_created")
        assert told.title == f"{case.case_number}: Case opened"
        assert told.body == "No heating"


class TestAReply:
    def test_is_told_to_the_assignee(self, agent: User, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        drain()
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(agent))
        receive(mailbox, headers="In-Reply-To: <mail1@home.example>\r\n")
        drain()
        replay_all()
        assert bell(agent) == [f"News in {case.case_number}"]
        assert Notification.objects.filter(channel="email", kind="message_received").count() == 1

    def test_of_a_machine_is_told_in_the_desk_alone(self, agent: User, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(agent))
        receive(mailbox, headers="In-Reply-To: <mail1@home.example>\r\nAuto-Submitted: auto-replied\r\n")
        drain()
        assert bell(agent) == [f"News in {case.case_number}"]
        assert not Notification.objects.filter(channel="email").exists()

    def test_of_our_own_is_none(self, agent: User, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        sent = record_reply(case, body="We send somebody.", at=NOON, actor=SYSTEM)
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(agent))
        event = TimelineEvent.objects.get(kind="message_sent")
        assert message_of(event) == sent
        event.kind = "message_received"
        receivers.handle(event, NOON)
        assert not Notification.objects.exists()

    def test_concerns_nobody_while_nobody_has_the_case(self, mailbox: Mailbox) -> None:
        receive(mailbox)
        receive(mailbox, headers="In-Reply-To: <mail1@home.example>\r\n")
        drain()
        assert not Notification.objects.exists()

    def test_is_not_what_the_first_message_is(self, agent: User, mailbox: Mailbox) -> None:
        case = receive(mailbox)
        assign_case(case.pk, assigned_to=agent, at=NOON, actor=Actor.user(agent))
        drain()
        assert bell(agent) == []


class TestATask:
    def test_is_told_to_whom_it_is_given(self, agent: User) -> None:
        case = make_case()
        task = make_task(case=case, subject="Call the plumber")
        assign_task(task.pk, agent, at=NOON, actor=SYSTEM)
        drain()
        told = Notification.objects.get(channel="in_app")
        assert (told.title, told.body) == (f"A task in {case.case_number}", "Call the plumber")

    def test_that_is_given_from_the_start_is_told_too(self, agent: User) -> None:
        make_task(case=make_case(), assigned_to=agent)
        make_task(case=make_case())
        drain()
        assert Notification.objects.filter(channel="in_app", recipient=agent).count() == 1

    def test_without_a_case_is_told_by_its_name(self, agent: User, mailbox: Mailbox) -> None:
        make_task(subject="Order new keys", assigned_to=agent)
        drain()
        in_app, by_mail = Notification.objects.order_by("id")
        assert (in_app.title, in_app.body) == ("Task added", "Order new keys")
        assert (by_mail.title, by_mail.case) == ("Task added", None)


class TestADeadline:
    def test_is_left_to_the_rules(self, agent: User) -> None:
        PolicyFactory.create()
        make_case(priority="critical", assigned_to=agent, actor=Actor.user(agent))
        drain()
        sweep_clocks(now=later(hours=2))
        assert TimelineEvent.objects.filter(kind="sla_breached").exists()
        drain(later(hours=2))
        assert not Notification.objects.exists()

    def test_explains_itself_to_whoever_is_told(self, agent: User) -> None:
        PolicyFactory.create()
        case = make_case(priority="critical", assigned_to=agent)
        sweep_clocks(now=later(minutes=50))
        event = TimelineEvent.objects.get(kind="sla_at_risk")
        (told,) = notify(event=event, recipient=agent, kind="sla_at_risk", at=later(minutes=50))
        assert told.title == f"{case.case_number} is due"
        assert told.body.startswith("4 Mar 2026 13:00 UTC because due Wed 13:00: received Wed 12:00, 50 min of 1 h")

    def test_that_cannot_be_explained_is_told_all_the_same(self, agent: User) -> None:
        PolicyFactory.create()
        make_case(priority="critical", assigned_to=agent)
        sweep_clocks(now=later(minutes=50))
        clock = SLAClock.objects.get(kind="first_response")
        clock.terms["calendar"]["hours"] = {}
        clock.save()
        event = TimelineEvent.objects.get(kind="sla_at_risk")
        (told,) = notify(
            event=event, recipient=agent, kind="sla_at_risk", at=later(minutes=50), reason="The rule “Warn”"
        )
        assert told.body == "4 Mar 2026 13:00 UTC because The rule “Warn”"


class TestReading:
    def told(self, agent: User, count: int = 1) -> list[Notification]:
        for _number in range(count):
            case = make_case()
            assign_case(case.pk, assigned_to=agent, at=NOON, actor=SYSTEM)
        drain()
        return list(Notification.objects.bell_of(agent))

    def test_one_is_noted_once(self, agent: User) -> None:
        (told,) = self.told(agent)
        for minute in (5, 10):
            told = mark_read(told.pk, recipient=agent, at=later(minutes=minute), actor=Actor.user(agent))
        assert told.read_at == later(minutes=5)
        event = the_event("notification_read")
        assert (event.subject_id, event.data) == (str(told.pk), {"count": 1})

    def test_somebody_elses_is_refused(self, agent: User, supervisor: User) -> None:
        (told,) = self.told(agent)
        with pytest.raises(NotificationGone):
            mark_read(told.pk, recipient=supervisor, at=NOON, actor=Actor.user(supervisor))

    def test_all_is_one_event(self, agent: User) -> None:
        self.told(agent, count=3)
        assert Notification.objects.bell_of(agent).unread().count() == 3
        assert mark_all_read(recipient=agent, at=later(minutes=5), actor=Actor.user(agent)) == 3
        assert mark_all_read(recipient=agent, at=later(minutes=6), actor=Actor.user(agent)) == 0
        assert not Notification.objects.bell_of(agent).unread().exists()
        assert the_event("notification_read").data == {"count": 3}


class TestATemplate:
    def make(self, **values: Any) -> NotificationTemplate:
        given = {"key": "news", "channel": "email", "language": "en", "subject": "News", "body": "Hello"}
        return NotificationTemplate(**(given | values))

    def test_is_refused_with_an_unknown_placeholder(self) -> None:
        with pytest.raises(ValidationError) as refused:
            save_configuration(self.make(body="Hello {{ customer }}"), at=NOON, actor=SYSTEM)
        assert list(refused.value.message_dict) == ["body"]

    def test_may_not_repeat_the_customers_words_in_an_acknowledgment(self) -> None:
        template = self.make(key="acknowledgment", language="fr", subject="Re: {{ case_title }}")
        with pytest.raises(ValidationError) as refused:
            save_configuration(template, at=NOON, actor=SYSTEM)
        assert list(refused.value.message_dict) == ["subject"]
        assert save_configuration(self.make(subject="Re: {{ case_title }}"), at=NOON, actor=SYSTEM).pk

    def test_knows_its_language_however_it_is_written(self) -> None:
        assert save_configuration(self.make(language=" PT_br "), at=NOON, actor=SYSTEM).language == "pt-br"

    @pytest.mark.parametrize(("language", "found"), [("de", "de"), ("de-AT", "de"), ("fr", "en"), ("", "en")])
    def test_is_found_in_the_nearest_language(self, language: str, found: str) -> None:
        template = NotificationTemplate.objects.worded(key="acknowledgment", channel="email", language=language)
        assert template
        assert template.language == found

    def test_that_does_not_exist_is_refused_to_customers(self) -> None:
        with pytest.raises(NoTemplate):
            words_for_customer(case=make_case(), key="no-words")

    def test_that_repeats_the_customers_words_is_refused_to_customers(self) -> None:
        with pytest.raises(UnfitForCustomers, match="case_title, link"):
            words_for_customer(case=make_case(), key="assigned")

    def test_takes_no_header_from_what_a_customer_wrote(self, agent: User) -> None:
        case = make_case(title="Cold\r\nBcc: all@example.com", assigned_to=agent)
        NotificationTemplate.objects.filter(key="assigned").update(subject="{{ case_title }}\r\nX: y")
        (told,) = notify(event=the_event("case_created"), recipient=agent, kind="assigned", at=NOON)
        assert told.title == "Cold Bcc: all@example.com X: y"
        assert case.case_number not in told.title


class TestTwoPeopleWithOneAddress:
    def test_are_both_told_in_the_desk_and_mailed_once(self) -> None:
        MailboxFactory.create()
        case = make_case()
        event = TimelineEvent.objects.filter(case=case, kind="case_created").get()
        people = [UserFactory.create(username=name, email="front@house.example") for name in ("kim", "lee")]
        told = notify_all(event=event, recipients=people, kind="case_created", at=NOON)
        assert sorted((one.recipient.username, one.channel) for one in told) == [
            ("kim", "email"), ("kim", "in_app"), ("lee", "in_app"),
        ]  # fmt: skip
        assert OutboundMessage.objects.count() == 1
        assert notify_all(event=event, recipients=people, kind="case_created", at=NOON) == []
