"""Bodies of tasks that come in, and (for the OpenAPI document) the shapes that go out, which `representation` makes."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from accounts.fields import Person
from accounts.models import User
from accounts.requests import person_of
from cases.api.serializers import MAX_TEXT, CategorySlug
from cases.models import Case
from handyconnect.api.fields import Flag, StrictBody, Text
from tasks.models import Contractor, Task
from tasks.services import SUBJECT_LENGTH

MAX_STEPS = 50
BIGGEST = 2**63 - 1


def _does_tasks(user: User) -> bool:
    return user.may_write or user.role == User.Role.CONTRACTOR


class CaseField(serializers.UUIDField):
    """The case that a task belongs to: one that the caller may see."""

    default_error_messages = {"unknown": gettext_lazy("There is no case {case_id}.")}

    def to_internal_value(self, data: Any) -> Any:
        case_id = super().to_internal_value(data)
        case = Case.objects.visible_to(person_of(self.context["request"])).filter(pk=case_id).first()
        if case is None:
            self.fail("unknown", case_id=case_id)
        return case


class ContractorField(serializers.IntegerField):
    """A contractor of the directory who gets work, by id."""

    default_error_messages = {"unknown": gettext_lazy("There is no contractor {id} who gets work.")}

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST, required=False, allow_null=True, **more)

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        contractor = Contractor.objects.filter(pk=min(found, BIGGEST), is_active=True).first()
        if contractor is None:
            self.fail("unknown", id=found)
        return contractor

    def run_validators(self, value: Any) -> None:
        """The bounds are those of the id, which is a contractor by now."""


class TaskChangesSerializer(StrictBody):
    """What a person may say of a task that exists."""

    subject = Text(max_length=SUBJECT_LENGTH, required=False)
    content = Text(max_length=MAX_TEXT, required=False, allow_blank=True, trim_whitespace=False)
    kind = serializers.ChoiceField(Task.Kind.choices, required=False)
    trade = Text(max_length=100, required=False, allow_blank=True)
    contractor = ContractorField()
    priority = serializers.ChoiceField(Case.Priority.choices, required=False)
    category = CategorySlug()
    sentiment = serializers.ChoiceField(Case.Sentiment.choices, required=False)
    summary = Text(max_length=MAX_TEXT, required=False, allow_blank=True)
    action_required = Text(max_length=300, required=False, allow_blank=True)
    sender = Text(max_length=200, required=False, allow_blank=True)
    sender_email = serializers.EmailField(max_length=320, required=False, allow_blank=True)
    is_required = Flag(required=False)
    due_at = serializers.DateTimeField(required=False, allow_null=True)
    assigned_to = Person(fits=_does_tasks)
    status = serializers.ChoiceField(Task.Status.choices, required=False)


class TaskReplacementSerializer(TaskChangesSerializer):
    """The whole of a task: what is left out goes back to its default. What the house keeps itself is passed over."""

    subject = Text(max_length=SUBJECT_LENGTH)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name not in PASSED_OVER}
        return super().to_internal_value(data)


class TaskBodySerializer(TaskChangesSerializer):
    """A new task. `email_id` and `thread_id` say which mail it came from."""

    subject = Text(max_length=SUBJECT_LENGTH)
    case_id = CaseField(required=False, allow_null=True)
    email_id = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, allow_null=True)
    thread_id = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, allow_null=True)
    checklist = serializers.ListField(child=Text(max_length=300), max_length=MAX_STEPS, required=False)
    status = None  # type: ignore[assignment] # DRF takes it away: every task starts as new


class TaskStatusSerializer(StrictBody):
    status = serializers.ChoiceField(Task.Status.choices)


class TaskAssignmentSerializer(StrictBody):
    assigned_to = Person(fits=_does_tasks)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "assigned_to" not in attrs:
            raise serializers.ValidationError({"assigned_to": [_("Give a username, or null.")]}, code="required")
        return attrs


# --- What goes out ----------------------------------------------------------------------------------------------------


class StepSerializer(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    text = serializers.CharField()
    done_at = serializers.DateTimeField(allow_null=True)


class TaskRowSerializer(serializers.Serializer[Any]):
    """A task in a list."""

    id = serializers.IntegerField()
    case_id = serializers.UUIDField(allow_null=True)
    case_number = serializers.CharField(allow_null=True)
    email_id = serializers.IntegerField(allow_null=True)
    thread_id = serializers.IntegerField(allow_null=True)
    subject = serializers.CharField()
    content = serializers.CharField()
    sender = serializers.CharField()
    sender_email = serializers.CharField()
    kind = serializers.ChoiceField(Task.Kind.choices)
    trade = serializers.CharField()
    contractor = serializers.IntegerField(allow_null=True)
    priority = serializers.ChoiceField(Case.Priority.choices)
    category = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(Task.Status.choices)
    assigned_to = serializers.CharField(allow_null=True)
    is_required = serializers.BooleanField()
    due_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(allow_null=True)
    summary = serializers.CharField()
    sentiment = serializers.ChoiceField(Case.Sentiment.choices)
    action_required = serializers.CharField()


class TaskSerializer(TaskRowSerializer):
    """One task with its steps."""

    allowed_moves = serializers.ListField(child=serializers.ChoiceField(Task.Status.choices))
    checklist = StepSerializer(many=True)


class TaskStatsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    open = serializers.IntegerField()
    unassigned = serializers.IntegerField(help_text="Open, and nobody's.")
    overdue = serializers.IntegerField(help_text="Open, and the due date is past.")
    by_status = serializers.DictField(child=serializers.IntegerField())
    by_priority = serializers.DictField(child=serializers.IntegerField())
    by_kind = serializers.DictField(child=serializers.IntegerField())


PASSED_OVER = frozenset(TaskSerializer().fields) - frozenset(TaskChangesSerializer().fields)

# What a PUT that leaves a field out sets it to.
DEFAULTS: Mapping[str, Any] = {
    "content": "",
    "kind": Task.Kind.INTERNAL,
    "trade": "",
    "contractor": None,
    "priority": Case.Priority.MEDIUM,
    "category": "",
    "sentiment": Case.Sentiment.NEUTRAL,
    "summary": "",
    "action_required": "",
    "sender": "",
    "sender_email": "",
    "is_required": False,
    "due_at": None,
    "assigned_to": None,
}
