"""At most four requests at a time for one mailbox: more, and Exchange answers 429 (its MailboxConcurrency limit)."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import redis

from mail_ingest.sources.graph.errors import Unreachable

logger = logging.getLogger(__name__)

SLOTS = 4
PATIENCE_SECONDS = 120.0


class Limiter(Protocol):
    """`slot` waits for a place and gives it back. Raises Unreachable when none comes free in time."""

    def slot(self, mailbox: str) -> AbstractContextManager[None]: ...


class ThreadLimiter:
    """Counts within this process."""

    def __init__(self, slots: int = SLOTS, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._slots = slots
        self._patience_seconds = patience_seconds
        self._places: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, mailbox: str) -> Iterator[None]:
        with self._lock:
            places = self._places.setdefault(mailbox.casefold(), threading.BoundedSemaphore(self._slots))
        if not places.acquire(timeout=self._patience_seconds):
            raise Unreachable("too many requests for this mailbox are under way")
        try:
            yield
        finally:
            places.release()


# A place is a member of a sorted set, its score the moment at which it lapses: a killed worker gives it back that way.
_TAKE = """
local t = redis.call('TIME'); local now = t[1] + t[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[3])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2])))
return 1
"""


class RedisLimiter:
    """Counts over all processes, by leases in Redis; within this one alone while Redis is away.

    `lease_seconds` has to be longer than the longest request (`client.ANSWER_SECONDS`).
    """

    def __init__(
        self,
        server: redis.Redis,
        slots: int = SLOTS,
        *,
        lease_seconds: float = 300.0,
        patience_seconds: float = PATIENCE_SECONDS,
        poll_seconds: float = 0.05,
    ) -> None:
        self._server = server
        self._slots = slots
        self._lease_seconds = lease_seconds
        self._patience_seconds = patience_seconds
        self._poll_seconds = poll_seconds
        self._here = ThreadLimiter(slots, patience_seconds=patience_seconds)

    @contextmanager
    def slot(self, mailbox: str) -> Iterator[None]:
        with self._here.slot(mailbox):
            key, place = f"graph:slots:{mailbox.casefold()}", uuid.uuid4().hex
            taken = self._take(key, place)
            try:
                yield
            finally:
                if taken:
                    self._give_back(key, place)

    def _take(self, key: str, place: str) -> bool:
        """False: Redis is away. Raises Unreachable when all places stay taken."""
        until = time.monotonic() + self._patience_seconds
        while True:
            try:
                if self._server.eval(_TAKE, 1, key, str(self._slots), str(self._lease_seconds), place):
                    return True
            except redis.RedisError:
                logger.warning("Redis is away: requests to Graph are counted within this process only.")
                return False
            if time.monotonic() > until:
                raise Unreachable("too many requests for this mailbox are under way")
            time.sleep(self._poll_seconds)

    def _give_back(self, key: str, place: str) -> None:
        try:
            self._server.zrem(key, place)
        except redis.RedisError:
            logger.warning("Redis is away: a place for a request to Graph lapses by itself.")
