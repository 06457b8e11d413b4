"""How clocks, policies and calendars look from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sla.calendars import InvalidCalendar, Unreachable
from sla.models import BusinessCalendar, SLAClock, SLAPolicy
from sla.services import explain_clock


def whole_clock(clock: SLAClock, *, now: datetime) -> dict[str, Any]:
    """A clock with its running times and its reasons, as of `now`. Read it with `policy` and `segments`.

    Figures and explanation are null when the clock's calendar has no working time in which they could be counted.
    """
    try:
        explanation = explain_clock(clock, now=now)
    except (Unreachable, InvalidCalendar):
        explanation = None
    reading = explanation.reading if explanation else None
    return {
        "id": clock.pk,
        "kind": clock.kind,
        "cycle": clock.cycle,
        "state": clock.state,
        "policy": clock.policy.slug,
        "started_at": clock.started_at,
        "due_at": clock.due_at,
        "projected_due_at": reading.projected_due_at if reading else None,
        "at_risk_at": clock.at_risk_at,
        "escalate_at": clock.escalate_at,
        "stopped_at": clock.stopped_at,
        "target_minutes": clock.target_minutes,
        "used_minutes": reading.used_minutes if reading else None,
        "remaining_minutes": reading.remaining_minutes if reading else None,
        "is_breached": reading.is_breached if reading else None,
        "segments": [
            {"started_at": segment.started_at, "ended_at": segment.ended_at, "ended_by": segment.ended_by}
            for segment in clock.segments.all()
        ],
        "explanation": {
            "sentence": explanation.sentence,
            "parts": dict(explanation.parts),
            "calendar": explanation.calendar_name,
            "time_zone": explanation.time_zone,
        }
        if explanation
        else None,
    }


def clocks_of_cases(case_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The clocks of each case in short, oldest first: a part of the case's own representation."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for clock in SLAClock.objects.filter(case__in=case_ids).defer("terms").order_by("cycle", "id"):
        row = {
            "kind": clock.kind,
            "cycle": clock.cycle,
            "state": clock.state,
            "started_at": clock.started_at,
            "due_at": clock.due_at,
            "at_risk_at": clock.at_risk_at,
            "stopped_at": clock.stopped_at,
            "target_minutes": clock.target_minutes,
        }
        found.setdefault(clock.case_id, []).append(row)
    return found


def policy_row(policy: SLAPolicy) -> dict[str, Any]:
    """A policy. Read it with `calendar`."""
    return {
        "slug": policy.slug,
        "name": policy.name,
        "rank": policy.rank,
        "is_active": policy.is_active,
        "calendar": policy.calendar.slug,
        "targets": policy.targets,
        "at_risk_percent": policy.at_risk_percent,
        "escalate_percent": policy.escalate_percent,
        "pause_statuses": policy.pause_statuses,
    }


def calendar_row(calendar: BusinessCalendar) -> dict[str, Any]:
    """A calendar. Read it with `holidays`."""
    return {
        "slug": calendar.slug,
        "name": calendar.name,
        "time_zone": calendar.time_zone,
        "hours": calendar.hours,
        "holidays": [{"day": holiday.day, "name": holiday.name} for holiday in calendar.holidays.all()],
    }
