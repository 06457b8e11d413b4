"""The connection to Microsoft 365 for one mailbox: with its own tenant, application and secret, else with the server's."""

from functools import cache

import redis
from django.conf import settings

from mail_ingest.models import Mailbox
from mail_ingest.sources.graph.auth import Account
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.limits import RedisLimiter
from mail_ingest.sources.graph.retry import Pace, Policy

# What reads comes again by itself: it waits for a few seconds, and then leaves the worker to other mailboxes.
READING = Policy(tries=4, total_seconds=30.0, longest_wait_seconds=10.0, first_wait_seconds=0.5)
PACE = Pace()
REDIS_ANSWERS_WITHIN_SECONDS = 1.0


def account_of(mailbox: Mailbox) -> Account:
    """Raises Misconfigured, which names what is missing."""
    return Account(
        tenant=mailbox.tenant_id or settings.MICROSOFT_TENANT_ID,
        client_id=mailbox.client_id or settings.MICROSOFT_CLIENT_ID,
        client_secret=mailbox.client_secret or settings.MICROSOFT_CLIENT_SECRET,
        base_url=settings.MICROSOFT_GRAPH_URL,
        authority_url=settings.MICROSOFT_AUTHORITY_URL,
    )


def connected(mailbox: Mailbox, *, policy: Policy | None = None) -> Graph:
    """A connection, to be closed; nothing is asked yet. Its requests are counted with those of all workers."""
    return Graph(account_of(mailbox), limiter=_limiter(settings.REDIS_URL), policy=policy, pace=PACE)


@cache
def _limiter(redis_url: str) -> RedisLimiter | None:
    """None: there is no Redis, and this process counts alone."""
    if not redis_url:
        return None
    seconds = REDIS_ANSWERS_WITHIN_SECONDS
    return RedisLimiter(redis.Redis.from_url(redis_url, socket_timeout=seconds, socket_connect_timeout=seconds))
