"""Listeners: those who read the event log in order, each at its own pace, and act on what they read.

A listener's cursor moves in the transaction of the listener's own effect. So whatever is lost (a broker, a worker, a
signal), the next drain goes on exactly where the last effect ended, and nothing happens twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import OperationalError, connection, transaction

from accounts.actors import Actor
from cases import timeline
from cases.facts import event_settled
from cases.models import ListenerCursor, ListenerFailure, LogHead, TimelineEvent

log = structlog.get_logger(__name__)

BATCH = 50
MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=10)

Handler = Callable[[TimelineEvent, datetime], None]
BatchHandler = Callable[[Sequence[TimelineEvent], datetime], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """`handle(event, now)` runs in a transaction with the cursor; it may write rows, and must not call the outside.

    `handle_all`, where it is given, does for many events in order what `handle` does for each, with fewer queries.
    `from_start`: it also reads what was in the log before it came; for those that only count.
    """

    name: str
    handle: Handler
    kinds: frozenset[str]
    handle_all: BatchHandler | None = None
    from_start: bool = False

    def do(self, events: Sequence[TimelineEvent], now: datetime) -> None:
        if self.handle_all:
            self.handle_all(events, now)
            return
        for event in events:
            self.handle(event, now)


_listeners: dict[str, Listener] = {}


def register(listener: Listener) -> None:
    """Called by the listening app's `ready()`."""
    _listeners[listener.name] = listener


def unregister(name: str) -> None:
    """For tests, whose listeners end with them."""
    _listeners.pop(name, None)


def registered() -> list[Listener]:
    return list(_listeners.values())


def create_cursors() -> None:
    """A cursor for every listener that has none, at the end of the log: a new listener does not act on old history."""
    head = LogHead.objects.filter(pk=1).first()
    for name, listener in _listeners.items():
        position = head.position if head and not listener.from_start else 0
        ListenerCursor.objects.get_or_create(pk=name, defaults={"position": position})


def drain(*, now: datetime, max_rounds: int = 1000) -> int:
    """Seal the log and let every listener act on what is new, until nothing is; the number of events passed on.

    What a listener does may itself be an event, so this goes round until all have caught up. Safe to repeat, to kill,
    and to run in several workers at once: each cursor is held by one at a time.
    """
    passed = 0
    for _round in range(max_rounds):
        timeline.seal()
        late = _late(now)
        step = sum(_advance(listener, now) for listener in registered() if listener.name in late)
        if not step:
            break
        passed += step
    return passed


def _late(now: datetime) -> set[str]:
    """The listeners that have something to read and are not waiting for a later try."""
    head = LogHead.objects.filter(pk=1).values_list("position", flat=True).first() or 0
    cursors = ListenerCursor.objects.filter(position__lt=head).exclude(next_try_at__gt=now)
    return set(cursors.values_list("name", flat=True))


def slowest_position() -> int:
    """Up to where every listener has finished the log; its end when there is no listener."""
    cursors = ListenerCursor.objects.filter(pk__in=_listeners).values_list("position", flat=True)
    slowest = min(cursors, default=None)
    if slowest is not None:
        return slowest
    head = LogHead.objects.filter(pk=1).first()
    return head.position if head else 0


def behind() -> int:
    """How many events the slowest listener has still to read; unsealed ones count."""
    head = LogHead.objects.filter(pk=1).first()
    return (head.position if head else 0) - slowest_position() + TimelineEvent.objects.unsealed().count()


@transaction.atomic
def _advance(listener: Listener, now: datetime) -> int:
    """Take one batch; the number of events that the cursor moved over."""
    cursors = ListenerCursor.objects.filter(pk=listener.name)
    if connection.features.has_select_for_update_skip_locked:
        cursors = cursors.select_for_update(skip_locked=True)
    cursor = cursors.first()
    if cursor is None or (cursor.next_try_at and cursor.next_try_at > now):
        return 0
    start = cursor.position
    head = LogHead.objects.filter(pk=1).values_list("position", flat=True).first() or 0
    wanted = TimelineEvent.objects.after(start).filter(position__lte=head, kind__in=listener.kinds)
    events = list(wanted.select_related("case__customer")[:BATCH])
    end = events[-1].position or 0 if len(events) == BATCH else head
    cursor.next_try_at = None
    if _handled_at_once(listener, events, now):
        cursor.position = end
    else:
        cursor.position = _handled_one_by_one(listener, events, now, start=start, end=end)
        cursor.next_try_at = now + RETRY_AFTER if cursor.position < end else None
    if cursor.position != start or cursor.next_try_at:
        cursor.save(update_fields=["position", "next_try_at"])
    return cursor.position - start


def _handled_at_once(listener: Listener, events: Sequence[TimelineEvent], now: datetime) -> bool:
    """Whether all went well. If not, nothing of it was done: it is found out one by one which of them fails."""
    try:
        with transaction.atomic():
            listener.do(events, now)
    except OperationalError:
        raise  # the database failed, which is no fault of the events': the next drain comes back to them
    except Exception:  # noqa: BLE001 - which event fails, and how, is found out and told one by one
        return False
    return True


def _handled_one_by_one(
    listener: Listener, events: Sequence[TimelineEvent], now: datetime, *, start: int, end: int
) -> int:
    """How far the cursor gets."""
    position = start
    for event in events:
        if not _handled(listener, event, now):
            return position
        position = event.position or 0
    return end


def _handled(listener: Listener, event: TimelineEvent, now: datetime) -> bool:
    """Whether the log may go on behind this event: it was handled, or has failed often enough to be set aside."""
    try:
        with transaction.atomic():
            listener.handle(event, now)
    except OperationalError:
        raise  # the database failed, which is no fault of the event's: the next drain comes back to it
    except Exception as error:
        failure, _created = ListenerFailure.objects.get_or_create(
            listener=listener.name, event=event, defaults={"error": "", "failed_at": now}
        )
        failure.attempts += 1
        failure.error = f"{type(error).__name__}: {error}"
        failure.failed_at = now
        if failure.attempts >= MAX_ATTEMPTS:
            failure.set_aside_at = now
        failure.save()
        log.warning(
            "listener_failed", listener=listener.name, event_id=event.pk, attempts=failure.attempts, exc_info=True
        )
        return failure.set_aside_at is not None
    return True


@transaction.atomic
def retry_set_aside(failure_id: int, *, at: datetime, actor: Actor) -> ListenerFailure:
    """Handle an event that was set aside once more, now that its cause is mended. Raises what the handler raises."""
    failure = ListenerFailure.objects.select_for_update(of=("self",)).select_related("event__case").get(pk=failure_id)
    if failure.settled_at is None:
        _listeners[failure.listener].handle(failure.event, at)
        failure.settled_at = at
        failure.save(update_fields=["settled_at"])
        event_settled.emit(
            subject=failure, actor=actor, at=at, data={"listener": failure.listener, "event": failure.event_id}
        )
    return failure
