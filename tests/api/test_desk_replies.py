"""Working on a case at the desk: answering, writing notes, taking back, moving. Through HTTP, without a script."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import User
from cases.models import Case
from desk.forms import split_addresses, written
from mail_ingest import pipeline
from mail_ingest.models import Draft, EmailMessage, Mailbox, OutboundMessage
from mail_ingest.parsing import Address
from mail_ingest.services import Words, save_draft, store
from tests.factories import MailboxFactory, UserFactory, make_case
from tests.mails import mail

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def arrive(*, message_id: str = "first@home.example", text: str = "It is cold.", **headers: Any) -> Case:
    """A mail to the one mailbox, filed a moment ago."""
    at = timezone.now() - timedelta(minutes=5)
    mailbox = Mailbox.objects.first() or MailboxFactory.create(address="support@house.example")
    raw = mail(sender="Tina Tenant <tina@home.example>", message_id=message_id, text=text, sent_at=at, **headers)
    inbound, _created = store(mailbox, source_id=message_id, raw=raw, received_at=at, at=at)
    pipeline.process_message(inbound.pk, now=timezone.now())
    inbound.refresh_from_db()
    assert inbound.case is not None
    return inbound.case


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the reply's form, as the page has them."""
    form = page.split('data-kind="reply"')[1].split("</form>", maxsplit=1)[0]
    found = re.findall(r'<input type="hidden" name="(seen|thread)" value="([^"]*)"', form)
    return {name: value.replace("&quot;", '"') for name, value in found}


def reply(client: Client, case: Case, **values: Any) -> Any:
    page = client.get(f"/cases/{case.case_number}").content.decode()
    given = {"to": "tina@home.example", "body": "A plumber comes.", **fields(page), **values}
    return client.post(f"/cases/{case.case_number}/reply", given)


