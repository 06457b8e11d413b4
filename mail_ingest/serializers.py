"""The shapes of mail that goes out over the API, for the OpenAPI document. `representation` makes them."""

from typing import Any

from rest_framework import serializers

from cases.models import Case
from handyconnect.api.fields import JSONObject
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, Mailbox, OutboundMessage


class AddressSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)


class HeaderSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)


class AttachmentSerializer(serializers.Serializer[Any]):
    """A file of a message. What the mail says of its name and type is told here as it was said; a download cleans both."""

    rank = serializers.IntegerField(help_text="Counts from 1, in the order of the mail.")
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(allow_blank=True)
    is_inline = serializers.BooleanField()
    content_id = serializers.CharField(allow_blank=True)
    refused = serializers.CharField(allow_blank=True, help_text="Why its content was not kept; empty when it was.")
    url = serializers.URLField(allow_null=True)


class TriageSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(help_text="Who read it, for example offline.")  # type: ignore[assignment] # a field's own word
    version = serializers.CharField()
    labels = JSONObject()
    confidence = JSONObject(help_text="Label → 0 to 1.")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost_microusd = serializers.IntegerField(help_text="Millionths of a US dollar.")
    latency_ms = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class MessageRowSerializer(serializers.Serializer[Any]):
    """A mail of the intake ledger: every mail that a mailbox has ever shown is one row with one outcome."""

    id = serializers.IntegerField()
    mailbox = serializers.SlugField()
    source_id = serializers.CharField()
    message_id = serializers.CharField(allow_blank=True, help_text="The Message-ID, without angle brackets.")
    sha256 = serializers.CharField(help_text="Of the raw bytes.")
    size_bytes = serializers.IntegerField()
    state = serializers.ChoiceField(InboundMessage.State.choices)
    reason = serializers.CharField(allow_blank=True)
    case_id = serializers.UUIDField(allow_null=True)
    thread_id = serializers.IntegerField(allow_null=True)
    email_id = serializers.IntegerField(allow_null=True, help_text="Its number in its conversation.")
    direction = serializers.ChoiceField(EmailMessage.Direction.choices)
    subject = serializers.CharField(allow_blank=True)
    sender = serializers.CharField(allow_blank=True, help_text="The address that the mail says it is from.")
    sender_name = serializers.CharField(allow_blank=True)
    automatic = serializers.ChoiceField(EmailMessage.Automatic.choices, allow_null=True)
    answerable = serializers.BooleanField(help_text="Old, imported and backfilled mail is answered by nobody.")
    origin = serializers.ChoiceField(InboundMessage.Origin.choices)
    received_at = serializers.DateTimeField()
    stored_at = serializers.DateTimeField()


class MessageSerializer(MessageRowSerializer):
    """One mail with all that was read out of it."""

    sent_at = serializers.DateTimeField(allow_null=True, help_text="What its Date header says.")
    to = AddressSerializer(many=True)
    cc = AddressSerializer(many=True)
    reply_to = AddressSerializer(many=True)
    headers = HeaderSerializer(many=True)
    html = serializers.CharField(allow_blank=True, help_text="Sanitised.")
    text = serializers.CharField(allow_blank=True)
    visible_text = serializers.CharField(allow_blank=True, help_text="The reply itself.")
    quoted_text = serializers.CharField(allow_blank=True, help_text="What it quotes, and the signature.")
    attachments = AttachmentSerializer(many=True)
    threaded_by = serializers.CharField(allow_blank=True, help_text="Why it stands in its conversation.")
    threaded_by_label = serializers.CharField(allow_blank=True)
    automatic_rule = serializers.CharField(allow_blank=True)
    triage = TriageSerializer(allow_null=True)
    attempts = serializers.IntegerField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    raw_url = serializers.URLField()


class BounceSerializer(serializers.Serializer[Any]):
    """Why a mail came back from one recipient."""

    recipient = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    status = serializers.CharField(allow_blank=True, help_text="The code of RFC 3463, for example 5.1.1.")
    detail = serializers.CharField(allow_blank=True, help_text="The server's own words.")
    is_permanent = serializers.BooleanField()


