"""Change-notification subscriptions: Graph calls our webhook when mail comes. Polling goes on all the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mail_ingest.sources.graph.client import IMMUTABLE_IDS, Graph
from mail_ingest.sources.graph.errors import BadAnswer, Refused, SubscriptionGone
from mail_ingest.sources.graph.items import moment

# What Graph has long granted for messages (it grants more by now); it refuses more than it grants.
LONGEST = timedelta(minutes=4230)
MAX_CLIENT_STATE_CHARS = 128
MAX_PAGES = 100
_NOT_FOUND = 404

_NOBODY = ""  # subscriptions are the tenant's, not a mailbox's: they share one line of four places


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    resource: str
    expires_at: datetime
    notification_url: str = ""
    client_state: str = ""


def resource_of(mailbox: str, folder: str) -> str:
    return f"users/{mailbox}/mailFolders('{folder}')/messages"


def create(
    graph: Graph,
    mailbox: str,
    folder: str,
    *,
    notification_url: str,
    client_state: str,
    expires_at: datetime,
    lifecycle_url: str = "",
) -> Subscription:
    """Subscribe to new messages in a folder; Graph first calls `notification_url` to see that it is ours.

    `expires_at` is cut to what Graph grants. Raises Refused when Graph could not validate the address (code
    ValidationError), or what `Graph.call` raises.
    """
    if not 0 < len(client_state) <= MAX_CLIENT_STATE_CHARS:
        raise Refused(
            f"the client state has to have 1 to {MAX_CLIENT_STATE_CHARS} characters", code="invalidClientState"
        )
    payload = {
        "changeType": "created",
        "notificationUrl": notification_url,
        "lifecycleNotificationUrl": lifecycle_url or notification_url,
        "resource": resource_of(mailbox, folder),
        "expirationDateTime": _until(graph, expires_at),
        "clientState": client_state,
    }
    url = graph.url("subscriptions")
    return _read(graph.call_json(_NOBODY, "POST", url, payload=payload, headers={"Prefer": IMMUTABLE_IDS}))


def renew(graph: Graph, subscription_id: str, *, expires_at: datetime) -> Subscription:
    """Prolong a subscription, which also re-authorizes it. Raises SubscriptionGone."""
    url = graph.url("subscriptions", subscription_id)
    try:
        return _read(graph.call_json(_NOBODY, "PATCH", url, payload={"expirationDateTime": _until(graph, expires_at)}))
    except Refused as error:  # its code is that of a mailbox which is not there
        if error.status != _NOT_FOUND:
            raise
        raise SubscriptionGone(
            error.detail, status=error.status, code=error.code, request_id=error.request_id
        ) from error


def delete(graph: Graph, subscription_id: str) -> None:
    """End a subscription; one that is gone already is ended."""
    try:
        graph.call(_NOBODY, "DELETE", graph.url("subscriptions", subscription_id))
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise


def existing(graph: Graph) -> Iterator[Subscription]:
    """All subscriptions of this application in the tenant: to find ours again, and to end those that nobody knows."""
    url = graph.url("subscriptions")
    for _ in range(MAX_PAGES):
        page = graph.call_json(_NOBODY, "GET", url)
        values = page.get("value")
        for value in values if isinstance(values, list) else ():
            if isinstance(value, dict):
                yield _read(value)
        link = page.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            return
        url = graph.same_origin(link)


def _until(graph: Graph, expires_at: datetime) -> str:
    at = min(expires_at, graph.pace.now() + LONGEST - timedelta(minutes=1))
    return at.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def _read(value: dict[str, Any]) -> Subscription:
    expires_at = moment(value.get("expirationDateTime"))
    if not isinstance(value.get("id"), str) or not value["id"] or expires_at is None:
        raise BadAnswer("the answer is not a subscription")
    return Subscription(
        id=value["id"],
        resource=str(value.get("resource") or ""),
        expires_at=expires_at,
        notification_url=str(value.get("notificationUrl") or ""),
        client_state=str(value.get("clientState") or ""),
    )
