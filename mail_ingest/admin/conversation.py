"""The mails of a case, in order, as text. What came as HTML is never shown as such here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from cases.models import Case
from cases.panels import Panel
from mail_ingest.models import Attachment, EmailMessage, EmailThread, OutboundMessage

SHOWN = 200
ON_THE_WAY = (
    OutboundMessage.State.WAITING,
    OutboundMessage.State.SENDING,
    OutboundMessage.State.MAYBE_SENT,
    OutboundMessage.State.FAILED,
    OutboundMessage.State.SUPPRESSED,
)


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One mail. `badge` says what is special about it; `attachments` are files with the address that serves them."""

    message: EmailMessage
    badge: str
    text: str
    recipients: str
    attachments: list[tuple[Attachment, str]]

    @property
    def is_ours(self) -> bool:
        return self.message.direction == EmailMessage.Direction.OUTBOUND


def messages_of(case: Case) -> QuerySet[EmailMessage]:
    """A case's mails in order."""
    return _readable(EmailMessage.objects.filter(thread__case=case))


def messages_of_thread(thread: EmailThread) -> QuerySet[EmailMessage]:
    """A conversation's mails in order, the first SHOWN of them."""
    return _readable(EmailMessage.objects.filter(thread=thread))[:SHOWN]


def _readable(emails: QuerySet[EmailMessage]) -> QuerySet[EmailMessage]:
    """Without the columns that no screen of text needs."""
    return (
        emails.defer("html", "headers", "references", "in_reply_to")
        .select_related("inbound")
        .prefetch_related(Prefetch("attachments", Attachment.objects.defer("content")))
        .order_by("received_at", "id")
    )


def shown_message(message: EmailMessage) -> ShownMessage:
    badges = {
        EmailMessage.Automatic.AUTO_REPLY: _("Automatic reply"),
        EmailMessage.Automatic.BOUNCE: _("Bounce"),
        EmailMessage.Automatic.LIST: _("Mailing list"),
        EmailMessage.Automatic.OWN: _("Sent by the system"),
    }
    return ShownMessage(
        message=message,
        badge=badges.get(EmailMessage.Automatic(message.automatic), ""),
        text=(message.visible_text or ("" if message.quoted_text else message.text)).strip(),
        recipients=", ".join(_addresses(message.to)),
        attachments=[(attachment, _address(message, attachment)) for attachment in message.attachments.all()],
    )


def _address(message: EmailMessage, attachment: Attachment) -> str:
    """Where the file is downloaded; empty for one that was not kept."""
    inbound = getattr(message, "inbound", None)
    return (
        reverse("message-attachment", args=[inbound.pk, attachment.rank]) if inbound and not attachment.refused else ""
    )


def _addresses(people: object) -> Iterable[str]:
    if isinstance(people, list):
        yield from (str(person.get("name") or person.get("email")) for person in people if isinstance(person, dict))


def conversation(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    newest = list(messages_of(case).reverse()[: SHOWN + 1])
    waiting = OutboundMessage.objects.filter(case=case, state__in=ON_THE_WAY, email=None).order_by("created_at", "id")
    return {
        "messages": [shown_message(message) for message in reversed(newest[:SHOWN])],
        "is_more": len(newest) > SHOWN,
        "on_the_way": list(waiting.exclude(purpose=OutboundMessage.Purpose.NOTIFICATION)[:SHOWN]),
        "description": "" if newest else case.description,
    }


PANEL = Panel("conversation", gettext_lazy("Conversation"), "parts/conversation.html", conversation, rank=10)
