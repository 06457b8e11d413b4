"""People and customers, saved by their services."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from knox.models import AuthToken

from accounts.actors import Actor
from accounts.models import User
from cases.models import EventDetail, TimelineEvent
from cases.services import revoke_token, save_person, update_customer
from handyconnect.refusals import Conflict, NotFound
from tests.factories import NOON, SYSTEM, UserFactory, make_case

pytestmark = pytest.mark.django_db


def person(**fields: object) -> User:
    return UserFactory.build(**fields)


class TestSavePerson:
    def test_gives_the_access_that_the_role_has(self) -> None:
        saved = {role: save_person(person(role=role), at=NOON, actor=SYSTEM) for role in User.Role.values}
        assert {role for role, one in saved.items() if one.is_staff} == {"administrator", "supervisor"}
        assert {role for role, one in saved.items() if one.is_superuser} == {"administrator"}

    def test_writes_one_event_and_keeps_names_out_of_what_is_sealed(self) -> None:
        saved = save_person(person(username="nina", first_name="Nina"), at=NOON, actor=SYSTEM)
        event = TimelineEvent.objects.get()
        assert (event.kind, event.subject_type, event.subject_id) == ("configuration_changed", "user", str(saved.pk))
        assert event.changes["role"] == [None, "agent"]
        assert "first_name" not in event.changes
        assert (EventDetail.objects.get().body or {})["changes"]["first_name"] == [None, "Nina"]

    def test_is_silent_when_nothing_changes(self, agent: User) -> None:
        save_person(agent, at=NOON, actor=SYSTEM)
        assert not TimelineEvent.objects.exists()

    def test_refuses_a_time_zone_that_does_not_exist(self, agent: User) -> None:
        agent.time_zone = "Mars/Base"
        with pytest.raises(ValidationError, match="not a time zone"):
            save_person(agent, at=NOON, actor=SYSTEM)

    def test_takes_the_keys_of_whoever_no_longer_administrates(self, administrator: User) -> None:
        UserFactory.create(role=User.Role.ADMINISTRATOR)
        administrator.role = User.Role.AGENT
        saved = save_person(administrator, at=NOON, actor=SYSTEM)
        assert (saved.is_superuser, saved.is_staff) == (False, False)

    @pytest.mark.parametrize("change", [{"role": "agent"}, {"is_active": False}])
    def test_keeps_the_last_administrator(self, administrator: User, change: dict[str, object]) -> None:
        UserFactory.create(role=User.Role.ADMINISTRATOR, is_active=False)
        for name, value in change.items():
            setattr(administrator, name, value)
        with pytest.raises(Conflict, match="last administrator"):
            save_person(administrator, at=NOON, actor=SYSTEM)


class TestRevokeToken:
    def test_takes_the_token_away_and_tells_it_without_the_secret(self, agent: User) -> None:
        token, secret = AuthToken.objects.create(user=agent)
        revoke_token(token, at=NOON, actor=Actor.user(agent))
        event = TimelineEvent.objects.get()
        assert not AuthToken.objects.exists()
        assert (event.subject_id, event.data["reason"]) == (str(agent.pk), "API token revoked")
        assert secret not in str(event.data)


class TestUpdateCustomer:
    def test_changes_and_clears_what_is_known(self) -> None:
        customer = make_case().customer
        saved = update_customer(customer.pk, {"name": "", "phone": "12 34"}, at=NOON, actor=SYSTEM)
        assert (saved.name, saved.phone) == ("", "12 34")
        event = TimelineEvent.objects.latest("id")
        assert (event.kind, event.changes) == ("customer_updated", {})

    def test_leaves_the_address_alone(self) -> None:
        customer = make_case().customer
        before = TimelineEvent.objects.count()
        saved = update_customer(customer.pk, {"email": "other@home.example"}, at=NOON, actor=SYSTEM)
        assert saved.email == customer.email
        assert TimelineEvent.objects.count() == before

    def test_names_the_field_that_is_wrong(self) -> None:
        customer = make_case().customer
        with pytest.raises(ValidationError) as refused:
            update_customer(customer.pk, {"customer_type": "emperor"}, at=NOON, actor=SYSTEM)
        assert set(refused.value.message_dict) == {"customer_type"}

    def test_refuses_a_customer_who_does_not_exist(self) -> None:
        with pytest.raises(NotFound):
            update_customer(0, {"name": "Nobody"}, at=NOON, actor=SYSTEM)


class TestTheFirstAdministrator:
    def test_is_one_by_role_too(self) -> None:
        call_command("createsuperuser", "--noinput", "--username", "root", "--email", "root@house.example")
        assert User.objects.get().role == User.Role.ADMINISTRATOR
