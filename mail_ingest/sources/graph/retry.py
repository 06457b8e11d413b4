"""When to try again, and when to stop: a table of numbers and a loop, with time, sleep and chance passed in."""

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from mail_ingest.sources.graph.errors import GraphError, Throttled

# 408 and 425: the request did not arrive in time. 501, 505 and 507 (mailbox full) are answers that stay.
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 508, 509, 520, 521, 522, 523, 524, 598, 599})
TOO_MANY = 429
LONGEST_BELIEVED_SECONDS = 24 * 3600.0

_NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,]\d*)?$")


@dataclass(frozen=True, slots=True)
class Pace:
    """Where time comes from. `jitter` gives 0.0 to 1.0."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long one call is tried. A wait that does not fit is not slept through: the caller hears of it."""

    tries: int = 6
    total_seconds: float = 60.0
    longest_wait_seconds: float = 20.0
    first_wait_seconds: float = 1.0


PROBE = Policy(tries=2, total_seconds=10.0, longest_wait_seconds=5.0)


def told_seconds(header: str | None, *, now: datetime) -> float | None:
    """How long the server asks us to wait: a number of seconds, whole or not, or an HTTP date (RFC 9110, 10.2.3).

    None when it does not say, or says something that is neither. Never negative, and at most a day.
    """
    text = (header or "").strip()
    if _NUMBER.match(text):
        seconds = float(text.replace(",", "."))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError, OverflowError, IndexError):
            return None
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        seconds = (moment - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_BELIEVED_SECONDS)


def wait_seconds(attempt: int, told: float | None, *, policy: Policy, jitter: float) -> float:
    """The pause after the failed attempt `attempt` (from 1).

    Never shorter than what the server told, and growing all the same: one that says 1 for ever is not asked every second. Up
    to a quarter is added by chance, so that many workers do not come back at once.
    """
    growing = min(policy.first_wait_seconds * 2.0 ** (attempt - 1), policy.longest_wait_seconds / 1.25)
    return max(told or 0.0, growing) * (1.0 + 0.25 * jitter)


@dataclass(slots=True)
class Attempts:
    """The tries of one call: `for _ in attempts:` runs it, `attempts.failed(error, …)` waits, or raises when it is over."""

    policy: Policy
    pace: Pace
    made: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.pace.monotonic()

    def __iter__(self) -> Iterator[int]:
        while True:
            self.made += 1
            yield self.made

    def failed(self, error: GraphError, *, retry_after: str | None = None, throttled: bool = False) -> None:
        """Sleep until the next try.

        Raises Throttled when the server asks for more patience than a call has, or throttles to the end; else `error`.
        """
        now = self.pace.now()
        told = told_seconds(retry_after, now=now)
        wait = wait_seconds(self.made, told, policy=self.policy, jitter=self.pace.jitter())
        spent = self.pace.monotonic() - self.started
        over = self.made >= self.policy.tries or spent + wait > self.policy.total_seconds
        too_long = told is not None and told > self.policy.longest_wait_seconds
        if too_long or (over and throttled):
            raise Throttled(
                error.detail,
                retry_at=now + timedelta(seconds=wait),
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        if over:
            raise error
        self.pace.sleep(wait)
