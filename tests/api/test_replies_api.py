"""A case's conversation over HTTP: reading it whole, answering in it, taking an answer back."""

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case, Note
from cases.services import add_note, delete_case
from mail_ingest import sender
from mail_ingest.models import EmailMessage, Mailbox, OutboundMessage
from mail_ingest.pipeline import process_message
from mail_ingest.services import mark_bounced, mark_failed, store
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, MailboxFactory, UserFactory, later, make_case
from tests.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(slug="support", name="Support", address="support@house.example")


def received(mailbox: Mailbox, *, number: int = 1, at: Any = NOON, **headers: Any) -> Case:
    raw = mail(message_id=f"mail{number}@home.example", sent_at=at, **headers)
    inbound, _new = store(mailbox, source_id=f"s{number}", raw=raw, received_at=at, at=at)
    process_message(inbound.pk, now=at)
    inbound.refresh_from_db()
    assert inbound.case, inbound.reason
    return inbound.case


@pytest.fixture
def case(mailbox: Mailbox) -> Case:
    return received(mailbox)


@pytest.fixture
def url(case: Case) -> str:
    return f"/api/cases/{case.pk}/messages"


def write(client: APIClient, url: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(url, {"kind": "reply", "body": "Somebody comes tomorrow.", **body}, headers=headers or {})


class TestTheConversation:
    def test_is_everything_in_order(self, agent_client: APIClient, url: str, case: Case, mailbox: Mailbox) -> None:
        add_note(case.pk, "Call her.", at=later(minutes=1), actor=SYSTEM)
        received(mailbox, number=2, at=later(minutes=2), answers="mail1@home.example", text="It is warm again.")
        reply = write(agent_client, url).json()
        body = agent_client.get(url).json()
        assert [row["kind"] for row in body["results"]] == ["mail", "note", "mail", "outbound"]
        first, note, second, waiting = body["results"]
        assert (first["mail"]["from"]["email"], first["author"], first["note"]) == ("tina@home.example", None, None)
        assert note["note"] == {"id": Note.objects.get().pk, "body": "Call her."}
        assert second["mail"]["visible_text"] == "It is warm again."
        assert waiting["outbound"] == reply["outbound"]
        assert (waiting["author"], waiting["outbound"]["state"]) == ("ana", "waiting")
        assert (body["next"], body["previous"]) == (None, None)

    def test_comes_page_by_page(self, agent_client: APIClient, url: str, case: Case) -> None:
        for minute in range(5):
            add_note(case.pk, f"{minute}", at=NOON, actor=SYSTEM)  # all at once, and at once with the mail
        for ordering in ("", "&ordering=-at,-place"):
            seen, page = [], f"{url}?limit=2&count=true{ordering}"
            while page:
                body = agent_client.get(page).json()
                seen += [(row["kind"], (row["mail"] or row["note"])["id"]) for row in body["results"]]
                assert body["count"] == 6
                page = body["next"]
            assert len(set(seen)) == 6
            assert ("mail" in {seen[0][0], seen[-1][0]}) is True
        back = agent_client.get(agent_client.get(f"{url}?limit=2").json()["next"]).json()["previous"]
        assert agent_client.get(back).json()["results"][0]["kind"] == "mail"

    def test_shows_what_was_sent_as_mail(self, agent_client: APIClient, url: str, state_folder: Path) -> None:
        sent = write(agent_client, url, bcc=["b@c.example"]).json()["outbound"]
        OutboundMessage.objects.update(send_after=NOON)
        sender.send_due(now=later(minutes=6))
        mark_bounced(sent["id"], [{"recipient": "tina@home.example", "status": "5.1.1"}], at=later(minutes=9))
        rows = agent_client.get(url).json()["results"]
        mine = next(row for row in rows if row["author"] == "ana")
        assert (mine["kind"], mine["mail"]["direction"], mine["mail"]["outbound_id"]) == (
            "mail",
            "outbound",
            sent["id"],
        )
        assert mine["mail"]["bcc"] == [{"name": "", "email": "b@c.example"}]
        assert (mine["mail"]["bounced_at"], mine["mail"]["bounces"][0]["status"]) == ("2026-03-04T12:09:00Z", "5.1.1")
        row = agent_client.get(f"/api/outbound/{sent['id']}").json()
        assert (row["bounced_at"], row["bounces"][0]["recipient"]) == ("2026-03-04T12:09:00Z", "tina@home.example")
        assert [one["id"] for one in agent_client.get("/api/outbound?bounced=true").json()["results"]] == [sent["id"]]
        assert [one["id"] for one in agent_client.get("/api/outbound?author=ana&bounced=false").json()["results"]] == []

    def test_shows_what_could_not_be_sent(self, agent_client: APIClient, url: str) -> None:
        sent = write(agent_client, url).json()["outbound"]
        mark_failed(sent["id"], error="550 5.1.1 No such user", at=later(minutes=1), for_good=True)
        last = agent_client.get(url).json()["results"][-1]["outbound"]
        assert (last["state"], last["reason"]) == ("failed", "550 5.1.1 No such user")

    def test_has_a_tag_that_sees_every_change(self, agent_client: APIClient, url: str) -> None:
        tag = agent_client.get(url).headers["ETag"]
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 304
        sent = write(agent_client, url).json()["outbound"]
        fresh = agent_client.get(url, headers={"If-None-Match": tag})
        assert fresh.status_code == 200
        OutboundMessage.objects.filter(pk=sent["id"]).update(state="failed", reason="x")
        assert agent_client.get(url, headers={"If-None-Match": fresh.headers["ETag"]}).status_code == 200

    def test_needs_no_more_queries_for_more_rows(
        self, agent_client: APIClient, url: str, case: Case, django_assert_num_queries: Any, mailbox: Mailbox
    ) -> None:
        add_note(case.pk, "Call her.", at=NOON, actor=SYSTEM)
        write(agent_client, url)
        # the case; three for the state; mails and their files, notes, what waits and its files
        with django_assert_num_queries(9):
            agent_client.get(url)
        for number in range(2, 5):
            received(
                mailbox,
                number=number,
                at=later(minutes=number),
                answers="mail1@home.example",
                attachment=("a.pdf", b"a"),
            )
            add_note(case.pk, "Called.", at=later(minutes=number), actor=SYSTEM)
            write(agent_client, url)
        with django_assert_num_queries(9):
            assert len(agent_client.get(url).json()["results"]) == 12

    @pytest.mark.parametrize("query", ["kind=mail", "cursor=x", "limit=0", "ordering=id", "ordering=at,at"])
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, url: str, query: str) -> None:
        assert agent_client.get(f"{url}?{query}").status_code == 400


