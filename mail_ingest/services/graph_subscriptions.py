"""Subscriptions at Microsoft 365: it calls us as soon as mail comes. Polling goes on regardless, so nothing here is urgent.

One subscription for each mailbox and role, looked after every few minutes. That it does not work turns no mailbox red; the
reason stands with the folder. A subscription is bookkeeping and leaves no event.
"""

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from handyconnect.loopback import is_loopback
from mail_ingest.models import FolderRole, GraphSubscription, Mailbox, SourceFolder
from mail_ingest.services import rounds
from mail_ingest.services.taking import Clock
from mail_ingest.sources.base import SourceUnavailable
from mail_ingest.sources.graph.errors import BadAnswer, GraphError, SubscriptionGone
from mail_ingest.sources.graph.explanations import explain

if TYPE_CHECKING:
    from mail_ingest.sources.graph.client import Graph

log = structlog.get_logger(__name__)

PATH = "/api/graph/notifications"
ASKED_FOR = timedelta(days=3)  # cut by the client to what Microsoft grants, which is a little less
RENEWED_WITH_LEFT = timedelta(hours=48)
CLAIM = timedelta(minutes=5)
MAX_ID_CHARS = 200


def address() -> str:
    """Where Microsoft calls."""
    return f"{settings.BASE_URL}{PATH}"


def can_be_called() -> bool:
    """Microsoft calls https addresses only; a stand-in on this machine also calls this machine."""
    base, graph = urlsplit(settings.BASE_URL), urlsplit(settings.MICROSOFT_GRAPH_URL)
    return base.scheme == "https" or (is_loopback(base.hostname or "") and is_loopback(graph.hostname or ""))


def wanted_roles(mailbox: Mailbox) -> list[str]:
    """The folders for which there should be a subscription."""
    if mailbox.kind != Mailbox.Kind.GRAPH or not mailbox.is_active or not can_be_called():
        return []
    return rounds.roles_of(mailbox)


def to_look_after(*, now: datetime) -> list[int]:
    """Mailboxes with a subscription to be made, renewed or ended."""
    concerned = Mailbox.objects.filter(Q(kind=Mailbox.Kind.GRAPH, is_active=True) | Q(subscriptions__isnull=False))
    mailboxes = concerned.distinct().order_by("pk").prefetch_related("subscriptions")
    return [mailbox.pk for mailbox in mailboxes if _has_to_do(mailbox, mailbox.subscriptions.all(), now=now)]


def look_after(mailbox: Mailbox, *, clock: Clock) -> None:
    """Make, renew and end the mailbox's subscriptions as is due. Raises nothing but our own database's failures."""
    roles = wanted_roles(mailbox)
    if roles:
        rounds.folders_of(mailbox, now=clock())
    for role in FolderRole.values:
        now = clock()
        if not _claim(mailbox, role, now=now):
            continue
        try:
            detail = _look_after(mailbox, role, wanted=role in roles, now=now)
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:
            log.exception("subscription_broke", mailbox=mailbox.slug, role=role)
            detail = _("It failed in an unexpected way (%(error)s); the log has more.") % {
                "error": type(error).__name__
            }
        SourceFolder.objects.filter(mailbox=mailbox, role=role).update(push_detail=detail, push_claimed_until=None)


def renew_soon(mailbox: Mailbox, role: str, *, now: datetime) -> None:
    """Microsoft wants it renewed: that is done the next time that it is looked after, whatever becomes of this worker."""
    soon = now + timedelta(hours=1)
    GraphSubscription.objects.filter(mailbox=mailbox, role=role, expires_at__gt=soon).update(expires_at=soon)


def forget(mailbox: Mailbox, role: str, *, made_before: datetime) -> None:
    """Microsoft has ended the subscription that was made before: the next look makes a new one."""
    GraphSubscription.objects.filter(mailbox=mailbox, role=role, created_at__lte=made_before).delete()


def _has_to_do(mailbox: Mailbox, rows: Iterable[GraphSubscription], *, now: datetime) -> bool:
    wanted, there = set(wanted_roles(mailbox)), {row.role: row for row in rows}
    return wanted != set(there) or any(
        row.expires_at - now <= RENEWED_WITH_LEFT or not _fits(row, mailbox) for row in there.values()
    )


def _claim(mailbox: Mailbox, role: str, *, now: datetime) -> bool:
    """One worker at a time: two would make two subscriptions."""
    free = Q(push_claimed_until=None) | Q(push_claimed_until__lte=now)
    mine = SourceFolder.objects.filter(free, mailbox=mailbox, role=role)
    return bool(mine.update(push_claimed_until=now + CLAIM))


