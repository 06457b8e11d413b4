"""The shapes of the numbers, for the OpenAPI document. `representation` makes them."""

from typing import Any

from rest_framework import serializers

_Fields = dict[str, serializers.Field[Any, Any, Any, Any]]


def counts(help_text: str = "") -> Any:
    return serializers.DictField(child=serializers.IntegerField(), help_text=help_text)


class PeriodSerializer(serializers.Serializer[Any]):
    """Which days the numbers are about, in the reader's time zone."""

    to = serializers.DateField()
    days = serializers.IntegerField()
    time_zone = serializers.CharField()

    def get_fields(self) -> _Fields:
        """`from` is a word of Python's, so no attribute can bear its name."""
        return {"from": serializers.DateField(), **super().get_fields()}


class NumbersSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField(help_text="The moment of which the numbers are.")
    period = PeriodSerializer()


class CaseCountsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    unassigned = serializers.IntegerField()
    by_status = counts()
    by_priority = counts()
    by_case_type = counts()
    by_sla_status = counts()
    by_assigned_team = counts("By the team's slug; `none` is without one.")


class BacklogSerializer(serializers.Serializer[Any]):
    open = serializers.IntegerField()
    oldest_received_at = serializers.DateTimeField(allow_null=True)
    by_age = counts()


class DurationsSerializer(serializers.Serializer[Any]):
    """Minutes as a wall clock shows them; null where there is nothing to measure."""

    count = serializers.IntegerField()
    p50_minutes = serializers.FloatField(allow_null=True)
    p90_minutes = serializers.FloatField(allow_null=True)
    p95_minutes = serializers.FloatField(allow_null=True)


class ComplianceSerializer(serializers.Serializer[Any]):
    """How the clocks ended that ended in the period."""

    met = serializers.IntegerField()
    missed = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="0 to 1.")


class CaseDashboardSerializer(NumbersSerializer):
    cases = CaseCountsSerializer()
    open_cases = CaseCountsSerializer()
    queues = counts("The lists that people work from.")
    backlog = BacklogSerializer()
    happened = counts("What happened in the period.")
    reopen_rate = serializers.FloatField(allow_null=True, help_text="Reopened for each resolved.")
    first_response = DurationsSerializer()
    resolution = DurationsSerializer()
    compliance = ComplianceSerializer()


class TaskCountsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    open = serializers.IntegerField()
    overdue = serializers.IntegerField()
    by_status = counts()
    open_by_kind = counts()


class MailCountsSerializer(serializers.Serializer[Any]):
    received = serializers.IntegerField()
    by_state = counts("What became of the mail that was received in the period.")


class QueuesSerializer(serializers.Serializer[Any]):
    """What lies about in the house itself."""

    events_behind = serializers.IntegerField(help_text="That the slowest listener has still to read.")
    events_set_aside = serializers.IntegerField()
    mail_pending = serializers.IntegerField()
    oldest_pending_mail_seconds = serializers.IntegerField(allow_null=True)
    outbound_waiting = serializers.IntegerField()
    outbound_due = serializers.IntegerField()
    oldest_outbound_seconds = serializers.IntegerField(allow_null=True)


class DeskDashboardSerializer(CaseDashboardSerializer):
    tasks = TaskCountsSerializer()
    messages = MailCountsSerializer()
    system = QueuesSerializer()


class PointSerializer(serializers.Serializer[Any]):
    """A day or a week; a week that the period cuts counts fewer days."""

    date = serializers.DateField(help_text="The day, or the Monday of the week.")
    days = serializers.IntegerField()
    arrived = serializers.IntegerField()
    resolved = serializers.IntegerField()
    reopened = serializers.IntegerField()
    breached = serializers.IntegerField()
    messages_in = serializers.IntegerField(required=False, help_text="Only across the desk.")
    messages_out = serializers.IntegerField(required=False, help_text="Only across the desk.")


class GroupSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(allow_null=True, help_text="Null for cases without one.")
    totals = counts()
    points = PointSerializer(many=True)


class TrendsSerializer(NumbersSerializer):
    interval = serializers.ChoiceField(["day", "week"])
    group_by = serializers.CharField(allow_null=True)
    metrics = serializers.ListField(child=serializers.CharField())
    totals = counts()
    points = PointSerializer(many=True)
    groups = GroupSerializer(many=True)


class WorkSerializer(serializers.Serializer[Any]):
    handled = serializers.IntegerField(help_text="Cases resolved in the period and not reopened since.")
    open = serializers.IntegerField()
    first_responses = serializers.IntegerField()
    median_first_response_minutes = serializers.FloatField(allow_null=True)
    median_resolution_minutes = serializers.FloatField(allow_null=True)
    compliance = ComplianceSerializer()


class AgentWorkSerializer(WorkSerializer):
    username = serializers.CharField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()


class TeamWorkSerializer(WorkSerializer):
    slug = serializers.SlugField()
    name = serializers.CharField()


class CasePerformanceSerializer(NumbersSerializer):
    first_response = DurationsSerializer()
    resolution = DurationsSerializer()
    compliance = ComplianceSerializer()
    agents = AgentWorkSerializer(many=True)
    teams = TeamWorkSerializer(many=True)


class DeskPerformanceSerializer(CasePerformanceSerializer):
    system = QueuesSerializer()


class ReportSerializer(NumbersSerializer):
    group_by = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.DictField(), help_text="One for each group, by column.")
