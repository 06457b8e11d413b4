"""Bodies that come in, and (for the OpenAPI document) the shapes that go out, which `representation` makes."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.fields import Person, TeamSlug
from cases.models import Case, Category, Customer
from handyconnect.api.fields import JSONObject, StrictBody, Text

MAX_TEXT = 100_000
MAX_TAGS = 50
MAX_BULK = 5_000


@extend_schema_field({"type": "string", "nullable": True, "example": "plumbing"})
class CategorySlug(serializers.Field[Category, Any, str | None, Any]):
    """A category that is in use, by its slug; null is none."""

    default_error_messages = {
        "invalid": gettext_lazy("Give a category's slug."),
        "unknown": gettext_lazy("There is no category “{name}” in use."),
    }

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_null=True, required=False, **more)

    def to_internal_value(self, data: Any) -> Category:
        if not isinstance(data, str) or not data.isprintable():
            self.fail("invalid")
        category = Category.objects.filter(slug=data[:200], is_active=True).first()
        if category is None:
            self.fail("unknown", name=data[:60])
        return category

    def to_representation(self, value: Category) -> str:
        return value.slug


class CustomerInfoSerializer(StrictBody):
    email = serializers.EmailField(max_length=320)
    name = Text(max_length=200, required=False, allow_blank=True)
    phone = Text(max_length=60, required=False, allow_blank=True)
    property_id = Text(max_length=60, required=False, allow_blank=True)
    property_address = Text(max_length=300, required=False, allow_blank=True)
    property_number = Text(max_length=60, required=False, allow_blank=True)
    block_number = Text(max_length=60, required=False, allow_blank=True)
    customer_type = serializers.ChoiceField(Customer.Type.choices, required=False)


@extend_schema_field(
    {
        "type": "object",
        "properties": {"tags": {"type": "array", "maxItems": MAX_TAGS, "items": {"type": "string", "maxLength": 60}}},
        "additionalProperties": True,
    }
)
class Metadata(JSONObject):
    """Whatever a team wants to keep with a case, and its `tags`."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        if "tags" in found:
            found["tags"] = self._tags(found["tags"])
        return found

    def _tags(self, tags: Any) -> list[str]:
        if not isinstance(tags, list) or not all(isinstance(tag, str) and 0 < len(tag.strip()) <= 60 for tag in tags):  # noqa: PLR2004 - the column's length
            raise serializers.ValidationError({"tags": [_("Give a list of texts of 1 to 60 characters.")]})
        if len(tags) > MAX_TAGS:
            raise serializers.ValidationError({"tags": [_("At most %(count)d tags.") % {"count": MAX_TAGS}]})
        return sorted({tag.strip() for tag in tags})


def _may_work(user: Any) -> bool:
    return bool(user.may_write)


class CaseBodySerializer(StrictBody):
    """What a person may say of a case."""

    case_title = Text(max_length=300)
    description = Text(max_length=MAX_TEXT, required=False, allow_blank=True, trim_whitespace=False)
    case_type = serializers.ChoiceField(Case.Type.choices, required=False)
    category = CategorySlug()
    priority = serializers.ChoiceField(Case.Priority.choices, required=False)
    sentiment = serializers.ChoiceField(Case.Sentiment.choices, required=False)
    language = serializers.RegexField(
        r"^[a-z]{2,3}(-[A-Za-z0-9]{1,4})?$", max_length=8, required=False, allow_blank=True
    )
    summary = Text(max_length=MAX_TEXT, required=False, allow_blank=True)
    action_required = Text(max_length=300, required=False, allow_blank=True)
    assigned_to = Person(fits=_may_work)
    assigned_team = TeamSlug()
    customer_info = CustomerInfoSerializer()
    case_metadata = Metadata(required=False)


class CaseReplacementSerializer(CaseBodySerializer):
    """The whole of a case: what is left out goes back to its default. What the house keeps itself is passed over."""

    status = serializers.ChoiceField(Case.Status.choices, required=False)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name not in PASSED_OVER}
        return super().to_internal_value(data)


class CustomerChangesSerializer(CustomerInfoSerializer):
    """Without `email` it is about the customer whom the case has."""

    email = serializers.EmailField(max_length=320, required=False)


class CaseChangesSerializer(CaseBodySerializer):
    """Only what is to change."""

    case_title = Text(max_length=300, required=False)
    status = serializers.ChoiceField(Case.Status.choices, required=False)
    customer_info = CustomerChangesSerializer(required=False)


class StatusSerializer(StrictBody):
    status = serializers.ChoiceField(Case.Status.choices)


class AssignmentSerializer(StrictBody):
    """At least one of the two; null takes the case from whoever has it."""

    assigned_to = Person(fits=_may_work)
    assigned_team = TeamSlug()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"assigned_to", "assigned_team"} & set(attrs):
            raise serializers.ValidationError(
                {"assigned_to": [_("Give assigned_to, assigned_team or both.")]}, code="required"
            )
        return attrs


