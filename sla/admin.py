"""Calendars, policies, and the clocks, which only the services move."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    MultipleChoicesDropdownFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    as_json,
    as_link,
    coloured,
)
from accounts.models import User
from cases import panels
from cases.admin_base import ConfigurationAdmin, ConfigurationInline, JSONArea
from cases.models import Case
from sla.calendars import Unreachable
from sla.models import BusinessCalendar, ClockSegment, ClockState, Holiday, SLAClock, SLAPolicy
from sla.services import explain_clock

STATE_COLOURS = {"running": "info", "paused": "warning", "met": "success", "missed": "danger"}


class HolidayInline(ConfigurationInline):
    model = Holiday
    fields = ("day", "name")


@admin.register(BusinessCalendar)
class CalendarAdmin(ConfigurationAdmin[BusinessCalendar]):
    list_display = ("name", "slug", "time_zone", "week")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (HolidayInline,)
    fields = ("name", "slug", "time_zone", "hours")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if db_field.name == "hours":
            kwargs["widget"] = JSONArea()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("week"))
    def week(self, calendar: BusinessCalendar) -> str:
        days = [(day, spans) for day, spans in calendar.hours.items() if spans] if calendar.hours else []
        return "; ".join(f"{day} {', '.join(' to '.join(span) for span in spans)}" for day, spans in days)


@admin.register(SLAPolicy)
class PolicyAdmin(ConfigurationAdmin[SLAPolicy]):
    list_display = ("name", "rank", "calendar", "promises", "at_risk_percent", "is_active")
    list_select_related = ("calendar",)
    list_filter = (("is_active", BooleanRadioFilter),)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("calendar",)
    fieldsets = (
        (None, {"fields": ("name", "slug", ("rank", "is_active"), "calendar")}),
        (gettext_lazy("Promises"), {"fields": ("targets", ("at_risk_percent", "escalate_percent"), "pause_statuses")}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if db_field.name in {"targets", "pause_statuses"}:
            kwargs["widget"] = JSONArea(rows=14 if db_field.name == "targets" else 3)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("first response / resolution"))
    def promises(self, policy: SLAPolicy) -> SafeString:
        rows = [
            (Case.Priority(priority).label, *(minutes / 60 for minutes in _pair(policy, priority)))
            for priority in reversed(Case.Priority.values)
            if policy.targets.get(priority)
        ]
        return render_to_string("admin/parts/promises.html", {"rows": rows})


def _pair(policy: SLAPolicy, priority: str) -> tuple[int, int]:
    target = policy.targets[priority]
    return target["first_response_minutes"], target["resolution_minutes"]


class SegmentInline(ReadOnlyInline):
    model = ClockSegment
    fields = ("started_at", "ended_at", "ended_by")
    show_change_link = False


@admin.register(SLAClock)
class ClockAdmin(ReadOnlyAdmin[SLAClock]):
    list_display = ("case_link", "kind", "state_badge", "due_at", "at_risk_at", "started_at", "stopped_at", "policy")
    list_select_related = ("case", "policy")
    list_filter = (("state", MultipleChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    search_fields = ("=case__case_number",)
    search_help_text = gettext_lazy("A case number")
    ordering = ("-id",)
    inlines = (SegmentInline,)
    fieldsets = (
        (None, {"fields": ("case_link", ("kind", "cycle"), "state_badge", "explanation")}),
        (
            gettext_lazy("Times"),
            {"fields": (("started_at", "stopped_at"), ("at_risk_at", "due_at"), ("escalate_at", "next_check_at"))},
        ),
        (gettext_lazy("Terms"), {"fields": ("policy", "target_minutes", "terms_shown")}),
    )

    @admin.display(description=gettext_lazy("case"), ordering="case__case_number")
    def case_link(self, clock: SLAClock) -> Any:
        return as_link(clock.case, text=clock.case.case_number)

    @coloured(gettext_lazy("state"), ordering="state", colours=STATE_COLOURS)
    def state_badge(self, clock: SLAClock) -> tuple[str, str]:
        return clock.state, clock.get_state_display()

    @admin.display(description=gettext_lazy("why"))
    def explanation(self, clock: SLAClock) -> str:
        return why(clock, now=timezone.now())

    @admin.display(description=gettext_lazy("terms"))
    def terms_shown(self, clock: SLAClock) -> SafeString:
        return as_json(clock.terms)


def why(clock: SLAClock, *, now: datetime) -> str:
    """The clock's own sentence, or why it has none."""
    try:
        return explain_clock(clock, now=now).sentence
    except Unreachable:
        return _("The calendar of this clock has no working time in which the promise could be kept.")


@dataclass(frozen=True, slots=True)
class ShownClock:
    """A clock on the page of a case. `tone` is one of good, warn, bad, calm."""

    clock: SLAClock
    tone: str
    word: str
    why: str


def shown_clock(clock: SLAClock, *, now: datetime) -> ShownClock:
    tone, word = "good", clock.get_state_display()
    if clock.state == ClockState.MISSED:
        tone = "bad"
    elif clock.state in {ClockState.PAUSED, ClockState.CANCELLED}:
        tone = "calm"
    elif clock.state == ClockState.RUNNING and clock.due_at and now > clock.due_at:
        tone, word = "bad", _("Breached")
    elif clock.state == ClockState.RUNNING and clock.at_risk_at and now >= clock.at_risk_at:
        tone, word = "warn", _("At risk")
    elif clock.state == ClockState.RUNNING:
        word = _("On time")
    return ShownClock(clock, tone, word, why(clock, now=now))


def _clocks(case: Case, _reader: User, now: datetime) -> Mapping[str, Any]:
    clocks = SLAClock.objects.filter(case=case).prefetch_related("segments").order_by("-cycle", "kind")
    return {"clocks": [shown_clock(clock, now=now) for clock in clocks]}


panels.register(panels.Panel("clocks", gettext_lazy("Deadlines"), "parts/clocks.html", _clocks, place="side", rank=20))
