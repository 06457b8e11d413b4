"""A mail as it was sent, through HTTP: harmless, in a sandbox, and telling nobody that it was read."""

import base64
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from mail_ingest import pipeline
from mail_ingest.display import MAX_INLINE_BYTES, remote_pictures
from mail_ingest.models import EmailMessage, InboundMessage
from mail_ingest.services import store
from tests.factories import NOON, MailboxFactory, UserFactory, make_case

pytestmark = pytest.mark.django_db

# The smallest GIF there is.
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
MAIL = b"""From: Nora News <nora@shop.example>
To: support@house.example
Subject: Our <offer>
Message-ID: <1@shop.example>
Date: Wed, 04 Mar 2026 11:59:00 +0000
MIME-Version: 1.0
Content-Type: multipart/related; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p style="color: red">Look: <img src="cid:Logo@shop" alt="logo">
<img src="https://img.shop.example/a.png" alt="a"><img src="//img.shop.example/b.png">
<img src="http://user@cdn.example:8080/c.png"><img src="https://spy.example/p.gif" width="1" height="1"></p>
<script>alert(1)</script><a href="https://shop.example/">shop</a>
--b
Content-Type: image/gif; name=logo.gif
Content-ID: <logo@shop>
Content-Transfer-Encoding: base64

R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7
--b--
"""


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def file_mail(raw: bytes) -> InboundMessage:
    inbound, _created = store(MailboxFactory.create(), source_id="1", raw=raw, received_at=NOON, at=NOON)
    pipeline.process_message(inbound.pk, now=NOON)
    inbound.refresh_from_db()
    assert inbound.case is not None
    return inbound


def directives(answer: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: what for name, _space, what in parts}


class TestTheHtmlOfAMail:
    def test_is_a_page_that_can_do_nothing(self, agent: User) -> None:
        answer = signed_in(agent).get(f"/api/emails/{file_mail(MAIL).email_id}/html")
        page = answer.content.decode()
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert "alert(" not in page
        assert "<script" not in page
        assert "Our &lt;offer&gt;" in page
        policy = directives(answer)
        assert policy["default-src"] == "'none'"
        assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
        assert policy["img-src"] == "data:"
        assert policy["frame-ancestors"] == "'self'"
        assert "script-src" not in policy
        assert answer["X-Frame-Options"] == "SAMEORIGIN"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "no-referrer"

    def test_loads_nothing_from_elsewhere_unless_asked(self, agent: User) -> None:
        client, address = signed_in(agent), f"/api/emails/{file_mail(MAIL).email_id}/html"
        assert "shop.example/a.png" not in client.get(address).content.decode()
        asked = client.get(address, {"images": "1"})
        page = asked.content.decode()
        assert 'src="https://img.shop.example/a.png"' in page
        assert 'src="https://img.shop.example/b.png"' in page
        assert "spy.example" not in page
        assert directives(asked)["img-src"] == "data: http: https:"

    def test_carries_the_pictures_that_came_with_it(self, agent: User) -> None:
        page = signed_in(agent).get(f"/api/emails/{file_mail(MAIL).email_id}/html").content.decode()
        assert f"data:image/gif;base64,{base64.b64encode(GIF).decode()}" in page

    def test_carries_no_more_of_them_than_a_browser_can_take(self, agent: User) -> None:
        inbound = file_mail(MAIL)
        assert inbound.email is not None
        inbound.email.attachments.update(size_bytes=MAX_INLINE_BYTES + 1)
        page = signed_in(agent).get(f"/api/emails/{inbound.email_id}/html").content.decode()
        assert "data:image" not in page
        assert "[logo]" in page

    def test_is_reached_by_the_number_in_the_ledger_too(self, agent: User) -> None:
        inbound = file_mail(MAIL)
        client = signed_in(agent)
        by_message = client.get(f"/api/messages/{inbound.pk}/html").content
        assert by_message == client.get(f"/api/emails/{inbound.email_id}/html").content

    def test_is_shown_to_those_who_may_read_the_case(self) -> None:
        address = f"/api/emails/{file_mail(MAIL).email_id}/html"
        assert Client().get(address).status_code == 401
        assert signed_in(UserFactory.create(role=User.Role.CONTRACTOR)).get(address).status_code == 403
        assert signed_in(UserFactory.create(role=User.Role.READ_ONLY)).get(address).status_code == 200

    def test_is_gone_with_its_case(self, agent: User) -> None:
        inbound = file_mail(MAIL)
        assert inbound.case is not None
        inbound.case.deleted_at = timezone.now()
        inbound.case.save()
        client = signed_in(agent)
        for address in (f"/api/emails/{inbound.email_id}/html", f"/api/emails/{inbound.email_id}/attachments/1"):
            assert client.get(address).status_code == 404

    def test_refuses_a_parameter_that_it_does_not_know(self, agent: User) -> None:
        assert signed_in(agent).get(f"/api/emails/{file_mail(MAIL).email_id}/html?image=1").status_code == 400

    def test_is_none_of_a_mail_of_plain_text(self, agent: User) -> None:
        inbound = file_mail(MAIL.replace(b"text/html", b"text/plain"))
        assert signed_in(agent).get(f"/api/emails/{inbound.email_id}/html").status_code == 404


