"""Cases over HTTP: what comes out, and what a person can do to one."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.api.serializers import CaseRowSerializer, CaseSerializer, EventSerializer, NoteSerializer
from cases.models import Case, TimelineEvent
from cases.services import CaseDraft, CustomerInfo, create_case, delete_case
from tests.conftest import client_of
from tests.factories import (
    NOON,
    SYSTEM,
    CategoryFactory,
    TeamFactory,
    UserFactory,
    later,
    make_case,
    make_task,
)

pytestmark = pytest.mark.django_db

# What the reference documents of a case, beside whatever we add.
REFERENCE_FIELDS = {
    "case_id",
    "case_number",
    "case_title",
    "case_type",
    "status",
    "priority",
    "sentiment",
    "sla_due_date",
    "sla_status",
    "assigned_to",
    "assigned_team",
    "customer_info",
    "case_metadata",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
}


def body(**more: Any) -> dict[str, Any]:
    return {"case_title": "No hot water", "customer_info": {"email": "tina@home.example"}, **more}


class TestList:
    def test_shows_the_fields_of_the_reference_without_the_long_parts(self, agent_client: APIClient) -> None:
        case = make_case()
        (row,) = agent_client.get("/api/cases").json()["results"]
        assert set(row) >= REFERENCE_FIELDS
        assert not {"threads", "tasks", "timeline"} & set(row)
        assert set(row) == set(CaseRowSerializer().fields)  # as the OpenAPI document says
        assert row["case_id"] == str(case.pk)
        assert row["customer_info"]["email"] == "tenant@home.example"
        assert row["created_at"] == "2026-03-04T12:00:00Z"

    def test_leaves_deleted_cases_out(self, agent_client: APIClient) -> None:
        delete_case(make_case().pk, at=NOON, actor=SYSTEM)
        assert agent_client.get("/api/cases").json()["results"] == []


class TestCreate:
    def test_opens_a_case_and_answers_with_all_of_it(self, agent_client: APIClient) -> None:
        team, category = TeamFactory.create(slug="repairs"), CategoryFactory.create(slug="plumbing")
        response = agent_client.post(
            "/api/cases",
            body(
                description="Since Monday.",
                case_type="maintenance",
                priority="high",
                sentiment="frustrated",
                category=category.slug,
                assigned_to="ana",
                assigned_team=team.slug,
                customer_info={
                    "email": "Tina@Home.Example",
                    "name": "Tina Tenant",
                    "phone": "+49 30 1",
                    "property_id": "P-7",
                    "property_address": "1 Elm Street",
                    "property_number": "12",
                    "block_number": "B",
                    "customer_type": "tenant",
                },
                case_metadata={"tags": ["leak", "urgent"], "meter": 42},
            ),
        )
        assert response.status_code == 201
        case = response.json()
        assert set(case) == set(CaseSerializer().fields)
        assert case["case_title"] == "No hot water"
        assert case["description"] == "Since Monday."
        assert (case["case_type"], case["priority"], case["sentiment"]) == ("maintenance", "high", "frustrated")
        assert (case["assigned_to"], case["assigned_team"], case["category"]) == ("ana", "repairs", "plumbing")
        assert case["customer_info"] == {
            "email": "tina@home.example",
            "name": "Tina Tenant",
            "phone": "+49 30 1",
            "property_id": "P-7",
            "property_address": "1 Elm Street",
            "property_number": "12",
            "block_number": "B",
            "customer_type": "tenant",
        }
        assert case["case_metadata"] == {"tags": ["leak", "urgent"], "meter": 42}
        assert case["status"] == "new"
        assert (case["created_by"], case["updated_by"]) == ("ana", "ana")
        assert (case["threads"], case["tasks"]) == ([], [])
        assert [event["kind"] for event in case["timeline"]] == ["case_created"]
        assert response.headers["Location"] == f"http://testserver/api/cases/{case['case_id']}"
        assert agent_client.get(response.headers["Location"]).json() == case

    @pytest.mark.parametrize(
        ("change", "attr"),
        [
            ({"case_title": "  "}, "case_title"),
            ({"case_title": None}, "case_title"),
            ({"case_title": "x" * 301}, "case_title"),
            ({"case_title": 7}, "case_title"),
            ({"status": "new"}, "status"),
            ({"bananas": 1}, "bananas"),
            ({"priority": "Bananas"}, "priority"),
            ({"case_type": ""}, "case_type"),
            ({"sentiment": ["neutral"]}, "sentiment"),
            ({"category": "no-such"}, "category"),
            ({"assigned_to": "nobody"}, "assigned_to"),
            ({"assigned_to": 1}, "assigned_to"),
            ({"assigned_team": "no-such"}, "assigned_team"),
            ({"customer_info": {}}, "customer_info.email"),
            ({"customer_info": {"email": "not an address"}}, "customer_info.email"),
            ({"customer_info": {"email": "a@b.example", "shoe_size": 44}}, "customer_info.shoe_size"),
            ({"customer_info": {"email": "a@b.example", "customer_type": "alien"}}, "customer_info.customer_type"),
            ({"customer_info": "a@b.example"}, "customer_info"),
            ({"case_metadata": []}, "case_metadata"),
            ({"case_metadata": {"tags": "leak"}}, "case_metadata.tags"),
            ({"case_metadata": {"tags": ["x" * 61]}}, "case_metadata.tags"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, agent_client: APIClient, change: dict[str, Any], attr: str) -> None:
        response = agent_client.post("/api/cases", body(**change))
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"
        assert [error["attr"] for error in response.json()["errors"]] == [attr]
        assert not Case.objects.exists()

    def test_names_every_field_that_is_missing(self, agent_client: APIClient) -> None:
        errors = agent_client.post("/api/cases", {}).json()["errors"]
        assert [(error["attr"], error["code"]) for error in errors] == [
            ("case_title", "required"),
            ("customer_info", "required"),
        ]

    @pytest.mark.parametrize("role", [User.Role.CONTRACTOR, User.Role.READ_ONLY])
    def test_gives_a_case_to_nobody_who_does_not_work_on_cases(self, agent_client: APIClient, role: str) -> None:
        UserFactory.create(username="otto", role=role)
        response = agent_client.post("/api/cases", body(assigned_to="otto"))
        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == "assigned_to"


class TestRetrieve:
    def test_names_its_tasks_and_the_newest_fifty_events(self, agent_client: APIClient) -> None:
        case = make_case()
        tasks = [make_task(case=case).pk for _ in range(52)]
        found = agent_client.get(f"/api/cases/{case.pk}").json()
        assert found["tasks"] == tasks
        assert len(found["timeline"]) == 50
        assert set(found["timeline"][0]) == set(EventSerializer().fields)
        rest = agent_client.get(found["timeline_next"]).json()
        assert [event["kind"] for event in rest["results"]] == ["task_created"] * 2 + ["case_created"]
        assert rest["next"] is None

    @pytest.mark.parametrize(
        "path", ["/api/cases/0198c0de-0000-7000-8000-000000000000", "/api/cases/17", "/api/cases/not-a-uuid"]
    )
    def test_answers_404_in_json_for_what_is_not_there(self, agent_client: APIClient, path: str) -> None:
        response = agent_client.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 404

    def test_refuses_parameters_that_it_does_not_know(self, agent_client: APIClient) -> None:
        response = agent_client.get(f"/api/cases/{make_case().pk}?expand=all")
        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == "expand"


class TestByNumber:
    def test_finds_it_in_any_case_of_letters(self, agent_client: APIClient) -> None:
        case = make_case()
        response = agent_client.get(f"/api/cases/number/{case.case_number.lower()}")
        assert response.json()["case_id"] == str(case.pk)
        assert response.headers["Content-Location"] == f"/api/cases/{case.pk}"

    def test_follows_a_merge_to_the_case_that_is_left(self, agent_client: APIClient) -> None:
        left, middle, first = make_case(), make_case(), make_case()
        Case.objects.filter(pk=middle.pk).update(status="merged", merged_into=left)
        Case.objects.filter(pk=first.pk).update(status="merged", merged_into=middle)
        assert agent_client.get(f"/api/cases/number/{first.case_number}").json()["case_id"] == str(left.pk)

    @pytest.mark.parametrize("number", ["HC-1", "HC-99999999", "x", "%00", "HC-١٢٣"])
    def test_answers_404_for_a_number_that_is_none(self, agent_client: APIClient, number: str) -> None:
        assert agent_client.get(f"/api/cases/number/{number}").status_code == 404


class TestChanges:
    def test_patch_changes_what_is_given_and_nothing_else(self, agent_client: APIClient) -> None:
        case = make_case(title="Old", priority="low", description="Cold.", metadata={"meter": 1, "floor": 3})
        response = agent_client.patch(
            f"/api/cases/{case.pk}",
            {"case_title": "New", "case_metadata": {"meter": 2, "floor": None, "tags": ["leak"]}},
        )
        assert response.status_code == 200
        found = response.json()
        assert (found["case_title"], found["priority"], found["description"]) == ("New", "low", "Cold.")
        assert found["case_metadata"] == {"meter": 2, "tags": ["leak"]}
        assert found["updated_by"] == "ana"
        assert found["timeline"][0]["kind"] == "case_updated"
        assert found["timeline"][0]["actor"] == {
            "kind": "user",
            "reference": str(User.objects.get(username="ana").pk),
            "name": "ana",
        }
        assert found["timeline"][0]["detail"]["changes"]["title"] == ["Old", "New"]

    def test_patch_keeps_the_tags_when_only_other_metadata_changes(self, agent_client: APIClient) -> None:
        case = make_case(tags=["leak"])
        found = agent_client.patch(f"/api/cases/{case.pk}", {"case_metadata": {"meter": 2}}).json()
        assert found["case_metadata"] == {"meter": 2, "tags": ["leak"]}

    def test_patch_edits_the_customer_of_the_case_without_their_address(self, agent_client: APIClient) -> None:
        case = make_case(email="tina@home.example")
        found = agent_client.patch(f"/api/cases/{case.pk}", {"customer_info": {"phone": "110"}}).json()
        assert (found["customer_info"]["email"], found["customer_info"]["phone"]) == ("tina@home.example", "110")

    def test_patch_moves_and_assigns_in_one_go_or_not_at_all(self, agent_client: APIClient) -> None:
        case = make_case()
        response = agent_client.patch(f"/api/cases/{case.pk}", {"priority": "high", "status": "merged"})
        assert response.status_code == 409
        case.refresh_from_db()
        assert case.priority == "medium"
        done = agent_client.patch(f"/api/cases/{case.pk}", {"status": "in_progress", "assigned_to": "ana"}).json()
        assert (done["status"], done["assigned_to"]) == ("in_progress", "ana")

    @pytest.mark.parametrize("field", ["case_number", "sla_status", "created_at", "bananas"])
    def test_patch_refuses_what_people_do_not_set(self, agent_client: APIClient, field: str) -> None:
        response = agent_client.patch(f"/api/cases/{make_case().pk}", {field: "x"})
        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == field

    def test_put_takes_back_what_get_gave(self, agent_client: APIClient) -> None:
        case = make_case(priority="high", tags=["leak"], assigned_team=TeamFactory.create())
        before = agent_client.get(f"/api/cases/{case.pk}").json()
        events = TimelineEvent.objects.count()
        response = agent_client.put(f"/api/cases/{case.pk}", before)
        assert response.status_code == 200
        assert response.json() == before
        assert TimelineEvent.objects.count() == events

    def test_put_sets_what_is_left_out_to_its_default(self, agent_client: APIClient) -> None:
        case = make_case(priority="high", description="Cold.", tags=["leak"], metadata={"meter": 1})
        found = agent_client.put(f"/api/cases/{case.pk}", body()).json()
        assert (found["case_title"], found["priority"], found["description"]) == ("No hot water", "medium", "")
        assert found["case_metadata"] == {"tags": []}

    def test_put_needs_the_whole(self, agent_client: APIClient) -> None:
        response = agent_client.put(f"/api/cases/{make_case().pk}", {"priority": "high"})
        assert response.status_code == 400
        assert {error["attr"] for error in response.json()["errors"]} == {"case_title", "customer_info"}


class TestStatus:
    def test_moves_the_case(self, agent_client: APIClient) -> None:
        case = make_case()
        response = agent_client.patch(f"/api/cases/{case.pk}/status", {"status": "in_progress"})
        assert response.status_code == 200
        assert response.json()["status"] == "in_progress"

    def test_names_the_allowed_moves_when_it_refuses(self, agent_client: APIClient) -> None:
        case = make_case()
        agent_client.patch(f"/api/cases/{case.pk}/status", {"status": "closed"})
        response = agent_client.patch(f"/api/cases/{case.pk}/status", {"status": "awaiting_vendor"})
        assert response.status_code == 409
        problem = response.json()
        assert problem["allowed"] == ["in_progress"]
        assert problem["errors"][0]["code"] == "transition_not_allowed"
        assert problem["type"] == "urn:handyconnect:problem:transition_not_allowed"

    def test_says_which_required_task_stands_in_the_way(self, agent_client: APIClient) -> None:
        case = make_case()
        task = make_task(case=case, subject="Turn the water off", is_required=True)
        response = agent_client.patch(f"/api/cases/{case.pk}/status", {"status": "resolved"})
        assert response.status_code == 409
        assert response.json()["blocking"] == [str(task.pk)]
        assert "Turn the water off" in response.json()["detail"]

    @pytest.mark.parametrize("wrong", [{"status": "Bananas"}, {}, {"status": None}, {"status": "new", "x": 1}])
    def test_refuses_what_is_no_status(self, agent_client: APIClient, wrong: dict[str, Any]) -> None:
        assert agent_client.patch(f"/api/cases/{make_case().pk}/status", wrong).status_code == 400


class TestAssign:
    def test_takes_a_username_a_team_and_null(self, agent_client: APIClient) -> None:
        case, team = make_case(), TeamFactory.create(slug="repairs")
        found = agent_client.patch(
            f"/api/cases/{case.pk}/assign", {"assigned_to": "ana", "assigned_team": team.slug}
        ).json()
        assert (found["assigned_to"], found["assigned_team"]) == ("ana", "repairs")
        found = agent_client.patch(f"/api/cases/{case.pk}/assign", {"assigned_to": None}).json()
        assert (found["assigned_to"], found["assigned_team"]) == (None, "repairs")

    def test_needs_one_of_the_two(self, agent_client: APIClient) -> None:
        assert agent_client.patch(f"/api/cases/{make_case().pk}/assign", {}).status_code == 400

    def test_refuses_somebody_who_has_left(self, agent_client: APIClient) -> None:
        UserFactory.create(username="gone", is_active=False)
        response = agent_client.patch(f"/api/cases/{make_case().pk}/assign", {"assigned_to": "gone"})
        assert response.json()["errors"][0] == {
            "code": "inactive",
            "detail": "gone no longer works here.",
            "attr": "assigned_to",
        }


class TestDelete:
    def test_takes_it_away_and_a_supervisor_brings_it_back(
        self, agent_client: APIClient, supervisor_client: APIClient
    ) -> None:
        case = make_case()
        assert agent_client.delete(f"/api/cases/{case.pk}").status_code == 204
        assert agent_client.get(f"/api/cases/{case.pk}").status_code == 404
        assert agent_client.delete(f"/api/cases/{case.pk}").status_code == 404
        assert agent_client.post(f"/api/cases/{case.pk}/restore").status_code == 403
        response = supervisor_client.post(f"/api/cases/{case.pk}/restore")
        assert response.status_code == 200
        assert response.json()["timeline"][0]["kind"] == "case_restored"
        assert agent_client.get(f"/api/cases/{case.pk}").status_code == 200

    def test_takes_what_belongs_to_it_away_too(self, agent_client: APIClient) -> None:
        case = make_case()
        make_task(case=case)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        for part in ("tasks", "timeline", "notes"):
            assert agent_client.get(f"/api/cases/{case.pk}/{part}").status_code == 404
        assert agent_client.get("/api/tasks").json()["results"] == []
        assert agent_client.get("/api/cases/search?q=heating").json()["results"] == []


class TestNotes:
    def test_are_written_and_read_in_order(self, agent_client: APIClient) -> None:
        case = make_case()
        response = agent_client.post(f"/api/cases/{case.pk}/notes", {"body": "Called her.\nNo answer."})
        assert response.status_code == 201
        assert set(response.json()) == set(NoteSerializer().fields)
        agent_client.post(f"/api/cases/{case.pk}/notes", {"body": "Called again."})
        notes = agent_client.get(f"/api/cases/{case.pk}/notes").json()["results"]
        assert [note["body"] for note in notes] == ["Called her.\nNo answer.", "Called again."]
        assert notes[0]["author"] == "ana"

    @pytest.mark.parametrize("wrong", [{}, {"body": ""}, {"body": " \n"}, {"body": 1}, {"text": "x"}])
    def test_are_refused_when_empty(self, agent_client: APIClient, wrong: dict[str, Any]) -> None:
        assert agent_client.post(f"/api/cases/{make_case().pk}/notes", wrong).status_code == 400


class TestTimeline:
    def test_tells_what_happened_newest_first(self, agent_client: APIClient) -> None:
        case = make_case()
        agent_client.patch(f"/api/cases/{case.pk}/status", {"status": "in_progress"})
        agent_client.post(f"/api/cases/{case.pk}/notes", {"body": "Called her."})
        note, moved, opened = agent_client.get(f"/api/cases/{case.pk}/timeline").json()["results"]
        assert (note["kind"], note["detail"]) == ("note_added", {"body": "Called her."})
        assert (moved["kind"], moved["label"], moved["changes"]) == (
            "case_status_changed",
            "Status changed",
            {"status": ["new", "in_progress"]},
        )
        assert opened["actor"] == {"kind": "system", "reference": "tests", "name": "tests"}
        assert opened["cause_id"] is None

    def test_is_filtered_by_kind(self, agent_client: APIClient) -> None:
        case = make_case()
        agent_client.post(f"/api/cases/{case.pk}/notes", {"body": "Called her."})
        url = f"/api/cases/{case.pk}/timeline"
        assert len(agent_client.get(f"{url}?kind=note_added,case_assigned").json()["results"]) == 1
        assert agent_client.get(f"{url}?kind=bananas").status_code == 400

    def test_shows_nothing_of_a_detail_that_was_erased(self, agent_client: APIClient) -> None:
        case = make_case()
        event = TimelineEvent.objects.get(case=case)
        event.detail.body = None
        event.detail.save()
        (found,) = agent_client.get(f"/api/cases/{case.pk}/timeline").json()["results"]
        assert found["detail"] is None


class TestSearch:
    def test_finds_every_word_wherever_it_stands(self, agent_client: APIClient) -> None:
        case = make_case(title="The heating is cold", customer=CustomerInfo(email="tina@home.example", name="Tina T."))
        make_case(title="A key is lost", email="karl@home.example")

        def found(q: str) -> list[str]:
            return [row["case_id"] for row in agent_client.get("/api/cases/search", {"q": q}).json()["results"]]

        for q in ("HEATING", "tina heat", "tina@home", case.case_number.lower(), "cold tina t."):
            assert found(q) == [str(case.pk)], q
        assert found("heating karl") == []
        assert found("100%") == []
        assert len(found("home.example")) == 2

    def test_takes_the_filters_of_the_list(self, agent_client: APIClient) -> None:
        make_case(priority="high")
        make_case(priority="low")
        assert len(agent_client.get("/api/cases/search?q=heating&priority=low").json()["results"]) == 1

    @pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=" + "x" * 300, "?q=%00"])
    def test_needs_something_to_search_for(self, agent_client: APIClient, query: str) -> None:
        response = agent_client.get(f"/api/cases/search{query}")
        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == "q"


class TestStats:
    def test_counts_what_the_filters_leave(self, agent_client: APIClient, agent: User) -> None:
        make_case(priority="high", assigned_to=agent)
        make_case(priority="high")
        closed = make_case(priority="low")
        agent_client.patch(f"/api/cases/{closed.pk}/status", {"status": "closed"})
        Case.objects.filter(priority="high", assigned_to=None).update(sla_due_date=later(days=-1))
        found = agent_client.get("/api/cases/stats").json()
        assert (found["total"], found["open"], found["unassigned"], found["overdue"]) == (3, 2, 1, 1)
        assert found["by_priority"] == {"low": 1, "medium": 0, "high": 2, "urgent": 0, "critical": 0}
        assert found["by_status"]["closed"] == 1
        assert agent_client.get("/api/cases/stats?assigned_to=me").json()["total"] == 1

    @pytest.mark.parametrize("query", ["?status=bananas", "?bananas=1", "?limit=5"])
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, query: str) -> None:
        assert agent_client.get(f"/api/cases/stats{query}").status_code == 400


class TestCategories:
    def test_are_listed_with_their_parents(self, agent_client: APIClient) -> None:
        CategoryFactory.create(slug="leak", name="Leak", parent=CategoryFactory.create(slug="water", name="Water"))
        rows = agent_client.get("/api/categories").json()["results"]
        assert [(row["slug"], row["parent"]) for row in rows] == [("leak", "water"), ("water", None)]
        assert agent_client.get("/api/categories/leak").json()["name"] == "Leak"

    def test_of_two_levels_are_found_by_the_upper_one(self, agent_client: APIClient) -> None:
        leak = CategoryFactory.create(slug="leak", parent=CategoryFactory.create(slug="water"))
        make_case(category=leak)
        make_case()
        assert len(agent_client.get("/api/cases?category=water").json()["results"]) == 1
        assert len(agent_client.get("/api/cases?category=none").json()["results"]) == 1


class TestAnActorsName:
    def test_is_the_persons_own(self) -> None:
        ana = UserFactory.create(username="ana.b", first_name="Ana", last_name="Berg")
        client = client_of(ana)
        created = client.post("/api/cases", body()).json()
        assert created["timeline"][0]["actor"]["name"] == "Ana Berg"


def test_a_case_opened_by_mail_has_no_creator(agent_client: APIClient) -> None:
    draft = CaseDraft(title="Mail", customer=CustomerInfo(email="m@home.example"))
    case = create_case(draft, at=NOON, actor=SYSTEM)
    found = agent_client.get(f"/api/cases/{case.pk}").json()
    assert (found["created_by"], found["updated_by"]) == (None, None)
