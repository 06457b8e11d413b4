"""People and their API tokens, made by their services."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from knox.auth import TokenAuthentication
from knox.models import AuthToken

from accounts.models import User
from accounts.services import PersonInactive, PersonUnknown, create_user, find_person, make_token
from cases.models import TimelineEvent
from cases.services import note_password_change
from tests.factories import NOON, SYSTEM, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


class TestCreateUser:
    def test_adds_a_person_with_teams_and_a_password(self) -> None:
        made = create_user(
            username="nina", role="supervisor", password="correct-horse-42", teams=(TeamFactory.create(),)
        )
        saved = User.objects.get()
        assert saved == made
        assert saved.check_password("correct-horse-42")
        assert (saved.is_staff, saved.is_superuser) == (True, False)
        assert saved.memberships.count() == 1

    def test_adds_one_who_cannot_sign_in_by_password(self) -> None:
        assert not create_user(username="nina", role="agent").has_usable_password()

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"role": "king"}, "role"),
            ({"username": ""}, "username"),
            ({"time_zone": "Mars/Base"}, "time_zone"),
            ({"password": "1234"}, "__all__"),
        ],
    )
    def test_names_what_is_wrong_and_saves_nothing(self, fields: dict[str, Any], wrong: str) -> None:
        with pytest.raises(ValidationError) as caught:
            create_user(**{"username": "nina", "role": "agent", **fields})
        assert wrong in getattr(caught.value, "error_dict", {"__all__": caught.value})
        assert not User.objects.exists()


class TestMakeToken:
    def test_opens_the_api_to_this_person_for_its_time_and_keeps_only_a_hash(self) -> None:
        user = UserFactory.create()
        token = make_token(user, at=NOON)
        row = AuthToken.objects.get()
        assert token not in {row.digest, row.token_key}
        assert row.expiry == NOON + timedelta(days=365)
        row.expiry = None
        row.save()
        assert TokenAuthentication().authenticate_credentials(token.encode())[0] == user

    def test_refuses_who_has_left(self) -> None:
        with pytest.raises(PersonInactive):
            make_token(UserFactory.create(is_active=False), at=NOON)
        assert not AuthToken.objects.exists()


class TestFindPerson:
    def test_finds_by_name(self) -> None:
        user = UserFactory.create(username="nina")
        assert find_person("nina") == user

    @pytest.mark.parametrize("name", ["nobody", "", "nina\x00"])
    def test_says_when_there_is_nobody(self, name: str) -> None:
        UserFactory.create(username="nina")
        with pytest.raises(PersonUnknown):
            find_person(name)


class TestNotePasswordChange:
    def test_tells_that_it_was_set_and_not_what_it_is(self) -> None:
        user = UserFactory.create()
        note_password_change(user, at=NOON, actor=SYSTEM)
        event = TimelineEvent.objects.get()
        assert (event.subject_id, event.data["reason"]) == (str(user.pk), "password set")
        assert event.changes == {}
