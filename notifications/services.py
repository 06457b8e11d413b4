"""Telling people: colleagues of what concerns them, customers that their mail has arrived. Each of each thing once."""

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor, ActorKind
from accounts.models import User
from cases.facts import notification_read
from cases.models import Case, TimelineEvent
from handyconnect.refusals import NotFound
from mail_ingest.models import EmailMessage, OutboundMessage
from mail_ingest.services import NoMailbox, queue_automatic, queue_staff_mail
from notifications.events import inbound_of, may_go_out
from notifications.models import ACKNOWLEDGMENT, Channel, Notification, Preference
from notifications.templates import (
    KnownTemplates,
    NoTemplate,
    UnfitForCustomers,
    words_for_colleague,
    words_for_customer,
)

log = structlog.get_logger(__name__)

EVERY_CHANNEL = frozenset(Channel)
IN_APP_ONLY = frozenset({Channel.IN_APP})


class NotificationGone(NotFound):
    code = "notification_not_found"

    def __init__(self, notification_id: int) -> None:
        super().__init__(_("You have no notification %(id)s.") % {"id": notification_id})


def notify(
    *,
    event: TimelineEvent,
    recipient: User,
    kind: str,
    at: datetime,
    reason: str = "",
    channels: Iterable[str] = EVERY_CHANNEL,
) -> list[Notification]:
    """Tell one colleague of an event; what was newly told. See `notify_all`."""
    return notify_all(event=event, recipients=[recipient], kind=kind, at=at, reason=reason, channels=channels)


@transaction.atomic(savepoint=False)
def notify_all(
    *,
    event: TimelineEvent,
    recipients: Iterable[User],
    kind: str,
    at: datetime,
    reason: str = "",
    channels: Iterable[str] = EVERY_CHANNEL,
) -> list[Notification]:
    """Tell colleagues of an event, each by every channel that they have not declined; what was newly told.

    Nobody is told of one event twice by the same channel, nor of what they did themselves. The desk comes first; mail
    follows only where it may (`notifications.events.may_go_out`). `kind` is a template's key and a preference's kind.
    """
    people = [one for one in recipients if one.is_active and not _did_it(one, event)]
    if not people:
        return []
    declined = Preference.objects.filter(user__in=people, kind=kind, wanted=False)
    told_before = Notification.objects.filter(event=event, recipient__in=people)
    settled = {*declined.values_list("user_id", "channel"), *told_before.values_list("recipient_id", "channel")}
    case = _case_of(event)
    templates: KnownTemplates = {}
    wanted = [channel for channel in (Channel.IN_APP, Channel.EMAIL) if channel in set(channels)]
    told: list[Notification] = []
    for recipient, channel in ((one, channel) for channel in wanted for one in people):
        if (recipient.pk, channel) in settled:
            continue
        words = words_for_colleague(
            event=event,
            case=case,
            recipient=recipient,
            kind=kind,
            channel=channel,
            at=at,
            reason=reason,
            templates=templates,
        )
        notification = Notification(
            event=event,
            recipient=recipient,
            channel=channel,
            kind=kind,
            case=case,
            title=words.subject,
            body=words.body,
            created_at=at,
        )
        if channel == Channel.EMAIL:
            outbound = _staff_mail(notification, at=at)
            if outbound is None or outbound.pk in {one.outbound_id for one in told}:  # two people, one address
                continue
            notification.outbound = outbound
        told.append(notification)
    return Notification.objects.bulk_create(told)


@transaction.atomic(savepoint=False)
def acknowledge(event: TimelineEvent, *, at: datetime) -> OutboundMessage | None:
    """Tell the customer that their mail has arrived and which number it has; None where nobody is to be told.

    Once for each case that a mail has opened, in the language of the mail, if its mailbox acknowledges. Old and
    automatic mail is not acknowledged, nor what a colleague has answered already, and the loop guard has the last word: then the mail is there, held back.
    """
    inbound = inbound_of(event)
    case = _case_of(event)
    if inbound is None or case is None or event.data.get("answerable") is not True or not inbound.mailbox.acknowledges:
        return None
    if case.first_response_at or (inbound.email and inbound.email.automatic != EmailMessage.Automatic.PERSON):
        return None
    try:
        words = words_for_customer(case=case, key=ACKNOWLEDGMENT, sender_name=inbound.mailbox.name)
    except (NoTemplate, UnfitForCustomers) as refusal:
        log.warning("not_acknowledged", case_number=case.case_number, reason=refusal.detail)
        return None
    return queue_automatic(
        case=case,
        event=event,
        recipient=case.customer.email,
        purpose=OutboundMessage.Purpose.ACKNOWLEDGMENT,
        subject=words.subject,
        body=words.body,
        at=at,
        actor=_sender(event),
        thread=inbound.email.thread if inbound.email else None,
    )


@transaction.atomic
def mark_read(notification_id: int, *, recipient: User, at: datetime, actor: Actor) -> Notification:
    """Note that a person has seen a notification of theirs. Repeating it does nothing. Raises NotificationGone."""
    notification = (
        Notification.objects.bell_of(recipient).select_for_update(of=("self",)).filter(pk=notification_id).first()
    )
    if notification is None:
        raise NotificationGone(notification_id)
    if notification.read_at is None:
        notification.read_at = at
        notification.save(update_fields=["read_at"])
        notification_read.emit(subject=notification, actor=actor, at=at, data={"count": 1})
    return notification


@transaction.atomic
def mark_all_read(*, recipient: User, at: datetime, actor: Actor) -> int:
    """Note that a person has seen all that there is; how many were new."""
    count = Notification.objects.bell_of(recipient).unread().order_by().update(read_at=at)
    if count:
        notification_read.emit(subject=recipient, actor=actor, at=at, data={"count": count})
    return count


def _did_it(recipient: User, event: TimelineEvent) -> bool:
    return event.actor_kind == ActorKind.USER and event.actor_reference == str(recipient.pk)


def _case_of(event: TimelineEvent) -> Case | None:
    """The case as the listener has just read it; None when it was deleted."""
    return event.case if event.case and event.case.deleted_at is None else None


def _staff_mail(notification: Notification, *, at: datetime) -> OutboundMessage | None:
    """The mail that carries a notification; None where none may go, or the same address has been told already."""
    event, address = notification.event, notification.recipient.email
    if not address or not may_go_out(event):
        return None
    try:
        outbound = queue_staff_mail(
            event=event,
            case=notification.case,
            recipient=address,
            subject=notification.title,
            body=notification.body,
            at=at,
            actor=_sender(event),
        )
    except NoMailbox as error:
        log.warning("colleague_not_mailed", event_id=event.pk, reason=str(error))
        return None
    return None if Notification.objects.filter(outbound=outbound).exists() else outbound


def _sender(event: TimelineEvent) -> Actor:
    return Actor.system("notifications", cause_id=event.pk)