class TestTheComposer:
    def test_proposes_everybody_whom_the_mail_was_for_but_us(self, agent: User) -> None:
        case = arrive(Cc="Otto <otto@home.example>, support@house.example")
        page = signed_in(agent).get(f"/cases/{case.case_number}").content.decode()
        assert 'name="to" value="Tina Tenant &lt;tina@home.example&gt;"' in page
        assert 'name="cc" value="Otto &lt;otto@home.example&gt;"' in page

    def test_queues_the_reply_with_what_was_typed(self, agent: User) -> None:
        case = arrive()
        answer = reply(
            signed_in(agent),
            case,
            to='"Tenant, Tina" <tina@home.example>; otto@home.example',
            cc="Carl Carer <carl@home.example>",
            body="A plumber comes.\r\nTomorrow.",
            then_status="awaiting_customer",
            attachments=[SimpleUploadedFile("plan.pdf", b"%PDF-1.4", "application/pdf")],
        )
        assert answer["Location"] == f"/cases/{case.case_number}"
        outbound = OutboundMessage.objects.get(author=agent)
        assert outbound.state == "waiting"
        assert [one["email"] for one in outbound.to] == ["tina@home.example", "otto@home.example"]
        assert outbound.to[0]["name"] == "Tenant, Tina"
        assert outbound.cc == [{"name": "Carl Carer", "email": "carl@home.example"}]
        assert outbound.body == "A plumber comes.\nTomorrow."
        assert outbound.then_status == "awaiting_customer"
        assert outbound.in_reply_to == "first@home.example"
        assert [upload.filename for upload in outbound.uploads.all()] == ["plan.pdf"]
        assert outbound.send_after > timezone.now()

    def test_offers_to_take_it_back_and_gives_the_text_back(self, agent: User) -> None:
        case, client = arrive(), signed_in(agent)
        reply(client, case, body="Too quick.")
        outbound = OutboundMessage.objects.get(author=agent)
        undo = f"/cases/{case.case_number}/outbound/{outbound.pk}/undo"
        page = client.get(f"/cases/{case.case_number}").content.decode()
        assert "data-goes-at" in page
        assert undo in page
        client.post(undo)
        outbound.refresh_from_db()
        assert outbound.state == "cancelled"
        page = client.get(f"/cases/{case.case_number}").content.decode()
        assert "Too quick.</textarea>" in page
        assert "data-goes-at" not in page

    def test_shows_what_came_in_meanwhile_and_keeps_the_text(self, agent: User) -> None:
        case, client = arrive(), signed_in(agent)
        old = fields(client.get(f"/cases/{case.case_number}").content.decode())
        assert arrive(message_id="2@home.example", text="It works again!", answers="first@home.example") == case
        answer = reply(client, case, body="A plumber comes.", **old)
        assert answer.status_code == 409
        page = answer.content.decode()
        assert "It works again!" in page.split('class="hc-news"')[1].split("</ul>")[0]
        assert "A plumber comes.</textarea>" in page
        assert not OutboundMessage.objects.filter(author=agent).exists()
        again = client.post(
            f"/cases/{case.case_number}/reply", {"to": "tina@home.example", "body": "Good.", **fields(page)}
        )
        assert again.status_code == 302

    def test_sends_once_when_the_button_is_pressed_twice(self, agent: User) -> None:
        case, client = arrive(), signed_in(agent)
        seen = fields(client.get(f"/cases/{case.case_number}").content.decode())
        assert [reply(client, case, **seen).status_code for _press in range(2)] == [302, 409]
        assert OutboundMessage.objects.filter(author=agent).count() == 1

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"to": "no address"}, "no address"),
            ({"to": ""}, "To: "),
            ({"to": "support@house.example"}, "one of our own mailboxes"),
            ({"send_at": "2020-01-01T10:00"}, "This moment is over."),
            ({"then_status": "bananas"}, "bananas"),
        ],
    )
    def test_says_what_is_wrong_and_keeps_the_rest(self, values: dict[str, str], told: str, agent: User) -> None:
        file = SimpleUploadedFile("plan.pdf", b"%PDF-1.4", "application/pdf")
        answer = reply(signed_in(agent), arrive(), **{"body": "Kept words", **values}, attachments=[file])
        page = answer.content.decode()
        assert answer.status_code == 422
        assert told in page.split('role="alert"')[1]
        assert "plan.pdf" in page
        assert not OutboundMessage.objects.filter(author=agent).exists()

    def test_sends_nothing_empty(self, agent: User) -> None:
        answer = reply(signed_in(agent), arrive(), body=" \n")
        assert (answer.status_code, "Write something first." in answer.content.decode()) == (422, True)

    def test_sends_later_in_the_time_of_the_writer(self, agent: User) -> None:
        agent.time_zone = "America/New_York"
        agent.save()
        moment = timezone.now() + timedelta(days=2)
        reply(signed_in(agent), arrive(), send_at=f"{moment:%Y-%m-%d}T09:30")
        local = timezone.localtime(
            OutboundMessage.objects.get(author=agent).send_after, timezone=ZoneInfo(agent.time_zone)
        )
        assert (local.date(), local.hour, local.minute) == (moment.date(), 9, 30)

    def test_tells_of_a_slip(self, agent: User) -> None:
        client, case = signed_in(agent), arrive()
        reply(client, case, to="someone@elsewhere.example")
        assert "Nobody at elsewhere.example" in client.get(f"/cases/{case.case_number}").content.decode()

    def test_tells_who_else_is_writing(self, agent: User) -> None:
        ben = UserFactory.create(username="ben", first_name="Ben")
        case = arrive()
        save_draft(case.pk, Draft.Kind.REPLY, Words(body="Dear"), at=timezone.now(), actor=Actor.user(ben))
        assert "Ben is writing" in signed_in(agent).get(f"/cases/{case.case_number}").content.decode()
        assert "Ben is writing" not in signed_in(ben).get(f"/cases/{case.case_number}").content.decode()

    def test_adds_a_note_that_goes_nowhere(self, agent: User) -> None:
        case, client = arrive(), signed_in(agent)
        client.post(f"/cases/{case.case_number}/note", {"body": "She rang."})
        assert case.notes.get().body == "She rang."
        assert not OutboundMessage.objects.filter(author=agent).exists()