class TestAReply:
    def test_waits_and_can_be_seen(self, agent_client: APIClient, url: str, case: Case) -> None:
        response = write(agent_client, url, status="awaiting_customer")
        assert response.status_code == 201
        body = response.json()
        assert body["warnings"] == []
        assert body["outbound"]["to"] == [{"name": "Tina Tenant", "email": "tina@home.example"}]
        assert (body["outbound"]["state"], body["outbound"]["then_status"]) == ("waiting", "awaiting_customer")
        assert body["outbound"]["send_after"] > body["outbound"]["created_at"]
        assert response.headers["Location"].endswith(f"/api/outbound/{body['outbound']['id']}")
        row = agent_client.get(f"/api/outbound/{body['outbound']['id']}").json()
        assert row == body["outbound"]
        assert row["quoted"].startswith("On ")

    def test_happens_once_for_one_key(self, agent_client: APIClient, url: str) -> None:
        first = write(agent_client, url, headers={"Idempotency-Key": "k1"})
        again = write(agent_client, url, headers={"Idempotency-Key": "k1"})
        assert first.json() == again.json()
        assert (again.headers["Idempotent-Replayed"], OutboundMessage.objects.filter(author__isnull=False).count()) == (
            "true",
            1,
        )

    def test_takes_addresses_in_every_usual_form(self, agent_client: APIClient, url: str) -> None:
        to = [
            "Tina Tenant <tina@home.example>",
            {"email": "zoe@münchen.example", "name": "Zoë"},
            '"Plumber, Pat" <pat@pipes.example>',
        ]
        body = write(agent_client, url, to=to, cc=["TINA@home.example", "otto@owners.example"]).json()
        assert body["outbound"]["to"] == [
            {"name": "Tina Tenant", "email": "tina@home.example"},
            {"name": "Zoë", "email": "zoe@münchen.example"},
            {"name": "Plumber, Pat", "email": "pat@pipes.example"},
        ]
        assert [one["email"] for one in body["outbound"]["cc"]] == ["otto@owners.example"]
        assert {(one["code"], one["email"]) for one in body["warnings"]} == {
            ("new_domain", "zoe@münchen.example"),
            ("new_domain", "pat@pipes.example"),
            ("new_domain", "otto@owners.example"),
        }

    @pytest.mark.parametrize(
        ("body", "attr"),
        [
            ({"to": ["tina@home.example\r\nBcc: all@home.example"]}, "to.0"),
            ({"to": ["tina@home.example", "Tina <tina@home.example>\nX: y"]}, "to.1"),
            ({"cc": [{"email": "tina@home.example", "name": "T\nBcc: x@y.example"}]}, "cc.0"),
            ({"to": ["tina"]}, "to.0"),
            ({"to": "tina@home.example"}, "to"),
            ({"to": [7]}, "to.0"),
            ({"to": [{"email": "a@b.example", "x": 1}]}, "to.0"),
            ({"to": ["support@house.example"]}, "to"),
            ({"bcc": ["support+x@house.example"]}, "bcc"),
            ({"to": []}, "to"),
            ({"body": ""}, "body"),
            ({"body": "\x00"}, "body"),
            ({"body": "x" * 100_001}, "body"),
            ({"thread_id": 999}, "thread_id"),
            ({"thread_id": "x"}, "thread_id"),
            ({"attachments": [999]}, "attachments"),
            ({"attachments": ["x"]}, "attachments.0"),
            ({"status": "merged"}, "status"),
            ({"status": "bananas"}, "status"),
            ({"send_at": "soon"}, "send_at"),
            ({"send_at": "2090-01-01T00:00:00Z"}, "send_at"),
            ({"kind": "sms"}, "kind"),
            ({"from": "boss@house.example"}, "from"),
        ],
    )
    def test_is_refused_by_the_field_that_is_wrong(
        self, agent_client: APIClient, url: str, body: dict[str, Any], attr: str
    ) -> None:
        response = write(agent_client, url, **body)
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [attr]
        assert not OutboundMessage.objects.filter(author__isnull=False).exists()

    def test_names_the_address_that_is_wrong(self, agent_client: APIClient, url: str) -> None:
        response = write(agent_client, url, to=["tina@home.example", "pat@@pipes"])
        assert "pat@@pipes" in response.json()["detail"]

    def test_against_an_old_state_is_refused_with_what_is_new(
        self, agent_client: APIClient, url: str, case: Case, mailbox: Mailbox
    ) -> None:
        tag = agent_client.get(url).headers["ETag"]
        received(mailbox, number=2, at=later(minutes=2), answers="mail1@home.example", text="It is warm again.")
        add_note(case.pk, "She wrote.", at=later(minutes=3), actor=SYSTEM)
        other = write(client_of(UserFactory.create(username="bob")), url).json()["outbound"]
        response = write(agent_client, url, headers={"If-Match": tag})
        assert response.status_code == 412
        body = response.json()
        assert [row["kind"] for row in body["new"]] == ["mail", "note", "outbound"]
        assert body["new"][0]["mail"]["visible_text"] == "It is warm again."
        assert (body["new"][2]["author"], body["new"][2]["outbound"]["id"]) == ("bob", other["id"])
        OutboundMessage.objects.update(send_after=NOON)
        sender.send_due(now=later(minutes=9))
        assert [row["kind"] for row in write(agent_client, url, headers={"If-Match": tag}).json()["new"]] == [
            "mail",
            "note",
            "mail",
        ]
        assert write(agent_client, url, headers={"If-Match": body["etag"]}).status_code == 201
        assert write(agent_client, url).status_code == 201  # who does not ask is not held up
        assert write(agent_client, url, headers={"If-Match": "*"}).status_code == 201

    def test_that_follows_its_own_answer_is_not_late(self, agent_client: APIClient, url: str) -> None:
        tag = write(agent_client, url).headers["ETag"]
        assert write(agent_client, url, headers={"If-Match": tag}).status_code == 201

    @pytest.mark.parametrize("tag", ['"v3.117"', "c1.0.0", '"c1.0"', '"c1.0.0", "c2.0.0"'])
    def test_knows_no_other_tags(self, agent_client: APIClient, url: str, tag: str) -> None:
        response = write(agent_client, url, headers={"If-Match": tag})
        assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, "If-Match")

    def test_needs_a_mailbox_to_send_from(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        mailbox.delete()
        response = write(agent_client, f"/api/cases/{make_case().pk}/messages")
        assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "no_mailbox")


