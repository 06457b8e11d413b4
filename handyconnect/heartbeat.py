"""Signs of life of beat and of the workers, in the cache that all processes share."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.utils import timezone

BEAT = "beat"
WORKER = "worker"
HEARTBEAT_TASK = "handyconnect.tasks.heartbeat"
FADES_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Pulse:
    """When a part was last heard of, and since when it has been heard without a long break."""

    since: datetime
    last: datetime


def note(part: str) -> None:
    """This part lives. A cache that does not answer is no reason to stop."""
    now = timezone.now()
    with contextlib.suppress(Exception):
        known: Any = cache.get(_key(part))
        since = known[0] if known else now.isoformat()
        cache.set(_key(part), [since, now.isoformat()], timeout=FADES_AFTER_SECONDS)


def pulse(part: str) -> Pulse | None:
    """None: not heard of for a minute. Raises whatever the cache raises when it does not answer."""
    known: Any = cache.get(_key(part))
    return Pulse(datetime.fromisoformat(known[0]), datetime.fromisoformat(known[1])) if known else None


def _key(part: str) -> str:
    return f"heartbeat.{part}"
