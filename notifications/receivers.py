"""What colleagues and customers are told without any rule: arrivals, assignments and replies.

Deadlines are not among them. Who is told of those is for the rules to say (two of the default rules do), so that nobody
is told twice and a team can decide otherwise.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from accounts.models import User
from cases.facts import FACTS
from cases.listeners import Listener, register
from cases.models import TimelineEvent
from cases.tasks import nudge
from mail_ingest.models import EmailMessage
from notifications.events import message_of
from notifications.services import EVERY_CHANNEL, IN_APP_ONLY, acknowledge, notify, notify_all


def handle(event: TimelineEvent, now: datetime) -> None:
    """The listener "notifications": tell whom this event concerns. A deleted case concerns nobody."""
    if event.case is None or event.case.deleted_at is None:
        _HEARD[event.kind](event, now)


def _case_created(event: TimelineEvent, now: datetime) -> None:
    """Acknowledge it; tell whoever it was given to at once, else, in the desk alone, the people of its team."""
    acknowledge(event, at=now)
    case = event.case
    if case is None:
        return
    if case.assigned_to:
        # When it was a rule that has assigned it meanwhile, an event of its own tells of that.
        if event.data.get("state", {}).get("assigned_to") == case.assigned_to.username:
            notify(event=event, recipient=case.assigned_to, kind="assigned", at=now)
    elif case.assigned_team:
        members = User.objects.active().in_team(case.assigned_team).filter(role=User.Role.AGENT)
        notify_all(event=event, recipients=members, kind="case_created", at=now, channels=IN_APP_ONLY)


def _assigned(event: TimelineEvent, now: datetime) -> None:
    _old, username = event.changes.get("assigned_to", (None, None))
    _tell(username, event, kind="assigned" if event.kind == "case_assigned" else "task_assigned", now=now)


def _task_created(event: TimelineEvent, now: datetime) -> None:
    _tell(event.data.get("assigned_to"), event, kind="task_assigned", now=now)


def _message_received(event: TimelineEvent, now: datetime) -> None:
    """A customer has written again. The message that opened the case was told of as the case."""
    if event.case is None or event.case.assigned_to is None or event.data.get("is_first"):
        return
    message = message_of(event)
    if message and message.direction == EmailMessage.Direction.INBOUND:
        is_by_person = message.automatic == EmailMessage.Automatic.PERSON
        channels = EVERY_CHANNEL if is_by_person else IN_APP_ONLY
        notify(event=event, recipient=event.case.assigned_to, kind="message_received", at=now, channels=channels)


def _tell(username: str | None, event: TimelineEvent, *, kind: str, now: datetime) -> None:
    recipient = User.objects.filter(username=username).first() if username else None
    if recipient:
        notify(event=event, recipient=recipient, kind=kind, at=now)


_HEARD: dict[str, Callable[[TimelineEvent, datetime], None]] = {
    "case_created": _case_created,
    "case_assigned": _assigned,
    "message_received": _message_received,
    "task_created": _task_created,
    "task_assigned": _assigned,
}
KINDS = frozenset(_HEARD)


def on_fact(**fact: Any) -> None:
    """Something happened that somebody may have to be told of: wake the drain."""
    nudge(**fact)


def connect() -> None:
    register(Listener("notifications", handle, KINDS))
    for kind in KINDS:
        FACTS[kind].connect(on_fact, dispatch_uid="notifications.on_fact")
