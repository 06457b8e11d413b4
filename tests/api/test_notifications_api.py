"""The bell: everybody's own notifications, and nobody else's."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case, TimelineEvent
from notifications.models import Notification
from tests.conftest import client_of
from tests.factories import NOON, UserFactory, later, make_case

pytestmark = pytest.mark.django_db


def told(user: User, *, number: int = 1, case: Case | None = None, **values: Any) -> Notification:
    """A notification in the bell; each tells of a case of its own."""
    case = case or make_case()
    return Notification.objects.create(
        **{
            "event": TimelineEvent.objects.get(kind="case_created", case=case),
            "recipient": user,
            "channel": "in_app",
            "kind": "assigned",
            "case": case,
            "title": f"Title {number}",
            "body": "Body",
            "created_at": later(minutes=number),
            **values,
        }
    )


def titles(client: APIClient, query: str = "") -> list[str]:
    response = client.get(f"/api/notifications{query}")
    assert response.status_code == 200, response.content
    return [row["title"] for row in response.json()["results"]]


class TestTheBell:
    def test_shows_what_one_was_told(self, agent_client: APIClient, agent: User) -> None:
        case = make_case()
        notification = told(agent, case=case)
        (row,) = agent_client.get("/api/notifications").json()["results"]
        assert row == {
            "id": notification.pk,
            "kind": "assigned",
            "title": "Title 1",
            "body": "Body",
            "case_id": str(case.pk),
            "case_number": case.case_number,
            "event_id": notification.event_id,
            "created_at": "2026-03-04T12:01:00Z",
            "read_at": None,
        }

    def test_shows_neither_other_people_s_nor_what_went_by_mail(self, agent_client: APIClient, agent: User) -> None:
        told(UserFactory.create(), number=1)
        told(agent, number=2, channel="email")
        assert titles(agent_client) == []

    def test_shows_the_newest_first_page_by_page(self, agent_client: APIClient, agent: User) -> None:
        for number in (2, 3, 1):
            told(agent, number=number)
        first = agent_client.get("/api/notifications?limit=2").json()
        second = agent_client.get(first["next"]).json()
        shown = [row["title"] for page in (first, second) for row in page["results"]]
        assert shown == ["Title 3", "Title 2", "Title 1"]

    def test_is_filtered(self, agent_client: APIClient, agent: User) -> None:
        case = told(agent, number=1).case
        told(agent, number=2, read_at=NOON, kind="sla_breached")
        assert case
        assert titles(agent_client, "?unread=true") == ["Title 1"]
        assert titles(agent_client, "?unread=false") == ["Title 2"]
        assert titles(agent_client, "?kind=sla_breached,other") == ["Title 2"]
        assert titles(agent_client, f"?case_id={case.pk}") == ["Title 1"]
        assert titles(agent_client, "?created_after=2026-03-04T12:02:00Z") == ["Title 2"]

    @pytest.mark.parametrize("query", ["unread=maybe", "recipient=ana", "channel=email", "kind=", "ordering=title"])
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, query: str) -> None:
        assert agent_client.get(f"/api/notifications?{query}").status_code == 400

    def test_needs_no_more_queries_for_more_rows(
        self, agent_client: APIClient, agent: User, django_assert_num_queries: Any
    ) -> None:
        told(agent)
        with django_assert_num_queries(1):
            titles(agent_client)
        for number in range(4):
            told(agent, number=number)
        with django_assert_num_queries(1):
            assert len(titles(agent_client)) == 5


class TestTheNumberOnTheBell:
    def test_counts_what_is_unread(self, agent_client: APIClient, agent: User, django_assert_num_queries: Any) -> None:
        told(agent, number=1)
        told(agent, number=2)
        told(agent, number=3, read_at=NOON)
        told(agent, number=4, channel="email")
        told(UserFactory.create(), number=5)
        with django_assert_num_queries(1):
            assert agent_client.get("/api/notifications/unread-count").json() == {"unread": 2}
        assert agent_client.get("/api/notifications/unread-count?kind=assigned").status_code == 400


class TestReading:
    def test_notes_that_one_has_seen_it(self, agent_client: APIClient, agent: User) -> None:
        notification = told(agent)
        first = agent_client.post(f"/api/notifications/{notification.pk}/read")
        assert first.status_code == 200
        assert first.json()["read_at"]
        again = agent_client.post(f"/api/notifications/{notification.pk}/read")
        assert again.json() == first.json()
        assert TimelineEvent.objects.filter(kind="notification_read").count() == 1

    def test_of_somebody_else_s_is_not_found(self, agent_client: APIClient) -> None:
        notification = told(UserFactory.create())
        for number in (notification.pk, 999, 10**30):
            response = agent_client.post(f"/api/notifications/{number}/read")
            assert response.status_code == 404
            assert response.json()["errors"][0]["code"] == "notification_not_found"
        notification.refresh_from_db()
        assert notification.read_at is None

    def test_of_all_notes_that_one_has_seen_them(self, agent_client: APIClient, agent: User) -> None:
        told(agent, number=1)
        told(agent, number=2)
        other = told(UserFactory.create(), number=3)
        assert agent_client.post("/api/notifications/read-all").json() == {"marked": 2, "unread": 0}
        assert agent_client.post("/api/notifications/read-all").json() == {"marked": 0, "unread": 0}
        other.refresh_from_db()
        assert other.read_at is None
        assert titles(agent_client, "?unread=true") == []

    def test_takes_no_body(self, agent_client: APIClient, agent: User) -> None:
        notification = told(agent)
        for url in (f"/api/notifications/{notification.pk}/read", "/api/notifications/read-all"):
            assert agent_client.post(url, {"unread": True}).status_code == 400
        assert Notification.objects.filter(read_at=None).count() == 1


class TestWhoMayLook:
    @pytest.mark.parametrize("role", ["contractor", "read_only", "agent", "supervisor", "administrator"])
    def test_is_everybody_at_their_own(self, role: str) -> None:
        user = UserFactory.create(role=role)
        notification = told(user)
        client = client_of(user)
        assert titles(client) == ["Title 1"]
        assert client.get("/api/notifications/unread-count").json() == {"unread": 1}
        assert client.post(f"/api/notifications/{notification.pk}/read").status_code == 200
        assert client.post("/api/notifications/read-all").status_code == 200

    def test_is_nobody_without_a_name(self, agent: User) -> None:
        notification = told(agent)
        client = APIClient()
        assert client.get("/api/notifications").status_code == 401
        assert client.get("/api/notifications/unread-count").status_code == 401
        assert client.post(f"/api/notifications/{notification.pk}/read").status_code == 401
        assert client.post("/api/notifications/read-all").status_code == 401
