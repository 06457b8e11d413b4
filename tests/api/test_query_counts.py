"""How many queries a list or a single thing needs is fixed, and does not grow with rows."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.services import add_note
from tests.factories import (
    NOON,
    SYSTEM,
    CategoryFactory,
    MembershipFactory,
    TeamFactory,
    UserFactory,
    make_case,
    make_task,
)

pytestmark = pytest.mark.django_db


def fill(agent: User) -> None:
    team, category = TeamFactory.create(slug="repairs"), CategoryFactory.create()
    MembershipFactory.create(user=agent, team=team)
    for n in range(3):
        case = make_case(
            email=f"tenant{n}@home.example",
            assigned_to=UserFactory.create() if n else agent,
            assigned_team=team,
            category=category,
            tags=[f"tag{n}", "all"],
        )
        make_task(case=case, assigned_to=agent)
        add_note(case.pk, "Called.", at=NOON, actor=SYSTEM)


@pytest.mark.parametrize(
    ("url", "queries"),
    [
        ("/api/cases", 2),  # cases with their people; tags
        ("/api/cases?count=true", 3),
        ("/api/cases?status=new&assigned_to=me,none&tag=all", 2),
        ("/api/cases?assigned_to=ana&assigned_team=repairs", 4),  # who is ana, and which team that is
        ("/api/cases/search?q=heating", 2),
        ("/api/cases/stats", 1),
        ("/api/tasks", 1),
        ("/api/tasks/stats", 1),
        ("/api/users", 2),
        ("/api/teams", 1),
        ("/api/categories", 1),
    ],
)
def test_a_list_needs_no_more_queries_for_more_rows(
    agent_client: APIClient, agent: User, django_assert_num_queries: Any, url: str, queries: int
) -> None:
    fill(agent)
    with django_assert_num_queries(queries):
        assert agent_client.get(url).status_code == 200
    fill_more = [make_case(assigned_to=UserFactory.create(), tags=["x", "y"]) for _ in range(5)]
    make_task(case=fill_more[0], assigned_to=UserFactory.create())
    with django_assert_num_queries(queries):
        assert agent_client.get(url).status_code == 200


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("", 7),  # case, tags, timeline, tasks, threads, clocks, names of actors
        ("/timeline", 3),  # may the caller see the case; events with details; names of actors
        ("/notes", 2),
        ("/tasks", 2),
    ],
)
def test_one_case_needs_no_more_queries_for_more_in_it(
    agent_client: APIClient, agent: User, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    fill(agent)
    case_id = agent_client.get("/api/cases").json()["results"][0]["case_id"]
    agent_client.post(f"/api/cases/{case_id}/notes", {"body": "Called."})
    with django_assert_num_queries(queries):
        agent_client.get(f"/api/cases/{case_id}{path}")
    for n in range(5):
        agent_client.post(f"/api/cases/{case_id}/notes", {"body": f"Called {n}."})
        agent_client.post("/api/tasks", {"case_id": case_id, "subject": f"Task {n}", "assigned_to": "ana"})
    with django_assert_num_queries(queries):
        assert agent_client.get(f"/api/cases/{case_id}{path}").status_code == 200


def test_a_case_that_is_known_already_costs_only_a_look(
    agent_client: APIClient, django_assert_num_queries: Any
) -> None:
    url = f"/api/cases/{make_case().pk}"
    tag = agent_client.get(url).headers["ETag"]
    with django_assert_num_queries(2):
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 304


def test_one_task_needs_two_queries(agent_client: APIClient, django_assert_num_queries: Any) -> None:
    task = make_task(case=make_case(), checklist=["One", "Two", "Three"])
    with django_assert_num_queries(2):
        assert len(agent_client.get(f"/api/tasks/{task.pk}").json()["checklist"]) == 3