class BulkSerializer(StrictBody):
    """Which cases: `case_ids`, or `filter` with the parameters of the list."""

    case_ids = serializers.ListField(child=serializers.UUIDField(), required=False, allow_empty=False)
    filter = JSONObject(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"case_ids", "filter"} & set(attrs)) != 1:
            raise serializers.ValidationError({"case_ids": [_("Give either case_ids or filter.")]}, code="required")
        if len(attrs.get("case_ids", ())) > MAX_BULK:
            raise serializers.ValidationError(
                {"case_ids": [_("At most %(count)d cases at once.") % {"count": MAX_BULK}]}, code="too_many"
            )
        found: dict[str, Any] = super().validate(attrs)
        return found


class BulkStatusSerializer(BulkSerializer, StatusSerializer):
    """Which cases, and what they become."""


class BulkAssignmentSerializer(BulkSerializer, AssignmentSerializer):
    """Which cases, and whose they become."""


class NoteBodySerializer(StrictBody):
    body = Text(max_length=MAX_TEXT, trim_whitespace=False)


# --- What goes out ----------------------------------------------------------------------------------------------------


class ActorSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["user", "rule", "mail", "system"])
    reference = serializers.CharField()
    name = serializers.CharField()


class SubjectSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    id = serializers.CharField()


class EventSerializer(serializers.Serializer[Any]):
    """One thing that happened."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment] # a field of that name
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    subject = SubjectSerializer()
    actor = ActorSerializer()
    changes = JSONObject(help_text="Field → [old, new].")
    data = JSONObject()  # type: ignore[assignment] # a field of that name
    detail = JSONObject(
        allow_null=True, help_text="What is personal in it; null where there is nothing or it was erased."
    )
    cause_id = serializers.IntegerField(allow_null=True)


class CaseRowSerializer(serializers.Serializer[Any]):
    """A case in a list."""

    case_id = serializers.UUIDField()
    case_number = serializers.CharField()
    case_title = serializers.CharField()
    case_type = serializers.ChoiceField(Case.Type.choices)
    category = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(Case.Status.choices)
    priority = serializers.ChoiceField(Case.Priority.choices)
    sentiment = serializers.ChoiceField(Case.Sentiment.choices)
    language = serializers.CharField()
    summary = serializers.CharField()
    action_required = serializers.CharField()
    sla_due_date = serializers.DateTimeField(allow_null=True)
    sla_status = serializers.ChoiceField(Case.SLAStatus.choices)
    escalation_level = serializers.IntegerField()
    assigned_to = serializers.CharField(allow_null=True)
    assigned_team = serializers.CharField(allow_null=True)
    customer_info = CustomerInfoSerializer()
    case_metadata = Metadata()
    received_at = serializers.DateTimeField()
    first_response_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    last_activity_at = serializers.DateTimeField()
    reopen_count = serializers.IntegerField()
    merged_into = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    created_by = serializers.CharField(allow_null=True)
    updated_by = serializers.CharField(allow_null=True)


class CaseSerializer(CaseRowSerializer):
    """One case with all its parts. Apps may add further parts."""

    description = serializers.CharField()
    provenance = JSONObject(help_text="Who set each label.")
    allowed_moves = serializers.ListField(child=serializers.ChoiceField(Case.Status.choices))
    threads = serializers.ListField(child=serializers.IntegerField())
    tasks = serializers.ListField(child=serializers.IntegerField())
    sla = serializers.ListField(child=JSONObject(), help_text="The clocks in short: kind, state, due_at and so on.")
    timeline = EventSerializer(many=True, help_text="The newest 50.")
    timeline_next = serializers.URLField(allow_null=True, help_text="Where the older ones are.")


class BulkFailureSerializer(serializers.Serializer[Any]):
    case_id = serializers.UUIDField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    updated = serializers.ListField(child=serializers.UUIDField())
    failed = BulkFailureSerializer(many=True)


class CaseStatsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    open = serializers.IntegerField()
    unassigned = serializers.IntegerField(help_text="Open, and nobody's.")
    overdue = serializers.IntegerField(help_text="Open, and the due date is past.")
    by_status = serializers.DictField(child=serializers.IntegerField())
    by_priority = serializers.DictField(child=serializers.IntegerField())
    by_case_type = serializers.DictField(child=serializers.IntegerField())
    by_sentiment = serializers.DictField(child=serializers.IntegerField())
    by_sla_status = serializers.DictField(child=serializers.IntegerField())


class NoteSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    case_id = serializers.UUIDField()
    author = serializers.CharField(allow_null=True)
    body = serializers.CharField()
    created_at = serializers.DateTimeField()


class CategorySerializer(serializers.ModelSerializer[Category]):
    parent = serializers.SlugRelatedField[Category](slug_field="slug", read_only=True)  # type: ignore[assignment] # a field of that name

    class Meta:
        model = Category
        fields = ("slug", "name", "parent", "is_active")
        read_only_fields = fields


WRITABLE = frozenset(CaseBodySerializer().fields) | {"status"}
PASSED_OVER = frozenset(CaseSerializer().fields) - WRITABLE
