"""Whether an automatic mail may go out. Recognising automatic mail on its way in is `mail_ingest.automatic`.

The caps are those that help desks arrived at after their loops: they hold also where every header was stripped on the
way, because they rest on nothing but what we ourselves have sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from cases.models import Case
from mail_ingest.known import own_addresses
from mail_ingest.models import EmailMessage, FolderRole, InboundMessage, OutboundMessage
from mail_ingest.recipients import OwnAddresses


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` mails within `minutes`."""

    most: int
    minutes: int


PER_CASE_AND_RECIPIENT = (Cap(10, 10), Cap(15, 30), Cap(25, 60))
PER_RECIPIENT = Cap(10, 180)
MOST_LOOKED_AT = 500
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
    if recipient in OwnAddresses(own_addresses()):
        return _("The recipient is one of our own mailboxes.")
    return ""


def _unanswerable(case: Case, *, to_staff: bool) -> str:
    """Old mail is never answered, and a machine's mail not to the machine. What counts is the last one that came in."""
    came_in = InboundMessage.objects.filter(case=case, role=FolderRole.INBOX)
    newest_first = came_in.order_by("-received_at", "-id")
    last = newest_first.values_list("answerable", "email__automatic").first()
    if last is None:
        return ""
    answerable, automatic = last
    if not answerable:
        return _("The customer's message is old or was imported; old mail is not answered.")
    if not to_staff and automatic not in {None, EmailMessage.Automatic.PERSON}:
        return _("The last message was written by a machine; it is not answered.")
    return ""


def _too_much(*, case: Case | None, recipient: str, subject: str, to_staff: bool, now: datetime) -> str:
    """The caps. A colleague with a busy day is under the caps of each case, not under that of a person over all cases."""
    if storm(now=now):
        return _("Too much automatic mail at once: all of it is held back until the storm has passed.")
    to_person = _automatic(within=PER_RECIPIENT.minutes, now=now).filter(recipient=recipient.strip().lower())
    sent = list(to_person.order_by("-created_at").values_list("created_at", "case_id", "subject")[:MOST_LOOKED_AT])
    about_case = [created_at for created_at, case_id, _subject in sent if case and case_id == case.pk]
    if any(_reached(about_case, cap, now) for cap in PER_CASE_AND_RECIPIENT):
        return _("This person got too many automatic mails about this case in a short time.")
    if to_staff:
        return ""
    if _reached([created_at for created_at, _case_id, _subject in sent], PER_RECIPIENT, now):
        return _("This person got too many automatic mails in a short time.")
    if any(earlier == subject for _created_at, _case_id, earlier in sent):
        return _("This person got an automatic mail with the same subject a short time ago.")
    return ""


@dataclass(frozen=True, slots=True)
class Storm:
    """More automatic mail than people could cause: the last STORM.most of it went out since `since`."""

    since: datetime


def storm(*, now: datetime) -> Storm | None:
    """The storm that holds all automatic mail back; None in fair weather. It passes by itself."""
    lately = _automatic(within=STORM.minutes, now=now).order_by("-created_at")
    one_too_many = lately.values_list("created_at", flat=True)[STORM.most - 1 : STORM.most]
    return next((Storm(since) for since in one_too_many), None)


def _automatic(*, within: int, now: datetime) -> QuerySet[OutboundMessage]:
    """The automatic mail of the last `within` minutes that went out or is to."""
    held = [OutboundMessage.State.SUPPRESSED, OutboundMessage.State.CANCELLED]
    lately = OutboundMessage.objects.filter(is_automatic=True, created_at__gt=now - timedelta(minutes=within))
    return lately.exclude(state__in=held)


def _reached(sent: Sequence[datetime], cap: Cap, now: datetime) -> bool:
    return sum(moment > now - timedelta(minutes=cap.minutes) for moment in sent) >= cap.most
