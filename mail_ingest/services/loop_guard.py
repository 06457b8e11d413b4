"""Whether an automatic mail may go out. Recognising automatic mail on its way in is `mail_ingest.automatic`.

The caps are those that help desks arrived at after their loops: they hold also where every header was stripped on the
way, because they rest on nothing but what we ourselves have sent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from cases.models import Case
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` mails within `minutes`."""

    most: int
    minutes: int


PER_CASE_AND_RECIPIENT = (Cap(10, 10), Cap(15, 30), Cap(25, 60))
PER_RECIPIENT = Cap(10, 180)
STORM = Cap(300, 10)  # over everybody: more automatic mail than this is a loop that nobody has thought of


def held_back(*, case: Case | None, recipient: str, subject: str, to_staff: bool, now: datetime) -> str:
    """Why an automatic mail to this person may not go out now, for people; empty when it may."""
    return (
        _unreachable(recipient)
        or (_unanswerable(case, to_staff=to_staff) if case else "")
        or _too_much(case=case, recipient=recipient, subject=subject, to_staff=to_staff, now=now)
    )


def _unreachable(recipient: str) -> str:
    if not recipient or "@" not in recipient:
        return _("There is no address to send it to.")
    if Mailbox.objects.filter(address__iexact=recipient).exists():
        return _("The recipient is one of our own mailboxes.")
    return ""


def _unanswerable(case: Case, *, to_staff: bool) -> str:
    """Old mail is never answered, and a machine's mail not to the machine. What counts is the last one that came in."""
    last = InboundMessage.objects.filter(case=case).select_related("email").order_by("-received_at", "-id").first()
    if last is None:
        return ""
    if not last.answerable:
        return _("The customer's message is old or was imported; old mail is not answered.")
    if not to_staff and last.email and last.email.automatic != EmailMessage.Automatic.PERSON:
        return _("The last message was written by a machine; it is not answered.")
    return ""


def _too_much(*, case: Case | None, recipient: str, subject: str, to_staff: bool, now: datetime) -> str:
    """The caps. A colleague with a busy day is under the caps of each case, not under that of a person over all cases."""
    automatic = OutboundMessage.objects.filter(is_automatic=True).exclude(
        state__in=[OutboundMessage.State.SUPPRESSED, OutboundMessage.State.CANCELLED]
    )
    to_person = automatic.filter(recipient__iexact=recipient)
    if _reached(automatic, STORM, now):
        return _("Too much automatic mail at once: all of it is held back until the storm has passed.")
    if case and any(_reached(to_person.filter(case=case), cap, now) for cap in PER_CASE_AND_RECIPIENT):
        return _("This person got too many automatic mails about this case in a short time.")
    if to_staff:
        return ""
    if _reached(to_person, PER_RECIPIENT, now):
        return _("This person got too many automatic mails in a short time.")
    if _within(to_person, PER_RECIPIENT.minutes, now).filter(subject=subject).exists():
        return _("This person got an automatic mail with the same subject a short time ago.")
    return ""


def _within(sent: QuerySet[OutboundMessage], minutes: int, now: datetime) -> QuerySet[OutboundMessage]:
    return sent.filter(created_at__gt=now - timedelta(minutes=minutes))


def _reached(sent: QuerySet[OutboundMessage], cap: Cap, now: datetime) -> bool:
    return _within(sent, cap.minutes, now)[: cap.most].count() >= cap.most