class TestTheConversation:
    def test_says_whose_pictures_wait_and_lists_none_twice(self, agent: User) -> None:
        inbound = file_mail(MAIL)
        assert inbound.case is not None
        page = signed_in(agent).get(f"/cases/{inbound.case.case_number}").content.decode()
        assert "3 pictures from img.shop.example, cdn.example are not shown" in page
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
        assert "logo.gif" not in page

    def test_shows_an_invitation_in_the_readers_time(self, agent: User) -> None:
        agent.time_zone = "Europe/Berlin"
        agent.save()
        inbound = file_mail(MAIL)
        assert inbound.case is not None
        assert inbound.email is not None
        EmailMessage.objects.filter(pk=inbound.email.pk).update(
            protection="smime_signed",
            calendar={
                "method": "REQUEST",
                "summary": "Viewing",
                "start": "2026-07-01T08:00:00+00:00",
                "end": "2026-07-01T09:30:00+00:00",
                "all_day": False,
                "location": "The cellar",
                "organizer": "nora@shop.example",
                "status": "",
            },
        )
        page = signed_in(agent).get(f"/cases/{inbound.case.case_number}").content.decode()
        for words in (
            "Invitation",
            "Viewing",
            "1 Jul 2026 10:00",
            "1 Jul 2026 11:30",
            "The cellar",
            "Signed with S/MIME",
        ):
            assert words in page

    def test_costs_no_more_questions_for_many_mails(self, agent: User, django_assert_max_num_queries: Any) -> None:
        inbound = file_mail(MAIL)
        assert inbound.case is not None
        client = signed_in(agent)
        assert inbound.email is not None
        for number in range(20):
            EmailMessage.objects.create(
                thread=inbound.email.thread,
                direction="inbound",
                html='<img data-remote-src="https://x.example/">',
                text="Hello",
                message_id=f"{number}@x.example",
                received_at=NOON,
                created_at=NOON,
            )
        with django_assert_max_num_queries(32):
            client.get(f"/cases/{inbound.case.case_number}")


class TestRemotePictures:
    def test_are_counted_by_server_the_most_first(self) -> None:
        html = (
            '<img alt="x" data-remote-src="https://b.example/1.png"><img data-remote-src="http://me@A.example:81/">'
            '<img data-remote-src="//b.example?x"><img width="1" height="1px" data-remote-src="https://spy.example/">'
            '<p>data-remote-src="https://text.example/"</p>'
        )
        found = remote_pictures(html)
        assert (found.count, list(found.hosts)) == (3, ["b.example", "a.example"])


class TestEveryPage:
    def test_names_what_it_may_load(self, agent: User, administrator: User) -> None:
        case = make_case()
        for address in ("/", f"/cases/{case.case_number}", "/login", "/api/cases", "/nowhere"):
            policy = directives(signed_in(agent).get(address))
            assert policy["default-src"] == "'self'", address
            assert policy["frame-ancestors"] == "'none'", address
            assert policy["object-src"] == "'none'", address
            assert not {"script-src", "style-src"} & set(policy), address

    def test_of_the_back_office_and_of_the_docs_allows_just_what_they_need(self, administrator: User) -> None:
        client = signed_in(administrator)
        assert directives(client.get("/admin/"))["script-src"] == "'self' 'unsafe-eval'"
        docs = client.get("/api/docs")
        assert "script-src" not in directives(docs)
        assert "<script>" not in docs.content.decode()
        assert "SwaggerUIBundle" in client.get("/api/docs?script=").content.decode()
