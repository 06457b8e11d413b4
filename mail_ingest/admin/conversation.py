"""The mails of a case, in order, with what waits to be sent: the panel of a case's page."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy

from accounts.models import User
from cases.models import Case
from cases.panels import Panel
from mail_ingest.admin.shown import ShownMessage, shown_message, shown_outbound
from mail_ingest.display import RemotePictures, remote_pictures
from mail_ingest.models import Attachment, EmailMessage, EmailThread, OutboundMessage
from mail_ingest.parsing.display import REMOTE_MARK

SHOWN = 200
ON_THE_WAY = (
    OutboundMessage.State.WAITING,
    OutboundMessage.State.SENDING,
    OutboundMessage.State.MAYBE_SENT,
    OutboundMessage.State.FAILED,
    OutboundMessage.State.SUPPRESSED,
)


def messages_of(case: Case) -> QuerySet[EmailMessage]:
    """A case's mails in order."""
    return readable(EmailMessage.objects.filter(thread__case=case))


def messages_of_thread(thread: EmailThread) -> QuerySet[EmailMessage]:
    """A conversation's mails in order, the first SHOWN of them."""
    return readable(EmailMessage.objects.filter(thread=thread))[:SHOWN]


def shown(messages: Iterable[EmailMessage]) -> list[ShownMessage]:
    """Mails as the template shows them. One query finds those whose pictures wait elsewhere."""
    messages = list(messages)
    pictures = _pictures([message.pk for message in messages])
    return [shown_message(message, remote=pictures.get(message.pk)) for message in messages]


def _pictures(ids: list[int]) -> dict[int, RemotePictures]:
    found = EmailMessage.objects.filter(pk__in=ids, html__contains=REMOTE_MARK).order_by().values_list("pk", "html")
    return {pk: remote_pictures(html) for pk, html in found.iterator(chunk_size=5)}


def readable(emails: QuerySet[EmailMessage]) -> QuerySet[EmailMessage]:
    """With all that the template shows, and without the columns that it does not."""
    return (
        emails.annotate(html_chars=Length("html"))
        .defer("html", "headers", "references", "in_reply_to")
        .select_related("inbound", "outbound", "author")
        .prefetch_related(Prefetch("attachments", Attachment.objects.defer("content")))
        .order_by("received_at", "id")
    )


def conversation(case: Case, reader: User, _now: datetime) -> Mapping[str, Any]:
    newest = list(messages_of(case).reverse()[: SHOWN + 1])
    waiting = (
        OutboundMessage.objects.filter(case=case, state__in=ON_THE_WAY, email=None)
        .exclude(purpose=OutboundMessage.Purpose.NOTIFICATION)
        .select_related("author")
        .order_by("created_at", "id")
    )
    return {
        "case": case,
        "may_work": reader.may_write and case.deleted_at is None and case.merged_into_id is None,
        "messages": shown(reversed(newest[:SHOWN])),
        "is_more": len(newest) > SHOWN,
        "on_the_way": [shown_outbound(outbound, reader=reader) for outbound in waiting[:SHOWN]],
        "description": "" if newest else case.description,
    }


PANEL = Panel("conversation", gettext_lazy("Conversation"), "parts/conversation.html", conversation, rank=10)
