"""Subscriptions, the handshake with the webhook, and a thread that delivers notifications as unreliably as wanted."""

import contextlib
import queue
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import httpx2

from tests.standins.graph import shapes
from tests.standins.graph.http import Failure, Request, Response
from tests.standins.graph.mailbox import Mailbox, Message
from tests.standins.graph.shapes import Json

if TYPE_CHECKING:
    from tests.standins.graph.server import GraphStandIn

LONGEST = timedelta(minutes=4230)
TRIES = 3


@dataclass
class Subscription:
    fields: Json
    immutable: bool

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def resource(self) -> str:
        return Request("GET", "/" + str(self.fields["resource"]).strip("/"), {}).path.casefold()


class Notifier:
    """Delivers in the background. `flush` waits until what was to be told has been told, or given up."""

    def __init__(self, standin: "GraphStandIn") -> None:
        self.standin = standin
        self.delivered: list[tuple[str, Json, int]] = []  # (address, notification, the answer's status; 0: none)
        self._waiting: queue.Queue[list[tuple[str, Json]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="graph-notifier", daemon=True)

    @cached_property
    def _client(self) -> httpx2.Client:
        return httpx2.Client(timeout=10.0, trust_env=False)  # made when somebody subscribes: it takes its time

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join(timeout=15)
        if "_client" in self.__dict__:
            self._client.close()

    def put(self, told: list[tuple[str, Json]]) -> None:
        if told:
            self._waiting.put(told)

    def flush(self) -> None:
        self._waiting.join()

    def validate(self, address: str) -> bool:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
        try:
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            answer = self._client.post(address, params={"validationToken": token}, headers=headers)
        except httpx2.HTTPError:
            return False
        return (
            answer.status_code == 200
            and answer.text == token
            and answer.headers.get("Content-Type", "").startswith("text/plain")
        )

    def _run(self) -> None:
        while True:
            told = self._waiting.get()
            try:
                if told is None:
                    return
                for address in dict.fromkeys(address for address, _one in told):
                    self._post(address, [one for place, one in told if place == address])
            finally:
                self._waiting.task_done()

    def _post(self, address: str, notifications: list[Json]) -> None:
        """Sent again while there is no 2xx, as Graph does for hours."""
        for _ in range(TRIES):
            status = 0
            with contextlib.suppress(httpx2.HTTPError):
                status = self._client.post(address, json={"value": notifications}).status_code
            self.delivered += [(address, one, status) for one in notifications]
            if 200 <= status < 300:
                return


def subscribe(standin: "GraphStandIn", request: Request) -> Response:
    fields = request.json()
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not fields.get(name):
            raise Failure(400, "InvalidRequest", f"{name} is a required property.")
    if len(str(fields.get("clientState") or "")) > 128:
        raise Failure(400, "InvalidRequest", "clientState may have at most 128 characters.")
    expires_at = _expiry(fields)
    for address in dict.fromkeys(
        str(fields.get(name) or "") for name in ("notificationUrl", "lifecycleNotificationUrl")
    ):
        if address and not standin.notifier.validate(address):
            text = (
                "Subscription validation request failed. Response must exactly match validationToken query parameter."
            )
            raise Failure(400, "ValidationError", text)
    made = {
        "@odata.context": standin.context("subscriptions/$entity"),
        "id": str(uuid.uuid4()),
        "applicationId": standin.client_id,
        "creatorId": standin.tenant,
        "latestSupportedTlsVersion": "v1_2",
        "notificationContentType": "application/json",
        "clientState": None,
        **fields,
        "expirationDateTime": expires_at,
    }
    standin.subscriptions[made["id"]] = Subscription(made, request.immutable)
    return Response(201, made)


def renew(standin: "GraphStandIn", request: Request, one: Subscription) -> Response:
    one.fields["expirationDateTime"] = _expiry(request.json())
    return Response(body=one.fields)


def about(standin: "GraphStandIn", box: Mailbox, message: Message) -> list[tuple[str, Json]]:
    """Whom to tell that a message is new, and what."""
    faults = standin.faults
    told = [
        (str(one.fields["notificationUrl"]), notification(standin, one, box, message))
        for one in list(standin.subscriptions.values())
        if "created" in str(one.fields["changeType"]) and one.resource in _resources(box, message) and not _expired(one)
    ]
    if faults.notifications_lost > 0 and told:
        faults.notifications_lost -= 1
        return []
    if faults.notifications_twice:
        told = [*told, *told]
    return told


def notification(standin: "GraphStandIn", one: Subscription, box: Mailbox, message: Message) -> Json:
    message_id = message.id if one.immutable else message.mutable_id
    shown = f"Users/{box.user_id}@{standin.tenant}/Messages/{message_id}"
    etag = f'W/"{message.change_key}"'
    return {
        "id": uuid.uuid4().hex,
        **_about(standin, one),
        "changeType": "created",
        "resource": shown,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": shown,
            "@odata.etag": etag,
            "id": message_id,
        },
    }


def lifecycle(standin: "GraphStandIn", one: Subscription, event: str) -> tuple[str, Json]:
    address = one.fields.get("lifecycleNotificationUrl") or one.fields["notificationUrl"]
    return str(address), {**_about(standin, one), "lifecycleEvent": event}


def _about(standin: "GraphStandIn", one: Subscription) -> Json:
    wrong = standin.faults.notifications_client_state
    return {
        "subscriptionId": one.id,
        "subscriptionExpirationDateTime": one.fields["expirationDateTime"],
        "clientState": one.fields["clientState"] if wrong is None else wrong,
        "tenantId": standin.tenant,
    }


def _resources(box: Mailbox, message: Message) -> set[str]:
    folder = box.folders[message.folder_id]
    users = [f"/users/{name}".casefold() for name in (box.address, box.user_id)]
    places = ["", *(f"/mailfolders/{name}".casefold() for name in (folder.id, folder.well_known, folder.name) if name)]
    return {f"{user}{place}/messages" for user in users for place in places}


def _expiry(fields: Json) -> str:
    try:
        at = datetime.fromisoformat(str(fields.get("expirationDateTime"))[:19]).replace(tzinfo=UTC)
    except ValueError:
        raise Failure(400, "InvalidRequest", "expirationDateTime is not a date.") from None
    if at > datetime.now(UTC) + LONGEST:
        raise Failure(400, "ExtensionError", "Subscription expiration can only be 4230 minutes in the future.")
    if at < datetime.now(UTC):
        raise Failure(400, "ExtensionError", "Subscription expiration can only be in the future.")
    return shapes.stamp(at)


def _expired(one: Subscription) -> bool:
    return datetime.fromisoformat(str(one.fields["expirationDateTime"])) < datetime.now(UTC)
