"""Tasks over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tasks.models import Task
from tasks.serializers import TaskRowSerializer, TaskSerializer
from tests.conftest import client_of
from tests.factories import CategoryFactory, ContractorFactory, UserFactory, later, make_case, make_task

pytestmark = pytest.mark.django_db

REFERENCE_FIELDS = {
    "id",
    "case_id",
    "email_id",
    "thread_id",
    "subject",
    "content",
    "sender",
    "sender_email",
    "priority",
    "category",
    "status",
    "assigned_to",
    "created_at",
    "updated_at",
    "summary",
    "sentiment",
    "action_required",
}


class TestCreate:
    def test_adds_a_task_to_a_case(self, agent_client: APIClient) -> None:
        case, contractor = make_case(), ContractorFactory.create()
        CategoryFactory.create(slug="plumbing")
        response = agent_client.post(
            "/api/tasks",
            {
                "case_id": str(case.pk),
                "subject": "Send a plumber",
                "content": "Second floor.",
                "kind": "contractor",
                "trade": "plumber",
                "contractor": contractor.pk,
                "priority": "urgent",
                "category": "plumbing",
                "sentiment": "negative",
                "summary": "Leak",
                "action_required": "Stop the leak",
                "sender": "Tina",
                "sender_email": "tina@home.example",
                "email_id": 7,
                "thread_id": 8,
                "assigned_to": "ana",
                "is_required": True,
                "due_at": "2026-03-05T12:00:00+01:00",
                "checklist": ["Turn the water off", "Call back"],
            },
        )
        assert response.status_code == 201
        task = response.json()
        assert set(task) == set(TaskSerializer().fields)
        assert task["case_id"] == str(case.pk)
        assert (task["kind"], task["contractor"], task["trade"]) == ("contractor", contractor.pk, "plumber")
        assert (task["priority"], task["category"], task["sentiment"]) == ("urgent", "plumbing", "negative")
        assert (task["email_id"], task["thread_id"], task["assigned_to"]) == (7, 8, "ana")
        assert task["due_at"] == "2026-03-05T11:00:00Z"
        assert [step["text"] for step in task["checklist"]] == ["Turn the water off", "Call back"]
        assert (task["status"], task["created_by"]) == ("new", "ana")
        assert agent_client.get(response.headers["Location"]).json() == task
        assert agent_client.get(f"/api/cases/{case.pk}").json()["tasks"] == [task["id"]]

    def test_may_stand_alone(self, agent_client: APIClient) -> None:
        task = agent_client.post("/api/tasks", {"subject": "Order keys"}).json()
        assert (task["case_id"], task["priority"], task["category"]) == (None, "medium", None)

    @pytest.mark.parametrize(
        ("change", "attr"),
        [
            ({"subject": ""}, "subject"),
            ({"status": "new"}, "status"),
            ({"bananas": 1}, "bananas"),
            ({"case_id": str(uuid4())}, "case_id"),
            ({"case_id": "x"}, "case_id"),
            ({"contractor": 99}, "contractor"),
            ({"contractor": 10**30}, "contractor"),
            ({"email_id": 10**30}, "email_id"),
            ({"category": "no-such"}, "category"),
            ({"priority": "Bananas"}, "priority"),
            ({"sender_email": "nobody"}, "sender_email"),
            ({"is_required": "yes"}, "is_required"),
            ({"due_at": "soon"}, "due_at"),
            ({"checklist": "x"}, "checklist"),
            ({"checklist": ["x", ""]}, "checklist.1"),
            ({"assigned_to": "nobody"}, "assigned_to"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, agent_client: APIClient, change: dict[str, Any], attr: str) -> None:
        response = agent_client.post("/api/tasks", {"subject": "x", **change})
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [attr]

    def test_is_not_for_people_who_only_look(self, agent_client: APIClient) -> None:
        UserFactory.create(username="rita", role=User.Role.READ_ONLY)
        assert agent_client.post("/api/tasks", {"subject": "x", "assigned_to": "rita"}).status_code == 400


class TestList:
    def test_shows_the_fields_of_the_reference(self, agent_client: APIClient) -> None:
        make_task()
        (row,) = agent_client.get("/api/tasks").json()["results"]
        assert set(row) >= REFERENCE_FIELDS
        assert set(row) == set(TaskRowSerializer().fields)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("status=new", "mine bens"),
            ("is_open=false", "done"),
            ("assigned_to=me", "mine"),
            ("assigned_to=none", "done"),
            ("is_required=true", "bens"),
            ("kind=contractor", "bens"),
            ("thread_id=5,6", "mine"),
            ("overdue=true", "mine"),
            ("overdue=false", "bens done"),
            ("ordering=-priority&priority=critical,low", "mine done"),
        ],
    )
    def test_is_filtered(self, agent_client: APIClient, agent: User, query: str, expected: str) -> None:
        rows = {
            make_task(assigned_to=agent, thread_id=5, due_at=later(days=1), priority="critical").pk: "mine",
            make_task(assigned_to=UserFactory.create(), is_required=True, kind="contractor").pk: "bens",
        }
        done = make_task(priority="low").pk
        rows[done] = "done"
        agent_client.patch(f"/api/tasks/{done}/status", {"status": "closed"})
        found = [rows[row["id"]] for row in agent_client.get(f"/api/tasks?{query}").json()["results"]]
        assert sorted(found) == sorted(expected.split())

    def test_of_one_case_is_oldest_first(self, agent_client: APIClient) -> None:
        case = make_case()
        first, second = make_task(case=case), make_task(case=case, at=later(hours=1))
        make_task(case=make_case())
        found = agent_client.get(f"/api/cases/{case.pk}/tasks").json()["results"]
        assert [row["id"] for row in found] == [first.pk, second.pk]
        assert agent_client.get(f"/api/tasks?case_id={case.pk}&count=true").json()["count"] == 2

    def test_is_searched_by_words(self, agent_client: APIClient) -> None:
        task = make_task(subject="Send a plumber", sender_email="tina@home.example")
        make_task(subject="Order keys")
        found = agent_client.get("/api/tasks/search?q=tina PLUMB").json()["results"]
        assert [row["id"] for row in found] == [task.pk]
        assert agent_client.get("/api/tasks/search").status_code == 400

    def test_is_counted(self, agent_client: APIClient) -> None:
        make_task(priority="high")
        closed = make_task()
        agent_client.patch(f"/api/tasks/{closed.pk}/status", {"status": "closed"})
        found = agent_client.get("/api/tasks/stats").json()
        assert (found["total"], found["open"], found["unassigned"]) == (2, 1, 1)
        assert found["by_status"] == {"new": 1, "in_progress": 0, "resolved": 0, "closed": 1}


class TestChanges:
    def test_patch_changes_what_is_given(self, agent_client: APIClient) -> None:
        task = make_task(content="Second floor.", category="plumbing")
        found = agent_client.patch(
            f"/api/tasks/{task.pk}",
            {"subject": "Send two", "category": None, "assigned_to": "ana", "status": "in_progress"},
        ).json()
        assert (found["subject"], found["content"], found["category"]) == ("Send two", "Second floor.", None)
        assert (found["assigned_to"], found["status"]) == ("ana", "in_progress")

    def test_patch_does_all_or_nothing(self, agent_client: APIClient) -> None:
        task = make_task()
        agent_client.patch(f"/api/tasks/{task.pk}/status", {"status": "closed"})
        response = agent_client.patch(f"/api/tasks/{task.pk}", {"subject": "Other", "status": "resolved"})
        assert response.status_code == 409
        assert response.json()["allowed"] == ["in_progress"]
        assert Task.objects.get(pk=task.pk).subject == "Send a plumber"

    def test_put_takes_back_what_get_gave(self, agent_client: APIClient) -> None:
        task = make_task(case=make_case(), content="Second floor.", checklist=["One"])
        before = agent_client.get(f"/api/tasks/{task.pk}").json()
        response = agent_client.put(f"/api/tasks/{task.pk}", before)
        assert response.status_code == 200, response.content
        assert response.json() == before

    def test_put_sets_what_is_left_out_to_its_default(self, agent_client: APIClient) -> None:
        task = make_task(content="Second floor.", priority="high")
        found = agent_client.put(f"/api/tasks/{task.pk}", {"subject": "Send two"}).json()
        assert (found["subject"], found["content"], found["priority"]) == ("Send two", "", "medium")
        assert agent_client.put(f"/api/tasks/{task.pk}", {"content": "x"}).status_code == 400

    def test_move_assign_and_remove(self, agent_client: APIClient) -> None:
        url = f"/api/tasks/{make_task().pk}"
        assert agent_client.patch(f"{url}/status", {"status": "resolved"}).json()["status"] == "resolved"
        assert agent_client.patch(f"{url}/status", {"status": "new"}).json()["allowed"] == ["in_progress", "closed"]
        assert agent_client.patch(f"{url}/assign", {"assigned_to": "ana"}).json()["assigned_to"] == "ana"
        assert agent_client.patch(f"{url}/assign", {}).status_code == 400
        assert agent_client.delete(url).status_code == 204
        assert agent_client.get(url).status_code == 404

    @pytest.mark.parametrize("task_id", ["0", "999999", "9" * 30, "x", "-1", "1.5"])
    def test_answer_404_for_what_is_not_there(self, agent_client: APIClient, task_id: str) -> None:
        for response in (agent_client.get(f"/api/tasks/{task_id}"), agent_client.delete(f"/api/tasks/{task_id}")):
            assert response.status_code == 404
            assert response.headers["Content-Type"] == "application/problem+json"


class TestAContractor:
    @pytest.fixture
    def otto(self) -> User:
        return UserFactory.create(username="otto", role=User.Role.CONTRACTOR)

    def test_sees_and_moves_only_their_own_tasks(self, otto: User) -> None:
        client, own, other = client_of(otto), make_task(case=make_case(), assigned_to=otto), make_task()
        assert [row["id"] for row in client.get("/api/tasks").json()["results"]] == [own.pk]
        assert [row["id"] for row in client.get("/api/tasks/search?q=plumber").json()["results"]] == [own.pk]
        assert client.get("/api/tasks/stats").json()["total"] == 1
        assert client.get(f"/api/tasks/{own.pk}").status_code == 200
        assert client.get(f"/api/tasks/{other.pk}").status_code == 404
        assert client.patch(f"/api/tasks/{own.pk}/status", {"status": "resolved"}).status_code == 200
        assert client.patch(f"/api/tasks/{other.pk}/status", {"status": "resolved"}).status_code == 404

    def test_does_nothing_else(self, otto: User) -> None:
        client, task = client_of(otto), make_task(case=make_case(), assigned_to=otto)
        assert client.post("/api/tasks", {"subject": "x"}).status_code == 403
        assert client.patch(f"/api/tasks/{task.pk}", {"subject": "x"}).status_code == 403
        assert client.patch(f"/api/tasks/{task.pk}/assign", {"assigned_to": None}).status_code == 403
        assert client.delete(f"/api/tasks/{task.pk}").status_code == 403
        for url in ("/api/cases", f"/api/cases/{task.case_id}", f"/api/cases/{task.case_id}/tasks", "/api/users"):
            assert client.get(url).status_code == 403, url
