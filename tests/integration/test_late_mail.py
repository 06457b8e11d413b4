"""Mail that does not come in the order in which it was written."""

import hashlib

import pytest

from mail_ingest import pipeline
from mail_ingest.known import StoredThreads
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox
from mail_ingest.services import store
from mail_ingest.threading import Reason
from tests.factories import NOON, MailboxFactory
from tests.mails import mail

pytestmark = pytest.mark.django_db

TINA, CARL, EVE = "Tina <tina@home.example>", "Carl <carl@trade.example>", "Eve <eve@elsewhere.example>"


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Support", address="support@house.example")


def take_in(mailbox: Mailbox, raw: bytes) -> EmailMessage:
    inbound, _is_new = store(mailbox, source_id=hashlib.sha256(raw).hexdigest(), raw=raw, received_at=NOON, at=NOON)
    pipeline.process_message(inbound.pk, now=NOON)
    inbound.refresh_from_db()
    assert inbound.state == InboundMessage.State.FILED
    assert inbound.email is not None
    return inbound.email


class TestAMailThatWasAnsweredBeforeItCame:
    def answer(self, mailbox: Mailbox) -> EmailMessage:
        raw = mail(
            sender=CARL, to="tina@home.example, support@house.example", message_id="b@x.example", answers="a@x.example"
        )
        return take_in(mailbox, raw)

    def test_joins_the_conversation_of_its_answer(self, mailbox: Mailbox) -> None:
        answer = self.answer(mailbox)
        late = take_in(mailbox, mail(sender=TINA, message_id="a@x.example"))
        assert (late.thread_id, late.threaded_by) == (answer.thread_id, Reason.ANSWERED_BEFORE)

    def test_is_not_believed_of_a_stranger(self, mailbox: Mailbox) -> None:
        answer = self.answer(mailbox)
        late = take_in(mailbox, mail(sender=EVE, message_id="a@x.example"))
        assert (late.thread_id != answer.thread_id, late.threaded_by) == (True, Reason.NEW)

    def test_leaves_room_for_another_answer(self, mailbox: Mailbox) -> None:
        first = self.answer(mailbox)
        second = take_in(mailbox, mail(sender=TINA, message_id="c@x.example", answers="a@x.example"))
        assert (second.thread_id, second.threaded_by) == (first.thread_id, Reason.SAME_REFERENCE)


class TestByReference:
    def test_finds_who_names_an_id_and_nothing_like_it(self, mailbox: Mailbox) -> None:
        named = "od\"d'%@x.example"
        email = take_in(mailbox, mail(message_id="b@x.example"))
        EmailMessage.objects.filter(pk=email.pk).update(in_reply_to=["a@x.example"], references=[named, "r@x.example"])
        found = StoredThreads().by_reference(["a@x.example", named, "A@x.example", "a@x", "%"])
        assert {one: [message.thread_id for message in messages] for one, messages in found.items()} == {
            "a@x.example": [email.thread_id],
            named: [email.thread_id],
        }
        assert StoredThreads().by_reference([]) == {}

    def test_does_not_take_a_common_id_for_a_mails(self, mailbox: Mailbox) -> None:
        """Some programs write one and the same id into the References of all that they send."""
        email = take_in(mailbox, mail(message_id="b@x.example"))
        copies = [
            EmailMessage(
                thread=email.thread,
                direction=EmailMessage.Direction.INBOUND,
                references=["same@x.example"],
                received_at=NOON,
                created_at=NOON,
            )
            for _ in range(200)
        ]
        EmailMessage.objects.bulk_create(copies[:199])
        assert "same@x.example" in StoredThreads().by_reference(["same@x.example"])
        EmailMessage.objects.bulk_create(copies[199:])
        assert StoredThreads().by_reference(["same@x.example"]) == {}
