"""Where Microsoft 365 calls us: what is answered to whom, by the rules of its documentation."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from handyconnect.middleware import API
from mail_ingest.models import GraphNotice, GraphSubscription
from mail_ingest.sources.graph import notifications
from tests.factories import MailboxFactory

URL = "/api/graph/notifications"
STATE = "the secret that was given with the subscription"


@pytest.fixture
def subscription(db: None) -> GraphSubscription:
    now = timezone.now()
    return GraphSubscription.objects.create(
        mailbox=MailboxFactory.create(kind="graph"),
        role="inbox",
        subscription_id="7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        client_state=STATE,
        expires_at=now + timedelta(days=2),
        created_at=now,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The mailboxes for which a worker was asked."""
    from mail_ingest import webhooks

    asked: list[int] = []
    monkeypatch.setattr(webhooks, "ask", lambda _task, mailbox_id: asked.append(mailbox_id))
    return asked


def notice(**changed: Any) -> dict[str, Any]:
    return {
        "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        "clientState": STATE,
        "changeType": "created",
        "resource": "Users/u@t/Messages/AAkALgAAAAA",
        "resourceData": {"id": "AAkALgAAAAA", "@odata.type": "#Microsoft.Graph.Message"},
        **changed,
    }


def post(*notices: Any) -> Any:
    body = json.dumps({"value": list(notices)})
    client = Client(enforce_csrf_checks=True)
    return client.post(URL, data=body, content_type="application/json")


class TestTheHandshake:
    def test_keeps_every_rule_of_the_documentation(self, corpora: Path) -> None:
        rules = json.loads((corpora / "msgraph" / "webhook_rules.json").read_text())["validation"]
        assert len(rules) >= 2
        for rule in rules:
            query = rule["request"].partition("?")[2]
            answer: Any = Client(enforce_csrf_checks=True).post(
                f"{URL}?{query}", data="", content_type=rule.get("content_type", "text/plain; charset=utf-8")
            )
            expected = rule["expect"]
            assert answer.status_code == expected.get("status", 200)
            assert answer["Content-Type"].startswith(expected["content_type"])
            assert answer["X-Content-Type-Options"] == "nosniff"
            if "body" in expected:
                assert answer.content.decode() == expected["body"]

    @pytest.mark.parametrize("token", ["<script>alert(1)</script>", "a+b c%2B", "Grüße & 你好", ""])
    def test_answers_with_the_token_as_plain_text_whatever_it_is(self, token: str) -> None:
        answer: Any = Client().post(f"{URL}?validationToken={quote(token)}")
        assert (answer.status_code, answer.content.decode()) == (200, token)
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert "sandbox" in answer["Content-Security-Policy"]

    def test_does_not_echo_without_end(self) -> None:
        answer: Any = Client().post(f"{URL}?validationToken={'x' * 3000}")
        assert answer.status_code == 400
        assert b"xxx" not in answer.content

    def test_is_a_post(self) -> None:
        assert Client().get(f"{URL}?validationToken=x").status_code == 405


class TestANotification:
    def test_is_kept_before_it_is_answered_and_wakes_a_worker(
        self, subscription: GraphSubscription, asked: list[int]
    ) -> None:
        answer = post(notice())
        assert (answer.status_code, answer.content) == (202, b"")
        kept = GraphNotice.objects.get()
        assert (kept.mailbox, kept.role, kept.message_id) == (subscription.mailbox, "inbox", "AAkALgAAAAA")
        assert (kept.lifecycle, kept.handled_at) == ("", None)
        assert asked == [subscription.mailbox_id]

    def test_needs_no_login_and_no_slash(self, subscription: GraphSubscription, asked: list[int]) -> None:
        assert URL.startswith(API)
        assert Client().post(f"{URL}/", data=b'{"value": []}', content_type="application/json").status_code == 202

    def test_is_one_row_until_it_is_seen_to(self, subscription: GraphSubscription, asked: list[int]) -> None:
        post(notice(), notice(changeType="updated"))
        post(notice())
        assert GraphNotice.objects.count() == 1
        GraphNotice.objects.update(handled_at=timezone.now())
        post(notice())
        assert GraphNotice.objects.count() == 2

    def test_with_many_in_one_request_keeps_each(self, subscription: GraphSubscription, asked: list[int]) -> None:
        assert post(*(notice(resourceData={"id": f"id{number}"}) for number in range(300))).status_code == 202
        assert GraphNotice.objects.count() == 300
        assert asked == [subscription.mailbox_id]

    @pytest.mark.parametrize(
        "changed",
        [
            {"clientState": "guessed"},
            {"clientState": STATE[:-1]},
            {"clientState": ""},
            {"clientState": None},
            {"clientState": 7},
            {"clientState": [STATE]},
            {"subscriptionId": "another"},
            {"subscriptionId": "x" * 2000},
            {"subscriptionId": None},
            {"clientState": "\ud800"},
        ],
    )
    def test_that_is_not_genuine_is_dropped_and_answered_alike(
        self, subscription: GraphSubscription, asked: list[int], changed: dict[str, Any]
    ) -> None:
        assert post(notice(**changed)).status_code == 202
        assert not GraphNotice.objects.exists()
        assert asked == []

    def test_that_is_genuine_is_kept_among_others(self, subscription: GraphSubscription, asked: list[int]) -> None:
        post(notice(clientState="guessed", resourceData={"id": "bad"}), "nonsense", None, notice())
        assert [kept.message_id for kept in GraphNotice.objects.all()] == ["AAkALgAAAAA"]

    def test_of_a_lifecycle_event_is_kept_as_such(self, subscription: GraphSubscription, asked: list[int]) -> None:
        post(notice(lifecycleEvent="missed", resourceData=None, resource=""))
        kept = GraphNotice.objects.get()
        assert (kept.lifecycle, kept.message_id) == ("missed", "")

    @pytest.mark.parametrize(
        "body", [b"", b"null", b"[]", b"{}", b'{"value": 7}', b"{" * 100_000, b"\xff\xfe", b"<html></html>"]
    )
    def test_that_is_none_is_refused(self, db: None, body: bytes) -> None:
        answer: Any = Client().post(URL, data=body, content_type="application/json")
        assert answer.status_code == 400
        assert answer["Content-Type"] == "text/plain; charset=utf-8"

    def test_that_is_too_large_is_refused_unread(self, db: None) -> None:
        body = b" " * (notifications.MAX_BODY_BYTES + 1)
        assert Client().post(URL, data=body, content_type="application/json").status_code == 413

    def test_larger_than_a_form_may_be_is_read_all_the_same(
        self, subscription: GraphSubscription, asked: list[int]
    ) -> None:
        assert post(notice(padding="x" * 3_000_000)).status_code == 202
        assert GraphNotice.objects.count() == 1

    def test_that_cannot_be_kept_is_sent_again_by_microsoft(
        self, subscription: GraphSubscription, asked: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object, **_options: object) -> None:
            raise OperationalError("the server has gone away")

        monkeypatch.setattr(GraphNotice.objects, "bulk_create", fail)
        answer = post(notice())
        assert answer.status_code == 503
        assert b"gone away" not in answer.content
        assert asked == []

    def test_is_in_no_description_of_the_api(self, administrator_client: Any) -> None:
        assert "/api/graph/notifications" not in administrator_client.get("/api/schema?format=json").json()["paths"]
