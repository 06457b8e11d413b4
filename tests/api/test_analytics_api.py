"""The numbers: each is counted again here, from the rows, by other means than the code's own."""

import csv
import io
import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.models import Team, User
from analytics.models import DailyCount
from cases.listeners import drain
from cases.models import Case, TimelineEvent
from cases.services import change_status, delete_case
from mail_ingest.models import InboundMessage
from mail_ingest.services import record_reply, store
from sla.models import SLAClock
from tasks.models import Task
from tasks.services import change_task_status
from tests.conftest import client_of
from tests.factories import (
    SYSTEM,
    CategoryFactory,
    MailboxFactory,
    MembershipFactory,
    PolicyFactory,
    TeamFactory,
    UserFactory,
    make_case,
    make_task,
)

pytestmark = pytest.mark.django_db

NAMES = ("dashboard", "trends", "performance", "reports")
SCOPES = ("/api/cases/analytics", "/api/analytics")
OPEN = {"new", "in_progress", "awaiting_customer", "awaiting_vendor"}


def at(day: int, hour: int = 12, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


NOW = at(6, 14)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    """It is Friday, the 6th of March 2026, 14:00 UTC."""
    with time_machine.travel(NOW, tick=False):
        yield


def answer(case: Case, *, when: datetime) -> None:
    record_reply(case, body="We come.", at=when, actor=SYSTEM)


def move(case: Case, status: str, *, when: datetime) -> None:
    change_status(case.pk, status, at=when, actor=SYSTEM)


@pytest.fixture
def house(db: None) -> dict[str, Case]:
    """Two agents in two teams, and what they did in the last days."""
    PolicyFactory.create()
    mailbox = MailboxFactory.create(slug="support")
    repairs, billing = (
        TeamFactory.create(slug="repairs", name="Repairs"),
        TeamFactory.create(slug="billing", name="Billing"),
    )
    ben, cleo = UserFactory.create(username="ben"), UserFactory.create(username="cleo")
    MembershipFactory.create(user=ben, team=repairs)
    bens: dict[str, Any] = {"assigned_to": ben, "assigned_team": repairs}
    cleos: dict[str, Any] = {"assigned_to": cleo, "assigned_team": billing}
    water = CategoryFactory.create(slug="water")
    cases = {
        "old": make_case(at=at(10, month=1), priority="low", **bens),
        "quick": make_case(at=at(2, 9), priority="high", case_type="maintenance", category=water, **bens),
        "slow": make_case(at=at(2, 9), priority="medium", **bens),
        "late": make_case(at=at(3, 9), priority="critical", case_type="billing", **cleos),
        "night": make_case(at=at(4, 23, 30), priority="medium", **cleos),  # the 5th in Berlin
        "back": make_case(at=at(4, 10), priority="high", **cleos),
        "gone": make_case(at=at(5, 10), priority="urgent", **cleos),
        "new": make_case(at=at(6, 13), priority="urgent"),
        "waits": make_case(at=at(5, 9), priority="low", assigned_team=repairs),
    }
    answer(cases["quick"], when=at(2, 10))
    move(cases["quick"], "resolved", when=at(2, 11))
    answer(cases["slow"], when=at(2, 12))
    move(cases["slow"], "resolved", when=at(4, 9))
    move(cases["slow"], "closed", when=at(5, 9))
    answer(cases["late"], when=at(3, 15))
    move(cases["late"], "closed", when=at(4, 16))
    move(cases["back"], "resolved", when=at(5, 9))
    move(cases["back"], "in_progress", when=at(5, 11))
    move(cases["waits"], "awaiting_customer", when=at(5, 10))
    delete_case(cases["gone"].pk, at=at(5, 12), actor=SYSTEM)
    make_task(case=cases["new"], due_at=at(5))
    make_task(case=cases["gone"])
    change_task_status(make_task(kind="contractor").pk, "resolved", at=at(5), actor=SYSTEM)
    for number, state in enumerate(("received", "quarantined", "ignored", "received")):
        inbound, _new = store(
            mailbox, source_id=f"mail-{number}", raw=b"%d" % number, received_at=at(6, 13), at=at(6, 13, 59)
        )
        inbound.state, inbound.reason = state, "" if state == "received" else "Odd."
        inbound.save()
    return cases


def shown(client: APIClient, path: str, query: str = "") -> dict[str, Any]:
    response = client.get(f"/api/{path}{query}")
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def existing() -> list[Case]:
    return [case for case in Case.objects.select_related("assigned_to", "assigned_team") if not case.deleted_at]


def happened(first: datetime, *, until: datetime = NOW + timedelta(hours=10)) -> Counter[str]:
    """What the log tells since `first`, read one event at a time."""
    found: Counter[str] = Counter()
    for event in TimelineEvent.objects.all():
        if not first <= event.occurred_at < until:
            continue
        old, new = event.changes.get("status", (None, None))
        if event.kind == "case_created":
            found["arrived"] += 1
        elif event.kind == "sla_breached":
            found["breached"] += 1
        elif event.kind == "message_sent":
            found["messages_out"] += 1
        elif event.kind == "case_status_changed" and old in OPEN and new not in OPEN:
            found["resolved"] += 1
        elif event.kind == "case_status_changed" and new in OPEN and old not in OPEN:
            found["reopened"] += 1
    return found


def minutes(pairs: list[tuple[datetime, datetime | None]]) -> list[float]:
    return sorted((end - start).total_seconds() / 60 for start, end in pairs if end and end >= at(1))


class TestDashboard:
    def test_counts_cases_by_what_they_are(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        found = shown(agent_client, "analytics/dashboard")
        for name, cases in (
            ("cases", existing()),
            ("open_cases", [case for case in existing() if case.status in OPEN]),
        ):
            part = found[name]
            assert part["total"] == len(cases)
            assert part["unassigned"] == sum(case.assigned_to is None for case in cases)
            for field in ("status", "priority", "case_type", "sla_status"):
                counted = Counter(getattr(case, field) for case in cases)
                assert {value: count for value, count in part[f"by_{field}"].items() if count} == counted
                assert sum(part[f"by_{field}"].values()) == len(cases)
            teams = Counter(case.assigned_team.slug if case.assigned_team else "none" for case in cases)
            assert part["by_assigned_team"] == teams
        assert (found["cases"]["total"], found["open_cases"]["total"]) == (8, 5)

    def test_counts_as_the_list_of_cases_does(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        found, stats = shown(agent_client, "analytics/dashboard")["cases"], shown(agent_client, "cases/stats")
        for name in ("total", "by_status", "by_priority", "by_case_type", "by_sla_status"):
            assert found[name] == stats[name]

    def test_counts_the_queues_that_people_work_from(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        cases = existing()
        queues = shown(agent_client, "analytics/dashboard")["queues"]
        assert queues == {
            "open": sum(case.status in OPEN for case in cases),
            "unassigned": sum(case.status in OPEN and not case.assigned_to for case in cases),
            "at_risk": sum(case.status in OPEN and case.sla_status == "at_risk" for case in cases),
            "breached": sum(case.status in OPEN and case.sla_status == "breached" for case in cases),
            "waiting": sum(case.status.startswith("awaiting") for case in cases),
            "arrived_today": sum(case.received_at >= at(6, 0) for case in cases),
            "resolved_today": sum(case.resolved_at is not None and case.resolved_at >= at(6, 0) for case in cases),
        }

    def test_says_how_old_the_backlog_is(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        backlog = shown(agent_client, "cases/analytics/dashboard")["backlog"]
        assert backlog["open"] == 5
        assert backlog["oldest_received_at"] == "2026-01-10T12:00:00Z"
        ages = [(NOW - case.received_at) / timedelta(days=1) for case in existing() if case.status in OPEN]
        assert backlog["by_age"] == {
            "under_1_day": sum(age < 1 for age in ages),
            "1_to_3_days": sum(1 <= age < 3 for age in ages),
            "3_to_7_days": sum(3 <= age < 7 for age in ages),
            "7_to_30_days": 0,
            "over_30_days": 1,
        }
        assert sum(backlog["by_age"].values()) == 5

    @pytest.mark.parametrize("days", [1, 2, 5, 366])
    def test_counts_what_happened(self, agent_client: APIClient, house: dict[str, Case], days: int) -> None:
        found = shown(agent_client, "analytics/dashboard", f"?days={days}")
        expected = happened(at(6, 0) - timedelta(days=days - 1))
        assert {metric: count for metric, count in found["happened"].items() if count} == expected
        rate = round(expected["reopened"] / expected["resolved"], 4) if expected["resolved"] else None
        assert found["reopen_rate"] == rate
        assert found["period"]["days"] == days

    def test_says_how_long_things_took(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        found = shown(agent_client, "cases/analytics/dashboard", "?days=6")
        for name, column in (("first_response", "first_response_at"), ("resolution", "resolved_at")):
            took = minutes([(case.received_at, getattr(case, column)) for case in existing()])
            tenths = statistics.quantiles(took, n=10, method="inclusive")
            assert found[name]["count"] == len(took)
            assert found[name]["p50_minutes"] == round(statistics.median(took), 1)
            assert found[name]["p90_minutes"] == round(tenths[8], 1)
        assert found["first_response"]["p50_minutes"] == 180  # 60, 180 and 360 minutes
        assert found["resolution"]["p50_minutes"] == 1860  # 120, 2880 and 1860 minutes

    def test_says_how_many_clocks_ended_in_time(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        ended = Counter(clock.state for clock in SLAClock.objects.filter(case__deleted_at=None, stopped_at__gte=at(1)))
        found = shown(agent_client, "cases/analytics/dashboard", "?days=6")["compliance"]
        assert (found["met"], found["missed"]) == (ended["met"], ended["missed"])
        assert found["share"] == round(ended["met"] / (ended["met"] + ended["missed"]), 4)
        assert found["missed"] > 0

    def test_shows_across_the_desk_what_cases_alone_do_not_say(
        self, agent_client: APIClient, house: dict[str, Case]
    ) -> None:
        desk, cases = (shown(agent_client, f"{scope}/dashboard") for scope in ("analytics", "cases/analytics"))
        assert set(desk) - set(cases) == {"tasks", "messages", "system"}
        shared = set(cases) - {"happened"}
        assert {name: desk[name] for name in shared} == {name: cases[name] for name in shared}
        assert cases["happened"].items() < desk["happened"].items()
        tasks = [task for task in Task.objects.select_related("case") if not (task.case and task.case.deleted_at)]
        assert desk["tasks"] == {
            "total": len(tasks),
            "open": sum(task.status in {"new", "in_progress"} for task in tasks),
            "overdue": 1,
            "by_status": {"new": 1, "in_progress": 0, "resolved": 1, "closed": 0},
            "open_by_kind": {"internal": 1, "contractor": 0},
        }
        states = Counter(InboundMessage.objects.values_list("state", flat=True))
        assert desk["messages"]["received"] == 4
        assert {state: count for state, count in desk["messages"]["by_state"].items() if count} == states
        system = desk["system"]
        assert (system["mail_pending"], system["oldest_pending_mail_seconds"]) == (2, 60)
        assert (system["outbound_waiting"], system["oldest_outbound_seconds"]) == (0, None)
        assert system["events_behind"] == TimelineEvent.objects.count()
        drain(now=NOW)
        assert shown(agent_client, "analytics/dashboard")["system"]["events_behind"] == 0

    def test_is_all_zeros_in_an_empty_house(self, agent_client: APIClient) -> None:
        found = shown(agent_client, "analytics/dashboard")
        assert found["cases"]["total"] == found["backlog"]["open"] == found["happened"]["arrived"] == 0
        assert (found["reopen_rate"], found["compliance"]["share"], found["backlog"]["oldest_received_at"]) == (
            None,
            None,
            None,
        )
        assert found["resolution"] == {"count": 0, "p50_minutes": None, "p90_minutes": None, "p95_minutes": None}


class TestTrends:
    def test_say_what_happened_on_each_day(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        found = shown(agent_client, "analytics/trends", "?days=6")
        assert found["period"] == {"from": "2026-03-01", "to": "2026-03-06", "days": 6, "time_zone": "UTC"}
        assert [point["date"] for point in found["points"]] == [f"2026-03-0{day}" for day in range(1, 7)]
        for point in found["points"]:
            start = datetime.combine(date.fromisoformat(point["date"]), datetime.min.time(), UTC)
            expected = happened(start, until=start + timedelta(days=1))
            assert {name: point[name] for name in found["metrics"]} == {
                name: expected[name] for name in found["metrics"]
            }
        assert found["totals"] == {name: happened(at(1, 0))[name] for name in found["metrics"]}
        assert found["groups"] == []

    def test_are_the_same_before_and_after_the_events_were_counted(
        self, agent_client: APIClient, house: dict[str, Case]
    ) -> None:
        before = shown(agent_client, "analytics/trends", "?days=90")
        drain(now=NOW)
        assert DailyCount.objects.exists()
        assert shown(agent_client, "analytics/trends", "?days=90") == before

    def test_follow_the_reader_s_days(self, house: dict[str, Case]) -> None:
        berliner = client_of(UserFactory.create(time_zone="Europe/Berlin"))
        zone = ZoneInfo("Europe/Berlin")
        found = shown(berliner, "cases/analytics/trends", "?days=4")
        assert found["period"]["time_zone"] == "Europe/Berlin"
        arrived = {point["date"]: point["arrived"] for point in found["points"]}
        expected = Counter(case.created_at.astimezone(zone).date().isoformat() for case in Case.objects.all())
        assert arrived == {day: expected[day] for day in arrived}
        assert arrived["2026-03-05"] == 3  # the one of half past midnight is among them
        sums = [
            shown(berliner, f"{scope}/dashboard", "?days=4")["happened"]["arrived"]
            for scope in ("analytics", "cases/analytics")
        ]
        assert sums == [sum(arrived.values())] * 2

    def test_say_what_happened_in_each_week(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        days = shown(agent_client, "cases/analytics/trends", "?days=10")
        weeks = shown(agent_client, "cases/analytics/trends", "?days=10&interval=week")
        assert [(point["date"], point["days"]) for point in weeks["points"]] == [("2026-02-23", 5), ("2026-03-02", 5)]
        assert weeks["totals"] == days["totals"]
        assert weeks["points"][1]["arrived"] == sum(point["arrived"] for point in days["points"][5:])
        assert weeks["metrics"] == ["arrived", "resolved", "reopened", "breached"]

    @pytest.mark.parametrize(
        "group_by",
        [
            "status",
            "priority",
            "case_type",
            "sentiment",
            "sla_status",
            "language",
            "category",
            "assigned_to",
            "assigned_team",
            "customer_type",
        ],
    )
    def test_say_it_for_each_group_of_cases(
        self, agent_client: APIClient, house: dict[str, Case], group_by: str
    ) -> None:
        found = shown(agent_client, "analytics/trends", f"?days=90&group_by={group_by}")
        total: Counter[str] = Counter()
        for group in found["groups"]:
            total.update(group["totals"])
            for metric, count in group["totals"].items():
                assert count == sum(point[metric] for point in group["points"])
        assert {name: total[name] for name in found["metrics"]} == found["totals"]
        arrived = {group["group"]: group["totals"]["arrived"] for group in found["groups"]}
        path = {
            "category": "category__slug",
            "assigned_to": "assigned_to__username",
            "assigned_team": "assigned_team__slug",
        }
        values = Case.objects.values_list(
            path.get(group_by, group_by if group_by != "customer_type" else "customer__customer_type"), flat=True
        )
        assert {group: count for group, count in arrived.items() if count} == Counter(value or None for value in values)


class TestPerformance:
    def test_says_what_each_agent_did(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        agents = {
            row["username"]: row for row in shown(agent_client, "cases/analytics/performance", "?days=6")["agents"]
        }
        assert set(agents) == {"ana", "ben", "cleo"}
        assert agents["ben"] == {
            "username": "ben",
            "name": "ben",
            "is_active": True,
            "handled": 2,
            "open": 1,
            "first_responses": 2,
            "median_first_response_minutes": 120.0,  # 1 h and 3 h
            "median_resolution_minutes": 1500.0,  # 2 h and 48 h
            "compliance": {"met": 4, "missed": 0, "share": 1.0},
        }
        assert (agents["cleo"]["handled"], agents["cleo"]["open"]) == (1, 2)
        assert agents["cleo"]["median_first_response_minutes"] == 360.0
        assert agents["ana"]["handled"] == agents["ana"]["open"] == 0
        assert agents["ana"]["median_resolution_minutes"] is None

    def test_says_what_each_team_did(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        found = shown(agent_client, "cases/analytics/performance", "?days=6")
        teams = {row["slug"]: row for row in found["teams"]}
        for team in Team.objects.all():
            cases = [case for case in existing() if case.assigned_team == team]
            assert teams[team.slug]["open"] == sum(case.status in OPEN for case in cases)
            took = minutes([(case.received_at, case.resolved_at) for case in cases])
            assert teams[team.slug]["handled"] == len(took)
            clocks = Counter(
                SLAClock.objects.filter(case__in=cases, stopped_at__gte=at(1)).values_list("state", flat=True)
            )
            assert teams[team.slug]["compliance"]["met"] == clocks["met"]
            assert teams[team.slug]["compliance"]["missed"] == clocks["missed"]
        handled = sum(row["handled"] for row in found["teams"])
        assert handled == found["resolution"]["count"] == sum(row["handled"] for row in found["agents"])

    def test_counts_those_who_have_left_as_long_as_they_have_cases(
        self, agent_client: APIClient, house: dict[str, Case]
    ) -> None:
        User.objects.filter(username__in=["ben", "ana"]).update(is_active=False)
        agent_client = client_of(UserFactory.create(role="read_only"))
        agents = shown(agent_client, "analytics/performance")["agents"]
        assert [(row["username"], row["is_active"]) for row in agents] == [("ben", False), ("cleo", True)]

    def test_says_across_the_desk_how_the_house_itself_does(
        self, agent_client: APIClient, house: dict[str, Case]
    ) -> None:
        desk, cases = (shown(agent_client, f"{scope}/performance") for scope in ("analytics", "cases/analytics"))
        system = desk.pop("system")
        assert desk == cases
        assert system == shown(agent_client, "analytics/dashboard")["system"]


class TestReports:
    def test_are_a_table_of_the_same_numbers(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        report = shown(agent_client, "analytics/reports", "?days=6&group_by=assigned_team")
        performance = shown(agent_client, "analytics/performance", "?days=6")
        trends = shown(agent_client, "cases/analytics/trends", "?days=6&group_by=assigned_team")
        assert [row["group"] for row in report["rows"]] == ["billing", "repairs", None]
        assert all(list(row) == report["columns"] for row in report["rows"])
        rows = {row["group"]: row for row in report["rows"]}
        for team in performance["teams"]:
            row = rows[team["slug"]]
            assert (row["open"], row["handled"]) == (team["open"], team["handled"])
            assert row["resolution_p50_minutes"] == team["median_resolution_minutes"]
            assert row["compliance"] == team["compliance"]["share"]
        for group in trends["groups"]:
            assert {name: rows[group["group"]][name] for name in trends["metrics"]} == group["totals"]

    def test_are_the_same_as_csv(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        query = "?days=6&group_by=priority"
        rows = shown(agent_client, "cases/analytics/reports", query)["rows"]
        response = agent_client.get(f"/api/cases/analytics/reports{query}&format=csv")
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert response.headers["Content-Disposition"] == (
            'attachment; filename="cases-by-priority-2026-03-01-2026-03-06.csv"'
        )
        told = list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))
        assert told == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]

    def test_hold_no_formulas(self, agent_client: APIClient, house: dict[str, Case]) -> None:
        User.objects.filter(username="ben").update(username="+ben@x")
        query = "?group_by=assigned_to"
        text = agent_client.get(f"/api/analytics/reports{query}&format=csv").content.decode()
        assert "\n'+ben@x," in text
        assert {row["group"] for row in shown(agent_client, "analytics/reports", query)["rows"]} >= {"+ben@x"}

    def test_come_as_csv_whatever_is_accepted(self, agent_client: APIClient) -> None:
        answer = agent_client.get("/api/analytics/reports?format=csv", headers={"Accept": "text/csv"})
        assert (answer.status_code, answer.content.split(b"\r\n")[0][:13]) == (200, b"group,arrived")


class TestParameters:
    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "query",
        [
            "days=0",
            "days=367",
            "days=-1",
            "days=7.0",
            "days=",
            "days=seven",
            "days=7&days=8",
            "colour=red",
            "days=%D9%A3",
        ],
    )
    def test_that_cannot_be_are_refused_by_name(
        self, agent_client: APIClient, scope: str, name: str, query: str
    ) -> None:
        response = agent_client.get(f"{scope}/{name}?{query}")
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [query.partition("=")[0]]

    @pytest.mark.parametrize(
        ("name", "query"),
        [
            ("dashboard", "interval=day"),
            ("dashboard", "format=csv"),
            ("performance", "group_by=priority"),
            ("trends", "interval=month"),
            ("trends", "group_by=customer__email"),
            ("trends", "group_by="),
            ("trends", "format=csv"),
            ("reports", "format=xlsx"),
            ("reports", "group_by=title"),
            ("reports", "interval=day"),
        ],
    )
    def test_of_each_kind_are_from_a_list(self, agent_client: APIClient, name: str, query: str) -> None:
        for scope in SCOPES:
            response = agent_client.get(f"{scope}/{name}?{query}")
            assert response.status_code == 400, query
            assert [error["attr"] for error in response.json()["errors"]] == [query.partition("=")[0]]

    def test_at_their_edges_are_taken(self, agent_client: APIClient) -> None:
        for days in (1, 366):
            assert shown(agent_client, "analytics/trends", f"?days={days}")["period"]["days"] == days


class TestWhoMayRead:
    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize("name", NAMES)
    def test_is_everybody_of_the_house(self, scope: str, name: str, db: None) -> None:
        url = f"{scope}/{name}"
        assert APIClient().get(url).status_code == 401
        assert client_of(UserFactory.create(role="contractor")).get(url).status_code == 403
        assert client_of(UserFactory.create(role="read_only")).get(url).status_code == 200
        assert client_of(UserFactory.create(role="agent")).post(url).status_code == 405


class TestQueries:
    @pytest.mark.parametrize(
        ("path", "queries"),
        [
            ("cases/analytics/dashboard", 11),
            ("analytics/dashboard", 19),
            ("cases/analytics/trends", 3),
            ("analytics/trends?group_by=priority", 4),
            ("cases/analytics/performance", 15),
            ("analytics/performance", 21),
            ("analytics/reports", 5),
        ],
    )
    def test_are_as_many_for_more_rows(
        self,
        agent_client: APIClient,
        house: dict[str, Case],
        django_assert_num_queries: Any,
        path: str,
        queries: int,
    ) -> None:
        with django_assert_num_queries(queries):
            shown(agent_client, path)
        for number in range(4):
            person, team = UserFactory.create(), TeamFactory.create()
            case = make_case(at=at(5), assigned_to=person, assigned_team=team, case_type="query")
            answer(case, when=at(5, 13))
            move(case, "resolved", when=at(5, 14 + number))
        with django_assert_num_queries(queries):
            shown(agent_client, path)
