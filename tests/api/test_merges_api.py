"""Merging, taking back, splitting and moving over HTTP."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case, TimelineEvent
from cases.services import delete_case
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox
from mail_ingest.pipeline import process_message
from mail_ingest.services import store
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, MailboxFactory, UserFactory, later, make_case
from tests.mails import mail

pytestmark = pytest.mark.django_db

Receive = Callable[..., InboundMessage]


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(address="support@house.example")


@pytest.fixture
def receive(mailbox: Mailbox) -> Receive:
    def take(raw: bytes, *, minutes: int = 0) -> InboundMessage:
        at = later(minutes=minutes)
        inbound, _new = store(
            mailbox, source_id=hashlib.sha256(raw).hexdigest(), raw=raw, received_at=at, at=at, origin="import"
        )
        process_message(inbound.pk, now=at)
        inbound.refresh_from_db()
        return inbound

    return take


@pytest.fixture
def reader(db: None) -> APIClient:
    return client_of(UserFactory.create(role=User.Role.READ_ONLY))


def errors(response: Any) -> list[tuple[str, str | None]]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return [(error["code"], error["attr"]) for error in response.json()["errors"]]


class TestMerge:
    @pytest.mark.parametrize("by", ["id", "number", "number in small letters"])
    def test_answers_the_merged_case(self, by: str, agent_client: APIClient) -> None:
        source, target = make_case(), make_case()
        into = {"id": str(target.pk), "number": target.case_number}.get(by, target.case_number.lower())
        response = agent_client.post(f"/api/cases/{source.pk}/merge", {"into": into})
        assert response.status_code == 200, response.content
        body = response.json()
        assert (body["case_id"], body["status"], body["merged_into"]) == (str(source.pk), "merged", str(target.pk))
        assert body["allowed_moves"] == []
        assert response.headers["ETag"].startswith('"v2.')

    def test_leads_whoever_asks_for_the_old_number_on(self, agent_client: APIClient) -> None:
        source, target = make_case(), make_case()
        agent_client.post(f"/api/cases/{source.pk}/merge", {"into": target.case_number})
        assert agent_client.get(f"/api/cases/number/{source.case_number}").json()["case_id"] == str(target.pk)
        assert agent_client.get(f"/api/cases/{source.pk}").json()["merged_into"] == str(target.pk)

    def test_shows_in_the_target_what_came(self, agent_client: APIClient, receive: Receive) -> None:
        inbound, target = receive(mail()), make_case()
        tag = agent_client.get(f"/api/cases/{target.pk}").headers["ETag"]
        agent_client.post(f"/api/cases/{inbound.case_id}/merge", {"into": target.case_number})
        response = agent_client.get(f"/api/cases/{target.pk}", headers={"If-None-Match": tag})
        assert response.status_code == 200
        body = response.json()
        assert body["timeline"][0]["kind"] == "case_absorbed"
        assert len(body["threads"]) == 1
        assert agent_client.get(f"/api/messages/{inbound.pk}").json()["case_id"] == str(target.pk)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, ("required", "into")),
            ({"into": "HC-1"}, ("unknown", "into")),
            ({"into": "nothing"}, ("unknown", "into")),
            ({"into": "0198c0de-0000-7000-8000-000000000000"}, ("unknown", "into")),
            ({"into": 7}, ("invalid", "into")),
            ({"into": None}, ("null", "into")),
            ({"into": "\x00"}, ("invalid", "into")),
            ({"target": "HC-1"}, ("unknown_field", "target")),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, body: dict[str, Any], error: tuple[str, str], agent_client: APIClient
    ) -> None:
        response = agent_client.post(f"/api/cases/{make_case().pk}/merge", body)
        assert response.status_code == 400
        assert error in errors(response)

    def test_refuses_the_case_itself_and_a_deleted_one(self, agent_client: APIClient) -> None:
        case, gone = make_case(), make_case()
        delete_case(gone.pk, at=NOON, actor=SYSTEM)
        for other in (case, gone):
            response = agent_client.post(f"/api/cases/{case.pk}/merge", {"into": other.case_number})
            assert (response.status_code, errors(response)[0][1]) == (400, "into")
        assert agent_client.post(f"/api/cases/{gone.pk}/merge", {"into": case.case_number}).status_code == 404

    def test_is_a_conflict_that_names_where_a_merged_case_went(self, agent_client: APIClient) -> None:
        source, target, other = make_case(), make_case(), make_case()
        agent_client.post(f"/api/cases/{source.pk}/merge", {"into": target.case_number})
        response = agent_client.post(f"/api/cases/{other.pk}/merge", {"into": source.case_number})
        assert response.status_code == 409
        assert errors(response) == [("already_merged", None)]
        assert response.json()["merged_into"] == target.case_number

    def test_happens_once_for_one_key(self, agent_client: APIClient) -> None:
        source, target = make_case(), make_case()
        url, headers = f"/api/cases/{source.pk}/merge", {"Idempotency-Key": "k1"}
        first = agent_client.post(url, {"into": target.case_number}, headers=headers)
        agent_client.post(f"/api/cases/{source.pk}/unmerge")
        again = agent_client.post(url, {"into": target.case_number}, headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json() == first.json()
        assert TimelineEvent.objects.filter(kind="case_merged").count() == 1

    def test_honours_if_match(self, agent_client: APIClient) -> None:
        source, target = make_case(), make_case()
        url = f"/api/cases/{source.pk}/merge"
        response = agent_client.post(url, {"into": target.case_number}, headers={"If-Match": '"v9.1"'})
        assert response.status_code == 412

    def test_is_not_for_those_who_only_read(self, reader: APIClient) -> None:
        source, target = make_case(), make_case()
        assert reader.post(f"/api/cases/{source.pk}/merge", {"into": target.case_number}).status_code == 403
        assert reader.post(f"/api/cases/{source.pk}/unmerge").status_code == 403
        assert reader.post(f"/api/cases/{source.pk}/split", {"message_ids": [1]}).status_code == 403
        assert reader.post("/api/messages/1/move", {"case_id": str(target.pk)}).status_code == 403


class TestUnmerge:
    def test_gives_the_case_back(self, agent_client: APIClient, receive: Receive) -> None:
        inbound, target = receive(mail()), make_case()
        agent_client.post(f"/api/cases/{inbound.case_id}/merge", {"into": target.case_number})
        response = agent_client.post(f"/api/cases/{inbound.case_id}/unmerge")
        assert response.status_code == 200, response.content
        body = response.json()
        assert (body["status"], body["merged_into"], len(body["threads"])) == ("new", None, 1)
        assert body["timeline"][0]["kind"] == "case_unmerged"

    def test_is_a_conflict_for_a_case_that_is_not_merged(self, agent_client: APIClient) -> None:
        response = agent_client.post(f"/api/cases/{make_case().pk}/unmerge")
        assert (response.status_code, errors(response)) == (409, [("not_merged", None)])

    def test_takes_no_body(self, agent_client: APIClient) -> None:
        response = agent_client.post(f"/api/cases/{make_case().pk}/unmerge", {"into": "x"})
        assert (response.status_code, errors(response)) == (400, [("unknown_field", "into")])


class TestSplit:
    def test_answers_the_new_case(self, agent_client: APIClient, receive: Receive) -> None:
        first = receive(mail())
        second = receive(
            mail("A lock is broken.", message_id="second@home.example", answers="first@home.example"), minutes=5
        )
        body = {"message_ids": [second.pk], "case_title": "A broken lock"}
        response = agent_client.post(f"/api/cases/{first.case_id}/split", body)
        assert response.status_code == 201, response.content
        new = response.json()
        assert response.headers["Location"].endswith(f"/api/cases/{new['case_id']}")
        assert (new["case_title"], new["description"], len(new["threads"])) == ("A broken lock", "A lock is broken.", 1)
        assert agent_client.get(f"/api/messages/{second.pk}").json()["case_id"] == new["case_id"]
        old = agent_client.get(f"/api/cases/{first.case_id}").json()
        assert old["timeline"][0]["kind"] == "case_split"

    def test_names_the_messages_that_are_not_in_the_case(self, agent_client: APIClient, receive: Receive) -> None:
        first, other = receive(mail()), receive(mail(message_id="other@home.example"))
        response = agent_client.post(f"/api/cases/{first.case_id}/split", {"message_ids": [first.pk, other.pk]})
        assert (response.status_code, errors(response)) == (400, [("unknown", "message_ids")])
        assert str(other.pk) in response.json()["detail"]
        assert Case.objects.count() == 2

    @pytest.mark.parametrize(
        ("body", "attr"),
        [
            ({}, "message_ids"),
            ({"message_ids": []}, "message_ids"),
            ({"message_ids": ["x"]}, "message_ids.0"),
            ({"message_ids": [2**70]}, "message_ids.0"),
            ({"message_ids": [1], "case_title": "t" * 301}, "case_title"),
            ({"message_ids": [1], "and_later": "yes"}, "and_later"),
            ({"message_ids": [1], "more": 1}, "more"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, body: dict[str, Any], attr: str, agent_client: APIClient) -> None:
        response = agent_client.post(f"/api/cases/{make_case().pk}/split", body)
        assert response.status_code == 400
        assert [found for _code, found in errors(response)] == [attr]

    def test_happens_once_for_one_key(self, agent_client: APIClient, receive: Receive) -> None:
        inbound = receive(mail())
        url, body = f"/api/cases/{inbound.case_id}/split", {"message_ids": [inbound.pk]}
        answers = [agent_client.post(url, body, headers={"Idempotency-Key": "k1"}) for _time in range(2)]
        assert answers[0].json() == answers[1].json()
        assert Case.objects.count() == 2


class TestMove:
    def test_answers_the_message_where_it_is_now(self, agent_client: APIClient, receive: Receive) -> None:
        stray, other = receive(mail()), make_case()
        response = agent_client.post(f"/api/messages/{stray.pk}/move", {"case_number": other.case_number})
        assert response.status_code == 200, response.content
        assert response.json()["case_id"] == str(other.pk)
        email = EmailMessage.objects.get()
        assert (email.threaded_by, email.threaded_detail) == ("moved_by_person", "ana")
        whole = agent_client.get(f"/api/messages/{stray.pk}").json()
        assert whole["threaded_by_label"] == "A colleague moved it here."

    def test_goes_into_the_conversation_that_is_named(self, agent_client: APIClient, receive: Receive) -> None:
        stray, other = receive(mail()), receive(mail(message_id="roof@home.example"))
        assert other.email
        body = {"case_id": str(other.case_id), "thread_id": other.email.thread_id}
        response = agent_client.post(f"/api/messages/{stray.pk}/move", body)
        assert response.json()["thread_id"] == other.email.thread_id

    def test_names_the_field_that_is_wrong(self, agent_client: APIClient, receive: Receive) -> None:
        stray, other = receive(mail()), make_case()
        url = f"/api/messages/{stray.pk}/move"
        both = {"case_id": str(other.pk), "case_number": other.case_number}
        for body, attr in (
            ({}, "case_id"),
            (both, "case_id"),
            ({"case_number": "HC-1"}, "case_number"),
            ({"case_id": str(other.pk), "thread_id": 0}, "thread_id"),
            ({"case_id": str(other.pk), "thread_id": 999_999}, "thread_id"),
        ):
            response = agent_client.post(url, body)
            assert response.status_code == 400, body
            assert [found for _code, found in errors(response)] == [attr]

    def test_is_a_404_for_a_message_that_is_not_there(self, agent_client: APIClient) -> None:
        response = agent_client.post("/api/messages/999/move", {"case_id": str(make_case().pk)})
        assert (response.status_code, errors(response)) == (404, [("message_not_found", None)])

    def test_is_a_conflict_while_the_message_is_on_its_way(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound, _new = store(mailbox, source_id="1", raw=mail(), received_at=NOON, at=NOON)
        response = agent_client.post(f"/api/messages/{inbound.pk}/move", {"case_id": str(make_case().pk)})
        assert (response.status_code, errors(response)) == (409, [("not_filed_yet", None)])


class TestTheBackOffice:
    def test_merges_and_takes_it_back(self, supervisor: User) -> None:
        client = Client()
        client.force_login(supervisor)
        source, target = make_case(), make_case()

        def act(name: str, **values: Any) -> str:
            url = f"/admin/cases/case/{source.pk}/do/{name}/"
            return client.post(url, values, follow=True).content.decode()

        assert "There is no case HC-1." in act("merge", into="HC-1", version=1)
        assert "was merged into" in act("merge", into=target.case_number.lower(), version=1)
        source.refresh_from_db()
        assert source.merged_into == target
        assert "The merge was taken back" in act("unmerge")
        source.refresh_from_db()
        assert source.status == "new"

    def test_moves_and_splits_a_message(self, supervisor: User, receive: Receive) -> None:
        client = Client()
        client.force_login(supervisor)
        inbound, other = receive(mail()), make_case()

        def act(name: str, **values: Any) -> str:
            url = f"/admin/mail_ingest/emailmessage/{inbound.email_id}/do/{name}/"
            return client.post(url, values, follow=True).content.decode()

        assert "is now in" in act("move", case=other.case_number)
        assert EmailMessage.objects.get().thread.case == other
        assert "a case of its own" in act("split", title="The lock")
        assert EmailMessage.objects.get().thread.case == Case.objects.get(title="The lock")