class OutboundRowSerializer(serializers.Serializer[Any]):
    """A mail that was sent, waits, or was held back, and why."""

    id = serializers.IntegerField()
    mailbox = serializers.SlugField()
    case_id = serializers.UUIDField(allow_null=True)
    thread_id = serializers.IntegerField(allow_null=True)
    email_id = serializers.IntegerField(allow_null=True, help_text="Its number in its conversation, once it is sent.")
    event_id = serializers.IntegerField(allow_null=True, help_text="The event that it follows from.")
    purpose = serializers.ChoiceField(OutboundMessage.Purpose.choices)
    is_automatic = serializers.BooleanField()
    author = serializers.CharField(allow_null=True, help_text="Who wrote it; null for automatic mail.")
    recipient = serializers.CharField(help_text="The first of `to`.")
    to = AddressSerializer(many=True)
    cc = AddressSerializer(many=True)
    bcc = AddressSerializer(many=True)
    subject = serializers.CharField(allow_blank=True)
    message_id = serializers.CharField()
    state = serializers.ChoiceField(OutboundMessage.State.choices)
    reason = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    send_after = serializers.DateTimeField(help_text="Until then it can be taken back.")
    then_status = serializers.ChoiceField(
        Case.Status.choices, allow_null=True, help_text="What the case becomes once it is sent."
    )
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    bounced_at = serializers.DateTimeField(allow_null=True, help_text="When it came back for good.")
    bounces = BounceSerializer(many=True)


class UploadSerializer(serializers.Serializer[Any]):
    """A file that waits to be sent along."""

    id = serializers.IntegerField()
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class OutboundSerializer(OutboundRowSerializer):
    in_reply_to = serializers.CharField(allow_blank=True)
    references = serializers.ListField(child=serializers.CharField())
    body = serializers.CharField(allow_blank=True)
    html = serializers.CharField(allow_blank=True, help_text="Sanitised; empty for plain text.")
    quoted = serializers.CharField(allow_blank=True, help_text="The signature and the quoted history below the text.")
    files = UploadSerializer(many=True)


class ThreadRowSerializer(serializers.Serializer[Any]):
    """A conversation by mail. Priority and category are those of its case."""

    thread_id = serializers.IntegerField()
    case_id = serializers.UUIDField(allow_null=True)
    mailbox = serializers.SlugField()
    subject = serializers.CharField(allow_blank=True)
    participants = serializers.ListField(child=serializers.CharField())
    emails = serializers.ListField(child=serializers.IntegerField(), help_text="In order.")
    email_count = serializers.IntegerField()
    status = serializers.ChoiceField(EmailThread.Status.choices)
    priority = serializers.ChoiceField(Case.Priority.choices, allow_null=True)
    category = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ThreadEmailSerializer(serializers.Serializer[Any]):
    """A message as it stands in its conversation."""

    id = serializers.IntegerField()
    inbound_id = serializers.IntegerField(allow_null=True, help_text="Its number among the messages, if it came in.")
    message_id = serializers.CharField(allow_blank=True)
    direction = serializers.ChoiceField(EmailMessage.Direction.choices)
    automatic = serializers.ChoiceField(EmailMessage.Automatic.choices)
    to = AddressSerializer(many=True)
    cc = AddressSerializer(many=True)
    subject = serializers.CharField(allow_blank=True)
    visible_text = serializers.CharField(allow_blank=True)
    quoted_text = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()
    threaded_by = serializers.CharField(allow_blank=True)
    threaded_by_label = serializers.CharField(allow_blank=True)
    attachments = AttachmentSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python's, so no attribute can bear its name."""
        return {"from": AddressSerializer(), **super().get_fields()}


class ThreadSerializer(ThreadRowSerializer):
    """A conversation with its messages, oldest first."""

    emails = ThreadEmailSerializer(many=True)  # type: ignore[assignment] # here whole, in the row by number


class LoopGuardSerializer(serializers.Serializer[Any]):
    storm_since = serializers.DateTimeField(
        allow_null=True, help_text="While it is set, all automatic mail of all mailboxes is held back."
    )
    automatic_last_10_minutes = serializers.IntegerField(help_text="Automatic mails that were let out.")
    held_back_last_day = serializers.IntegerField(help_text="Those that were held back in the last 24 hours.")


class MailboxSerializer(serializers.Serializer[Any]):
    slug = serializers.SlugField()
    name = serializers.CharField()
    address = serializers.EmailField()
    kind = serializers.ChoiceField(Mailbox.Kind.choices)
    team = serializers.SlugField(allow_null=True)
    is_active = serializers.BooleanField()
    acknowledges = serializers.BooleanField()
    answer_within_hours = serializers.IntegerField()
    health = serializers.ChoiceField(Mailbox.Health.choices)
    health_detail = serializers.CharField(allow_blank=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    pending = serializers.IntegerField(help_text="Mails that are stored and not yet finished.")
    quarantined = serializers.IntegerField()
    missed = serializers.IntegerField(help_text="Messages that the server shows and does not hand over.")
    hanging = serializers.IntegerField(help_text="Mails that have been unfinished for more than ten minutes.")
    stranded = serializers.IntegerField(help_text="Filed mails that could not be moved or marked in the mailbox.")
    loop_guard = LoopGuardSerializer()
