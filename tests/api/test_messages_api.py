"""Mail over HTTP: the ledger, the bytes, the files, the queue, the conversations, the mailboxes."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case, TimelineEvent
from cases.services import delete_case
from mail_ingest.models import Attachment, EmailMessage, EmailThread, InboundMessage, Mailbox, OutboundMessage
from mail_ingest.pipeline import process_message
from mail_ingest.services import loop_guard, quarantine, store
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, CategoryFactory, MailboxFactory, UserFactory, later, make_case
from tests.mails import mail

pytestmark = pytest.mark.django_db

RAW = b"From: Tina <tina@home.example>\r\nSubject: =?utf-8?q?K=C3=A4lte?=\r\n\r\nCold.\x00\xff\r\n"


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(slug="support", name="Support", address="support@house.example")


def stored(mailbox: Mailbox, *, number: int = 1, raw: bytes = b"", **values: Any) -> InboundMessage:
    """A mail in the ledger, as it is right after it was stored; `values` are set on top of that."""
    raw = raw or (RAW if number == 1 else RAW + str(number).encode())  # other bytes: the same ones are the same mail
    received_at = values.pop("received_at", NOON)
    inbound, _new = store(mailbox, source_id=f"source-{number}", raw=raw, received_at=received_at, at=received_at)
    for name, value in values.items():
        setattr(inbound, name, value)
    inbound.save()
    return inbound


def filed(mailbox: Mailbox, case: Case, *, number: int = 1, **values: Any) -> InboundMessage:
    """A mail that is filed to a case, in a conversation of its own."""
    inbound = stored(mailbox, number=number)
    thread = EmailThread.objects.create(
        mailbox=mailbox, case=case, subject="Kälte", created_at=NOON, updated_at=later(minutes=number)
    )
    inbound.email = EmailMessage.objects.create(
        thread=thread,
        direction="inbound",
        message_id=f"mail{number}@home.example",
        subject="Kälte",
        from_name="Tina Tenant",
        from_email="tina@home.example",
        to=[{"name": "", "email": mailbox.address}],
        cc=[{"name": "Otto Owner", "email": "Otto@Owners.example"}],
        headers=[["Subject", "Kälte"], ["X-Empty", ""]],
        text="Cold.\n> Hello",
        visible_text="Cold.",
        quoted_text="> Hello",
        threaded_by="new",
        received_at=NOON,
        created_at=NOON,
        **values,
    )
    inbound.message_id, inbound.state, inbound.case, inbound.finished_at = inbound.email.message_id, "filed", case, NOON
    inbound.save()
    return inbound


def sent(mailbox: Mailbox, *, number: int = 1, **values: Any) -> OutboundMessage:
    return OutboundMessage.objects.create(
        **{
            "mailbox": mailbox,
            "purpose": "acknowledgment",
            "recipient": "tina@home.example",
            "subject": "We have it",
            "body": "Hello",
            "message_id": f"out{number}@house.example",
            "send_after": NOON,
            "created_at": later(minutes=number),
            **values,
        }
    )


def ids(client: APIClient, url: str) -> list[int]:
    response = client.get(url)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


class TestTheLedger:
    def test_shows_a_mail_that_is_only_stored(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox)
        (row,) = agent_client.get("/api/messages").json()["results"]
        assert row == {
            "id": inbound.pk,
            "mailbox": "support",
            "source_id": "source-1",
            "message_id": "",
            "sha256": hashlib.sha256(RAW).hexdigest(),
            "size_bytes": len(RAW),
            "state": "received",
            "reason": "",
            "case_id": None,
            "thread_id": None,
            "email_id": None,
            "direction": "inbound",
            "subject": "",
            "sender": "",
            "sender_name": "",
            "automatic": None,
            "answerable": True,
            "origin": "live",
            "received_at": "2026-03-04T12:00:00Z",
            "stored_at": "2026-03-04T12:00:00Z",
        }

    def test_shows_what_was_read_out_of_a_filed_mail(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        inbound = filed(mailbox, case)
        (row,) = agent_client.get("/api/messages").json()["results"]
        assert inbound.email
        assert (row["state"], row["case_id"], row["thread_id"]) == ("filed", str(case.pk), inbound.email.thread_id)
        assert (row["subject"], row["sender"], row["sender_name"]) == ("Kälte", "tina@home.example", "Tina Tenant")
        assert (row["message_id"], row["automatic"]) == ("mail1@home.example", "person")

    def test_shows_the_newest_first_page_by_page(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        made = [stored(mailbox, number=n, received_at=later(minutes=n // 2)).pk for n in range(5)]
        first = agent_client.get("/api/messages?limit=2").json()
        second = agent_client.get(first["next"]).json()
        third = agent_client.get(second["next"]).json()
        shown = [row["id"] for page in (first, second, third) for row in page["results"]]
        assert shown == sorted(made, reverse=True)
        assert third["next"] is None

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("state=received", [1]),
            ("state=received,quarantined", [3, 1]),
            ("mailbox=support", [3, 1]),
            ("mailbox=other", [2]),
            ("source_id=source-2", [2]),
            ("message_id=<two@home.example>", [2]),
            ("message_id=two@home.example", [2]),
            ("received_after=2026-03-04T12:02:00Z", [3, 2]),
            ("received_before=2026-03-04T12:02:00Z", [1]),
            ("origin=import", [3]),
            ("state=received&mailbox=other", []),
        ],
    )
    def test_is_filtered(self, agent_client: APIClient, mailbox: Mailbox, query: str, expected: list[int]) -> None:
        other = MailboxFactory.create(slug="other")
        rows = {
            1: stored(mailbox, number=1, received_at=later(minutes=1)),
            2: stored(
                other,
                number=2,
                received_at=later(minutes=2),
                state="ignored",
                reason="Own.",
                message_id="two@home.example",
            ),
            3: stored(
                mailbox, number=3, received_at=later(minutes=3), state="quarantined", reason="Odd.", origin="import"
            ),
        }
        assert ids(agent_client, f"/api/messages?{query}") == [rows[number].pk for number in expected]

    def test_is_filtered_by_case_and_thread(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        mine, _other = filed(mailbox, case, number=1), filed(mailbox, make_case(), number=2)
        assert mine.email
        assert ids(agent_client, f"/api/messages?case_id={case.pk}") == [mine.pk]
        assert ids(agent_client, f"/api/messages?thread_id={mine.email.thread_id}") == [mine.pk]

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("state=lost", "state"),
            ("mailbox=nowhere", "mailbox"),
            ("case_id=7", "case_id"),
            ("received_after=yesterday", "received_after"),
            ("colour=red", "colour"),
            ("state=", "state"),
            ("source_id=a&source_id=b", "source_id"),
            ("source_id=%00", "source_id"),
            ("ordering=sha256", "ordering"),
            ("limit=0", "limit"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, query: str, name: str) -> None:
        response = agent_client.get(f"/api/messages?{query}")
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [name]

    def test_hides_the_mail_of_a_deleted_case(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        inbound = filed(mailbox, case)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        assert ids(agent_client, "/api/messages") == []
        for path in ("", "/raw", "/attachments/1"):
            assert agent_client.get(f"/api/messages/{inbound.pk}{path}").status_code == 404
        assert agent_client.get(f"/api/threads/{EmailThread.objects.get().pk}").status_code == 404
        assert agent_client.get("/api/threads").json()["results"] == []

    @pytest.mark.parametrize("url", ["/api/messages", "/api/outbound", "/api/threads", "/api/mailboxes"])
    def test_needs_no_more_queries_for_more_rows(
        self, agent_client: APIClient, mailbox: Mailbox, django_assert_num_queries: Any, url: str
    ) -> None:
        queries = {"/api/messages": 1, "/api/outbound": 1, "/api/threads": 3, "/api/mailboxes": 5}[url]
        filed(mailbox, make_case(), number=1)
        sent(mailbox)
        with django_assert_num_queries(queries):
            agent_client.get(url)
        for number in range(2, 6):
            filed(MailboxFactory.create(), make_case(category=CategoryFactory.create()), number=number)
            sent(mailbox, number=number)
        with django_assert_num_queries(queries):
            assert len(agent_client.get(url).json()["results"]) == 5


class TestOneMessage:
    def test_is_shown_with_all_that_was_read_out_of_it(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        raw = mail(
            "It is still cold.\n\nOn Tuesday Anna wrote:\n> We look at it.\n",
            sender="Tina Tenant <tina@home.example>",
            attachment=("plan.pdf", b"%PDF-1.4 plan"),
            Cc="Otto Owner <otto@owners.example>",
            Reply_To="home@home.example",
        )
        inbound = stored(mailbox, raw=raw)
        assert process_message(inbound.pk, now=NOON) == "filed"
        found = agent_client.get(f"/api/messages/{inbound.pk}").json()
        assert (found["state"], found["subject"], found["sender"]) == ("filed", "Heating is cold", "tina@home.example")
        assert [one["email"] for one in found["to"]] == ["support@house.example"]
        assert [(one["name"], one["email"]) for one in found["cc"]] == [("Otto Owner", "otto@owners.example")]
        assert [one["email"] for one in found["reply_to"]] == ["home@home.example"]
        assert {"name": "Subject", "value": "Heating is cold"} in found["headers"]
        assert "It is still cold." in found["visible_text"]
        assert "We look at it." not in found["visible_text"]
        assert "We look at it." in found["quoted_text"]
        assert "We look at it." in found["text"]
        assert (found["threaded_by"], found["threaded_by_label"]) == ("new", "It belongs to nothing that is known.")
        assert found["triage"]["source"] == "offline"
        assert found["triage"]["labels"]["case_type"]
        (file,) = found["attachments"]
        assert (file["rank"], file["filename"], file["content_type"]) == (1, "plan.pdf", "application/pdf")
        assert (file["size_bytes"], file["sha256"]) == (13, hashlib.sha256(b"%PDF-1.4 plan").hexdigest())
        assert agent_client.get(file["url"]).content == b"%PDF-1.4 plan"
        assert agent_client.get(found["raw_url"]).content == raw

    def test_is_shown_also_when_nothing_could_be_read_out_of_it(
        self, agent_client: APIClient, mailbox: Mailbox
    ) -> None:
        inbound = stored(mailbox, state="quarantined", reason="It is not a mail.")
        found = agent_client.get(f"/api/messages/{inbound.pk}").json()
        assert (found["state"], found["reason"]) == ("quarantined", "It is not a mail.")
        assert (found["html"], found["text"], found["headers"], found["attachments"]) == ("", "", [], [])
        assert (found["triage"], found["to"], found["threaded_by_label"]) == (None, [], "")

    def test_shows_the_newest_reading(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = filed(mailbox, make_case())
        assert inbound.email
        for number, source in enumerate(("offline", "model")):
            inbound.email.triage.create(
                source=source, reader_version="1", labels={}, confidence={}, created_at=later(minutes=number)
            )
        assert agent_client.get(f"/api/messages/{inbound.pk}").json()["triage"]["source"] == "model"

    def test_answers_304_until_something_changes(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox)
        url = f"/api/messages/{inbound.pk}"
        tag = agent_client.get(url).headers["ETag"]
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 304
        quarantine(inbound.pk, reason="Odd.", at=NOON)
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 200

    @pytest.mark.parametrize("path", ["", "/raw", "/attachments/1"])
    def test_is_not_found_where_there_is_none(self, agent_client: APIClient, path: str) -> None:
        for number in ("999", "9" * 40):
            response = agent_client.get(f"/api/messages/{number}{path}")
            assert response.status_code == 404
            assert response.json()["errors"][0]["code"] == "message_not_found"

    @pytest.mark.parametrize("path", ["", "/raw"])
    def test_takes_no_parameters(self, agent_client: APIClient, mailbox: Mailbox, path: str) -> None:
        inbound = stored(mailbox)
        assert agent_client.get(f"/api/messages/{inbound.pk}{path}?state=received").status_code == 400


class TestTheBytes:
    @pytest.mark.parametrize("accept", ["*/*", "message/rfc822", "application/octet-stream", "text/html"])
    def test_are_those_that_came(self, agent_client: APIClient, mailbox: Mailbox, accept: str) -> None:
        inbound = stored(mailbox)
        response = agent_client.get(f"/api/messages/{inbound.pk}/raw", headers={"Accept": accept})
        assert response.content == RAW
        assert hashlib.sha256(response.content).hexdigest() == inbound.sha256

    def test_are_only_ever_saved(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox, raw=b"<script>alert(1)</script>")
        headers = agent_client.get(f"/api/messages/{inbound.pk}/raw").headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"] == f'attachment; filename="message-{inbound.pk}.eml"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Content-Length"] == "25"
        assert "private" in headers["Cache-Control"]


class TestFiles:
    @pytest.fixture
    def inbound(self, mailbox: Mailbox) -> InboundMessage:
        return filed(mailbox, make_case())

    def attach(self, inbound: InboundMessage, **values: Any) -> str:
        given = {"filename": "a.pdf", "content_type": "application/pdf", "content": b"\x00\xffabc", "size_bytes": 5}
        assert inbound.email
        file = Attachment.objects.create(email=inbound.email, rank=1, **(given | values))
        return f"/api/messages/{inbound.pk}/attachments/{file.rank}"

    def test_are_the_bytes_that_came(self, agent_client: APIClient, inbound: InboundMessage) -> None:
        response = agent_client.get(self.attach(inbound))
        assert response.content == b"\x00\xffabc"
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"

    @pytest.mark.parametrize(
        ("declared", "expected"),
        [
            ("image/png", "image/png"),
            ("IMAGE/PNG; name=x.png", "image/png"),
            ("text/plain; charset=utf-7", "text/plain"),
            ("text/html", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("application/xhtml+xml", "application/octet-stream"),
            ("text/xml", "application/octet-stream"),
            ("application/javascript", "application/octet-stream"),
            ("application/x-shockwave-flash", "application/octet-stream"),
            ("message/rfc822", "application/octet-stream"),
            ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
            ("image/png\r\nSet-Cookie: a=b", "application/octet-stream"),
            ("", "application/octet-stream"),
        ],
    )
    def test_leave_with_a_type_of_the_list_or_none(
        self, agent_client: APIClient, inbound: InboundMessage, declared: str, expected: str
    ) -> None:
        response = agent_client.get(self.attach(inbound, content_type=declared))
        assert response.headers["Content-Type"] == expected
        assert "Set-Cookie" not in response.headers

    @pytest.mark.parametrize(
        ("filename", "expected"),
        [
            ('a"b\\c.pdf', 'attachment; filename="a_b_c.pdf"'),
            ("a.pdf\r\nSet-Cookie: x=y", 'attachment; filename="a.pdfSet-Cookie_ x=y"'),
            ("a.pdf\n", 'attachment; filename="a.pdf"'),
            ("../../etc/passwd", 'attachment; filename="_.._etc_passwd"'),
            ("..\\..\\boot.ini", 'attachment; filename="_.._boot.ini"'),
            ("Kündigung.pdf", "attachment; filename=\"Kundigung.pdf\"; filename*=UTF-8''K%C3%BCndigung.pdf"),
            ("解約.pdf", "attachment; filename=\"file.pdf\"; filename*=UTF-8''%E8%A7%A3%E7%B4%84.pdf"),
            ("gpj\u202e.exe", 'attachment; filename="gpj.exe"'),
            ("100%.pdf", "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"),
            ("", 'attachment; filename="file"'),
            ("...", 'attachment; filename="file"'),
        ],
    )
    def test_have_a_name_that_can_do_no_harm(
        self, agent_client: APIClient, inbound: InboundMessage, filename: str, expected: str
    ) -> None:
        response = agent_client.get(self.attach(inbound, filename=filename))
        assert response.headers["Content-Disposition"] == expected
        assert "Set-Cookie" not in response.headers

    def test_were_refused_or_are_not_there(self, agent_client: APIClient, inbound: InboundMessage) -> None:
        url = self.attach(inbound, refused="It is larger than 25 MB.", content=b"")
        refused = agent_client.get(url)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (404, "attachment_not_found")
        assert "25 MB" in refused.json()["detail"]
        assert agent_client.get(url.replace("/attachments/1", "/attachments/2")).status_code == 404
        (file,) = agent_client.get(f"/api/messages/{inbound.pk}").json()["attachments"]
        assert (file["refused"], file["url"]) == ("It is larger than 25 MB.", None)

    def test_of_a_mail_that_was_never_read_are_not_there(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox)
        assert agent_client.get(f"/api/messages/{inbound.pk}/attachments/1").status_code == 404


@pytest.mark.services  # needs no server, but is long: the pipeline reads the same mails in tests/integration
class TestRealMails:
    def test_are_shown_whole_and_downloaded_as_they_came(
        self, agent_client: APIClient, mailbox: Mailbox, corpora: Path
    ) -> None:
        files = 0
        for number, path in enumerate(sorted((corpora / "zammad" / "mail").glob("*.box"))):
            raw = path.read_bytes()
            inbound = stored(mailbox, number=number, raw=raw)
            assert process_message(inbound.pk, now=NOON) in {"filed", "ignored", "quarantined"}
            found = agent_client.get(f"/api/messages/{inbound.pk}")
            assert found.status_code == 200, path.name
            assert agent_client.get(found.json()["raw_url"]).content == raw
            for file in found.json()["attachments"]:
                answer = agent_client.get(file["url"])
                assert hashlib.sha256(answer.content).hexdigest() == file["sha256"], path.name
                assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
                files += 1
        assert files > 20
        threads = agent_client.get("/api/threads?limit=200").json()["results"]
        assert {agent_client.get(f"/api/threads/{row['thread_id']}").status_code for row in threads} == {200}


class TestReplay:
    def test_sends_a_quarantined_mail_on_its_way_again(self, supervisor_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox, state="quarantined", reason="Odd.", finished_at=NOON)
        response = supervisor_client.post(f"/api/messages/{inbound.pk}/replay")
        assert response.status_code == 200
        assert (response.json()["state"], response.json()["reason"]) == ("received", "")
        event = TimelineEvent.objects.get(kind="mail_replayed")
        assert event.actor_reference == str(User.objects.get(username="sam").pk)

    def test_is_refused_for_a_mail_that_is_not_put_aside(self, supervisor_client: APIClient, mailbox: Mailbox) -> None:
        response = supervisor_client.post(f"/api/messages/{stored(mailbox).pk}/replay")
        assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "not_in_quarantine")
        assert response.json()["state"] == "received"

    def test_is_for_supervisors(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox, state="quarantined", reason="Odd.")
        assert agent_client.post(f"/api/messages/{inbound.pk}/replay").status_code == 403
        assert InboundMessage.objects.get().state == "quarantined"

    def test_takes_no_body_and_finds_only_what_is_there(self, supervisor_client: APIClient, mailbox: Mailbox) -> None:
        inbound = stored(mailbox, state="quarantined", reason="Odd.")
        assert supervisor_client.post(f"/api/messages/{inbound.pk}/replay", {"now": True}).status_code == 400
        assert supervisor_client.post("/api/messages/999/replay").status_code == 404


class TestOutbound:
    def test_shows_what_was_sent_and_why(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        event = TimelineEvent.objects.get(kind="case_created")
        mail_out = sent(mailbox, case=case, event=event, state="suppressed", reason="Too many.", finished_at=NOON)
        (row,) = agent_client.get("/api/outbound").json()["results"]
        assert row == {
            "id": mail_out.pk,
            "mailbox": "support",
            "case_id": str(case.pk),
            "thread_id": None,
            "email_id": None,
            "event_id": event.pk,
            "purpose": "acknowledgment",
            "is_automatic": True,
            "author": None,
            "recipient": "tina@home.example",
            "to": [{"name": "", "email": "tina@home.example"}],
            "cc": [],
            "bcc": [],
            "subject": "We have it",
            "message_id": "out1@house.example",
            "state": "suppressed",
            "reason": "Too many.",
            "attempts": 0,
            "send_after": "2026-03-04T12:00:00Z",
            "then_status": None,
            "created_at": "2026-03-04T12:01:00Z",
            "finished_at": "2026-03-04T12:00:00Z",
            "bounced_at": None,
            "bounces": [],
        }
        assert agent_client.get(f"/api/outbound/{mail_out.pk}").json()["body"] == "Hello"
        assert agent_client.get("/api/outbound/999").status_code == 404

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("state=waiting", [1]),
            ("state=waiting,cancelled", [2, 1]),
            ("purpose=notification", [2]),
            ("recipient=ANA@staff.example", [2]),
            ("mailbox=support", [2, 1]),
            ("created_after=2026-03-04T12:02:00Z", [2]),
        ],
    )
    def test_is_filtered(self, agent_client: APIClient, mailbox: Mailbox, query: str, expected: list[int]) -> None:
        rows = {
            1: sent(mailbox, number=1),
            2: sent(mailbox, number=2, state="cancelled", purpose="notification", recipient="ana@staff.example"),
        }
        assert ids(agent_client, f"/api/outbound?{query}") == [rows[number].pk for number in expected]

    def test_hides_mail_about_a_deleted_case(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        mail_out = sent(mailbox, case=case)
        assert ids(agent_client, f"/api/outbound?case_id={case.pk}") == [mail_out.pk]
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        assert ids(agent_client, "/api/outbound") == []
        assert agent_client.get(f"/api/outbound/{mail_out.pk}").status_code == 404

    @pytest.mark.parametrize("query", ["state=gone", "purpose=spam", "subject=x", "recipient="])
    def test_refuses_what_it_does_not_know(self, agent_client: APIClient, query: str) -> None:
        assert agent_client.get(f"/api/outbound?{query}").status_code == 400


class TestThreads:
    def test_shows_a_conversation_with_what_its_case_says(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case(email="tina@home.example", priority="high", category=CategoryFactory.create(slug="heating"))
        inbound = filed(mailbox, case)
        assert inbound.email
        thread = inbound.email.thread
        answer = EmailMessage.objects.create(
            thread=thread,
            direction="outbound",
            from_name="Support",
            from_email=mailbox.address,
            to=[{"name": "", "email": "tina@home.example"}],
            text="We come.",
            visible_text="We come.",
            received_at=later(minutes=5),
            created_at=later(minutes=5),
        )
        (row,) = agent_client.get("/api/threads").json()["results"]
        assert row == {
            "thread_id": thread.pk,
            "case_id": str(case.pk),
            "mailbox": "support",
            "subject": "Kälte",
            "participants": ["tina@home.example", "otto@owners.example"],
            "emails": [inbound.email.pk, answer.pk],
            "email_count": 2,
            "status": "active",
            "priority": "high",
            "category": "heating",
            "created_at": "2026-03-04T12:00:00Z",
            "updated_at": "2026-03-04T12:01:00Z",
        }
        found = agent_client.get(f"/api/threads/{thread.pk}").json()
        first, second = found.pop("emails")
        assert found == {name: value for name, value in row.items() if name != "emails"}
        assert (first["id"], first["inbound_id"], first["direction"]) == (inbound.email.pk, inbound.pk, "inbound")
        assert first["from"] == {"name": "Tina Tenant", "email": "tina@home.example"}
        assert (first["visible_text"], first["quoted_text"]) == ("Cold.", "> Hello")
        assert (second["id"], second["inbound_id"], second["text"]) == (answer.pk, None, "We come.")
        assert (second["direction"], second["automatic"]) == ("outbound", "person")

    def test_shows_the_files_of_its_messages(
        self, agent_client: APIClient, mailbox: Mailbox, django_assert_num_queries: Any
    ) -> None:
        inbound = filed(mailbox, make_case())
        assert inbound.email
        for rank in (1, 2):
            Attachment.objects.create(
                email=inbound.email,
                rank=rank,
                filename="a.txt",
                content_type="text/plain",
                content=b"abc",
                size_bytes=3,
            )
        with django_assert_num_queries(4):  # the thread, its messages, their files, our addresses
            found = agent_client.get(f"/api/threads/{inbound.email.thread_id}").json()
        (first, second) = found["emails"][0]["attachments"]
        assert (first["rank"], second["rank"], first["size_bytes"]) == (1, 2, 3)
        assert agent_client.get(second["url"]).content == b"abc"

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("priority=high", 1),
            ("priority=low", 0),
            ("status=active", 2),
            ("status=archived", 0),
            ("mailbox=support", 2),
            ("sender=TINA@home.example", 2),
            ("sender=nobody@home.example", 0),
            ("q=kälte", 2),
            ("updated_after=2026-03-04T12:02:00Z", 1),
        ],
    )
    def test_is_filtered(self, agent_client: APIClient, mailbox: Mailbox, query: str, count: int) -> None:
        filed(mailbox, make_case(priority="high"), number=1)
        filed(mailbox, make_case(priority="medium"), number=2)
        if query.startswith("q="):  # SQLite folds the case of ASCII letters only
            query = "q=Kälte"
        assert len(agent_client.get(f"/api/threads?{query}").json()["results"]) == count

    def test_is_a_part_of_its_case(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        case = make_case()
        one, two = filed(mailbox, case, number=1), filed(mailbox, case, number=2)
        filed(mailbox, make_case(), number=3)
        assert one.email
        assert two.email
        threads = agent_client.get(f"/api/cases/{case.pk}").json()["threads"]
        assert threads == [one.email.thread_id, two.email.thread_id]
        assert agent_client.get(f"/api/cases/{make_case().pk}").json()["threads"] == []

    def test_is_not_found_where_there_is_none(self, agent_client: APIClient) -> None:
        assert agent_client.get("/api/threads/999").status_code == 404


class TestMailboxes:
    def test_say_since_when_a_storm_holds_everything_back(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        now = timezone.now()
        moments = [
            now - timedelta(minutes=9),
            *(now - timedelta(minutes=1) for _one in range(loop_guard.STORM.most - 1)),
        ]
        for number, moment in enumerate(moments):
            sent(mailbox, number=number, is_automatic=True, created_at=moment)
        (row,) = agent_client.get("/api/mailboxes").json()["results"]
        assert datetime.fromisoformat(row["loop_guard"]["storm_since"]) == moments[0]

    def test_show_how_they_do(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        MailboxFactory.create(slug="other", name="Other", is_active=False)
        stored(mailbox, number=1)
        stored(mailbox, number=2, state="quarantined", reason="Odd.")
        filed(mailbox, make_case(), number=3)
        now = timezone.now()
        for number, (state, age, automatic) in enumerate(
            [
                ("sent", timedelta(minutes=9), True),
                ("waiting", timedelta(minutes=1), True),
                ("sent", timedelta(minutes=11), True),  # too long ago for the storm breaker
                ("sent", timedelta(minutes=1), False),  # a person's
                ("cancelled", timedelta(minutes=1), True),  # not let out
                ("suppressed", timedelta(hours=23), True),
                ("suppressed", timedelta(hours=25), True),
            ]
        ):
            reason = "Too many." if state == "suppressed" else ""
            sent(mailbox, number=number, state=state, reason=reason, is_automatic=automatic, created_at=now - age)
        other, support = agent_client.get("/api/mailboxes").json()["results"]
        assert support == {
            "slug": "support",
            "name": "Support",
            "address": "support@house.example",
            "kind": "folder",
            "team": None,
            "is_active": True,
            "acknowledges": True,
            "answer_within_hours": 24,
            "health": "unknown",
            "health_detail": "It has not been read yet.",
            "checked_at": None,
            "pending": 1,
            "quarantined": 1,
            "missed": 0,
            "hanging": 1,
            "stranded": 0,
            "loop_guard": {"storm_since": None, "automatic_last_10_minutes": 2, "held_back_last_day": 1},
        }
        assert (other["slug"], other["pending"], other["quarantined"]) == ("other", 0, 0)
        assert other["loop_guard"] == {
            "storm_since": None, "automatic_last_10_minutes": 0, "held_back_last_day": 0,
        }  # fmt: skip
        assert agent_client.get("/api/mailboxes/support").json() == support
        assert agent_client.get("/api/mailboxes/nowhere").status_code == 404

    def test_are_filtered(self, agent_client: APIClient, mailbox: Mailbox) -> None:
        MailboxFactory.create(slug="other", is_active=False)
        rows = agent_client.get("/api/mailboxes?is_active=true").json()["results"]
        assert [row["slug"] for row in rows] == [mailbox.slug]
        assert agent_client.get("/api/mailboxes?health=ill").status_code == 400


class TestWhoMayRead:
    URLS = ("/api/messages", "/api/outbound", "/api/threads", "/api/mailboxes")

    @pytest.mark.parametrize("url", URLS)
    def test_is_nobody_without_a_name(self, url: str, db: None) -> None:
        response = APIClient().get(url)
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize("url", URLS)
    def test_is_no_contractor(self, url: str) -> None:
        assert client_of(UserFactory.create(role="contractor")).get(url).status_code == 403

    @pytest.mark.parametrize("url", URLS)
    def test_is_everybody_of_the_house(self, url: str) -> None:
        assert client_of(UserFactory.create(role="read_only")).get(url).status_code == 200

    @pytest.mark.parametrize("path", ["", "/raw", "/attachments/1", "/replay"])
    def test_is_the_same_for_every_part_of_a_message(self, mailbox: Mailbox, path: str) -> None:
        url = f"/api/messages/{filed(mailbox, make_case()).pk}{path}"
        contractor = client_of(UserFactory.create(role="contractor"))
        call = contractor.post if path == "/replay" else contractor.get
        assert call(url).status_code == 403
        anonymous = APIClient()
        assert (anonymous.post if path == "/replay" else anonymous.get)(url).status_code == 401
