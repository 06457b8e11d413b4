from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError

from cases import listeners

log = structlog.get_logger(__name__)

NUDGED = "timeline.nudged"
NUDGE_HOLDS = timedelta(seconds=5)


def ask(task: "Task[Any, Any]", *args: object) -> None:
    """Ask a worker to run a task soon. Never raises and never waits long: without a broker the sweeps do the work."""
    try:
        task.apply_async(args=args, retry=False)
    except (OperationalError, OSError) as error:
        log.info("broker_away", task=task.name, reason=type(error).__name__)


def nudge() -> None:
    """Ask a worker to drain the log soon; many events in a short time ask once.

    The drain takes the mark away before it reads, so whoever finds the mark knows that a drain which has not yet read
    is still to come.
    """
    try:
        is_first = cache.add(NUDGED, 1, timeout=NUDGE_HOLDS.total_seconds())
    except Exception as error:  # noqa: BLE001 - a cache of any kind may be down; a change that is saved stays saved
        log.info("cache_away", reason=type(error).__name__)
        is_first = True
    if is_first:
        ask(drain_events)


@shared_task
def drain_events() -> None:
    """Safe to repeat and to kill: each listener moves its cursor in the transaction of its own effect."""
    try:
        cache.delete(NUDGED)
    except Exception as error:  # noqa: BLE001 - the mark fades by itself
        log.info("cache_away", reason=type(error).__name__)
    listeners.drain(now=timezone.now())
