"""Sent Items: what a colleague typed in Outlook joins its case; what we sent ourselves is not counted twice."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from cases.models import Case, TimelineEvent
from cases.services import delete_case
from mail_ingest import message_ids, pipeline
from mail_ingest.keys import signing_key
from mail_ingest.models import EmailMessage, InboundMessage, InboundRaw, Mailbox, OutboundMessage
from mail_ingest.services import claim_next, loop_guard, mark_maybe_sent, mark_sent, queue_automatic, store
from mail_ingest.services.sent_items import WAITS_FOR_WHAT_IT_ANSWERS
from notifications.services import acknowledge
from sla.models import SLAClock
from tests.factories import NOON, SYSTEM, MailboxFactory, PolicyFactory, later, make_case
from tests.mails import mail

pytestmark = pytest.mark.django_db
OURS = "Support <support@house.example>"
TINA = "tina@home.example"


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    PolicyFactory.create()
    return MailboxFactory.create(name="Support", address="support@house.example", kind="maildir")


def take_in(mailbox: Mailbox, raw: bytes, *, role: str = "inbox", minutes: int = 0) -> InboundMessage:
    now = later(minutes=minutes)
    source_id = f"{role}:{hashlib.sha256(raw).hexdigest()}"
    inbound, _is_new = store(mailbox, source_id=source_id, raw=raw, received_at=now, at=now, role=role)
    pipeline.process_message(inbound.pk, now=now)
    inbound.refresh_from_db()
    return inbound


def answer(**changes: str) -> bytes:
    fields: dict[str, Any] = {
        "sender": OURS, "to": f"Tina <{TINA}>", "subject": "Re: Heating is cold", "message_id": "out@outlook.example",
        "answers": "first@home.example",
    }  # fmt: skip
    return mail("Hello Tina,\n\nwe come at noon.", **{**fields, **changes})


@pytest.fixture
def case(mailbox: Mailbox) -> Case:
    inbound = take_in(mailbox, mail())
    assert inbound.case is not None
    return inbound.case


class TestAnAnswerTypedElsewhere:
    def test_joins_its_case_and_stops_the_clock_at_the_moment_it_was_sent(self, mailbox: Mailbox, case: Case) -> None:
        found = take_in(mailbox, answer(), role="sent", minutes=30)
        assert (found.state, found.case, found.answerable) == ("filed", case, False)
        email = EmailMessage.objects.get(direction="outbound")
        assert (email.thread.case, email.threaded_by, email.threaded_detail) == (
            case,
            "written_elsewhere",
            "first@home.example",
        )
        case.refresh_from_db()
        assert case.first_response_at == later(minutes=30)
        assert case.status == "in_progress"
        clock = SLAClock.objects.get(case=case, kind="first_response")
        assert (clock.state, clock.stopped_at) == ("met", later(minutes=30))
        told = TimelineEvent.objects.get(kind="message_sent")
        assert (told.case, told.data["by_us"], told.data["answer"]) == (case, False, True)

    def test_noticed_late_counts_from_when_it_was_sent(self, mailbox: Mailbox, case: Case) -> None:
        inbound, _is_new = store(
            mailbox, source_id="x", raw=answer(), received_at=later(minutes=30), at=later(hours=30), role="sent"
        )
        pipeline.process_message(inbound.pk, now=later(hours=30))
        case.refresh_from_db()
        assert case.first_response_at == later(minutes=30)

    def test_is_known_by_the_reference_to_a_mail_of_ours(self, mailbox: Mailbox, case: Case) -> None:
        signed = message_ids.make(case.pk, domain="house.example", key=signing_key(), nonce="abc")
        assert take_in(mailbox, answer(answers=signed), role="sent").case == case

    def test_is_known_by_the_case_number_where_the_customer_gets_it(self, mailbox: Mailbox, case: Case) -> None:
        subject = f"Your heating [{case.case_number}]"
        assert take_in(mailbox, answer(answers="", subject=subject), role="sent").case == case

    def test_begins_the_conversation_of_a_case_that_has_none(self, mailbox: Mailbox) -> None:
        case = make_case(email=TINA)
        subject = f"Your heating [{case.case_number}]"
        assert take_in(mailbox, answer(answers="", subject=subject), role="sent").case == case
        assert [thread.subject for thread in case.threads.all()] == [subject]

    def test_is_not_taken_in_by_a_case_number_that_a_stranger_wrote(self, mailbox: Mailbox, case: Case) -> None:
        subject = f"Re: [{case.case_number}]"
        raw = answer(answers="", subject=subject, to="eve@strangers.example")
        assert take_in(mailbox, raw, role="sent").state == "ignored"

    def test_to_somebody_else_joins_and_is_no_answer_to_the_customer(self, mailbox: Mailbox, case: Case) -> None:
        raw = answer(to="plumber@vendors.example", subject="Fw: Heating is cold")
        assert take_in(mailbox, raw, role="sent").case == case
        case.refresh_from_db()
        assert (case.first_response_at, case.status) == (None, "new")

    def test_by_a_machine_is_no_answer(self, mailbox: Mailbox, case: Case) -> None:
        raw = answer(Auto_Submitted="auto-replied")
        assert take_in(mailbox, raw, role="sent").case == case
        case.refresh_from_db()
        assert case.first_response_at is None

    def test_twice_is_one(self, mailbox: Mailbox, case: Case) -> None:
        take_in(mailbox, answer(), role="sent")
        again, is_new = store(
            mailbox, source_id="another", raw=answer(), received_at=NOON, at=later(hours=1), role="sent"
        )
        assert not is_new
        assert pipeline.process_message(again.pk, now=later(hours=1)) is None
        assert EmailMessage.objects.filter(direction="outbound").count() == 1


class TestAnythingElseInThatFolder:
    def test_is_ignored_and_its_body_not_kept(self, mailbox: Mailbox) -> None:
        found = take_in(mailbox, answer(answers="", subject="Lunch?"), role="sent")
        assert (found.state, found.reason) == ("ignored", "It is about none of our cases.")
        assert not InboundRaw.objects.filter(pk=found.pk).exists()
        assert not EmailMessage.objects.exists()
        assert not Case.objects.exists()

    def test_of_a_deleted_case_is_ignored(self, mailbox: Mailbox, case: Case) -> None:
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        raw = answer(answers=message_ids.make(case.pk, domain="x.example", key=signing_key(), nonce="a"))
        late = take_in(mailbox, raw, role="sent")
        pipeline.process_message(late.pk, now=later(hours=1))
        late.refresh_from_db()
        assert late.state == "ignored"


class TestAnAnswerThatIsThereFirst:
    def test_waits_for_the_mail_that_it_answers(self, mailbox: Mailbox) -> None:
        found = take_in(mailbox, answer(), role="sent")
        assert (found.state, found.attempts) == ("received", 0)
        case = take_in(mailbox, mail(), minutes=1).case
        assert pipeline.process_message(found.pk, now=later(minutes=2)) == "filed"
        found.refresh_from_db()
        assert found.case == case

    def test_does_not_wait_for_ever(self, mailbox: Mailbox) -> None:
        found = take_in(mailbox, answer(), role="sent")
        after = NOON + WAITS_FOR_WHAT_IT_ANSWERS + timedelta(seconds=1)
        assert pipeline.process_message(found.pk, now=after) == "ignored"


class TestACopyOfOurOwnMail:
    def queued(self, case: Case) -> OutboundMessage:
        outbound = queue_automatic(
            case=case, event=TimelineEvent.objects.filter(kind="case_created").get(), recipient=TINA, purpose="reply",
            subject="We come at noon", body="Hello Tina,\n\nwe come at noon.\n", at=NOON, actor=SYSTEM,
        )  # fmt: skip
        assert claim_next(now=NOON) == outbound
        return outbound

    def copy(self, outbound: OutboundMessage, *, message_id: str = "") -> bytes:
        message_id = message_id or outbound.message_id
        return mail(outbound.body, sender=OURS, to=outbound.recipient, subject=outbound.subject, message_id=message_id)

    def test_is_not_counted_twice(self, mailbox: Mailbox, case: Case) -> None:
        outbound = self.queued(case)
        mark_sent(outbound.pk, at=NOON)
        found = take_in(mailbox, self.copy(outbound), role="sent", minutes=1)
        assert (found.state, found.reason) == ("ignored", "It is a copy of a mail that we sent.")
        assert EmailMessage.objects.filter(direction="outbound").count() == 1

    def test_settles_that_it_was_sent(self, mailbox: Mailbox, case: Case) -> None:
        outbound = self.queued(case)
        mark_maybe_sent(outbound.pk, error="timed out", at=NOON)
        take_in(mailbox, self.copy(outbound), role="sent", minutes=1)
        outbound.refresh_from_db()
        assert outbound.state == "sent"

    def test_is_known_also_under_a_message_id_that_the_server_gave_it(self, mailbox: Mailbox, case: Case) -> None:
        outbound = self.queued(case)
        mark_maybe_sent(outbound.pk, error="timed out", at=NOON)
        copy = self.copy(outbound, message_id="another@exchange.example")
        assert take_in(mailbox, copy, role="sent", minutes=1).state == "ignored"
        outbound.refresh_from_db()
        assert outbound.state == "sent"


class TestAnAcknowledgment:
    def test_is_not_sent_to_whom_a_colleague_has_answered_already(self, mailbox: Mailbox, case: Case) -> None:
        take_in(mailbox, answer(), role="sent", minutes=1)
        event = TimelineEvent.objects.select_related("case__customer").get(kind="case_created")
        assert acknowledge(event, at=later(minutes=2)) is None
        assert not OutboundMessage.objects.exists()

    def test_is_held_back_for_what_came_in_and_not_for_what_went_out(self, mailbox: Mailbox, case: Case) -> None:
        take_in(mailbox, answer(to="plumber@vendors.example"), role="sent", minutes=1)
        reason = loop_guard.held_back(case=case, recipient=TINA, subject="Hello", to_staff=False, now=later(minutes=2))
        assert reason == ""
