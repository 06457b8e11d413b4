"""Deadlines over HTTP. Times are counted by hand: Monday to Friday, 9 to 17, UTC; the 4th of March 2026 is a Wednesday."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from cases.models import Case
from cases.services import change_status, delete_case
from sla.models import Holiday, SLAPolicy
from sla.services import sweep_clocks
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, CalendarFactory, PolicyFactory, UserFactory, later, make_case

pytestmark = pytest.mark.django_db


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.fixture(autouse=True)
def policy() -> SLAPolicy:
    return PolicyFactory.create(slug="standard", calendar=CalendarFactory.create(slug="office", name="Office hours"))


def clocks_of(client: APIClient, case: Case) -> list[dict[str, Any]]:
    response = client.get(f"/api/cases/{case.pk}/sla")
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["clocks"]
    return found


class TestClocksOfACase:
    def test_say_when_they_are_due_and_why(self, agent_client: APIClient) -> None:
        case = make_case(priority="high")
        with time_machine.travel(at(4, 14), tick=False):
            answer = agent_client.get(f"/api/cases/{case.pk}/sla").json()
        assert (answer["case_id"], answer["sla_status"]) == (str(case.pk), "on_time")
        assert answer["sla_due_date"] == "2026-03-04T16:00:00Z"
        first, resolution = answer["clocks"]
        assert (first["kind"], first["cycle"], first["state"], first["policy"]) == (
            "first_response",
            1,
            "running",
            "standard",
        )
        assert (first["target_minutes"], first["used_minutes"], first["remaining_minutes"]) == (240, 120, 120)
        assert (first["started_at"], first["due_at"]) == ("2026-03-04T12:00:00Z", "2026-03-04T16:00:00Z")
        assert first["at_risk_at"] == "2026-03-04T15:00:00Z"  # 75 % of 4 h
        assert (first["is_breached"], first["escalate_at"], first["stopped_at"]) == (False, None, None)
        assert first["segments"] == [{"started_at": "2026-03-04T12:00:00Z", "ended_at": None, "ended_by": ""}]
        assert first["explanation"] == {
            "sentence": "due Wed 16:00: received Wed 12:00, 2 h of 4 h used, calendar Office hours",
            "parts": {
                "due": "due Wed 16:00",
                "received": "received Wed 12:00",
                "used": "2 h of 4 h used",
                "calendar": "calendar Office hours",
            },
            "calendar": "Office hours",
            "time_zone": "UTC",
        }
        assert resolution["due_at"] == "2026-03-09T12:00:00Z"  # 24 h: 5 + 8 + 8 + 3
        assert resolution["escalate_at"] == "2026-03-05T16:00:00Z"  # 12 h: 5 + 7

    def test_show_their_pauses(self, agent_client: APIClient) -> None:
        case = make_case(priority="high")
        change_status(case.pk, "awaiting_customer", at=at(4, 13), actor=SYSTEM)
        with time_machine.travel(at(5, 10), tick=False):
            _first, clock = clocks_of(agent_client, case)
        assert (clock["state"], clock["due_at"], clock["used_minutes"]) == ("paused", None, 60)
        assert clock["projected_due_at"] == "2026-03-09T17:00:00Z"  # 23 h from Thursday 10:00: 7 + 8 + 8
        change_status(case.pk, "in_progress", at=at(5, 10), actor=SYSTEM)
        with time_machine.travel(at(5, 11), tick=False):
            _first, clock = clocks_of(agent_client, case)
        assert (clock["state"], clock["used_minutes"]) == ("running", 120)
        assert clock["segments"] == [
            {
                "started_at": "2026-03-04T12:00:00Z",
                "ended_at": "2026-03-04T13:00:00Z",
                "ended_by": "awaiting_customer",
            },
            {"started_at": "2026-03-05T10:00:00Z", "ended_at": None, "ended_by": ""},
        ]
        assert "paused 21 h while awaiting the customer" in clock["explanation"]["sentence"]

    def test_show_every_cycle_and_how_it_ended(self, agent_client: APIClient) -> None:
        case = make_case(priority="high")
        change_status(case.pk, "resolved", at=at(10, 12), actor=SYSTEM)
        change_status(case.pk, "in_progress", at=at(10, 13), actor=SYSTEM)
        with time_machine.travel(at(10, 14), tick=False):
            found = clocks_of(agent_client, case)
        assert [(clock["kind"], clock["cycle"], clock["state"]) for clock in found] == [
            ("first_response", 1, "missed"),
            ("resolution", 1, "missed"),
            ("resolution", 2, "running"),
        ]
        assert found[1]["remaining_minutes"] == -480  # from Monday 12:00 to Tuesday 12:00, by which 8 h passed
        assert found[1]["is_breached"] is True

    def test_are_also_shown_when_nothing_can_be_counted(self, agent_client: APIClient) -> None:
        case = make_case(priority="high")
        for clock in case.clocks.all():
            clock.terms["calendar"]["hours"] = {}
            clock.save()
        first, _resolution = clocks_of(agent_client, case)
        assert (first["used_minutes"], first["explanation"], first["target_minutes"]) == (None, None, 240)

    def test_are_none_without_a_policy(self, agent_client: APIClient) -> None:
        SLAPolicy.objects.update(is_active=False)
        assert clocks_of(agent_client, make_case()) == []

    def test_are_a_part_of_the_case(self, agent_client: APIClient) -> None:
        case = make_case(priority="high")
        found = agent_client.get(f"/api/cases/{case.pk}").json()["sla"]
        assert [(clock["kind"], clock["state"], clock["due_at"]) for clock in found] == [
            ("first_response", "running", "2026-03-04T16:00:00Z"),
            ("resolution", "running", "2026-03-09T12:00:00Z"),
        ]

    def test_are_not_found_without_the_case(self, agent_client: APIClient) -> None:
        case = make_case()
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        for case_id in (case.pk, "019a0000-0000-7000-8000-000000000000"):
            assert agent_client.get(f"/api/cases/{case_id}/sla").status_code == 404
        assert agent_client.get(f"/api/cases/{make_case().pk}/sla?kind=resolution").status_code == 400

    def test_need_as_many_queries_for_two_clocks_as_for_ten(
        self, agent_client: APIClient, django_assert_num_queries: Any
    ) -> None:
        case = make_case()
        with django_assert_num_queries(3):  # the case, its clocks, their segments
            clocks_of(agent_client, case)
        for day in range(5, 13):
            change_status(case.pk, "resolved", at=at(day, 10), actor=SYSTEM)
            change_status(case.pk, "in_progress", at=at(day, 11), actor=SYSTEM)
        with django_assert_num_queries(3):
            assert len(clocks_of(agent_client, case)) == 10


class TestCasesInDanger:
    @pytest.fixture
    def cases(self) -> dict[str, Case]:
        """As the sweep of Wednesday 15:30 leaves them: critical was due at 13:00, urgent at 14:00, high is at 16:00."""
        made = {priority: make_case(priority=priority) for priority in ("low", "high", "urgent", "critical")}
        made["done"] = make_case(priority="critical")
        change_status(made["done"].pk, "resolved", at=at(4, 14), actor=SYSTEM)  # an hour late
        made["deleted"] = make_case(priority="critical")
        sweep_clocks(now=at(4, 15, 30))
        delete_case(made["deleted"].pk, at=at(4, 15, 30), actor=SYSTEM)
        return made

    def test_are_listed_by_deadline(self, agent_client: APIClient, cases: dict[str, Case]) -> None:
        def numbers(url: str) -> list[str]:
            return [row["case_number"] for row in agent_client.get(url).json()["results"]]

        assert numbers("/api/sla/at-risk") == [cases["high"].case_number]
        assert numbers("/api/sla/breached") == [cases["critical"].case_number, cases["urgent"].case_number]
        assert numbers("/api/sla/breached?priority=urgent") == [cases["urgent"].case_number]
        assert numbers("/api/sla/breached?limit=1&ordering=-sla_due_date") == [cases["urgent"].case_number]

    def test_look_like_every_list_of_cases(self, agent_client: APIClient, cases: dict[str, Case]) -> None:
        (row,) = agent_client.get("/api/sla/at-risk").json()["results"]
        assert row == agent_client.get("/api/cases?created_after=2026-01-01&priority=high").json()["results"][0]

    def test_come_page_by_page(self, agent_client: APIClient, cases: dict[str, Case]) -> None:
        first = agent_client.get("/api/sla/breached?limit=1").json()
        second = agent_client.get(first["next"]).json()
        shown = [first["results"][0]["case_number"], second["results"][0]["case_number"]]
        assert shown == [cases["critical"].case_number, cases["urgent"].case_number]
        assert second["next"] is None

    @pytest.mark.parametrize("url", ["/api/sla/at-risk", "/api/sla/breached"])
    def test_refuse_what_they_do_not_know(self, agent_client: APIClient, url: str) -> None:
        assert agent_client.get(f"{url}?colour=red").status_code == 400
        assert agent_client.get(f"{url}?priority=bananas").status_code == 400
        assert agent_client.get(f"{url}?ordering=title").status_code == 400

    def test_need_no_more_queries_for_more_of_them(
        self, agent_client: APIClient, django_assert_num_queries: Any
    ) -> None:
        make_case(priority="critical", tags=["a"])
        sweep_clocks(now=later(hours=3))
        with django_assert_num_queries(2):  # cases with their people; tags
            agent_client.get("/api/sla/breached")
        for _ in range(4):
            make_case(priority="critical", tags=["b"], assigned_to=UserFactory.create())
        sweep_clocks(now=later(hours=3))
        with django_assert_num_queries(2):
            assert len(agent_client.get("/api/sla/breached").json()["results"]) == 5


class TestPromises:
    def test_of_a_policy_are_shown(self, agent_client: APIClient, policy: SLAPolicy) -> None:
        PolicyFactory.create(slug="gold", rank=1, is_active=False)
        rows = agent_client.get("/api/sla/policies").json()["results"]
        assert [row["slug"] for row in rows] == ["gold", "standard"]
        assert rows[1] == {
            "slug": "standard",
            "name": policy.name,
            "rank": 100,
            "is_active": True,
            "calendar": "office",
            "targets": policy.targets,
            "at_risk_percent": 75,
            "escalate_percent": 50,
            "pause_statuses": ["awaiting_customer"],
        }
        assert agent_client.get("/api/sla/policies/standard").json() == rows[1]
        active = agent_client.get("/api/sla/policies?is_active=true&calendar=office").json()["results"]
        assert active == [rows[1]]

    def test_of_a_calendar_are_shown_with_its_holidays(self, agent_client: APIClient, policy: SLAPolicy) -> None:
        Holiday.objects.create(calendar=policy.calendar, day="2026-12-25", name="Christmas")
        (row,) = agent_client.get("/api/sla/calendars").json()["results"]
        assert row == {
            "slug": "office",
            "name": "Office hours",
            "time_zone": "UTC",
            "hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
            "holidays": [{"day": "2026-12-25", "name": "Christmas"}],
        }
        answer = agent_client.get("/api/sla/calendars/office")
        assert answer.json() == row
        again = agent_client.get("/api/sla/calendars/office", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304

    def test_that_nobody_made_are_not_found(self, agent_client: APIClient) -> None:
        assert agent_client.get("/api/sla/policies/none").status_code == 404
        assert agent_client.get("/api/sla/calendars/none").status_code == 404
        assert agent_client.get("/api/sla/policies?calendar=nowhere").status_code == 400
        assert agent_client.get("/api/sla/calendars?name=x").status_code == 400

    @pytest.mark.parametrize("url", ["/api/sla/policies", "/api/sla/calendars"])
    def test_need_no_more_queries_for_more_of_them(
        self, agent_client: APIClient, django_assert_num_queries: Any, url: str
    ) -> None:
        queries = 1 if url.endswith("policies") else 2
        with django_assert_num_queries(queries):
            agent_client.get(url)
        PolicyFactory.create_batch(3)
        with django_assert_num_queries(queries):
            assert len(agent_client.get(url).json()["results"]) == 4


class TestWhoMayRead:
    @pytest.mark.parametrize("path", ["sla/policies", "sla/calendars", "sla/at-risk", "sla/breached", "cases/{}/sla"])
    def test_is_everybody_of_the_house(self, path: str) -> None:
        url = "/api/" + path.format(make_case().pk)
        assert APIClient().get(url).status_code == 401
        assert client_of(UserFactory.create(role="contractor")).get(url).status_code == 403
        assert client_of(UserFactory.create(role="read_only")).get(url).status_code == 200
