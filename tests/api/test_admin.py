"""The back office through HTTP: who gets in, what every page answers, and that changes go through services."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from accounts.actors import Actor
from accounts.models import Team, User
from cases.models import Case, Category, ConfigVersion, Customer, EventDetail, ListenerFailure, TimelineEvent
from cases.services import save_person
from handyconnect.refusals import Conflict
from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import quarantine, store
from sla.models import BusinessCalendar, Holiday
from tasks.models import Task
from tests.factories import (
    NOON,
    CalendarFactory,
    CategoryFactory,
    MailboxFactory,
    MembershipFactory,
    PolicyFactory,
    TeamFactory,
    UserFactory,
    make_case,
    make_task,
)

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin_client(administrator: User) -> Client:
    return signed_in(administrator)


@pytest.fixture
def steering(supervisor: User) -> Client:
    return signed_in(supervisor)


@pytest.fixture
def house(administrator: User) -> Case:
    """A row of most kinds, made the way it is made in life."""
    PolicyFactory.create()
    MembershipFactory.create()
    CategoryFactory.create(parent=CategoryFactory.create())
    AuthToken.objects.create(user=administrator)
    case = make_case()
    make_task(case=case)
    inbound, _created = store(MailboxFactory.create(), source_id="1", raw=b"junk", received_at=NOON, at=NOON)
    quarantine(inbound.pk, reason="It is no mail.", at=NOON)
    ListenerFailure.objects.create(
        listener="none",
        event=TimelineEvent.objects.latest("id"),
        error="ValueError: no",
        failed_at=NOON,
        set_aside_at=NOON,
    )
    return case


def url(model: type[Any], page: str, *args: Any) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def own_admins() -> list[type[Any]]:
    return [model for model in admin.site._registry if model._meta.app_label != "auth"]


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


class TestEveryPage:
    def test_opens_for_an_administrator(self, admin_client: Client, house: Case) -> None:
        seen = 0
        for model in own_admins():
            answer = admin_client.get(url(model, "changelist"))
            assert answer.status_code == 200, model
            may_add = admin.site._registry[model].has_add_permission(answer.wsgi_request)
            assert admin_client.get(url(model, "add")).status_code == (200 if may_add else 403), model
            row = model._default_manager.first()
            if row is not None:
                assert admin_client.get(url(model, "change", quote(row.pk))).status_code == 200, model
                seen += 1
        assert seen >= 15

    def test_is_shut_for_an_agent(self, agent: User) -> None:
        client = signed_in(agent)
        for model in own_admins():
            answer = client.get(url(model, "changelist"))
            assert answer.status_code == 302, model
            assert answer["Location"].startswith("/admin/login"), model

    def test_is_shut_for_staff_whose_role_does_not_steer(self) -> None:
        client = signed_in(UserFactory.create(role=User.Role.READ_ONLY, is_staff=True))
        for model in own_admins():
            assert client.get(url(model, "changelist")).status_code == 403, model

    def test_takes_any_search(self, admin_client: Client, house: Case) -> None:
        for model in own_admins():
            assert admin_client.get(url(model, "changelist"), {"q": "x' OR 1=1 \x01"}).status_code in {200, 302}, model

    def test_shows_a_supervisor_everything_but_the_tokens(self, steering: Client, house: Case) -> None:
        for model in own_admins():
            expected = 403 if model is AuthToken else 200
            assert steering.get(url(model, "changelist")).status_code == expected, model


class TestConfiguration:
    def test_may_be_looked_at_but_not_saved_by_a_supervisor(self, steering: Client) -> None:
        category = CategoryFactory.create()
        answer = steering.post(url(Category, "change", category.pk), {"name": "Mine", "slug": category.slug})
        assert answer.status_code == 403
        assert steering.get(url(Category, "add")).status_code == 403

    def test_is_saved_with_a_version_and_an_event(self, admin_client: Client, administrator: User) -> None:
        answer = admin_client.post(url(Category, "add"), {"name": "Lifts", "slug": "lifts", "is_active": "on"})
        assert answer.status_code == 302
        category = Category.objects.get(slug="lifts")
        version = ConfigVersion.objects.get(subject_type="category", subject_id=str(category.pk))
        assert version.number == 1
        assert version.event.kind == "configuration_changed"
        assert version.event.actor_reference == str(administrator.pk)

    def test_counts_one_version_for_each_change(self, admin_client: Client) -> None:
        admin_client.post(url(Category, "add"), {"name": "Lifts", "slug": "lifts", "is_active": "on"})
        category = Category.objects.get(slug="lifts")
        for name in ("Lifts", "Elevators"):
            admin_client.post(url(Category, "change", category.pk), {"name": name, "slug": "lifts", "is_active": "on"})
        versions = ConfigVersion.objects.filter(subject_type="category").order_by("number")
        assert [version.state["name"] for version in versions] == ["Lifts", "Elevators"]
        assert versions[1].event.changes == {"name": ["Lifts", "Elevators"]}

    def test_is_deleted_with_a_version_that_says_so(self, admin_client: Client) -> None:
        category = CategoryFactory.create()
        admin_client.post(url(Category, "delete", category.pk), {"post": "yes"})
        assert not Category.objects.exists()
        assert ConfigVersion.objects.get().state == {}

    def test_says_what_is_wrong_beside_the_field(self, admin_client: Client) -> None:
        calendar = CalendarFactory.create()
        answer = admin_client.post(
            url(BusinessCalendar, "change", calendar.pk),
            {
                "name": "Odd",
                "slug": "odd",
                "time_zone": "Mars/Base",
                "hours": '{"mon": [["25:00", "26:00"]]}',
                "holidays-TOTAL_FORMS": "0",
                "holidays-INITIAL_FORMS": "0",
            },
        )
        errors = answer.context["adminform"].form.errors
        assert set(errors) == {"time_zone", "hours"}
        assert not ConfigVersion.objects.exists()

    def test_keeps_the_rows_that_belong_to_it_in_the_log_too(self, admin_client: Client) -> None:
        calendar = CalendarFactory.create()
        answer = admin_client.post(
            url(BusinessCalendar, "change", calendar.pk),
            {
                "name": calendar.name,
                "slug": calendar.slug,
                "time_zone": "UTC",
                "hours": '{"mon": [["09:00", "17:00"]]}',
                "holidays-TOTAL_FORMS": "1",
                "holidays-INITIAL_FORMS": "0",
                "holidays-0-day": "2026-12-25",
                "holidays-0-name": "Christmas",
            },
        )
        assert answer.status_code == 302
        assert Holiday.objects.get().name == "Christmas"
        assert set(ConfigVersion.objects.values_list("subject_type", flat=True)) == {"businesscalendar", "holiday"}

    def test_stays_while_something_uses_it(self, admin_client: Client) -> None:
        category = CategoryFactory.create()
        make_case(category=category)
        answer = admin_client.post(url(Category, "delete", category.pk), {"post": "yes"})
        assert answer.status_code in {200, 302, 403}
        assert Category.objects.filter(pk=category.pk).exists()


class TestTheCaseList:
    def test_asks_as_many_questions_for_many_rows_as_for_few(self, steering: Client) -> None:
        make_case(email="a@home.example")
        with CaptureQueriesContext(
            connection,
        ) as few:
            steering.get(url(Case, "changelist"))
        for number in range(12):
            make_case(email=f"t{number}@home.example")
        with CaptureQueriesContext(connection) as many:
            answer = steering.get(url(Case, "changelist"))
        assert len(answer.context["cl"].result_list) == 13
        assert len(many) == len(few)
        assert len(many) <= 12

    def test_leaves_out_what_is_deleted_unless_asked_for(self, steering: Client) -> None:
        case, gone = make_case(title="Stays"), make_case(title="Goes")
        act(steering, gone, "delete")
        shown = steering.get(url(Case, "changelist")).context["cl"].result_list
        deleted = steering.get(url(Case, "changelist"), {"queue": "deleted"}).context["cl"].result_list
        assert [row.pk for row in shown] == [case.pk]
        assert [row.pk for row in deleted] == [gone.pk]

    def test_finds_a_case_by_its_number(self, steering: Client) -> None:
        wanted, _other = make_case(), make_case()
        answer = steering.get(url(Case, "changelist"), {"q": wanted.case_number.lower()})
        assert [row.pk for row in answer.context["cl"].result_list] == [wanted.pk]

    def test_does_to_each_what_can_be_done_and_says_why_not_to_the_rest(self, steering: Client) -> None:
        free, held = make_case(title="Free"), make_case(title="Held")
        make_task(case=held, subject="Fix it", is_required=True)
        answer = steering.post(
            url(Case, "changelist"),
            {"action": "set_resolved", "_selected_action": [str(free.pk), str(held.pk)]},
            follow=True,
        )
        free.refresh_from_db()
        held.refresh_from_db()
        assert (free.status, held.status) == ("resolved", "new")
        said = " ".join(told(answer))
        assert "Fix it" in said
        assert held.case_number in said
        assert "Done: 1 case." in said

    @pytest.mark.parametrize(
        ("action", "kind"),
        [
            ("assign_to_me", "case_assigned"),
            ("set_in_progress", "case_status_changed"),
            ("escalate", "case_escalated"),
            ("delete", "case_deleted"),
        ],
    )
    def test_leaves_an_event_for_each_action(self, action: str, kind: str, steering: Client, supervisor: User) -> None:
        case = make_case()
        steering.post(url(Case, "changelist"), {"action": action, "_selected_action": [str(case.pk)]})
        event = TimelineEvent.objects.filter(case=case).latest("id")
        assert (event.kind, event.actor_kind, event.actor_reference) == (kind, "user", str(supervisor.pk))


def act(client: Client, row: Any, name: str, **values: Any) -> Any:
    return client.post(url(type(row), "act", quote(row.pk), name), values, follow=True)


class TestThePageOfACase:
    def test_shows_mail_as_text(self, steering: Client, house: Case) -> None:
        case = make_case(title="<script>alert(1)</script>", description="<img src=x onerror=alert(2)>")
        page = steering.get(url(Case, "change", case.pk)).content.decode()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(2)&gt;" in page

    def test_moves_the_status_through_the_service(self, steering: Client) -> None:
        case = make_case()
        act(steering, case, "status", status="in_progress", version=case.version)
        case.refresh_from_db()
        assert case.status == "in_progress"
        assert TimelineEvent.objects.filter(case=case).latest("id").changes == {"status": ["new", "in_progress"]}

    def test_refuses_to_overwrite_what_somebody_else_changed(self, steering: Client) -> None:
        case = make_case()
        answer = act(steering, case, "label", version=case.version - 1, priority="critical", case_type="general")
        case.refresh_from_db()
        assert case.priority == "medium"
        assert "edited since" in told(answer)[0]

    def test_offers_only_moves_that_the_lifecycle_has(self, steering: Client) -> None:
        case = make_case()
        answer = act(steering, case, "status", status="merged", version=case.version)
        case.refresh_from_db()
        assert case.status == "new"
        assert told(answer)

    def test_assigns_labels_notes_escalates_deletes_and_restores(self, steering: Client, agent: User) -> None:
        team, category = TeamFactory.create(), CategoryFactory.create()
        case = make_case()
        act(steering, case, "assign", assigned_to=agent.pk, assigned_team=team.pk, version=case.version)
        case.refresh_from_db()
        assert (case.assigned_to, case.assigned_team) == (agent, team)
        act(steering, case, "label", priority="high", case_type="billing", category=category.pk, version=case.version)
        act(steering, case, "note", body="Called back.")
        act(steering, case, "escalate", reason="Asked for the boss")
        act(steering, case, "delete")
        case.refresh_from_db()
        assert (case.priority, case.case_type, case.category, case.escalation_level) == ("high", "billing", category, 1)
        assert case.provenance["priority"]["by"] == "person"
        assert case.notes.get().body == "Called back."
        assert case.deleted_at is not None
        act(steering, case, "restore")
        case.refresh_from_db()
        assert case.deleted_at is None

    def test_adds_a_task(self, steering: Client, agent: User) -> None:
        case = make_case()
        act(steering, case, "task", subject="Order a lamp", assigned_to=agent.pk, is_required="on")
        task = Task.objects.get()
        assert (task.case, task.subject, task.assigned_to, task.is_required) == (case, "Order a lamp", agent, True)

    def test_does_nothing_on_a_get(self, steering: Client) -> None:
        case = make_case()
        assert steering.get(url(Case, "act", case.pk, "delete")).status_code == 405

    def test_knows_no_act_of_another_name(self, steering: Client) -> None:
        assert act(steering, make_case(), "explode").status_code == 404

    def test_needs_a_person_who_steers(self, db: None) -> None:
        case = make_case()
        reader = UserFactory.create(role=User.Role.READ_ONLY, is_staff=True)
        client = signed_in(reader)
        assert client.get(url(Case, "change", case.pk)).status_code == 403
        assert act(client, case, "delete").status_code == 403

    def test_cannot_be_edited_around_the_services(self, admin_client: Client) -> None:
        case = make_case()
        admin_client.post(url(Case, "change", case.pk), {"status": "closed", "title": "Mine"})
        case.refresh_from_db()
        assert (case.status, case.title) == ("new", "The heating is cold")
        assert admin_client.post(url(Case, "delete", case.pk), {"post": "yes"}).status_code == 403

    def test_opens_a_case_by_hand(self, steering: Client, supervisor: User) -> None:
        answer = steering.post(
            url(Case, "add"),
            {"title": "Lift stuck", "email": "caller@home.example", "priority": "high", "case_type": "maintenance"},
        )
        case = Case.objects.get()
        assert answer["Location"] == url(Case, "change", case.pk)
        assert (case.title, case.priority, case.created_by) == ("Lift stuck", "high", supervisor)
        assert TimelineEvent.objects.filter(case=case, kind="case_created").exists()

    def test_says_what_a_new_case_lacks(self, steering: Client) -> None:
        answer = steering.post(url(Case, "add"), {"title": "", "email": "no address"})
        assert set(answer.context["form"].errors) >= {"title", "email"}

    def test_leads_back_when_there_is_no_such_case(self, steering: Client) -> None:
        assert steering.get(url(Case, "change", "nothing")).status_code == 302


class TestTheLog:
    def test_is_changed_by_nobody(self, admin_client: Client, house: Case) -> None:
        event = TimelineEvent.objects.latest("id")
        before = TimelineEvent.objects.count()
        assert admin_client.get(url(TimelineEvent, "add")).status_code == 403
        assert admin_client.post(url(TimelineEvent, "change", event.pk), {"kind": "x"}).status_code == 403
        assert admin_client.post(url(TimelineEvent, "delete", event.pk), {"post": "yes"}).status_code == 403
        assert TimelineEvent.objects.count() == before

    def test_is_the_history_of_every_row(self, admin_client: Client, house: Case) -> None:
        answer = admin_client.get(url(Case, "history", house.pk), follow=True)
        listed = answer.context["cl"].result_list
        assert listed
        assert {(event.subject_type, event.subject_id) for event in listed} == {("case", str(house.pk))}

    def test_tries_again_what_was_set_aside(self, admin_client: Client, house: Case, monkeypatch: Any) -> None:
        from cases import listeners

        handled = []
        monkeypatch.setitem(
            listeners._listeners,
            "none",
            listeners.Listener("none", lambda event, _now: handled.append(event), frozenset()),
        )
        failure = ListenerFailure.objects.get()
        act(admin_client, failure, "retry")
        failure.refresh_from_db()
        assert handled == [failure.event]
        assert failure.settled_at is not None

    def test_tells_when_it_fails_again(self, admin_client: Client, house: Case, monkeypatch: Any) -> None:
        from cases import listeners

        def fail(*_args: Any) -> None:
            raise ValueError("still broken")

        monkeypatch.setitem(listeners._listeners, "none", listeners.Listener("none", fail, frozenset()))
        failure = ListenerFailure.objects.get()
        answer = act(admin_client, failure, "retry")
        failure.refresh_from_db()
        assert failure.settled_at is None
        assert "still broken" in told(answer)[0]


class TestTheIntakeLedger:
    def test_leads_to_the_bytes_as_a_file(self, steering: Client, house: Case) -> None:
        inbound = InboundMessage.objects.get()
        address = f"/api/messages/{inbound.pk}/raw"
        assert address in steering.get(url(InboundMessage, "change", inbound.pk)).content.decode()
        answer = steering.get(address)
        assert answer.content == b"junk"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"

    def test_replays_from_the_page_and_from_the_list(self, steering: Client, house: Case) -> None:
        inbound = InboundMessage.objects.get()
        act(steering, inbound, "replay")
        inbound.refresh_from_db()
        assert inbound.state == "received"
        quarantine(inbound.pk, reason="Still no mail.", at=NOON)
        steering.post(url(InboundMessage, "changelist"), {"action": "replay", "_selected_action": [str(inbound.pk)]})
        inbound.refresh_from_db()
        assert inbound.state == "received"
        assert TimelineEvent.objects.filter(kind="mail_replayed").count() == 2


class TestPeople:
    def fields(self, **values: Any) -> dict[str, Any]:
        return {
            "username": "nina",
            "role": "supervisor",
            "first_name": "Nina",
            "last_name": "New",
            "email": "nina@staff.example",
            "language": "en",
            "time_zone": "Europe/Berlin",
            "memberships-TOTAL_FORMS": "0",
            "memberships-INITIAL_FORMS": "0",
            **values,
        }

    def test_are_added_with_the_access_that_their_role_has(self, admin_client: Client) -> None:
        passwords = {"usable_password": "true", "password1": "long-enough-77", "password2": "long-enough-77"}
        answer = admin_client.post(url(User, "add"), self.fields(**passwords))
        assert answer.status_code == 302
        person = User.objects.get(username="nina")
        assert person.is_staff
        assert person.check_password("long-enough-77")
        event = TimelineEvent.objects.latest("id")
        assert event.changes["role"] == [None, "supervisor"]
        assert "long-enough-77" not in str(event.changes) + str(event.data) + str(event.detail.body)
        assert "nina@staff.example" not in str(event.changes)

    def test_lose_the_back_office_with_the_role(self, admin_client: Client, supervisor: User) -> None:
        fields = self.fields(username="sam", role="agent", is_active="on", takes_work="on")
        admin_client.post(url(User, "change", supervisor.pk), fields)
        supervisor.refresh_from_db()
        assert (supervisor.role, supervisor.is_staff) == ("agent", False)

    def test_cannot_shut_themselves_out(self, admin_client: Client, administrator: User) -> None:
        UserFactory.create(role=User.Role.ADMINISTRATOR)
        answer = admin_client.post(
            url(User, "change", administrator.pk),
            self.fields(username="ada", role="agent", is_active="on"),
            follow=True,
        )
        administrator.refresh_from_db()
        assert administrator.role == "administrator"
        assert "your own access" in told(answer)[0]

    def test_leave_somebody_who_administrates(self, admin_client: Client, administrator: User) -> None:
        administrator.role = User.Role.AGENT
        with pytest.raises(Conflict, match="last administrator"):
            save_person(administrator, at=NOON, actor=Actor.system("tests"))

    def test_are_told_of_in_the_log_when_their_password_is_set(self, admin_client: Client, agent: User) -> None:
        answer = admin_client.post(
            reverse("admin:auth_user_password_change", args=[agent.pk]),
            {"usable_password": "true", "password1": "long-enough-77", "password2": "long-enough-77"},
        )
        assert answer.status_code == 302
        agent.refresh_from_db()
        assert agent.check_password("long-enough-77")
        event = TimelineEvent.objects.latest("id")
        assert (event.kind, event.subject_id) == ("configuration_changed", str(agent.pk))

    def test_are_not_deleted(self, admin_client: Client, agent: User) -> None:
        assert admin_client.post(url(User, "delete", agent.pk), {"post": "yes"}).status_code == 403

    def test_lose_a_token_with_an_event(self, admin_client: Client, agent: User) -> None:
        token, _secret = AuthToken.objects.create(user=agent)
        admin_client.post(
            url(AuthToken, "changelist"),
            {"action": "delete_selected", "_selected_action": [token.pk], "post": "yes"},
        )
        assert not AuthToken.objects.exists()
        assert TimelineEvent.objects.latest("id").data["reason"] == "API token revoked"

    def test_form_teams(self, admin_client: Client, agent: User) -> None:
        answer = admin_client.post(
            url(Team, "add"),
            {
                "name": "Night shift",
                "slug": "night",
                "memberships-TOTAL_FORMS": "1",
                "memberships-INITIAL_FORMS": "0",
                "memberships-0-user": agent.pk,
            },
        )
        assert answer.status_code == 302
        assert list(Team.objects.get(slug="night").members.all()) == [agent]


class TestCustomers:
    def test_are_edited_through_the_service(self, steering: Client) -> None:
        customer = make_case().customer
        fields = {"name": "", "phone": "12 34", "customer_type": "tenant"}
        empty = {"property_id": "", "property_address": "", "property_number": "", "block_number": ""}
        answer = steering.post(url(Customer, "change", customer.pk), {**fields, **empty})
        assert answer.status_code == 302
        customer.refresh_from_db()
        assert (customer.name, customer.phone, customer.customer_type) == ("", "12 34", "tenant")
        event = TimelineEvent.objects.latest("id")
        assert event.kind == "customer_updated"
        assert event.changes == {}
        assert EventDetail.objects.get(event=event).body == {
            "changes": {"name": ["Tina Tenant", ""], "phone": ["", "12 34"], "customer_type": ["other", "tenant"]}
        }


class TestTheHomePage:
    def test_links_each_number_to_exactly_its_rows(self, steering: Client, supervisor: User) -> None:
        at = timezone.now()
        mine = make_case(at=at, title="Mine", assigned_to=supervisor)
        make_case(at=at, title="Nobody's")
        waiting = make_case(at=at, title="Waiting", assigned_to=supervisor)
        act(steering, waiting, "status", status="awaiting_customer", version=waiting.version)
        act(steering, mine, "status", status="resolved", version=mine.version)
        Case.objects.filter(title="Nobody's").update(sla_status="breached")
        mailbox = Mailbox.objects.first() or MailboxFactory.create(health="failing")
        inbound, _created = store(mailbox, source_id="q", raw=b"junk", received_at=at, at=at)
        quarantine(inbound.pk, reason="No mail.", at=at)
        for number, state in enumerate(("failed", "maybe_sent", "sent")):
            OutboundMessage.objects.create(
                mailbox=mailbox,
                purpose="reply",
                recipient="a@home.example",
                subject="Hello",
                body="Hello",
                message_id=f"{number}@house.example",
                state=state,
                reason="No.",
                send_after=at,
                created_at=at,
            )
        home = steering.get(reverse("admin:index"))
        tiles = {tile.name: tile for tile in (*home.context["work"], *home.context["troubles"])}
        expected = {
            "open": 2,
            "unassigned": 1,
            "at_risk": 0,
            "breached": 1,
            "waiting": 1,
            "arrived_today": 3,
            "resolved_today": 1,
            "quarantined": 1,
            "undelivered": 2,
            "set_aside": 0,
            "failing": 1,
        }
        assert {name: tile.count for name, tile in tiles.items()} == expected
        for name, tile in tiles.items():
            rows = steering.get(tile.url).context["cl"].result_count
            assert rows == expected[name], name

    def test_shows_the_menu_that_the_role_may_use(self, steering: Client, admin_client: Client) -> None:
        tokens = url(AuthToken, "changelist")
        assert tokens not in steering.get(reverse("admin:index")).content.decode()
        assert tokens in admin_client.get(reverse("admin:index")).content.decode()
