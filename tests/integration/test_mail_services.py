"""What the services of mail promise beside the usual journey."""

import hashlib
from datetime import datetime, timedelta

import pytest

from cases.models import Case, TimelineEvent
from mail_ingest import pipeline
from mail_ingest.ai import offline
from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage, TriageResult
from mail_ingest.services import claim_next, loop_guard, mark_sent, processing, queue_automatic, store
from mail_ingest.services.mailboxes import mailboxes_to_read
from tests.factories import NOON, SYSTEM, MailboxFactory, later
from tests.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Support", address="support@house.example")


def take_in(mailbox: Mailbox, raw: bytes, *, age: timedelta = timedelta()) -> InboundMessage:
    source_id = hashlib.sha256(raw).hexdigest()
    inbound, _is_new = store(mailbox, source_id=source_id, raw=raw, received_at=NOON - age, at=NOON)
    pipeline.process_message(inbound.pk, now=NOON)
    inbound.refresh_from_db()
    return inbound


class TestHeldBack:
    def test_answers_no_old_mail(self, mailbox: Mailbox) -> None:
        inbound = take_in(mailbox, mail(), age=timedelta(days=3))
        reason = loop_guard.held_back(
            case=inbound.case, recipient="tina@home.example", subject="Received", to_staff=False, now=NOON
        )
        assert "old mail is not answered" in reason

    def test_lets_the_answer_to_fresh_mail_go(self, mailbox: Mailbox) -> None:
        inbound = take_in(mailbox, mail())
        assert not loop_guard.held_back(
            case=inbound.case, recipient="tina@home.example", subject="Received", to_staff=False, now=NOON
        )


class TestMarkSent:
    @pytest.mark.parametrize(("is_automatic", "seen_at"), [(False, later(hours=1)), (True, NOON)])
    def test_counts_a_persons_mail_as_life_in_the_case_and_a_machines_not(
        self, mailbox: Mailbox, is_automatic: bool, seen_at: datetime
    ) -> None:
        case = take_in(mailbox, mail()).case
        assert case is not None
        event = TimelineEvent.objects.get(kind="case_created")
        queued = queue_automatic(
            case=case, event=event, recipient="t@home.example", purpose="reply", subject="Re", body="Hello", at=NOON,
            actor=SYSTEM,
        )  # fmt: skip
        OutboundMessage.objects.filter(pk=queued.pk).update(is_automatic=is_automatic)
        assert claim_next(now=NOON) == queued
        mark_sent(queued.pk, at=later(hours=1))
        assert Case.objects.get().last_activity_at == seen_at


class TestKeepTriage:
    def test_changes_nothing_about_a_mail_that_has_gone_on(self, mailbox: Mailbox) -> None:
        inbound = take_in(mailbox, mail())
        events = TimelineEvent.objects.count()
        inbound.state = InboundMessage.State.THREADED
        with pytest.raises(processing.Overtaken):
            processing.keep_triage(
                inbound,
                offline.read(subject="x", text="x", categories=set()),
                source="offline",
                version="another",
                latency_ms=1,
                at=NOON,
            )
        assert TriageResult.objects.count() == 1
        assert TimelineEvent.objects.count() == events


class TestACaseWithoutASubject:
    def test_is_called_by_its_first_line(self, mailbox: Mailbox) -> None:
        inbound = take_in(mailbox, mail("\n\n  The lift is stuck. \nPlease come.", subject=""))
        assert inbound.case is not None
        assert inbound.case.title == "The lift is stuck."


class TestMailboxesToRead:
    def test_are_those_that_are_switched_on(self, mailbox: Mailbox) -> None:
        MailboxFactory.create(is_active=False)
        assert mailboxes_to_read() == [mailbox]


class TestAMailThatWasNotThreaded:
    def test_has_no_message(self, mailbox: Mailbox) -> None:
        inbound, _is_new = store(mailbox, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        with pytest.raises(LookupError):
            processing.message_of(inbound)


# The form of RFC 6047, 4.1.
INVITATION = b"""\
From: Ina <ina@home.example>
To: support@house.example
Subject: Inspection
Message-ID: <invite@home.example>
MIME-Version: 1.0
Content-Type: text/calendar; method=REQUEST; charset=UTF-8

BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:1@home.example
DTSTAMP:20260301T080000Z
DTSTART:20260305T090000Z
DTEND:20260305T100000Z
SUMMARY:Inspection of the lift
LOCATION:Elm Street 4
ORGANIZER:mailto:ina@home.example
END:VEVENT
END:VCALENDAR
"""


class TestAnInvitation:
    def test_is_kept_as_one(self, mailbox: Mailbox) -> None:
        inbound = take_in(mailbox, INVITATION)
        assert inbound.email is not None
        kept = inbound.email.calendar
        assert kept is not None
        assert (kept["method"], kept["summary"], kept["location"]) == (
            "REQUEST", "Inspection of the lift", "Elm Street 4",
        )  # fmt: skip
        assert (kept["start"], kept["end"]) == ("2026-03-05T09:00:00+00:00", "2026-03-05T10:00:00+00:00")
