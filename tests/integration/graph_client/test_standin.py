"""The stand-in itself: it answers as the documentation shows."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from mail_ingest.sources.graph import folders
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    GraphError,
    Misconfigured,
)
from tests.integration.graph_client.helpers import PATIENT, USER, Watch, account_of, fill
from tests.mails import mail
from tests.standins.graph import GraphStandIn, Mailbox


class TestStandIn:
    """The stand-in answers as the documentation shows: its property names, and nothing but."""

    def test_its_messages_have_the_shape_of_a_recorded_one(self, corpora: Any, box: Mailbox, graph: Graph) -> None:
        recorded = json.loads((corpora / "msgraph" / "recorded_message.json").read_text())["message"]
        one = box.add(mail())
        played = graph.call_json(USER, "GET", graph.url("users", USER, "messages", one.id))
        missing = set(recorded) - set(played) - {"@odata.context", "conversationIndex"}
        assert missing == set()
        assert {type(recorded[name]) for name in ("isRead", "body", "subject")} == {
            type(played[name]) for name in ("isRead", "body", "subject")
        }

    def test_its_ids_change_with_a_move_unless_asked_otherwise(self, box: Mailbox, graph: Graph) -> None:
        (one,) = fill(box, 1)
        plain = graph.call_json(USER, "GET", graph.url("users", USER, "mailFolders", "inbox", "messages"))["value"][0][
            "id"
        ]
        assert plain == one.mutable_id
        box.move(one, "archive")
        with pytest.raises(GraphError):
            graph.call_json(USER, "GET", graph.url("users", USER, "messages", plain))

    def test_its_attachments_can_be_read(self, box: Mailbox, graph: Graph) -> None:
        one = box.add(mail(attachment=("plan.pdf", b"%PDF-1.4")))
        (attachment,) = graph.call_json(USER, "GET", graph.url("users", USER, "messages", one.id, "attachments"))[
            "value"
        ]
        assert attachment["@odata.type"] == "#microsoft.graph.fileAttachment"
        assert base64.b64decode(attachment["contentBytes"]) == b"%PDF-1.4"
        url = graph.url("users", USER, "messages", one.id, "attachments", attachment["id"], "$value")
        assert graph.call(USER, "GET", url).body == b"%PDF-1.4"

    def test_it_lets_only_four_requests_into_a_mailbox(self, standin: GraphStandIn, box: Mailbox, watch: Watch) -> None:
        standin.faults.slowness_seconds = 0.05
        unlimited = Unlimited()
        with (
            Graph(account_of(standin), policy=PATIENT, pace=watch.pace, limiter=unlimited) as graph,
            ThreadPoolExecutor(8) as pool,
        ):
            list(pool.map(lambda _number: folders.folder_id(graph, USER, "inbox"), range(8)))
        assert any(request.status == 429 for request in standin.requests)

    def test_misconfigured_addresses_never_reach_it(self, standin: GraphStandIn) -> None:
        with pytest.raises(Misconfigured):
            account_of(standin, base_url="http://192.0.2.1/v1.0")
        assert standin.requests == []


class Unlimited:
    def slot(self, mailbox: str) -> AbstractContextManager[None]:
        return nullcontext()
