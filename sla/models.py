"""Calendars, policies, and the clocks that run on cases."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import validate_time_zone
from cases.constraints import one_of
from cases.models import Case
from sla.calendars import InvalidCalendar, WorkingCalendar
from sla.querysets import ClockQuerySet


class ClockKind(models.TextChoices):
    FIRST_RESPONSE = "first_response", _("First response")
    RESOLUTION = "resolution", _("Resolution")


class ClockState(models.TextChoices):
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    MET = "met", _("Met")
    MISSED = "missed", _("Missed")
    CANCELLED = "cancelled", _("Cancelled")


class BusinessCalendar(models.Model):
    """When work is done: intervals for each day of the week, in a time zone, less the holidays."""

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=100)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    hours = models.JSONField(
        _("working hours"),
        help_text=_('For each day its intervals, for example {"mon": [["09:00", "17:00"]]}. "24:00" may end a day.'),
    )

    class Meta:
        verbose_name = _("business calendar")
        verbose_name_plural = _("business calendars")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            self.as_working_calendar()
        except InvalidCalendar as error:
            raise ValidationError({"hours": str(error)}) from error

    def as_working_calendar(self) -> WorkingCalendar:
        """The pure calendar that due dates are counted with. Raises InvalidCalendar."""
        return WorkingCalendar.parse(self.as_data())

    def as_data(self) -> dict[str, Any]:
        """What a clock keeps of the calendar that it was started with."""
        holidays = [day.isoformat() for day in self.holidays.values_list("day", flat=True)] if self.pk else []
        return {"tz": self.time_zone, "hours": self.hours, "holidays": sorted(holidays)}


class Holiday(models.Model):
    calendar = models.ForeignKey(
        BusinessCalendar, on_delete=models.CASCADE, related_name="holidays", verbose_name=_("calendar")
    )
    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("holiday")
        verbose_name_plural = _("holidays")
        ordering = ["day"]
        constraints = [models.UniqueConstraint(name="holiday_once", fields=["calendar", "day"])]

    def __str__(self) -> str:
        return f"{self.day} {self.name}".strip()


class SLAPolicy(models.Model):
    """What is promised, by priority. The first policy in order that is in use serves a new case."""

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=100)
    rank = models.PositiveSmallIntegerField(_("order"), default=100, help_text=_("Lower comes first."))
    is_active = models.BooleanField(_("in use"), default=True)
    calendar = models.ForeignKey(
        BusinessCalendar, on_delete=models.PROTECT, related_name="policies", verbose_name=_("calendar")
    )
    targets = models.JSONField(
        _("targets"),
        help_text=_(
            'Working minutes by priority, for example {"high": {"first_response_minutes": 240, "resolution_minutes": 1440}}.'
        ),
    )
    at_risk_percent = models.PositiveSmallIntegerField(
        _("at risk at (%)"), default=75, help_text=_("The share of the time after which a clock is at risk.")
    )
    escalate_percent = models.PositiveSmallIntegerField(
        _("escalate at (%)"),
        default=50,
        help_text=_("The share of the resolution time after which a case is escalated."),
    )
    pause_statuses = models.JSONField(
        _("pausing statuses"),
        default=list,
        blank=True,
        help_text=_('Case statuses in which the resolution clock stands still, for example ["awaiting_customer"].'),
    )

    class Meta:
        verbose_name = _("SLA policy")
        verbose_name_plural = _("SLA policies")
        ordering = ["rank", "id"]
        constraints = [
            models.CheckConstraint(
                name="policy_percents_in_range",
                condition=Q(
                    at_risk_percent__gte=1, at_risk_percent__lte=99, escalate_percent__gte=1, escalate_percent__lte=99
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        errors: dict[str, list[str]] = {}
        if not isinstance(self.targets, dict) or not self.targets:
            errors.setdefault("targets", []).append(str(_("Give the targets of at least one priority.")))
        else:
            for priority, target in self.targets.items():
                if priority not in Case.Priority.values:
                    errors.setdefault("targets", []).append(
                        str(_("%(value)s is not a priority.") % {"value": priority})
                    )
                elif not isinstance(target, dict) or not all(
                    isinstance(target.get(f"{kind}_minutes"), int) and target[f"{kind}_minutes"] > 0
                    for kind in ClockKind.values
                ):
                    errors.setdefault("targets", []).append(
                        str(
                            _("%(value)s needs first_response_minutes and resolution_minutes, both above 0.")
                            % {"value": priority}
                        )
                    )
        unknown = set(self.pause_statuses if isinstance(self.pause_statuses, list) else ["?"]) - set(Case.OPEN_STATUSES)
        if unknown:
            errors["pause_statuses"] = [
                str(_("Not a status of an open case: %(values)s.") % {"values": ", ".join(sorted(map(str, unknown)))})
            ]
        if errors:
            raise ValidationError(errors)

    def target_minutes(self, *, priority: str, kind: str) -> int | None:
        """The promise in working minutes, or None where this policy makes none."""
        target = self.targets.get(priority)
        return int(target[f"{kind}_minutes"]) if target else None


class SLAClock(models.Model):
    """One promise on one case: running, paused, met or missed.

    It keeps the terms that it was started with (`terms`), so that editing a policy rewrites no running clock. Its
    running time is the sum of its segments. `next_check_at` is when the sweep has to look at it again.
    """

    Kind = ClockKind
    State = ClockState

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="clocks", verbose_name=_("case"))
    kind = models.CharField(_("kind"), max_length=20, choices=ClockKind)
    cycle = models.PositiveSmallIntegerField(_("cycle"), default=1, help_text=_("Counts up when the case is reopened."))
    policy = models.ForeignKey(SLAPolicy, on_delete=models.PROTECT, related_name="clocks", verbose_name=_("policy"))
    terms = models.JSONField(_("terms"), help_text=_("The policy and calendar as they stood when the clock started."))
    target_minutes = models.PositiveIntegerField(_("target (working minutes)"))
    state = models.CharField(_("state"), max_length=20, choices=ClockState, default=ClockState.RUNNING)
    started_at = models.DateTimeField(_("started"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True, help_text=_("Empty while the clock is paused."))
    at_risk_at = models.DateTimeField(_("at risk from"), null=True, blank=True)
    escalate_at = models.DateTimeField(_("escalates"), null=True, blank=True)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    at_risk_told_at = models.DateTimeField(null=True, blank=True)
    breached_told_at = models.DateTimeField(null=True, blank=True)
    escalated_told_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(_("next check"), null=True, blank=True)

    objects = ClockQuerySet.as_manager()

    class Meta:
        verbose_name = _("SLA clock")
        verbose_name_plural = _("SLA clocks")
        ordering = ["started_at", "id"]
        constraints = [
            models.UniqueConstraint(name="clock_once", fields=["case", "kind", "cycle"]),
            one_of("kind", ClockKind, name="clock_kind_known"),
            one_of("state", ClockState, name="clock_state_known"),
            models.CheckConstraint(
                name="clock_due_after_start", condition=Q(due_at=None) | Q(due_at__gte=F("started_at"))
            ),
            models.CheckConstraint(
                name="clock_stopped_has_time",
                condition=Q(state__in=["running", "paused"], stopped_at=None)
                | Q(state__in=["met", "missed", "cancelled"], stopped_at__isnull=False),
            ),
            models.CheckConstraint(
                name="clock_checked_only_while_running", condition=Q(next_check_at=None) | Q(state="running")
            ),
        ]
        indexes = [
            models.Index(  # the sweep: what is due to be looked at, and nothing else
                name="clock_next_check", fields=["next_check_at"], condition=Q(next_check_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.case_id}"

    @property
    def is_open(self) -> bool:
        return self.state in {ClockState.RUNNING, ClockState.PAUSED}


class ClockSegment(models.Model):
    """A stretch of time in which a clock ran. The open one has no end."""

    clock = models.ForeignKey(SLAClock, on_delete=models.CASCADE, related_name="segments", verbose_name=_("clock"))
    started_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)
    ended_by = models.CharField(
        _("ended by"), max_length=60, blank=True, help_text=_("The status that paused it, or how it stopped.")
    )

    class Meta:
        verbose_name = _("running time")
        verbose_name_plural = _("running times")
        ordering = ["started_at", "id"]
        constraints = [
            models.UniqueConstraint(name="segment_open_once", fields=["clock"], condition=Q(ended_at=None)),
            models.CheckConstraint(
                name="segment_ends_after_start", condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at} – {self.ended_at or '…'}"  # noqa: RUF001 - an en dash between two times
