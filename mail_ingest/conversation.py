"""How far a case's conversation has come: its mails, notes and the replies that people have put into the queue."""

import re
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.db.models import Max, QuerySet, TextChoices
from django.utils.translation import gettext_lazy

from cases.models import Note
from mail_ingest.models import EmailMessage, OutboundMessage

_TAG = re.compile(r'\s*(?:W/)?"c(\d{1,18})\.(\d{1,18})\.(\d{1,18})(?:-[0-9a-f]{1,64})?"\s*')


class ConversationPart(TextChoices):
    """What a conversation is made of. `outbound` is what waits to be sent, or could not be."""

    MAIL = "mail", gettext_lazy("Mail")
    NOTE = "note", gettext_lazy("Internal note")
    OUTBOUND = "outbound", gettext_lazy("Mail in the queue")


@dataclass(frozen=True, slots=True)
class ConversationState:
    """The newest id of each kind, 0 for none. A reply counts from when it is queued; when it is sent, nothing is new."""

    mail: int = 0
    note: int = 0
    reply: int = 0

    @classmethod
    def parse(cls, tag: str) -> Self | None:
        """What `tag` was made of; None for what is no tag of ours."""
        match = _TAG.fullmatch(tag)
        return cls(*(int(part) for part in match.groups())) if match else None

    def tag(self, digest: str = "") -> str:
        """The ETag. A digest of what is shown tells conditional reads more than the state does; writes do not look at it."""
        return f'"c{self.mail}.{self.note}.{self.reply}{f"-{digest}" if digest else ""}"'


def mails_of(case_id: UUID) -> QuerySet[EmailMessage]:
    """The mails of the case."""
    return EmailMessage.objects.filter(thread__case=case_id)


def others_mails(case_id: UUID) -> QuerySet[EmailMessage]:
    """Those that did not go through our queue: what came in, and what colleagues sent by other means."""
    return mails_of(case_id).filter(outbound=None)


def people_s_mail(case_id: UUID) -> QuerySet[OutboundMessage]:
    """What people have written in the case, taken back or not sent yet or gone."""
    return OutboundMessage.objects.filter(case=case_id, author__isnull=False)


def state_of(case_id: UUID) -> ConversationState:
    """How far the conversation is."""
    standing = people_s_mail(case_id).exclude(state=OutboundMessage.State.CANCELLED)
    return ConversationState(
        mail=others_mails(case_id).aggregate(newest=Max("pk"))["newest"] or 0,
        note=Note.objects.filter(case=case_id).aggregate(newest=Max("pk"))["newest"] or 0,
        reply=standing.aggregate(newest=Max("pk"))["newest"] or 0,
    )


def has_moved(case_id: UUID, since: ConversationState) -> bool:
    """Whether anything came after that state."""
    now = state_of(case_id)
    return now.mail > since.mail or now.note > since.note or now.reply > since.reply
