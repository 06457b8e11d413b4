"""Subscriptions and the notifications that come of them, at a real webhook."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_plus

import pytest

from mail_ingest.sources.graph import messages, notifications, subscriptions
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    Refused,
    SubscriptionGone,
)
from mail_ingest.sources.graph.explanations import explain
from tests.integration.graph_client.helpers import USER
from tests.mails import mail
from tests.standins.graph import GraphStandIn, Mailbox


class Webhook:
    """Somebody who is told: a real server that answers as the documentation wants, or as `status` and `echo` say."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.echo = True
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = self.path.partition("?validationToken=")[2]
                status, answer = 202, b""
                if query:
                    status, answer = 200, unquote_plus(query).encode() if webhook.echo else b"hello"
                else:
                    webhook.bodies.append(body)
                    status = webhook.statuses.pop(0) if webhook.statuses else 202
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/api/graph/notifications"

    def notices(self) -> list[notifications.Notice]:
        return [notice for body in self.bodies for notice in notifications.parse(body)]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    yield webhook
    webhook.close()


class TestSubscriptions:
    def subscribe(self, graph: Graph, webhook: Webhook, *, minutes: int = 60) -> subscriptions.Subscription:
        return subscriptions.create(
            graph,
            USER,
            "inbox",
            notification_url=webhook.url,
            client_state="only-we-know",
            expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
        )

    def test_they_are_made_renewed_found_and_ended(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook
    ) -> None:
        made = self.subscribe(graph, webhook, minutes=100_000)
        assert timedelta(minutes=4200) < made.expires_at - datetime.now(UTC) < timedelta(minutes=4230)
        renewed = subscriptions.renew(graph, made.id, expires_at=datetime.now(UTC) + timedelta(hours=1))
        assert renewed.expires_at < made.expires_at
        assert [one.id for one in subscriptions.existing(graph)] == [made.id]
        subscriptions.delete(graph, made.id)
        subscriptions.delete(graph, made.id)
        assert standin.subscriptions == {}
        with pytest.raises(SubscriptionGone):
            subscriptions.renew(graph, made.id, expires_at=datetime.now(UTC) + timedelta(hours=1))

    def test_they_need_an_address_that_answers(self, box: Mailbox, graph: Graph, webhook: Webhook) -> None:
        webhook.echo = False
        with pytest.raises(Refused) as caught:
            self.subscribe(graph, webhook)
        assert "BASE_URL" in explain(caught.value)

    def test_they_tell_of_each_new_message(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook
    ) -> None:
        made = self.subscribe(graph, webhook)
        one = box.add(mail())
        box.add_sent(mail())
        standin.notifier.flush()
        (notice,) = webhook.notices()
        assert notice.subscription_id == made.id
        assert notice.message_id == one.id
        assert notice.is_from("only-we-know")
        assert messages.mime(graph, USER, notice.message_id) == one.raw

    def test_they_tell_again_until_somebody_listens(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook
    ) -> None:
        self.subscribe(graph, webhook)
        webhook.statuses = [503]
        box.add(mail())
        standin.notifier.flush()
        assert [status for _url, _notification, status in standin.notifier.delivered] == [503, 202]
        assert len(set(webhook.notices())) == 1

    def test_they_may_tell_twice_in_the_wrong_order_or_never(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook
    ) -> None:
        self.subscribe(graph, webhook)
        standin.faults.notifications_lost = 1
        box.add(mail())
        standin.faults.notifications_twice = standin.faults.notifications_reversed = True
        with standin.one_delivery():
            first, second = box.add(mail()), box.add(mail())
        standin.notifier.flush()
        (body,) = webhook.bodies
        assert body.count(first.id.encode()) > 2
        assert [notice.message_id for notice in webhook.notices()] == [second.id, first.id]

    def test_they_may_be_forged(self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook) -> None:
        self.subscribe(graph, webhook)
        standin.faults.notifications_client_state = "guessed"
        box.add(mail())
        standin.notifier.flush()
        (notice,) = webhook.notices()
        assert not notice.is_from("only-we-know")

    @pytest.mark.parametrize("event", ["missed", "reauthorizationRequired", "subscriptionRemoved"])
    def test_they_tell_of_themselves(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, webhook: Webhook, event: str
    ) -> None:
        made = self.subscribe(graph, webhook)
        standin.lifecycle(event)
        standin.notifier.flush()
        (notice,) = webhook.notices()
        assert (notice.lifecycle_event, notice.subscription_id) == (event, made.id)
        assert bool(standin.subscriptions) is (event != "subscriptionRemoved")