class TestWhoOnlyLooks:
    def test_sees_the_case_and_no_way_to_change_it(self) -> None:
        case = arrive()
        client = signed_in(UserFactory.create(role=User.Role.READ_ONLY))
        page = client.get(f"/cases/{case.case_number}").content.decode()
        assert "It is cold." in page
        assert re.findall(r'<form[^>]* action="([^"]*)"', page) == ["/logout"]

    def test_is_refused(self) -> None:
        case = arrive()
        email = EmailMessage.objects.filter(thread__case=case, direction="inbound").get()
        client = signed_in(UserFactory.create(role=User.Role.READ_ONLY))
        for what in ("reply", "note", "merge", "unmerge", f"messages/{email.pk}/move", f"messages/{email.pk}/split"):
            assert client.post(f"/cases/{case.case_number}/{what}", {"body": "x"}).status_code == 403, what
        assert not case.notes.exists()


class TestPuttingThingsRight:
    def test_moves_a_message_to_its_case(self, agent: User) -> None:
        case, other = arrive(), make_case(title="Another")
        email = EmailMessage.objects.get(thread__case=case, direction="inbound")
        client = signed_in(agent)
        answer = client.post(
            f"/cases/{case.case_number}/messages/{email.pk}/move", {"to_case": other.case_number.lower()}
        )
        assert answer["Location"] == f"/cases/{case.case_number}"
        email.refresh_from_db()
        assert email.thread.case == other

    def test_makes_a_message_a_case_of_its_own(self, agent: User) -> None:
        case = arrive()
        email = EmailMessage.objects.get(thread__case=case, direction="inbound")
        answer = signed_in(agent).post(f"/cases/{case.case_number}/messages/{email.pk}/split", {"and_later": "on"})
        email.refresh_from_db()
        assert email.thread.case is not None
        assert email.thread.case != case
        assert answer["Location"] == f"/cases/{email.thread.case.case_number}"

    def test_merges_and_takes_it_back(self, agent: User) -> None:
        case, other = arrive(), make_case(title="Another")
        client = signed_in(agent)
        answer = client.post(f"/cases/{case.case_number}/merge", {"into": other.case_number})
        assert answer["Location"] == f"/cases/{other.case_number}"
        page = client.get(f"/cases/{case.case_number}").content.decode()
        assert other.case_number in page
        assert 'id="composer"' not in page
        client.post(f"/cases/{case.case_number}/unmerge")
        case.refresh_from_db()
        assert case.merged_into is None

    def test_touches_no_message_of_another_case(self, agent: User) -> None:
        case, other = arrive(), make_case(title="Another")
        email = EmailMessage.objects.get(thread__case=case, direction="inbound")
        address = f"/cases/{other.case_number}/messages/{email.pk}/move"
        assert signed_in(agent).post(address, {"to_case": other.case_number}).status_code == 404

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
    def test_leads_back_only_within_the_house(self, elsewhere: str, agent: User) -> None:
        case = arrive()
        answer = signed_in(agent).post(f"/cases/{case.case_number}/merge", {"into": "HC-1", "next": elsewhere})
        assert answer["Location"] == f"/cases/{case.case_number}"

    def test_sends_again_what_failed(self, agent: User) -> None:
        case, client = arrive(), signed_in(agent)
        reply(client, case)
        OutboundMessage.objects.filter(author=agent).update(state="failed", reason="The server said no.")
        outbound = OutboundMessage.objects.get(author=agent)
        page = client.get(f"/cases/{case.case_number}").content.decode()
        assert "The server said no." in page
        client.post(f"/cases/{case.case_number}/outbound/{outbound.pk}/retry")
        outbound.refresh_from_db()
        assert outbound.state == "waiting"


class TestTypedAddresses:
    @pytest.mark.parametrize(
        ("typed", "parts"),
        [
            ("a@x.example, b@x.example;c@x.example\nd@x.example", 4),
            ('"Last, First" <a@x.example>, b@x.example', 2),
            (" , ;; ", 0),
            ('broken " quote <a@x.example>, b@x.example', 2),
        ],
    )
    def test_are_told_apart(self, typed: str, parts: int) -> None:
        assert len(split_addresses(typed)) == parts

    @pytest.mark.parametrize("name", ["", "Tina", "Tenant, Tina", 'Ti "T" na', "Größe; <x>"])
    def test_can_be_read_again_as_they_are_written(self, name: str) -> None:
        assert len(split_addresses(f"{written(Address(name, 'a@x.example'))}, b@x.example")) == 2
