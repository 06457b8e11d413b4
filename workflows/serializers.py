"""Bodies of rules that come in, and (for the OpenAPI document) the shapes that go out."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from handyconnect.api.fields import Flag, StrictBody, Text, json_problem
from workflows.models import RuleRun, Trigger

# What a PUT that leaves a field out sets it to.
DEFAULTS: Mapping[str, Any] = {"description": "", "rank": 100, "is_active": False, "trigger_options": {}, "stop": False}
MAX_RANK = 32_767


class AnyJSON(serializers.JSONField):
    """Any JSON that every database can keep. What it has to say is checked with the whole rule, which names the place."""

    def to_internal_value(self, data: Any) -> Any:
        if problem := json_problem(data):
            raise serializers.ValidationError(problem)
        return data


class RuleBodySerializer(StrictBody):
    """A whole rule: when `trigger` happens and `conditions` hold, do `actions`. Without a slug it gets one of its name."""

    slug = serializers.SlugField(max_length=60, required=False)
    name = Text(max_length=100)
    description = Text(max_length=10_000, required=False, allow_blank=True)
    rank = serializers.IntegerField(min_value=0, max_value=MAX_RANK, required=False)
    is_active = Flag(required=False)
    trigger = serializers.ChoiceField(Trigger.choices)
    trigger_options = AnyJSON(required=False)
    conditions = AnyJSON(help_text="A tree of all, any and none, with leaves of field, op and value.")
    actions = AnyJSON(help_text='A list, for example [{"do": "assign_least_loaded"}].')
    stop = Flag(required=False, help_text="When this rule matches, later rules do not run.")


class RuleChangesSerializer(RuleBodySerializer):
    """Only what is to change."""

    name = Text(max_length=100, required=False)
    trigger = serializers.ChoiceField(Trigger.choices, required=False)
    conditions = AnyJSON(required=False)
    actions = AnyJSON(required=False)


class RuleSerializer(RuleBodySerializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField(help_text="Counts up with every change.")


class RunSerializer(serializers.Serializer[Any]):
    """One time that a rule ran."""

    id = serializers.IntegerField()
    rule = serializers.SlugField()
    rule_id = serializers.IntegerField()
    case_id = serializers.UUIDField(allow_null=True)
    event_id = serializers.IntegerField(allow_null=True, help_text="Null for rules of time.")
    occurrence = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(RuleRun.Outcome.choices)
    why = serializers.ListField(child=serializers.DictField(), help_text="Each condition, with the value as it stood.")
    receipts = serializers.ListField(child=serializers.DictField(), help_text="Each action, and what it did.")
    ran_at = serializers.DateTimeField()


class RuleStatisticsSerializer(serializers.Serializer[Any]):
    """How often a rule ran, since it exists."""

    rule_id = serializers.IntegerField()
    rule = serializers.SlugField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    runs = serializers.IntegerField()
    matched = serializers.IntegerField(help_text="Its conditions held.")
    failed = serializers.IntegerField(help_text="An action could not be done.")
    stopped = serializers.IntegerField(help_text="It was too deep in a chain of rules.")
    last_run_at = serializers.DateTimeField(allow_null=True)
    last_matched_at = serializers.DateTimeField(allow_null=True)
