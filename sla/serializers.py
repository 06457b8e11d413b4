"""The shapes of clocks, policies and calendars, for the OpenAPI document. `representation` makes them."""

from typing import Any

from rest_framework import serializers

from cases.models import Case
from handyconnect.api.fields import JSONObject
from sla.models import ClockKind, ClockState


class SegmentSerializer(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(allow_blank=True, help_text="The status that paused the clock, or how it stopped.")


class ExplanationSerializer(serializers.Serializer[Any]):
    sentence = serializers.CharField(help_text="Why the clock shows what it shows, in the calendar's time zone.")
    parts = serializers.DictField(child=serializers.CharField(), help_text="The sentence in its parts, in order.")
    calendar = serializers.CharField()
    time_zone = serializers.CharField()


class ClockSerializer(serializers.Serializer[Any]):
    """A promise on a case. All minutes are working minutes of its calendar."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(ClockKind.choices)
    cycle = serializers.IntegerField(help_text="Counts up when the case is reopened.")
    state = serializers.ChoiceField(ClockState.choices)
    policy = serializers.SlugField()
    started_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="Null while the clock is paused.")
    projected_due_at = serializers.DateTimeField(allow_null=True, help_text="When it is due if it goes on now.")
    at_risk_at = serializers.DateTimeField(allow_null=True)
    escalate_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)
    target_minutes = serializers.IntegerField()
    used_minutes = serializers.IntegerField(allow_null=True)
    remaining_minutes = serializers.IntegerField(allow_null=True, help_text="Negative once it is missed.")
    is_breached = serializers.BooleanField(allow_null=True)
    segments = SegmentSerializer(many=True, help_text="The times in which it ran.")
    explanation = ExplanationSerializer(allow_null=True)


class CaseClocksSerializer(serializers.Serializer[Any]):
    case_id = serializers.UUIDField()
    sla_status = serializers.ChoiceField(Case.SLAStatus.choices)
    sla_due_date = serializers.DateTimeField(allow_null=True)
    clocks = ClockSerializer(many=True)


class PolicySerializer(serializers.Serializer[Any]):
    slug = serializers.SlugField()
    name = serializers.CharField()
    rank = serializers.IntegerField(help_text="The first policy in use serves a new case; lower comes first.")
    is_active = serializers.BooleanField()
    calendar = serializers.SlugField()
    targets = JSONObject(help_text="Priority → first_response_minutes and resolution_minutes.")
    at_risk_percent = serializers.IntegerField()
    escalate_percent = serializers.IntegerField()
    pause_statuses = serializers.ListField(child=serializers.ChoiceField(Case.OPEN_STATUSES))


class HolidaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    name = serializers.CharField(allow_blank=True)


class CalendarSerializer(serializers.Serializer[Any]):
    slug = serializers.SlugField()
    name = serializers.CharField()
    time_zone = serializers.CharField()
    hours = JSONObject(help_text='Day of the week → intervals, for example {"mon": [["09:00", "17:00"]]}.')
    holidays = HolidaySerializer(many=True)
