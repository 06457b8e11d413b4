"""What Microsoft 365 tells us: kept before it is answered, then seen to by a worker.

A notification only makes mail come sooner. What is lost, late or told twice changes nothing: the rounds bring every message
that lies in the folder, and a message is stored once, whichever way it came. Notices are bookkeeping and leave no event.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q, QuerySet

from mail_ingest.models import GraphNotice, GraphSubscription, InboundMessage, Mailbox
from mail_ingest.services import graph_subscriptions, rounds
from mail_ingest.services.intake import known_source_ids
from mail_ingest.services.taking import Clock, Stuck, take_in
from mail_ingest.sources.base import MessageVanished, PositionLost, SourceUnavailable
from mail_ingest.sources.graph import notifications
from mail_ingest.sources.opening import opened

if TYPE_CHECKING:
    from mail_ingest.sources.graph.reader import GraphReader

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=2)
WAITS_WHILE_AWAY = timedelta(minutes=1)
LEFT_TO_THE_ROUNDS_AFTER = timedelta(hours=1)
KEPT_FOR = timedelta(days=3)
LASTS = timedelta(minutes=4)
AT_ONCE = 500
MAX_ID_CHARS = 500
MAX_LIFECYCLE_CHARS = 60
MISSED = "missed"


# --- Told ---------------------------------------------------------------------------------------------------------------


def keep(body: bytes, *, at: datetime) -> set[int]:
    """Keep what one request tells, in one transaction; the ids of the mailboxes that it concerns.

    What carries the wrong secret, or is about a subscription or mailbox that is not read, is dropped. Raises
    `notifications.BadNotification`, or the database's own errors: then nothing is kept.
    """
    told = notifications.parse(body)
    with transaction.atomic():
        rows = {
            row.subscription_id: row
            for row in GraphSubscription.objects.filter(
                subscription_id__in={notice.subscription_id for notice in told},
                mailbox__is_active=True,
                mailbox__kind=Mailbox.Kind.GRAPH,
            )
        }
        genuine = [
            (row, notice)
            for notice in told
            if (row := rows.get(notice.subscription_id)) is not None and notice.is_from(row.client_state)
        ]
        # In one order everywhere: two requests that tell the same must not wait for each other.
        keys = sorted({(row.mailbox_id, row.role, *_named(notice)) for row, notice in genuine})
        GraphNotice.objects.bulk_create(
            [
                GraphNotice(mailbox_id=mailbox_id, role=role, message_id=message_id, lifecycle=event, received_at=at)
                for mailbox_id, role, message_id, event in keys
            ],
            ignore_conflicts=True,
        )
        for pk in sorted({row.pk for row, _notice in genuine}):
            GraphSubscription.objects.filter(pk=pk).update(last_notice_at=at)
    if len(genuine) < len(told):
        log.warning("notifications_dropped", count=len(told) - len(genuine))
    return {row.mailbox_id for row, _notice in genuine}


def _named(notice: notifications.Notice) -> tuple[str, str]:
    """The message and the lifecycle event. Where neither can be kept, that something has come is still worth a look."""
    if notice.lifecycle_event:
        return "", notice.lifecycle_event[:MAX_LIFECYCLE_CHARS]
    if not 0 < len(notice.message_id) <= MAX_ID_CHARS:
        return "", MISSED
    return notice.message_id, ""


# --- Seen to ------------------------------------------------------------------------------------------------------------


def mailboxes_told_of(*, now: datetime) -> list[int]:
    """Mailboxes about which something is still to be seen to."""
    return list(_open(now=now).order_by().values_list("mailbox_id", flat=True).distinct())


def see_to(mailbox: Mailbox, *, clock: Clock) -> int:
    """Fetch the messages that were named and do what the lifecycle events ask for; how many mails are new.

    May be killed anywhere and run by many at once: each notice is one worker's, for a while. A mailbox that is away is tried
    again for an hour, and then left to its rounds. Raises nothing but our own database's failures.
    """
    mine = _open(now=clock()).filter(mailbox=mailbox)
    if not mailbox.is_active or mailbox.kind != Mailbox.Kind.GRAPH:
        mine.update(handled_at=clock())
        return 0
    _lifecycle(mailbox, mine.exclude(lifecycle=""), clock=clock)
    _set_known_aside(mailbox, now=clock())
    new = 0
    try:
        for notice, reader in _claimed(mailbox, clock=clock):
            new += _take(reader, mailbox, notice, clock=clock)
            _done(notice, now=clock())
    except SourceUnavailable as error:
        _put_off(mailbox, error, now=clock())
    except Stuck as stuck:
        _put_off(mailbox, stuck.error, now=clock())
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("notices_broke", mailbox=mailbox.slug)
    return new


def forget_old(*, now: datetime) -> int:
    """Delete what was seen to some days ago; how many there were."""
    return GraphNotice.objects.filter(handled_at__lt=now - KEPT_FOR).delete()[0]


def _open(*, now: datetime) -> QuerySet[GraphNotice]:
    return GraphNotice.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now), handled_at=None)


def _done(notice: GraphNotice, *, now: datetime) -> None:
    GraphNotice.objects.filter(pk=notice.pk).update(handled_at=now)


def _lifecycle(mailbox: Mailbox, notices: QuerySet[GraphNotice], *, clock: Clock) -> None:
    """Every event may mean that mail has come of which nobody told us, so each also asks for a round now."""
    events = list(notices)
    for notice in events:
        now = clock()
        log.info("graph_lifecycle", mailbox=mailbox.slug, role=notice.role, what=notice.lifecycle)
        if notice.lifecycle == "subscriptionRemoved":
            graph_subscriptions.forget(mailbox, notice.role, made_before=notice.received_at)
        elif notice.lifecycle == "reauthorizationRequired":
            graph_subscriptions.renew_soon(mailbox, notice.role, now=now)
        rounds.hurry(mailbox, notice.role, now=now)
        _done(notice, now=now)
    if any(notice.lifecycle != MISSED for notice in events):
        graph_subscriptions.look_after(mailbox, clock=clock)


def _set_known_aside(mailbox: Mailbox, *, now: datetime) -> None:
    """What a round has brought already needs no request."""
    named = _open(now=now).filter(mailbox=mailbox, lifecycle="")
    known = known_source_ids(mailbox, list(named.values_list("message_id", flat=True)[:AT_ONCE]))
    named.filter(message_id__in=known).update(handled_at=now)


def _claimed(mailbox: Mailbox, *, clock: Clock) -> Iterator[tuple[GraphNotice, "GraphReader"]]:
    """One open notice after the other, each ours alone; the mailbox is opened for the first of them."""
    began_at = clock()
    waiting = list(_open(now=began_at).filter(mailbox=mailbox, lifecycle="").order_by("received_at", "pk")[:AT_ONCE])
    if not waiting:
        return
    with opened(mailbox) as reader:
        for notice in waiting:
            now = clock()
            if now - began_at > LASTS:
                return
            if _open(now=now).filter(pk=notice.pk).update(next_try_at=now + CLAIM):
                yield notice, cast("GraphReader", reader)


def _take(reader: "GraphReader", mailbox: Mailbox, notice: GraphNotice, *, clock: Clock) -> int:
    try:
        found = reader.announced(notice.role, notice.message_id)
        if found is None:
            return 0
        return take_in(reader, mailbox, [found], role=notice.role, origin=InboundMessage.Origin.LIVE, clock=clock).new
    except (MessageVanished, PositionLost):
        return 0  # if it is in the folder after all, the round shows it


def _put_off(mailbox: Mailbox, error: SourceUnavailable, *, now: datetime) -> None:
    """The mailbox is away: all its notices wait, and those that have waited for long are left to its rounds."""
    log.info("notices_wait", mailbox=mailbox.slug, reason=error.detail)
    waiting = GraphNotice.objects.filter(mailbox=mailbox, lifecycle="", handled_at=None)
    waiting.filter(received_at__lt=now - LEFT_TO_THE_ROUNDS_AFTER).update(handled_at=now)
    waiting.update(next_try_at=max(error.retry_at or now, now + WAITS_WHILE_AWAY))
