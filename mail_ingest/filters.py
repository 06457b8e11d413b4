from django.db.models import Q

from cases.models import Case
from handyconnect.api.filters import (
    ChoicesFilter,
    FlagFilter,
    MomentFilter,
    NumberFilter,
    ParsedFilter,
    PersonFilter,
    SearchFilter,
    SlugFilter,
    StrictFilterSet,
    UUIDFilter,
)
from mail_ingest.models import Draft, EmailMessage, EmailThread, InboundMessage, Mailbox, OutboundMessage


class SourceIdFilter(ParsedFilter):
    """What the source calls it, exactly. One value: a source may use commas."""


class MessageIdFilter(ParsedFilter):
    """A Message-ID, with or without its angle brackets."""

    def parse(self, text: str) -> str:
        return text.removeprefix("<").removesuffix(">")


class RecipientFilter(ParsedFilter):
    """An address, in any case of letters."""

    def parse(self, text: str) -> str:
        return text.lower()


class AddressFilter(ParsedFilter):
    """Conversations in which somebody writes from this address, in any case of letters."""

    def condition(self, value: str) -> Q:
        # A join would show a conversation once for each of its messages.
        return Q(pk__in=EmailMessage.objects.filter(from_email=value.lower()).values("thread_id"))


class MessageFilter(StrictFilterSet):
    state = ChoicesFilter(InboundMessage.State)
    mailbox = SlugFilter(Mailbox)
    source_id = SourceIdFilter()
    message_id = MessageIdFilter()
    case_id = UUIDFilter("case_id")
    thread_id = NumberFilter("email__thread_id")
    origin = ChoicesFilter(InboundMessage.Origin)
    received_after = MomentFilter("received_at", "gte")
    received_before = MomentFilter("received_at", "lt")


class OutboundFilter(StrictFilterSet):
    state = ChoicesFilter(OutboundMessage.State)
    purpose = ChoicesFilter(OutboundMessage.Purpose)
    mailbox = SlugFilter(Mailbox)
    case_id = UUIDFilter("case_id")
    recipient = RecipientFilter()
    author = PersonFilter("author")
    bounced = FlagFilter("bounced_at", lookup_expr="isnull", exclude=True)
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")


class ThreadFilter(StrictFilterSet):
    status = ChoicesFilter(EmailThread.Status)
    mailbox = SlugFilter(Mailbox)
    case_id = UUIDFilter("case_id")
    priority = ChoicesFilter(Case.Priority, "case__priority")
    sender = AddressFilter("emails")
    q = SearchFilter("subject")
    updated_after = MomentFilter("updated_at", "gte")
    updated_before = MomentFilter("updated_at", "lt")


class MailboxFilter(StrictFilterSet):
    is_active = FlagFilter("is_active")
    health = ChoicesFilter(Mailbox.Health)


class DraftFilter(StrictFilterSet):
    kind = ChoicesFilter(Draft.Kind)
    author = PersonFilter("author")


class UploadFilter(StrictFilterSet):
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")