class TestANote:
    def test_stays_in_the_house(self, agent_client: APIClient, url: str) -> None:
        before = OutboundMessage.objects.count()
        response = agent_client.post(url, {"kind": "note", "body": "Call her."})
        assert response.status_code == 201
        body = response.json()
        assert (body["kind"], body["note"]["body"], body["author"], body["outbound"]) == (
            "note",
            "Call her.",
            "ana",
            None,
        )
        assert OutboundMessage.objects.count() == before

    @pytest.mark.parametrize(
        "body", [{"to": ["a@b.example"], "body": "x"}, {"html": "<p>x</p>", "body": "x"}, {"body": " "}, {}]
    )
    def test_has_only_a_body(self, agent_client: APIClient, url: str, body: dict[str, Any]) -> None:
        assert agent_client.post(url, {"kind": "note", **body}).status_code == 400
        assert Note.objects.count() == 0


class TestAProposal:
    def test_says_how_a_reply_starts(self, agent_client: APIClient, url: str, case: Case) -> None:
        body = agent_client.get(f"{url}/recipients").json()
        assert body["thread_id"] == EmailMessage.objects.get(direction="inbound").thread_id
        assert (body["to"], body["cc"], body["warnings"]) == (
            [{"name": "Tina Tenant", "email": "tina@home.example"}],
            [],
            [],
        )
        assert body["subject"] == f"Re: Heating is cold [{case.case_number}]"
        assert (body["signature"], body["quoted"][:3]) == ("", "On ")

    def test_flags_somebody_new(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        other = received(mailbox, number=7, Cc="odd@elsewhere.example")
        body = agent_client.get(f"/api/cases/{other.pk}/messages/recipients").json()
        assert [(one["code"], one["email"]) for one in body["warnings"]] == [("new_domain", "odd@elsewhere.example")]

    @pytest.mark.parametrize(
        "query", ["thread_id=x", "thread_id=999", "thread_id=", "thread_id=99999999999999999999", "to=x"]
    )
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, url: str, query: str) -> None:
        assert agent_client.get(f"{url}/recipients?{query}").status_code == 400


