"""Rules over HTTP: read by the house, written by administrators, checked before they are kept."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import ConfigVersion, TimelineEvent
from cases.services import delete_case
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, UserFactory, later, make_case
from tests.rules import drain, make_rule
from workflows.models import RuleRun, WorkflowRule

pytestmark = pytest.mark.django_db

HIGH = {"all": [{"field": "case.priority", "op": "in", "value": ["high"]}]}
ESCALATE = [{"do": "escalate"}]
BODY: dict[str, Any] = {"name": "Escalate high", "trigger": "case_created", "conditions": HIGH, "actions": ESCALATE}


def add(client: APIClient, **values: Any) -> dict[str, Any]:
    response = client.post("/api/workflows/rules", {**BODY, **values})
    assert response.status_code == 201, response.content
    found: dict[str, Any] = response.json()
    return found


def errors(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["attr"]: error["detail"] for error in response.json()["errors"]}


class TestAdding:
    def test_keeps_the_rule_with_a_version_and_an_event(self, administrator_client: APIClient) -> None:
        response = administrator_client.post("/api/workflows/rules", BODY)
        assert response.status_code == 201
        rule = response.json()
        assert rule == {
            "id": WorkflowRule.objects.get().pk,
            "slug": "escalate-high",
            "name": "Escalate high",
            "description": "",
            "rank": 100,
            "is_active": False,
            "trigger": "case_created",
            "trigger_options": {},
            "conditions": HIGH,
            "actions": ESCALATE,
            "stop": False,
            "version": 1,
        }
        assert response.headers["Location"].endswith(f"/api/workflows/rules/{rule['id']}")
        assert response.headers["ETag"] == '"v1.0"'
        assert administrator_client.get(response.headers["Location"]).json() == rule
        event = TimelineEvent.objects.get(kind="configuration_changed", subject_type="workflowrule")
        assert event.actor_reference == str(User.objects.get(username="ada").pk)

    def test_happens_once_for_one_key(self, administrator_client: APIClient) -> None:
        for _ in range(2):
            answer = administrator_client.post("/api/workflows/rules", BODY, headers={"Idempotency-Key": "k1"})
            assert answer.status_code == 201
        assert WorkflowRule.objects.count() == 1

    @pytest.mark.parametrize(
        ("values", "place"),
        [
            (
                {"conditions": {"all": [{"field": "case.colour", "op": "is", "value": "red"}]}},
                "conditions.all[0].field",
            ),
            ({"conditions": {"all": [{"field": "case.priority", "op": "gt", "value": "low"}]}}, "conditions.all[0].op"),
            (
                {
                    "conditions": {
                        "any": [{"all": [{"field": "case.priority", "op": "in", "value": ["high", "bananas"]}]}]
                    }
                },
                "conditions.any[0].all[0].value[1]",
            ),
            ({"conditions": {"all": [{"field": "case.priority", "op": "is"}]}}, "conditions.all[0].value"),
            ({"conditions": {"every": []}}, "conditions.every"),
            ({"conditions": "always"}, "conditions"),
            ({"conditions": None}, "conditions"),
            ({"actions": [{"do": "escalate"}, {"do": "explode"}]}, "actions[1].do"),
            ({"actions": [{"do": "set_priority", "priority": "bananas"}]}, "actions[0].priority"),
            ({"actions": [{"do": "escalate", "loudly": True}]}, "actions[0].loudly"),
            ({"actions": ["escalate"]}, "actions[0]"),
            ({"actions": {}}, "actions"),
            ({"actions": []}, "actions"),
            ({"trigger": "full_moon"}, "trigger"),
            ({"trigger_options": {"after_minutes": 5}}, "trigger_options"),
            (
                {"trigger": "silence", "trigger_options": {"status": "awaiting_customer", "after_minutes": 0}},
                "trigger_options.after_minutes",
            ),
            ({"trigger": "silence", "trigger_options": {"after_minutes": 5}}, "trigger_options.status"),
            ({"name": ""}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"slug": "with space"}, "slug"),
            ({"rank": -1}, "rank"),
            ({"rank": 40_000}, "rank"),
            ({"is_active": "yes"}, "is_active"),
            ({"colour": "red"}, "colour"),
            ({"conditions": {"all": [{"field": "case.title", "op": "contains", "value": "\x00"}]}}, "conditions"),
        ],
    )
    def test_names_the_place_that_is_wrong(
        self, administrator_client: APIClient, values: dict[str, Any], place: str
    ) -> None:
        found = errors(administrator_client.post("/api/workflows/rules", {**BODY, **values}))
        assert list(found) == [place]
        assert not WorkflowRule.objects.exists()

    def test_names_every_place_that_is_wrong(self, administrator_client: APIClient) -> None:
        body = {
            **BODY,
            "conditions": {"all": [{"field": "a", "op": "is", "value": 1}, {"field": "b", "op": "is", "value": 1}]},
            "actions": [{"do": "explode"}],
        }
        found = errors(administrator_client.post("/api/workflows/rules", body))
        assert set(found) == {"conditions.all[0].field", "conditions.all[1].field", "actions[0].do"}

    def test_needs_what_makes_a_rule(self, administrator_client: APIClient) -> None:
        assert set(errors(administrator_client.post("/api/workflows/rules", {}))) == {
            "name",
            "trigger",
            "conditions",
            "actions",
        }

    def test_refuses_a_slug_that_is_taken_or_cannot_be_made(self, administrator_client: APIClient) -> None:
        add(administrator_client)
        assert set(errors(administrator_client.post("/api/workflows/rules", BODY))) == {"slug"}
        assert set(errors(administrator_client.post("/api/workflows/rules", {**BODY, "name": "規則"}))) == {"slug"}


class TestEditing:
    def test_changes_what_is_given(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client, description="Why", rank=5)
        url = f"/api/workflows/rules/{rule['id']}"
        answer = administrator_client.patch(url, {"is_active": True})
        assert answer.status_code == 200
        assert answer.json() == {**rule, "is_active": True, "version": 2}
        assert ConfigVersion.objects.filter(subject_type="workflowrule").count() == 2

    def test_that_changes_nothing_makes_no_version(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client)
        assert administrator_client.patch(f"/api/workflows/rules/{rule['id']}", {"rank": 100}).json() == rule

    def test_replaces_the_whole(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client, slug="my-rule", description="Why", rank=5, is_active=True, stop=True)
        answer = administrator_client.put(f"/api/workflows/rules/{rule['id']}", {**BODY, "name": "New"})
        assert answer.json() == {
            **rule,
            "name": "New",
            "description": "",
            "rank": 100,
            "is_active": False,
            "stop": False,
            "version": 2,
        }
        assert set(errors(administrator_client.put(f"/api/workflows/rules/{rule['id']}", {"name": "New"}))) == {
            "trigger",
            "conditions",
            "actions",
        }

    def test_is_checked_too(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client)
        found = administrator_client.patch(f"/api/workflows/rules/{rule['id']}", {"actions": [{"do": "explode"}]})
        assert set(errors(found)) == {"actions[0].do"}
        assert WorkflowRule.objects.get().actions == ESCALATE

    def test_of_an_old_version_is_refused(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client)
        url = f"/api/workflows/rules/{rule['id']}"
        tag = administrator_client.get(url).headers["ETag"]
        assert administrator_client.patch(url, {"rank": 1}, headers={"If-Match": tag}).status_code == 200
        for answer in (
            administrator_client.patch(url, {"rank": 2}, headers={"If-Match": tag}),
            administrator_client.put(url, BODY, headers={"If-Match": tag}),
            administrator_client.delete(url, headers={"If-Match": tag}),
        ):
            assert (answer.status_code, answer.json()["version"]) == (412, 2)
        assert WorkflowRule.objects.get().rank == 1
        assert administrator_client.get(url, headers={"If-None-Match": '"v2.0"'}).status_code == 304

    def test_deletes_the_rule_and_keeps_its_versions(self, administrator_client: APIClient) -> None:
        rule = add(administrator_client)
        url = f"/api/workflows/rules/{rule['id']}"
        assert administrator_client.delete(url, headers={"If-Match": '"v1.0"'}).status_code == 204
        assert not WorkflowRule.objects.exists()
        assert ConfigVersion.objects.filter(subject_type="workflowrule").exists()
        for call in (administrator_client.get, administrator_client.delete):
            assert call(url).status_code == 404
        assert administrator_client.patch(url, {"rank": 1}).json()["errors"][0]["code"] == "rule_not_found"


class TestTheList:
    def test_shows_rules_in_the_order_in_which_they_run(self, agent_client: APIClient) -> None:
        make_rule(*ESCALATE, rank=20, slug="second")
        make_rule(*ESCALATE, rank=10, slug="first", on="note_added")
        make_rule(*ESCALATE, rank=30, slug="off", is_active=False, description="Sleeps")

        def slugs(query: str = "") -> list[str]:
            return [row["slug"] for row in agent_client.get(f"/api/workflows/rules{query}").json()["results"]]

        assert slugs() == ["first", "second", "off"]
        assert slugs("?is_active=true") == ["first", "second"]
        assert slugs("?trigger=note_added") == ["first"]
        assert slugs("?q=sleeps") == ["off"]
        assert slugs("?ordering=-rank&limit=1") == ["off"]
        assert agent_client.get("/api/workflows/rules").json()["results"][0]["version"] == 1

    @pytest.mark.parametrize("path", ["rules", "runs", "statistics"])
    @pytest.mark.parametrize(
        "query", ["colour=red", "trigger=full_moon", "outcome=fine", "rule=none", "ordering=actions"]
    )
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, path: str, query: str) -> None:
        assert agent_client.get(f"/api/workflows/{path}?{query}").status_code == 400

    @pytest.mark.parametrize("path", ["rules", "runs", "statistics"])
    def test_needs_no_more_queries_for_more_rows(
        self, agent_client: APIClient, django_assert_num_queries: Any, path: str
    ) -> None:
        def run(rule: WorkflowRule) -> None:
            event = TimelineEvent.objects.get(kind="case_created", case=make_case())
            RuleRun.objects.create(rule=rule, event=event, case_id=event.case_id, outcome="done", ran_at=NOON)

        run(make_rule(*ESCALATE))
        with django_assert_num_queries(1):
            agent_client.get(f"/api/workflows/{path}")
        for _ in range(4):
            run(make_rule(*ESCALATE))
        with django_assert_num_queries(1):
            assert len(agent_client.get(f"/api/workflows/{path}").json()["results"]) == 5


class TestRuns:
    def test_say_why_and_what_was_done(self, agent_client: APIClient) -> None:
        rule = make_rule(*ESCALATE, conditions=HIGH, slug="escalate")
        case = make_case(priority="high")
        drain()
        (row,) = agent_client.get(f"/api/workflows/runs?case_id={case.pk}").json()["results"]
        run = RuleRun.objects.get()
        assert (row["id"], row["rule"], row["rule_id"], row["case_id"]) == (run.pk, "escalate", rule.pk, str(case.pk))
        assert (row["outcome"], row["event_id"], row["ran_at"]) == ("done", run.event_id, "2026-03-04T12:00:00Z")
        assert [(one["field"], one["fact"], one["matched"]) for one in row["why"]] == [("case.priority", "high", True)]
        assert [(one["do"], one["did"]) for one in row["receipts"]] == [("escalate", True)]
        assert agent_client.get(f"/api/workflows/runs/{run.pk}").json() == row
        assert agent_client.get("/api/workflows/runs/999").status_code == 404

    def test_are_filtered(self, agent_client: APIClient) -> None:
        one = make_rule(*ESCALATE, conditions=HIGH, slug="one")
        two = make_rule(*ESCALATE, slug="two")
        high, low = make_case(priority="high"), make_case(priority="low")
        drain()

        def found(query: str) -> set[tuple[str, str]]:
            rows = agent_client.get(f"/api/workflows/runs?{query}").json()["results"]
            return {(row["rule"], row["case_id"]) for row in rows}

        runs = {("one", str(high.pk)), ("one", str(low.pk)), ("two", str(high.pk)), ("two", str(low.pk))}
        assert found("") == runs
        assert found("rule=one") == found(f"rule={one.pk}") == {run for run in runs if run[0] == "one"}
        assert found(f"rule=one,{two.pk}") == runs
        assert found("outcome=not_matched") == {("one", str(low.pk))}
        assert found(f"case_id={high.pk}&outcome=done") == {("one", str(high.pk)), ("two", str(high.pk))}
        assert found("ran_after=2026-03-04T12:00:01Z") == set()

    def test_on_deleted_cases_are_not_shown(self, agent_client: APIClient) -> None:
        make_rule(*ESCALATE)
        case = make_case()
        drain()
        run = RuleRun.objects.get()
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        assert agent_client.get("/api/workflows/runs").json()["results"] == []
        assert agent_client.get(f"/api/workflows/runs/{run.pk}").status_code == 404


class TestStatistics:
    def test_count_the_runs_of_each_rule(self, agent_client: APIClient) -> None:
        busy = make_rule(*ESCALATE, slug="busy", name="Busy", rank=1)
        make_rule(*ESCALATE, slug="idle", rank=2)
        for minute, outcome in enumerate(["done", "failed", "not_matched", "too_deep", "not_matched"]):
            event = TimelineEvent.objects.get(kind="case_created", case=make_case())
            RuleRun.objects.create(
                rule=busy, event=event, case_id=event.case_id, outcome=outcome, ran_at=later(minutes=minute)
            )
        first, second = agent_client.get("/api/workflows/statistics").json()["results"]
        assert first == {
            "rule_id": busy.pk,
            "rule": "busy",
            "name": "Busy",
            "is_active": True,
            "runs": 5,
            "matched": 3,
            "failed": 1,
            "stopped": 1,
            "last_run_at": "2026-03-04T12:04:00Z",
            "last_matched_at": "2026-03-04T12:03:00Z",
        }
        assert (second["rule"], second["runs"], second["last_run_at"]) == ("idle", 0, None)


class TestWhoMay:
    @pytest.mark.parametrize("path", ["rules", "runs", "statistics"])
    def test_read_is_everybody_of_the_house(self, path: str) -> None:
        url = f"/api/workflows/{path}"
        assert APIClient().get(url).status_code == 401
        assert client_of(UserFactory.create(role="contractor")).get(url).status_code == 403
        assert client_of(UserFactory.create(role="read_only")).get(url).status_code == 200

    @pytest.mark.parametrize("role", ["contractor", "read_only", "agent", "supervisor"])
    def test_write_is_nobody_but_administrators(self, role: str) -> None:
        rule = make_rule(*ESCALATE)
        client, url = client_of(UserFactory.create(role=role)), f"/api/workflows/rules/{rule.pk}"
        assert client.post("/api/workflows/rules", BODY).status_code == 403
        assert client.put(url, BODY).status_code == 403
        assert client.patch(url, {"rank": 1}).status_code == 403
        assert client.delete(url).status_code == 403
        assert WorkflowRule.objects.get().rank == rule.rank
