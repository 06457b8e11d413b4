"""How the numbers look from outside."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from accounts.models import Team, User
from analytics.models import Metric
from analytics.numbers import Durations, share_of
from analytics.periods import Interval, Period
from analytics.queries.flow import Counts, totals
from analytics.queries.speed import Compliance, Work


def period_facts(period: Period) -> dict[str, Any]:
    """Which days the numbers are about: both ends are in it."""
    return {
        "from": period.first,
        "to": period.last,
        "days": (period.last - period.first).days + 1,
        "time_zone": period.zone.key,
    }


def sums(counts: Counts, metrics: Iterable[Metric]) -> dict[str, int]:
    """What happened in all of the period."""
    total = totals(counts)
    return {metric.value: total[metric] for metric in metrics}


def points(counts: Counts, period: Period, interval: Interval, metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """One point for each day or week, also where nothing happened."""
    metrics = list(metrics)
    found: list[dict[str, Any]] = []
    for bucket in period.buckets(interval):
        days = [date.fromordinal(bucket.first.toordinal() + number) for number in range(bucket.days)]
        values = {metric.value: sum(counts.get((day, metric), 0) for day in days) for metric in metrics}
        found.append({"date": bucket.starts_on, "days": bucket.days, **values})
    return found


def reopen_rate(happened: Mapping[str, int]) -> float | None:
    """How many cases were taken up again for each one that was resolved; None where none was."""
    return share_of(happened[Metric.REOPENED], happened[Metric.RESOLVED])


def durations(found: Durations) -> dict[str, Any]:
    return {
        "count": found.count,
        "p50_minutes": found.p50_minutes,
        "p90_minutes": found.p90_minutes,
        "p95_minutes": found.p95_minutes,
    }


def compliance(found: Compliance) -> dict[str, Any]:
    return {"met": found.met, "missed": found.missed, "share": found.share}


def agent_row(person: User, work: Work) -> dict[str, Any]:
    return {"username": person.username, "name": str(person), "is_active": person.is_active, **_work(work)}


def team_row(team: Team, work: Work) -> dict[str, Any]:
    return {"slug": team.slug, "name": team.name, **_work(work)}


def _work(work: Work) -> dict[str, Any]:
    return {
        "handled": work.handled,
        "open": work.open,
        "first_responses": work.first_response.count,
        "median_first_response_minutes": work.first_response.p50_minutes,
        "median_resolution_minutes": work.resolution.p50_minutes,
        "compliance": compliance(work.compliance),
    }