class TestTakingBack:
    def test_is_for_its_writer_and_for_supervisors(
        self, agent_client: APIClient, supervisor_client: APIClient, url: str, case: Case
    ) -> None:
        for client in (agent_client, supervisor_client):
            sent = write(agent_client, url, body="First words.").json()["outbound"]["id"]
            assert client_of(UserFactory.create()).delete(f"/api/outbound/{sent}").status_code == 403
            response = client.delete(f"/api/outbound/{sent}")
            assert (response.status_code, response.json()["state"]) == (200, "cancelled")
        (draft,) = agent_client.get(f"/api/cases/{case.pk}/drafts").json()["results"]
        assert (draft["author"], draft["body"]) == ("ana", "First words.")

    def test_comes_too_late(self, agent_client: APIClient, url: str) -> None:
        sent = write(agent_client, url).json()["outbound"]["id"]
        OutboundMessage.objects.filter(pk=sent).update(state="sending", sending_since=NOON)
        response = agent_client.delete(f"/api/outbound/{sent}")
        assert (response.status_code, response.json()["state"]) == (409, "sending")
        assert agent_client.delete("/api/outbound/99999").status_code == 404

    def test_is_one_way_and_sending_again_the_other(self, agent_client: APIClient, url: str) -> None:
        sent = write(agent_client, url).json()["outbound"]["id"]
        assert agent_client.post(f"/api/outbound/{sent}/retry").status_code == 409
        mark_failed(sent, error="550 no", at=NOON, for_good=True)
        assert client_of(UserFactory.create()).post(f"/api/outbound/{sent}/retry").status_code == 403
        response = agent_client.post(f"/api/outbound/{sent}/retry")
        assert (response.status_code, response.json()["state"]) == (200, "waiting")


class TestWhoMay:
    PATHS = ("", "/recipients")

    def test_read_is_the_house_and_write_its_agents(self, url: str) -> None:
        reader = client_of(UserFactory.create(role=User.Role.READ_ONLY))
        contractor = client_of(UserFactory.create(role=User.Role.CONTRACTOR))
        for path in self.PATHS:
            assert reader.get(url + path).status_code == 200
            assert contractor.get(url + path).status_code == 403
            assert APIClient().get(url + path).status_code == 401
        assert write(reader, url).status_code == 403
        assert write(contractor, url).status_code == 403
        assert write(APIClient(), url).status_code == 401
        assert reader.delete("/api/outbound/1").status_code == 403
        assert reader.post("/api/outbound/1/retry").status_code == 403

    def test_see_a_deleted_case_is_nobody(self, agent_client: APIClient, url: str, case: Case) -> None:
        sent = write(agent_client, url).json()["outbound"]["id"]
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        for path in self.PATHS:
            assert agent_client.get(url + path).status_code == 404
        assert write(agent_client, url).status_code == 404
        assert agent_client.delete(f"/api/outbound/{sent}").status_code == 404
        assert agent_client.post(f"/api/outbound/{sent}/retry").status_code == 404