def _look_after(mailbox: Mailbox, role: str, *, wanted: bool, now: datetime) -> str:
    """What is wrong, in plain words; "" for nothing."""
    row = GraphSubscription.objects.filter(mailbox=mailbox, role=role).first()
    if row is None and not wanted:
        return ""
    from mail_ingest.sources.graph.account import READING, connected  # noqa: PLC0415 - only mailboxes at Microsoft need it

    try:
        with connected(mailbox, policy=READING) as graph:
            if row and not wanted:
                _end(graph, row)
            elif row is None or not _goes_on(graph, mailbox, row, now=now):
                _make(graph, mailbox, role, now=now)
    except (GraphError, SourceUnavailable) as error:
        log.warning("subscription_failed", mailbox=mailbox.slug, role=role, reason=str(error))
        # One that cannot be ended has ended by itself when its time is over.
        GraphSubscription.objects.filter(mailbox=mailbox, role=role, expires_at__lte=now).delete()
        return error.detail if isinstance(error, SourceUnavailable) else str(explain(error))
    return ""


def _goes_on(graph: "Graph", mailbox: Mailbox, row: GraphSubscription, *, now: datetime) -> bool:
    """Renew it where that is due. False: it is gone, or for something else than is wanted now."""
    from mail_ingest.sources.graph import subscriptions  # noqa: PLC0415 - see above

    if not _fits(row, mailbox):
        with suppress(GraphError):  # the mailbox may be another's by now; it ends by itself
            subscriptions.delete(graph, row.subscription_id)
        row.delete()
        return False
    if row.expires_at - now > RENEWED_WITH_LEFT:
        return True
    try:
        renewed = subscriptions.renew(graph, row.subscription_id, expires_at=now + ASKED_FOR)
    except SubscriptionGone:
        row.delete()
        return False
    GraphSubscription.objects.filter(pk=row.pk).update(expires_at=renewed.expires_at)
    return True


def _make(graph: "Graph", mailbox: Mailbox, role: str, *, now: datetime) -> None:
    from mail_ingest.sources.graph import subscriptions  # noqa: PLC0415 - see above
    from mail_ingest.sources.graph.reader import folder_of  # noqa: PLC0415 - see above

    folder = folder_of(graph, mailbox, role)
    _end_strays(graph, subscriptions.resource_of(mailbox.address, folder))
    state = f"{secrets.token_urlsafe(48)}.{_purpose(mailbox, role)}"
    made = subscriptions.create(
        graph,
        mailbox.address,
        folder,
        notification_url=address(),
        lifecycle_url=address(),
        client_state=state,
        expires_at=now + ASKED_FOR,
    )
    if len(made.id) > MAX_ID_CHARS:
        subscriptions.delete(graph, made.id)
        raise BadAnswer("the subscription's id is too long")
    try:
        with transaction.atomic():
            GraphSubscription.objects.create(
                mailbox=mailbox,
                role=role,
                subscription_id=made.id,
                client_state=state,
                expires_at=made.expires_at,
                created_at=now,
            )
    except IntegrityError:  # a worker that was thought to be dead has made one
        subscriptions.delete(graph, made.id)
    else:
        rounds.hurry(mailbox, role, now=now)  # what came while nobody was told


def _end(graph: "Graph", row: GraphSubscription) -> None:
    from mail_ingest.sources.graph import subscriptions  # noqa: PLC0415 - see above

    subscriptions.delete(graph, row.subscription_id)
    row.delete()


def _end_strays(graph: "Graph", resource: str) -> None:
    """Those of ours for this folder that no row knows: whoever made them was killed before it could write it down."""
    from mail_ingest.sources.graph import subscriptions  # noqa: PLC0415 - see above

    with suppress(GraphError):  # they end by themselves
        strays = [
            one.id
            for one in subscriptions.existing(graph)
            if one.notification_url == address() and one.resource.strip("/").casefold() == resource.casefold()
        ]
        known = set(
            GraphSubscription.objects.filter(subscription_id__in=strays).values_list("subscription_id", flat=True)
        )
        for stray in strays:
            if stray not in known:
                subscriptions.delete(graph, stray)


def _fits(row: GraphSubscription, mailbox: Mailbox) -> bool:
    return row.client_state.endswith(f".{_purpose(mailbox, row.role)}")


def _purpose(mailbox: Mailbox, role: str) -> str:
    """What a subscription is for. It stands in the client state, so that one for something else shows itself."""
    folder = mailbox.inbox_folder if role == FolderRole.INBOX else mailbox.sent_folder
    tenant = mailbox.tenant_id or settings.MICROSOFT_TENANT_ID
    client = mailbox.client_id or settings.MICROSOFT_CLIENT_ID
    parts = (address(), settings.MICROSOFT_GRAPH_URL, tenant, client, mailbox.address.casefold(), folder)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
