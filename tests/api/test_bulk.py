"""One change for many cases."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.api import bulk
from cases.models import Case, TimelineEvent
from cases.services import delete_case
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, TeamFactory, UserFactory, make_case, make_task

pytestmark = pytest.mark.django_db


def ids(*cases: Case) -> list[str]:
    return [str(case.pk) for case in cases]


class TestStatus:
    def test_tells_each_ones_outcome(self, agent_client: APIClient) -> None:
        fine, closed, blocked, deleted = make_case(), make_case(), make_case(), make_case()
        agent_client.patch(f"/api/cases/{closed.pk}/status", {"status": "closed"})
        make_task(case=blocked, is_required=True)
        delete_case(deleted.pk, at=NOON, actor=SYSTEM)
        unknown = str(uuid4())
        response = agent_client.patch(
            "/api/cases/bulk/status",
            {"case_ids": [*ids(fine, closed, blocked, deleted), unknown, *ids(fine)], "status": "resolved"},
        )
        assert response.status_code == 200
        assert response.json()["updated"] == ids(fine)
        assert [(row["case_id"], row["code"]) for row in response.json()["failed"]] == [
            (str(closed.pk), "transition_not_allowed"),
            (str(blocked.pk), "open_required_tasks"),
            (str(deleted.pk), "case_not_found"),
            (unknown, "case_not_found"),
        ]
        assert all(row["detail"] for row in response.json()["failed"])

    def test_writes_one_event_for_each_case(self, agent_client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulk, "CHUNK", 2)
        cases = [make_case() for _ in range(5)]
        response = agent_client.patch("/api/cases/bulk/status", {"case_ids": ids(*cases), "status": "in_progress"})
        assert response.json() == {"updated": ids(*cases), "failed": []}
        assert TimelineEvent.objects.filter(kind="case_status_changed").count() == 5

    def test_takes_a_filter_in_place_of_ids(self, agent_client: APIClient, agent: User) -> None:
        mine = make_case(priority="low", assigned_to=agent)
        urgent = make_case(priority="urgent", assigned_to=agent)
        make_case(priority="low")
        response = agent_client.patch(
            "/api/cases/bulk/status",
            {"filter": {"assigned_to": "me", "priority": ["low", "urgent"], "is_open": True}, "status": "closed"},
        )
        assert response.json()["updated"] == ids(mine, urgent)

    @pytest.mark.parametrize(
        ("wrong", "attr"),
        [
            ({"status": "closed"}, "case_ids"),
            ({"case_ids": [], "status": "closed"}, "case_ids"),
            ({"case_ids": "x", "status": "closed"}, "case_ids"),
            ({"case_ids": [str(uuid4()), "x"], "status": "closed"}, "case_ids.1"),
            ({"case_ids": [str(uuid4())], "filter": {"status": "new"}, "status": "closed"}, "case_ids"),
            ({"case_ids": [str(uuid4())]}, "status"),
            ({"case_ids": [str(uuid4())], "status": "bananas"}, "status"),
            ({"case_ids": [str(uuid4())] * 5001, "status": "closed"}, "case_ids"),
            ({"case_ids": [str(uuid4())], "status": "closed", "x": 1}, "x"),
            ({"filter": {}, "status": "closed"}, "filter"),
            ({"filter": {"bananas": 1}, "status": "closed"}, "filter.bananas"),
            ({"filter": {"status": "bananas"}, "status": "closed"}, "filter.status"),
            ({"filter": {"status": ""}, "status": "closed"}, "filter.status"),
            ({"filter": {"status": {"a": 1}}, "status": "closed"}, "filter.status"),
            ({"filter": {"assigned_to": "nobody"}, "status": "closed"}, "filter.assigned_to"),
            ({"filter": "status=new", "status": "closed"}, "filter"),
        ],
    )
    def test_names_what_is_wrong_and_changes_nothing(
        self, agent_client: APIClient, wrong: dict[str, Any], attr: str
    ) -> None:
        make_case()
        response = agent_client.patch("/api/cases/bulk/status", wrong)
        assert response.status_code == 400
        assert {error["attr"] for error in response.json()["errors"]} == {attr}
        assert Case.objects.get().status == "new"


class TestAssign:
    def test_gives_many_cases_to_a_person_and_a_team(self, agent_client: APIClient) -> None:
        cases = [make_case(), make_case()]
        TeamFactory.create(slug="repairs")
        response = agent_client.patch(
            "/api/cases/bulk/assign",
            {"case_ids": ids(*cases), "assigned_to": "ana", "assigned_team": "repairs"},
        )
        assert response.json() == {"updated": ids(*cases), "failed": []}
        assert Case.objects.filter(assigned_to__username="ana", assigned_team__slug="repairs").count() == 2
        agent_client.patch("/api/cases/bulk/assign", {"filter": {"assigned_to": "ana"}, "assigned_to": None})
        assert Case.objects.filter(assigned_to=None).count() == 2

    def test_needs_somebody_to_give_them_to(self, agent_client: APIClient) -> None:
        response = agent_client.patch("/api/cases/bulk/assign", {"case_ids": ids(make_case())})
        assert response.status_code == 400

    def test_is_not_for_those_who_only_look(self) -> None:
        client = client_of(UserFactory.create(role=User.Role.READ_ONLY))
        for path, body in (("status", {"status": "closed"}), ("assign", {"assigned_to": None})):
            response = client.patch(f"/api/cases/bulk/{path}", {"case_ids": ids(make_case()), **body})
            assert response.status_code == 403
