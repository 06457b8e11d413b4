"""The bodies and answers of writing in a case: replies, notes, drafts, files."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cases.models import Case
from handyconnect.api.fields import StrictBody, Text
from mail_ingest import recipients
from mail_ingest.conversation import ConversationPart
from mail_ingest.models import Draft
from mail_ingest.parsing import Address, addresses
from mail_ingest.recipients import WarningCode
from mail_ingest.serializers import AddressSerializer, OutboundSerializer, ThreadEmailSerializer, UploadSerializer
from mail_ingest.serializers import BounceSerializer as Bounces

MAX_TEXT = 100_000
MAX_HTML = 1_000_000
MAX_SUBJECT = 250
MAX_FILES = 50
REPLY_STATUSES = [choice for choice in Case.Status.choices if choice[0] != Case.Status.MERGED]
ADDRESS = {
    "oneOf": [
        {"type": "string", "example": "Tina Tenant <tina@home.example>"},
        {
            "type": "object",
            "required": ["email"],
            "properties": {"name": {"type": "string"}, "email": {"type": "string"}},
            "additionalProperties": False,
        },
    ]
}


@extend_schema_field(ADDRESS)
class Recipient(serializers.Field[Address, Any, Any, Any]):
    """An address that can be written to: `name@example.com`, `Name <name@example.com>`, or {name, email}."""

    default_error_messages = {"invalid": gettext_lazy("Give an address, or an object with email and name.")}

    def to_internal_value(self, data: Any) -> Address:
        name, email = self.parts(data)
        try:
            return recipients.checked(email, name)
        except recipients.BadAddress as error:
            raise serializers.ValidationError(str(error), code="address") from error

    def to_representation(self, value: Address) -> Any:
        return {"name": value.name, "email": value.email}

    def parts(self, data: Any) -> tuple[str, str]:
        """Name and address as they were given. Raises a 400 for anything else."""
        if isinstance(data, dict) and set(data) <= {"name", "email"} and isinstance(data.get("email"), str):
            name = data.get("name")
            if name is None or isinstance(name, str):
                return name or "", data["email"]
        if isinstance(data, str):
            if "<" not in data or "\n" in data or "\r" in data:
                return "", data
            found = addresses.read(data[:1_000])
            if len(found) == 1:
                return found[0].name, found[0].email
        raise serializers.ValidationError(self.error_messages["invalid"], code="invalid")


class UnfinishedRecipient(Recipient):
    """An address as far as it is typed."""

    def to_internal_value(self, data: Any) -> Any:
        name, email = self.parts(data)
        if "\x00" in name + email or not (name + email).isprintable():
            self.fail("invalid")
        return {"name": name[: recipients.MAX_NAME_CHARS], "email": email[:320]}


class Ids(serializers.ListField):
    """Numbers, each once."""

    child = serializers.IntegerField(min_value=1, max_value=2**63 - 1)

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, max_length=MAX_FILES, **more)

    def to_internal_value(self, data: Any) -> list[int]:
        return list(dict.fromkeys(super().to_internal_value(data)))


def people(**more: Any) -> serializers.ListField:
    return serializers.ListField(
        child=Recipient(), required=False, allow_null=True, max_length=recipients.MAX_RECIPIENTS, **more
    )


def unfinished_people() -> serializers.ListField:
    return serializers.ListField(child=UnfinishedRecipient(), required=False, max_length=recipients.MAX_RECIPIENTS)


class MessageBodySerializer(StrictBody):
    """A reply, which leaves the house, or a note, which never does. Of a note there is only `body`."""

    kind = serializers.ChoiceField(Draft.Kind.choices)
    body = Text(max_length=MAX_TEXT, required=False, allow_blank=True, trim_whitespace=False)
    html = Text(
        max_length=MAX_HTML,
        required=False,
        allow_blank=True,
        help_text="Is sanitised; the text is made of it if none is given.",
    )
    to = people(help_text="Left out: whoever the newest mail of the conversation asks for.")
    cc = people(help_text="Left out: with `to` nobody, without it whoever else that mail was for.")
    bcc = people()
    subject = Text(max_length=MAX_SUBJECT, required=False, allow_blank=True)
    thread_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    attachments = Ids(help_text="Files that were put on the server before.")
    status = serializers.ChoiceField(
        REPLY_STATUSES, required=False, allow_null=True, help_text="What the case becomes once the reply is sent."
    )
    send_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Not before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["kind"] == Draft.Kind.NOTE:
            foreign = {name: [_("A note has only a body.")] for name in attrs if name not in {"kind", "body"}}
            if foreign:
                raise serializers.ValidationError(foreign, code="not_for_notes")
            if not attrs.get("body", "").strip():
                raise serializers.ValidationError({"body": [_("Write something first.")]}, code="required")
        found: dict[str, Any] = super().validate(attrs)
        return found


class DraftBodySerializer(StrictBody):
    """What somebody is writing, as far as it is. It replaces the draft as a whole."""

    kind = serializers.ChoiceField(Draft.Kind.choices)
    body = Text(max_length=MAX_TEXT, required=False, allow_blank=True, trim_whitespace=False)
    html = Text(max_length=MAX_HTML, required=False, allow_blank=True, trim_whitespace=False)
    to = unfinished_people()
    cc = unfinished_people()
    bcc = unfinished_people()
    subject = Text(max_length=MAX_SUBJECT, required=False, allow_blank=True, trim_whitespace=False)
    thread_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    attachments = Ids()
    seen_state = Text(
        max_length=60, required=False, allow_blank=True, help_text="The ETag of the conversation when it was begun."
    )


# --- What goes out ----------------------------------------------------------------------------------------------------


class WarningSerializer(serializers.Serializer[Any]):
    """Something that looks like a slip. Nothing is held back for it: there is time to take the mail back."""

    code = serializers.ChoiceField([code.value for code in WarningCode])
    detail = serializers.CharField()
    email = serializers.CharField(allow_null=True, help_text="The address that it is about, if it is about one.")


class ConversationMailSerializer(ThreadEmailSerializer):
    thread_id = serializers.IntegerField()
    bcc = AddressSerializer(many=True)
    outbound_id = serializers.IntegerField(allow_null=True, help_text="Its number in the queue, if we sent it.")
    bounced_at = serializers.DateTimeField(allow_null=True)
    bounces = Bounces(many=True)


class ConversationNoteSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    body = serializers.CharField()


class ConversationRowSerializer(serializers.Serializer[Any]):
    """A mail in or out, an internal note, or what waits to be sent or could not be: `kind` says which of the three is there."""

    kind = serializers.ChoiceField(ConversationPart.choices)
    at = serializers.DateTimeField()
    author = serializers.CharField(allow_null=True, help_text="The colleague who wrote it here.")
    mail = ConversationMailSerializer(allow_null=True)
    note = ConversationNoteSerializer(allow_null=True)
    outbound = OutboundSerializer(allow_null=True)


class WrittenSerializer(ConversationRowSerializer):
    """What was written, and what looks like a slip in it."""

    warnings = WarningSerializer(many=True)


class ProposalSerializer(serializers.Serializer[Any]):
    """What a reply starts with."""

    thread_id = serializers.IntegerField(allow_null=True, help_text="Null: it will begin a conversation.")
    to = AddressSerializer(many=True)
    cc = AddressSerializer(many=True)
    subject = serializers.CharField()
    signature = serializers.CharField(allow_blank=True, help_text="Is put below the text by itself.")
    quoted = serializers.CharField(allow_blank=True, help_text="Is put below the signature by itself.")
    warnings = WarningSerializer(many=True)


class DraftSerializer(serializers.Serializer[Any]):
    case_id = serializers.UUIDField()
    kind = serializers.ChoiceField(Draft.Kind.choices)
    author = serializers.CharField()
    thread_id = serializers.IntegerField(allow_null=True)
    to = AddressSerializer(many=True)
    cc = AddressSerializer(many=True)
    bcc = AddressSerializer(many=True)
    subject = serializers.CharField(allow_blank=True)
    body = serializers.CharField(allow_blank=True)
    html = serializers.CharField(allow_blank=True)
    files = UploadSerializer(many=True)
    seen_state = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
