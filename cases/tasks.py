import time
from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task
from django.core.cache import cache
from django.utils import timezone

from cases import listeners, timeline

log = structlog.get_logger(__name__)

MARK_HOLDS = timedelta(seconds=5)
AWAY_SECONDS = 5.0


class Absence:
    """Remembers, in this process, that Redis was away: not every event of a change has to wait for it in turn."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def holds(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + AWAY_SECONDS


absence = Absence()


def ask(task: "Task[Any, Any]", *args: object) -> None:
    """Ask a worker to run a task soon. Never raises and never waits long: without a broker the sweeps do the work."""
    if absence.holds:
        return
    try:
        task.apply_async(args=args, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever a broker can suffer from; a change that is saved stays saved
        absence.begin()
        log.info("broker_away", task=task.name, reason=type(error).__name__)


def ask_once(task: "Task[Any, Any]") -> None:
    """Ask a worker to run a task soon, unless somebody has asked and it has not begun; many reasons in a short time ask once.

    The task calls `begun` before it looks at anything, so whoever finds the mark knows that a run which has not yet looked is
    still to come.
    """
    if absence.holds:
        return
    try:
        is_first = cache.add(_mark(task), 1, timeout=MARK_HOLDS.total_seconds())
    except Exception as error:  # noqa: BLE001 - a cache of any kind may be down; a change that is saved stays saved
        absence.begin()
        log.info("cache_away", reason=type(error).__name__)
        return
    if is_first:
        ask(task)


def begun(task: "Task[Any, Any]") -> None:
    """A run of the task begins: whoever asks from now on asks for another."""
    try:
        cache.delete(_mark(task))
    except Exception as error:  # noqa: BLE001 - the mark fades by itself
        log.info("cache_away", reason=type(error).__name__)


def nudge(*, event_id: int, **_rest: Any) -> None:
    """Ask a worker to drain the log soon. It receives any fact's signal.

    Events of one transaction are committed together: the first of them asks for all.
    """
    if absence.holds or timeline.own.is_asked_for(event_id):
        return
    timeline.own.asked_for_all()
    ask_once(drain_events)


@shared_task
def drain_events() -> None:
    """Safe to repeat and to kill: each listener moves its cursor in the transaction of its own effect."""
    begun(drain_events)
    listeners.drain(now=timezone.now())


def _mark(task: "Task[Any, Any]") -> str:
    return f"asked:{task.name}"
