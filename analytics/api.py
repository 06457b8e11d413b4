"""Numbers over HTTP, in two scopes. Both ask the same functions, so what both show is the same number.

/api/cases/analytics/…  the cases alone
/api/analytics/…        across the desk: the same, and tasks, mail and the house's own queues
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import person_of
from analytics.metrics import CASE_METRICS, MAIL_METRICS
from analytics.models import Metric
from analytics.parameters import PeriodParameters, ReportParameters, TrendParameters, read
from analytics.periods import Interval, Period
from analytics.queries import flow, speed, state, system
from analytics.reports import summary
from analytics.representation import (
    agent_row,
    compliance,
    durations,
    period_facts,
    points,
    reopen_rate,
    sums,
    team_row,
)
from analytics.serializers import (
    CaseDashboardSerializer,
    CasePerformanceSerializer,
    DeskDashboardSerializer,
    DeskPerformanceSerializer,
    ReportSerializer,
    TrendsSerializer,
)
from handyconnect.api.views import Endpoint


class ByParameter(BaseContentNegotiation):
    """Which form a report has is said by its `format`, which is checked like every other parameter."""

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, _request: Request, renderers: Any, _format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class CaseAnalytics(Endpoint, APIView):
    """The numbers of the cases."""

    content_negotiation_class = ByParameter
    metrics: tuple[Metric, ...] = CASE_METRICS

    @extend_schema(parameters=[PeriodParameters], responses=CaseDashboardSerializer)
    def dashboard(self, request: Request, **_kwargs: Any) -> Response:
        """How things stand now, and what happened in the last days."""
        now, period = _asked(read(request, PeriodParameters))
        return Response(self.dashboard_numbers(request, now=now, period=period))

    @extend_schema(parameters=[TrendParameters], responses=TrendsSerializer)
    def trends(self, request: Request, **_kwargs: Any) -> Response:
        """What happened on each day or in each week; with `group_by` also for each group of cases, as they are today."""
        asked = read(request, TrendParameters)
        now, period = _asked(asked)
        interval, group_by = Interval(asked["interval"]), asked.get("group_by")
        counts = flow.by_day(period)
        grouped = flow.by_group(period, speed.GROUPS[group_by]) if group_by else {}
        groups = [
            {
                "group": group,
                "totals": sums(of_group, self.metrics),
                "points": points(of_group, period, interval, self.metrics),
            }
            for group, of_group in sorted(grouped.items(), key=lambda item: (item[0] is None, str(item[0])))
            if any(metric in self.metrics for _day, metric in of_group)
        ]
        return Response(
            {
                **_head(now, period),
                "interval": interval.value,
                "group_by": group_by,
                "metrics": [metric.value for metric in self.metrics],
                "totals": sums(counts, self.metrics),
                "points": points(counts, period, interval, self.metrics),
                "groups": groups,
            }
        )

    @extend_schema(parameters=[PeriodParameters], responses=CasePerformanceSerializer)
    def performance(self, request: Request, **_kwargs: Any) -> Response:
        """How fast and how reliably each agent and each team works. A case counts for whoever has it today."""
        now, period = _asked(read(request, PeriodParameters))
        return Response(self.performance_numbers(now=now, period=period))

    @extend_schema(
        parameters=[ReportParameters],
        responses={(200, "application/json"): ReportSerializer, (200, "text/csv"): OpenApiTypes.STR},
    )
    def reports(self, request: Request, **_kwargs: Any) -> HttpResponseBase:
        """The work of the last days as a table, one row for each group: JSON, or CSV to download."""
        asked = read(request, ReportParameters)
        now, period = _asked(asked)
        table = summary(period, group_by=asked["group_by"])
        if asked["format"] == "csv":
            name = f"cases-by-{asked['group_by'].replace('_', '-')}-{period.first}-{period.last}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
            return HttpResponse(table.as_csv(), content_type="text/csv; charset=utf-8", headers=headers)
        rows = {"group_by": asked["group_by"], "columns": list(table.columns), "rows": table.as_dicts()}
        return Response({**_head(now, period), **rows})

    def dashboard_numbers(self, request: Request, *, now: datetime, period: Period) -> dict[str, Any]:
        reader = person_of(request)
        cases, open_cases = state.case_counts(reader)
        happened = sums(flow.by_day(period), self.metrics)
        return {
            **_head(now, period),
            "cases": cases,
            "open_cases": open_cases,
            "queues": state.queue_counts(reader, now=now),
            "backlog": state.backlog(reader, now=now),
            "happened": happened,
            "reopen_rate": reopen_rate(happened),
            "first_response": durations(speed.first_response_times(period)),
            "resolution": durations(speed.resolution_times(period)),
            "compliance": compliance(speed.compliance(period)),
        }

    def performance_numbers(self, *, now: datetime, period: Period) -> dict[str, Any]:
        return {
            **_head(now, period),
            "first_response": durations(speed.first_response_times(period)),
            "resolution": durations(speed.resolution_times(period)),
            "compliance": compliance(speed.compliance(period)),
            "agents": [agent_row(person, work) for person, work in speed.agents(period)],
            "teams": [team_row(team, work) for team, work in speed.teams(period)],
        }


class DeskAnalytics(CaseAnalytics):
    """The numbers of the whole desk."""

    metrics = (*CASE_METRICS, *MAIL_METRICS)

    @extend_schema(parameters=[PeriodParameters], responses=DeskDashboardSerializer)
    def dashboard(self, request: Request, **kwargs: Any) -> Response:
        """How things stand now, and what happened in the last days: cases, tasks, mail, and the house's own queues."""
        return super().dashboard(request, **kwargs)

    @extend_schema(parameters=[PeriodParameters], responses=DeskPerformanceSerializer)
    def performance(self, request: Request, **kwargs: Any) -> Response:
        """How fast and how reliably each agent and each team works, and the house itself."""
        return super().performance(request, **kwargs)

    def dashboard_numbers(self, request: Request, *, now: datetime, period: Period) -> dict[str, Any]:
        return {
            **super().dashboard_numbers(request, now=now, period=period),
            "tasks": state.task_counts(person_of(request), now=now),
            "messages": state.mail_counts(period),
            "system": system.queues(now=now),
        }

    def performance_numbers(self, *, now: datetime, period: Period) -> dict[str, Any]:
        return {**super().performance_numbers(now=now, period=period), "system": system.queues(now=now)}


def _asked(parameters: dict[str, Any]) -> tuple[datetime, Period]:
    """The present moment and the days that are asked for, where the reader is."""
    now = timezone.localtime()
    zone = ZoneInfo(timezone.get_current_timezone_name())
    return now, Period.last_days(parameters["days"], now=now, zone=zone)


def _head(now: datetime, period: Period) -> dict[str, Any]:
    return {"as_of": now.astimezone(UTC), "period": period_facts(period)}
