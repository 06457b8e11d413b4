"""The desk's first screens through HTTP."""

import re

import pytest
from django.test import Client

from accounts.models import User
from cases.models import TimelineEvent
from mail_ingest import pipeline
from mail_ingest.services import store
from tests.factories import NOON, MailboxFactory, UserFactory, make_case, make_task

pytestmark = pytest.mark.django_db


WITH_A_FILE = b"""From: Tina Tenant <tina@home.example>
To: support@house.example
Subject: A photo
Message-ID: <2@home.example>
Date: Wed, 04 Mar 2026 11:59:00 +0000
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

See the photo.

On Tue, 3 Mar 2026 at 10:00, Support <support@house.example> wrote:
> Please send a photo.
--b
Content-Type: text/plain; name=list.txt
Content-Disposition: attachment; filename=list.txt

lamp, chair
--b--
"""

MAIL = b"""From: Tina Tenant <tina@home.example>
To: support@house.example
Subject: The <b>heating</b> is cold
Message-ID: <1@home.example>
Date: Wed, 04 Mar 2026 11:59:00 +0000
Content-Type: text/html; charset=utf-8

<p>It is cold. <script>alert(1)</script></p><img src=x onerror=alert(2)>
"""


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class TestSigningIn:
    def test_is_asked_of_everybody(self) -> None:
        answer = Client().get("/")
        assert answer.status_code == 302
        assert answer["Location"] == "/login?next=/"

    def test_leads_an_agent_to_the_start_page(self, agent: User) -> None:
        agent.set_password("long-enough-77")
        agent.save()
        client = Client()
        answer = client.post("/login", {"username": "ana", "password": "long-enough-77"})
        assert answer["Location"] == "/"
        assert client.get("/").status_code == 200

    def test_says_that_it_did_not_work_and_not_why(self, agent: User) -> None:
        page = Client().post("/login", {"username": "ana", "password": "wrong"})
        assert page.status_code == 200
        assert 'role="alert"' in page.content.decode()

    def test_goes_nowhere_else_afterwards(self, agent: User) -> None:
        agent.set_password("long-enough-77")
        agent.save()
        credentials = {"username": "ana", "password": "long-enough-77", "next": "https://evil.example/"}
        assert Client().post("/login", credentials)["Location"] == "/"

    def test_ends_with_a_post(self, agent: User) -> None:
        client = signed_in(agent)
        assert client.get("/logout").status_code == 405
        assert client.post("/logout")["Location"] == "/login"
        assert client.get("/").status_code == 302


class TestChangingOnesPassword:
    def test_works_and_is_told_in_the_log(self, agent: User) -> None:
        agent.set_password("long-enough-77")
        agent.save()
        client = signed_in(agent)
        new = {"new_password1": "even-longer-88", "new_password2": "even-longer-88"}
        answer = client.post("/password", {"old_password": "long-enough-77", **new})
        assert answer["Location"] == "/"
        agent.refresh_from_db()
        assert agent.check_password("even-longer-88")
        event = TimelineEvent.objects.get()
        assert (event.kind, event.actor_reference) == ("configuration_changed", str(agent.pk))


class TestTheStartPage:
    def test_shows_what_there_is_to_do(self, agent: User) -> None:
        mine = make_case(title="My own case", assigned_to=agent)
        free = make_case(title="A free case")
        make_task(case=mine, subject="Ring the tenant", assigned_to=agent)
        page = signed_in(agent).get("/").content.decode()
        assert f"/cases/{mine.case_number}" in page
        assert f"/cases/{free.case_number}" in page
        assert "Ring the tenant" in page

    def test_shows_a_contractor_their_tasks_and_no_cases(self) -> None:
        carl = UserFactory.create(role=User.Role.CONTRACTOR)
        case = make_case(title="A secret case")
        make_task(case=case, subject="Mend the pipe", assigned_to=carl)
        page = signed_in(carl).get("/").content.decode()
        assert "Mend the pipe" in page
        assert "A secret case" not in page
        assert case.case_number not in page

    def test_asks_a_bounded_number_of_questions(self, agent: User, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def] # a fixture
        for number in range(12):
            make_case(email=f"t{number}@home.example", assigned_to=agent if number % 2 else None)
        client = signed_in(agent)
        with django_assert_max_num_queries(12):
            client.get("/")

    def test_carries_no_script_and_no_style_in_itself(self, agent: User) -> None:
        case = make_case(assigned_to=agent)
        client = signed_in(agent)
        for address in ("/", f"/cases/{case.case_number}", "/password"):
            page = client.get(address).content.decode()
            assert not re.search(r"<script(?![^>]* src=)|javascript:| on[a-z]+=", page)
            assert "<style" not in page
            assert " style=" not in page


class TestACase:
    def test_shows_the_conversation_as_text(self, agent: User) -> None:
        inbound, _created = store(MailboxFactory.create(), source_id="1", raw=MAIL, received_at=NOON, at=NOON)
        pipeline.process_message(inbound.pk, now=NOON)
        inbound.refresh_from_db()
        assert inbound.case is not None
        page = signed_in(agent).get(f"/cases/{inbound.case.case_number}").content.decode()
        assert "It is cold." in page
        assert "alert(" not in page
        assert "&lt;b&gt;heating&lt;/b&gt;" in page

    def test_links_its_files_and_folds_what_is_quoted(self, agent: User) -> None:
        inbound, _created = store(MailboxFactory.create(), source_id="2", raw=WITH_A_FILE, received_at=NOON, at=NOON)
        pipeline.process_message(inbound.pk, now=NOON)
        inbound.refresh_from_db()
        assert inbound.case is not None
        client = signed_in(agent)
        page = client.get(f"/cases/{inbound.case.case_number}").content.decode()
        told, quoted = page.split('<details class="hc-quote">')
        assert "See the photo." in told
        assert "Please send a photo." in quoted.split("</details>")[0]
        links = re.findall(r'href="(/api/emails/[^"]+)"', page)
        assert len(links) == 1
        assert client.get(links[0]).content.strip() == b"lamp, chair"

    def test_is_found_by_its_number_in_small_letters(self, agent: User) -> None:
        case = make_case()
        answer = signed_in(agent).get(f"/cases/{case.case_number.lower()}")
        assert answer["Location"] == f"/cases/{case.case_number}"

    def test_leads_whoever_steers_to_the_back_office(self, supervisor: User, agent: User) -> None:
        case = make_case()
        there = f"/admin/cases/case/{case.pk}/change/"
        assert there in signed_in(supervisor).get(f"/cases/{case.case_number}").content.decode()
        assert there not in signed_in(agent).get(f"/cases/{case.case_number}").content.decode()

    def test_is_hidden_from_contractors_and_when_deleted(self, agent: User) -> None:
        case = make_case()
        contractor = UserFactory.create(role=User.Role.CONTRACTOR)
        assert signed_in(contractor).get(f"/cases/{case.case_number}").status_code == 404
        case.deleted_at = NOON
        case.save()
        assert signed_in(agent).get(f"/cases/{case.case_number}").status_code == 404
        assert signed_in(agent).get("/cases/HC-1").status_code == 404
