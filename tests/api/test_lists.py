"""What every list does: pages by cursor, an order, filters; and what it refuses."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case
from cases.services import CustomerInfo, change_status
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, TeamFactory, UserFactory, later, make_case

pytestmark = pytest.mark.django_db


def numbers(client: APIClient, url: str) -> list[str]:
    response = client.get(url)
    assert response.status_code == 200, response.content
    return [row["case_number"] for row in response.json()["results"]]


def all_pages(client: APIClient, url: str | None) -> list[list[str]]:
    pages = []
    while url:
        answer = client.get(url).json()
        pages.append([row["case_number"] for row in answer["results"]])
        url = answer["next"]
    return pages


class TestPages:
    def test_show_the_newest_first_and_end(self, agent_client: APIClient) -> None:
        made = [make_case(at=later(minutes=n)).case_number for n in range(5)]
        assert all_pages(agent_client, "/api/cases?limit=2") == [made[4:2:-1], made[2:0:-1], [made[0]]]

    def test_neither_repeat_nor_skip_while_rows_come_and_go(self, agent_client: APIClient) -> None:
        made = [make_case(at=later(minutes=n)) for n in range(6)]
        first = agent_client.get("/api/cases?limit=2").json()
        make_case(at=later(minutes=100))
        make_case(at=later(minutes=-100))
        Case.objects.filter(pk=made[4].pk).update(deleted_at=NOON)  # the last one that was seen
        second = agent_client.get(first["next"]).json()
        assert [row["case_number"] for row in second["results"]] == [made[3].case_number, made[2].case_number]
        back = agent_client.get(second["previous"]).json()
        assert [row["case_number"] for row in back["results"]][-1] == made[5].case_number

    def test_go_back_the_way_they_came(self, agent_client: APIClient) -> None:
        for n in range(7):
            make_case(at=later(minutes=n))
        first = agent_client.get("/api/cases?limit=3").json()
        second = agent_client.get(first["next"]).json()
        third = agent_client.get(second["next"]).json()
        assert first["previous"] is None
        assert third["next"] is None
        assert agent_client.get(third["previous"]).json()["results"] == second["results"]
        back = agent_client.get(second["previous"]).json()
        assert back["results"] == first["results"]
        assert back["previous"] is None

    def test_hold_rows_of_the_very_same_moment_apart(self, agent_client: APIClient) -> None:
        made = {make_case().case_number for _ in range(7)}
        pages = all_pages(agent_client, "/api/cases?limit=2")
        assert [len(page) for page in pages] == [2, 2, 2, 1]
        assert {number for page in pages for number in page} == made

    @pytest.mark.parametrize("ordering", ["sla_due_date", "-sla_due_date"])
    def test_hold_rows_without_a_value_at_the_end(self, agent_client: APIClient, ordering: str) -> None:
        due = [make_case() for _ in range(3)]
        for day, case in enumerate(due):
            Case.objects.filter(pk=case.pk).update(sla_due_date=NOON + timedelta(days=day))
        bare = [make_case() for _ in range(3)]
        Case.objects.filter(pk__in=[case.pk for case in bare]).update(sla_due_date=None)
        pages = all_pages(agent_client, f"/api/cases?limit=2&ordering={ordering}")
        found = [number for page in pages for number in page]
        in_order = [case.case_number for case in (due if ordering == "sla_due_date" else reversed(due))]
        assert found[:3] == in_order
        assert sorted(found[3:]) == sorted(case.case_number for case in bare)
        last = agent_client.get(f"/api/cases?limit=2&ordering={ordering}").json()
        last = agent_client.get(agent_client.get(last["next"]).json()["next"]).json()
        middle = agent_client.get(last["previous"]).json()
        assert [row["case_number"] for row in middle["results"]] == found[2:4]
        first = agent_client.get(middle["previous"]).json()
        assert [row["case_number"] for row in first["results"]] == found[:2]

    def test_count_only_when_asked(self, agent_client: APIClient) -> None:
        for _ in range(3):
            make_case()
        assert agent_client.get("/api/cases?limit=1&count=true").json()["count"] == 3
        assert "count" not in agent_client.get("/api/cases?limit=1").json()
        assert agent_client.get("/api/cases?count=true&status=closed").json()["count"] == 0

    def test_hold_fifty_rows_unless_told(self, agent_client: APIClient) -> None:
        Case.objects.bulk_create(
            Case(
                case_number=f"T-{n}",
                title="x",
                customer=make_case().customer if n == 0 else Case.objects.first().customer,  # type: ignore[union-attr] # made above
                received_at=NOON,
                created_at=NOON,
                updated_at=NOON,
                status_changed_at=NOON,
                last_activity_at=NOON,
            )
            for n in range(210)
        )
        assert len(numbers(agent_client, "/api/cases")) == 50
        assert len(numbers(agent_client, "/api/cases?limit=200")) == 200


class TestOrder:
    def test_is_by_what_a_priority_means_not_by_its_letters(self, agent_client: APIClient) -> None:
        made = {
            priority: make_case(priority=priority).case_number
            for priority in ("high", "low", "critical", "medium", "urgent")
        }
        worst_first = [made[name] for name in ("critical", "urgent", "high", "medium", "low")]
        assert numbers(agent_client, "/api/cases?ordering=-priority") == worst_first
        pages = all_pages(agent_client, "/api/cases?ordering=-priority&limit=2")
        assert [number for page in pages for number in page] == worst_first

    def test_may_name_several_columns(self, agent_client: APIClient) -> None:
        a = make_case(at=later(minutes=1), priority="low").case_number
        b = make_case(at=later(minutes=2), priority="high").case_number
        c = make_case(at=later(minutes=3), priority="low").case_number
        pages = all_pages(agent_client, "/api/cases?ordering=priority,-created_at&limit=1")
        assert pages == [[c], [a], [b]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "attr"),
        [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("limit=" + "9" * 5000, "limit"),
            ("limit=", "limit"),
            ("limit=2&limit=3", "limit"),
            ("count=maybe", "count"),
            ("cursor=bananas", "cursor"),
            ("cursor=", "cursor"),
            ("cursor=%00", "cursor"),
            ("cursor=WyItaWQiXQ:abc", "cursor"),
            ("ordering=bananas", "ordering"),
            ("ordering=customer__email", "ordering"),
            ("ordering=", "ordering"),
            ("ordering=created_at,created_at", "ordering"),
            ("ordering=created_at,updated_at,status,case_number", "ordering"),
            ("bananas=1", "bananas"),
            ("status=Bananas", "status"),
            ("status=new,", "status"),
            ("status=", "status"),
            ("status=new&status=closed", "status"),
            ("priority=low%00", "priority"),
            ("assigned_to=nobody", "assigned_to"),
            ("assigned_to=%00", "assigned_to"),
            ("assigned_team=no-such", "assigned_team"),
            ("category=no-such", "category"),
            ("is_open=perhaps", "is_open"),
            ("escalation_level=-1", "escalation_level"),
            ("escalation_level=1e3", "escalation_level"),
            ("escalation_level=99999999999999999999", "escalation_level"),
            ("created_after=yesterday", "created_after"),
            ("created_after=2026-02-30", "created_after"),
            ("created_after=0000-00-00", "created_after"),
            ("created_after=9999-12-31T23:59:59-23:59", "created_after"),
            ("tag=" + ",".join("x" * 101), "tag"),
        ],
    )
    def test_name_the_parameter(self, agent_client: APIClient, query: str, attr: str) -> None:
        response = agent_client.get(f"/api/cases?{query}")
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [attr]

    def test_of_several_parameters_name_each(self, agent_client: APIClient) -> None:
        response = agent_client.get("/api/cases?bananas=1&apples=2")
        assert {error["attr"] for error in response.json()["errors"]} == {"bananas", "apples"}

    def test_keep_a_cursor_to_its_own_order(self, agent_client: APIClient) -> None:
        for _ in range(3):
            make_case()
        following = agent_client.get("/api/cases?limit=1&ordering=updated_at").json()["next"]
        assert agent_client.get(following.replace("updated_at", "created_at")).status_code == 400

    @pytest.mark.parametrize("url", ["/api/tasks", "/api/users", "/api/teams", "/api/categories", "/api/tasks/stats"])
    def test_hold_for_every_list(self, agent_client: APIClient, url: str) -> None:
        assert agent_client.get(f"{url}?bananas=1").status_code == 400


class TestFilters:
    @pytest.fixture
    def made(self, agent: User) -> dict[str, str]:
        team = TeamFactory.create(slug="repairs")
        customer = CustomerInfo(email="karl@home.example", customer_type="owner", property_id="P-7")
        rows: dict[str, Case] = {
            "mine": make_case(at=later(days=-2), assigned_to=agent, tags=["leak", "roof"]),
            "bens": make_case(assigned_to=UserFactory.create(username="ben"), assigned_team=team, tags=["leak"]),
            "nobodys": make_case(at=later(days=2), priority="urgent", customer=customer),
        }
        change_status(rows["bens"].pk, "closed", at=later(hours=1), actor=SYSTEM)
        Case.objects.filter(pk=rows["mine"].pk).update(sla_due_date=later(days=-1))
        Case.objects.filter(pk=rows["bens"].pk).update(sla_due_date=later(days=-1))
        Case.objects.filter(pk=rows["nobodys"].pk).update(sla_due_date=None)
        return {row.case_number: name for name, row in rows.items()}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("status=new", "mine nobodys"),
            ("status=new,closed", "mine bens nobodys"),
            ("is_open=true", "mine nobodys"),
            ("is_open=false", "bens"),
            ("assigned_to=me", "mine"),
            ("assigned_to=me,none", "mine nobodys"),
            ("assigned_to=none", "nobodys"),
            ("assigned_to=ben,ana", "mine bens"),
            ("assigned_team=repairs", "bens"),
            ("assigned_team=none", "mine nobodys"),
            ("priority=urgent", "nobodys"),
            ("tag=leak", "mine bens"),
            ("tag=leak,roof", "mine bens"),
            ("tag=roof", "mine"),
            ("overdue=true", "mine"),
            ("overdue=false", "bens nobodys"),
            ("customer_email=KARL@home.example", "nobodys"),
            ("customer_type=owner", "nobodys"),
            ("property_id=P-7", "nobodys"),
            ("created_after=2026-03-04", "bens nobodys"),
            ("created_after=2026-03-04T12:00:00Z", "bens nobodys"),
            ("created_after=2026-03-04T13:00:01%2B01:00", "nobodys"),
            ("created_after=2026-03-04T13:00:01+01:00", "nobodys"),
            ("created_before=2026-03-04T12:00:00Z", "mine"),
            ("created_after=2026-03-03&created_before=2026-03-05", "bens"),
            ("resolved_after=2026-03-04T13:00", "bens"),
            ("status=new&assigned_to=me&tag=leak", "mine"),
        ],
    )
    def test_leave_the_cases_that_are_meant(
        self, agent_client: APIClient, made: dict[str, str], query: str, expected: str
    ) -> None:
        found = {made[number] for number in numbers(agent_client, f"/api/cases?{query}")}
        assert found == set(expected.split())

    def test_take_a_date_as_the_readers_day(self) -> None:
        # 4 March begins in Tokyo at 3 March, 15:00 UTC.
        client = client_of(UserFactory.create(time_zone="Asia/Tokyo"))
        make_case(at=later(hours=-22))  # 3 March, 14:00 UTC
        inside = make_case(at=later(hours=-20)).case_number  # 3 March, 16:00 UTC
        assert numbers(client, "/api/cases?created_after=2026-03-04") == [inside]


def test_a_slash_at_the_end_is_tolerated_without_a_redirect(agent_client: APIClient) -> None:
    created: dict[str, Any] = agent_client.post(
        "/api/cases/", {"case_title": "x", "customer_info": {"email": "a@b.example"}}
    ).json()
    assert agent_client.get("/api/cases/").status_code == 200
    assert agent_client.get(f"/api/cases/{created['case_id']}/").status_code == 200
    assert agent_client.get("/api/cases//").status_code == 404
