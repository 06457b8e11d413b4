"""Who may do what, how programs sign in, and what people see of each other."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model
from rest_framework.test import APIClient

from accounts.models import Team, User
from accounts.services import PersonInactive, create_user, make_token
from tests.conftest import client_of
from tests.factories import MembershipFactory, TeamFactory, UserFactory, make_case, make_task

pytestmark = pytest.mark.django_db

ANYWHERE = ("/api/cases", "/api/cases/stats", "/api/tasks", "/api/me", "/api/users", "/api/teams", "/api/categories")
READERS = (User.Role.READ_ONLY, User.Role.AGENT, User.Role.SUPERVISOR, User.Role.ADMINISTRATOR)
WRITERS = READERS[1:]


def requests(case_id: object, task_id: object) -> Iterator[tuple[str, str, Any, str]]:
    """Every way to write: method, address, body, and who may."""
    case = {"case_title": "x", "customer_info": {"email": "a@b.example"}}
    yield "post", "/api/cases", case, "write"
    yield "put", f"/api/cases/{case_id}", case, "write"
    yield "patch", f"/api/cases/{case_id}", {"priority": "high"}, "write"
    yield "patch", f"/api/cases/{case_id}/status", {"status": "in_progress"}, "write"
    yield "patch", f"/api/cases/{case_id}/assign", {"assigned_to": None}, "write"
    yield "post", f"/api/cases/{case_id}/notes", {"body": "x"}, "write"
    yield "patch", "/api/cases/bulk/status", {"case_ids": [str(uuid4())], "status": "closed"}, "write"
    yield "patch", "/api/cases/bulk/assign", {"case_ids": [str(uuid4())], "assigned_to": None}, "write"
    yield "post", "/api/tasks", {"subject": "x"}, "write"
    yield "put", f"/api/tasks/{task_id}", {"subject": "x"}, "write"
    yield "patch", f"/api/tasks/{task_id}", {"subject": "x"}, "write"
    yield "patch", f"/api/tasks/{task_id}/assign", {"assigned_to": None}, "write"
    yield "patch", f"/api/tasks/{task_id}/status", {"status": "in_progress"}, "write"
    yield "delete", f"/api/tasks/{task_id}", None, "write"
    yield "delete", f"/api/cases/{case_id}", None, "write"
    yield "post", f"/api/cases/{case_id}/restore", None, "steer"


class TestAnonymous:
    @pytest.mark.parametrize("url", ANYWHERE)
    def test_is_asked_to_sign_in(self, url: str) -> None:
        response = APIClient().get(url)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_writes_nothing(self) -> None:
        for method, url, body, _who in requests(make_case().pk, make_task().pk):
            assert getattr(APIClient(), method)(url, body).status_code == 401, url

    def test_learns_nothing_of_what_exists(self) -> None:
        here, nowhere = (APIClient().get(f"/api/cases/{case_id}") for case_id in (make_case().pk, uuid4()))
        assert here.json() == nowhere.json()


class TestRoles:
    @pytest.mark.parametrize("role", READERS)
    def test_of_the_house_read(self, role: str) -> None:
        client = client_of(UserFactory.create(role=role))
        for url in (*ANYWHERE, f"/api/cases/{make_case().pk}"):
            assert client.get(url).status_code == 200, url

    @pytest.mark.parametrize("role", User.Role.values)
    def test_write_as_far_as_they_may(self, role: str) -> None:
        client = client_of(UserFactory.create(role=role))
        steers = role in {"supervisor", "administrator"}
        for method, url, body, who in requests(make_case().pk, make_task().pk):
            allowed = steers if who == "steer" else role in WRITERS
            response = getattr(client, method)(url, body)
            if allowed:
                assert response.status_code < 300, (method, url, response.content)
            elif role == "contractor" and url.endswith("/status") and "/tasks/" in url:
                assert response.status_code == 404  # not their task
            else:
                assert response.status_code == 403, (method, url)
                assert response.json()["errors"][0]["code"] == "permission_denied"

    def test_end_with_the_account(self) -> None:
        user = UserFactory.create(is_active=False)
        assert client_of(user).get("/api/cases").status_code in {401, 403}


class TestASession:
    def test_works_with_a_csrf_token_only(self) -> None:
        user = UserFactory.create()
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert client.get("/api/me").json()["username"] == user.username
        body = {"case_title": "x", "customer_info": {"email": "a@b.example"}}
        response = client.post("/api/cases", body, content_type="application/json")
        assert response.status_code == 403
        assert response.headers["Content-Type"] == "application/problem+json"


class TestAToken:
    def test_is_printed_alone_and_works(self) -> None:
        UserFactory.create(username="ana")
        out = io.StringIO()
        call_command("api_token", "ana", stdout=out)
        (token,) = out.getvalue().splitlines()
        response = Client().get("/api/me", headers={"Authorization": f"Bearer {token}"})
        assert response.json()["username"] == "ana"
        assert not get_token_model().objects.filter(digest=token).exists()  # only its hash is kept

    def test_needs_no_csrf_token(self) -> None:
        token = make_token(UserFactory.create(), at=timezone.now())
        client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"})
        body = {"case_title": "x", "customer_info": {"email": "a@b.example"}}
        assert client.post("/api/cases", body, content_type="application/json").status_code == 201

    @pytest.mark.parametrize("username", ["nobody", "", "\x00", "gone"])
    def test_is_refused_to_nobody_and_to_the_inactive(self, username: str) -> None:
        UserFactory.create(username="gone", is_active=False)
        out = io.StringIO()
        with pytest.raises(CommandError, match=r"nobody called|not active"):
            call_command("api_token", username, stdout=out)
        assert out.getvalue() == ""

    def test_dies_with_its_time_and_its_person(self) -> None:
        user = UserFactory.create()
        old = make_token(user, at=timezone.now() - timedelta(days=366))
        new = make_token(user, at=timezone.now())
        headers = {"Authorization": f"Bearer {new}"}
        assert Client().get("/api/me", headers={"Authorization": f"Bearer {old}"}).status_code == 401
        assert Client().get("/api/me", headers=headers).status_code == 200
        user.is_active = False
        user.save()
        assert Client().get("/api/me", headers=headers).status_code == 401
        with pytest.raises(PersonInactive):
            make_token(user, at=timezone.now())

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer a b", "Bearer hc_nonsense", "Bearer \xff\xfe", "Bearer \x00", "bearer ümlaut"]
    )
    def test_that_is_none_is_a_401(self, header: str) -> None:
        response = Client().get("/api/me", headers={"Authorization": header})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"

    def test_of_another_kind_is_as_good_as_none(self) -> None:
        assert Client().get("/api/me", headers={"Authorization": "Basic YTpi"}).status_code == 401


class TestMe:
    def test_says_who_i_am_and_what_i_may(self) -> None:
        sam = UserFactory.create(
            username="sam", first_name="Sam", last_name="Stone", role=User.Role.SUPERVISOR, time_zone="Europe/Berlin"
        )
        MembershipFactory.create(user=sam, team=TeamFactory.create(slug="repairs"))
        me = client_of(sam).get("/api/me").json()
        assert (me["username"], me["name"], me["role"], me["teams"]) == ("sam", "Sam Stone", "supervisor", ["repairs"])
        assert me["time_zone"] == "Europe/Berlin"
        assert me["may"] == {"read": True, "write": True, "steer": True, "configure": False}

    def test_is_for_contractors_too(self) -> None:
        client = client_of(UserFactory.create(role=User.Role.CONTRACTOR))
        assert client.get("/api/me").json()["may"]["read"] is False

    def test_is_read_only(self, agent_client: APIClient) -> None:
        response = agent_client.patch("/api/me", {"role": "administrator"})
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


class TestUsersAndTeams:
    def test_are_listed_and_found(self, agent_client: APIClient) -> None:
        team: Team = TeamFactory.create(slug="repairs", name="Repairs")
        MembershipFactory.create(user=UserFactory.create(username="ben", first_name="Ben"), team=team)
        assert [row["username"] for row in agent_client.get("/api/users").json()["results"]] == ["ana", "ben"]
        assert [row["username"] for row in agent_client.get("/api/users?team=repairs").json()["results"]] == ["ben"]
        assert [row["username"] for row in agent_client.get("/api/users?team=none").json()["results"]] == ["ana"]
        assert agent_client.get("/api/users?role=supervisor").json()["results"] == []
        assert agent_client.get("/api/users/ben").json()["teams"] == ["repairs"]
        assert agent_client.get("/api/users/nobody").status_code == 404
        assert agent_client.get("/api/users/%00").status_code == 404
        assert agent_client.get("/api/teams?q=rep").json()["results"][0]["slug"] == "repairs"
        assert agent_client.get("/api/teams/repairs").json()["name"] == "Repairs"

    def test_show_no_secrets(self, agent_client: APIClient) -> None:
        (row,) = agent_client.get("/api/users").json()["results"]
        assert not {"password", "last_login", "is_superuser"} & set(row)


class TestCreateUser:
    def test_adds_a_person_with_teams(self) -> None:
        team = TeamFactory.create()
        user = create_user(
            username="ben", role=User.Role.SUPERVISOR, email="ben@staff.example", password="gr8-long-one", teams=(team,)
        )
        assert user.check_password("gr8-long-one")
        assert (user.is_staff, user.is_superuser) == (True, False)
        assert list(user.teams.all()) == [team]

    def test_refuses_what_cannot_be(self) -> None:
        with pytest.raises(ValidationError):
            create_user(username="ben", role="king")
        with pytest.raises(ValidationError):
            create_user(username="ben", role=User.Role.AGENT, password="short")
        assert not create_user(username="ben", role=User.Role.AGENT).has_usable_password()
