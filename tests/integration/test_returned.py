"""Mail of ours that comes back: the report joins the case, and marks the mail that it is about."""

import hashlib

import pytest

from cases.models import Case, TimelineEvent
from mail_ingest import message_ids, pipeline
from mail_ingest.keys import signing_key
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import claim_next, mark_maybe_sent, mark_sent, queue_automatic, store
from tests.factories import NOON, SYSTEM, MailboxFactory, later
from tests.mails import mail

pytestmark = pytest.mark.django_db

# The form of RFC 3464, appendix E.
REPORT = """\
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>
To: support@house.example
Subject: Returned mail: see transcript for details
Message-ID: <report-1@mx.example>
Date: Mon, 2 Mar 2026 12:05:00 +0000
MIME-Version: 1.0
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The following address had permanent fatal errors: <tina@home.example>

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; tina@home.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b
Content-Type: text/rfc822-headers

From: Support <support@house.example>
To: tina@home.example
Subject: Received
Message-ID: <{message_id}>

--b--
"""


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Support", address="support@house.example")


def take_in(mailbox: Mailbox, raw: bytes, *, minutes: int = 0) -> InboundMessage:
    now = later(minutes=minutes)
    source_id = hashlib.sha256(raw).hexdigest()
    inbound, _is_new = store(mailbox, source_id=source_id, raw=raw, received_at=now, at=now)
    pipeline.process_message(inbound.pk, now=now)
    inbound.refresh_from_db()
    return inbound


@pytest.fixture
def sent(mailbox: Mailbox) -> OutboundMessage:
    inbound = take_in(mailbox, mail())
    assert inbound.case is not None
    outbound = queue_automatic(
        case=inbound.case, event=TimelineEvent.objects.get(kind="case_created"), recipient="tina@home.example",
        purpose="acknowledgment", subject="Received", body="Thank you.", at=NOON, actor=SYSTEM,
    )  # fmt: skip
    assert claim_next(now=NOON) == outbound
    return outbound


def report(outbound: OutboundMessage, *, action: str = "failed", status: str = "5.1.1") -> bytes:
    return REPORT.format(message_id=outbound.message_id, action=action, status=status).encode()


class TestAReport:
    def test_joins_the_case_and_marks_the_mail(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        case = sent.case
        assert case is not None
        status = Case.objects.get().status
        inbound = take_in(mailbox, report(sent), minutes=5)
        assert (inbound.state, inbound.case) == ("filed", case)
        sent.refresh_from_db()
        assert sent.bounced_at == later(minutes=5)
        assert [(one["recipient"], one["reason"], one["status"]) for one in sent.bounces] == [
            ("tina@home.example", "user_unknown", "5.1.1")
        ]
        email = EmailMessage.objects.get(message_id="report-1@mx.example")
        assert email.automatic == "bounce"
        assert email.report is not None
        assert email.report["results"][0]["is_permanent"] is True
        assert TimelineEvent.objects.get(kind="outbound_bounced").case == case
        assert Case.objects.get().status == status

    def test_says_that_a_mail_of_which_nobody_knew_was_sent(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_maybe_sent(sent.pk, error="timed out", at=NOON)
        take_in(mailbox, report(sent), minutes=5)
        sent.refresh_from_db()
        assert (sent.state, sent.bounced_at) == ("sent", later(minutes=5))

    def test_of_success_marks_nothing(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        take_in(mailbox, report(sent, action="delivered", status="2.0.0"), minutes=5)
        sent.refresh_from_db()
        assert (sent.bounced_at, sent.bounces) == (None, [])

    def test_of_a_delay_is_noted_and_is_no_return(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        take_in(mailbox, report(sent, action="delayed", status="4.4.1"), minutes=5)
        sent.refresh_from_db()
        assert sent.bounced_at is None
        assert [one["is_permanent"] for one in sent.bounces] == [False]

    def test_never_reopens(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        Case.objects.update(status="resolved", resolved_at=NOON)
        take_in(mailbox, report(sent), minutes=5)
        assert Case.objects.get().status == "resolved"

    def test_that_lost_the_id_is_known_by_recipient_and_subject(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        take_in(mailbox, REPORT.format(message_id="new@relay.example", action="failed", status="5.1.1").encode())
        sent.refresh_from_db()
        assert [one["reason"] for one in sent.bounces] == ["user_unknown"]

    def test_that_lost_the_id_and_subject_is_known_by_the_case_that_we_signed(
        self, mailbox: Mailbox, sent: OutboundMessage
    ) -> None:
        mark_sent(sent.pk, at=NOON)
        assert sent.case is not None
        signed = message_ids.make(sent.case.pk, domain="house.example", key=signing_key(), nonce="elsewhere")
        raw = REPORT.format(message_id=signed, action="failed", status="5.1.1").encode()
        take_in(mailbox, raw.replace(b"Subject: Received", b"Subject: Lunch"))
        sent.refresh_from_db()
        assert len(sent.bounces) == 1

    def test_that_names_nobody_whom_we_wrote_to_is_not_believed(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        two = (
            report(sent)
            .replace(b"tina@", b"eve@")
            .replace(
                b"Diagnostic-Code",
                b"X: y\n\nFinal-Recipient: rfc822; bo@home.example\nAction: failed\nDiagnostic-Code",
                1,
            )
        )
        take_in(mailbox, two)
        sent.refresh_from_db()
        assert sent.bounces == []

    def test_about_mail_that_is_not_ours_marks_nothing(self, mailbox: Mailbox, sent: OutboundMessage) -> None:
        mark_sent(sent.pk, at=NOON)
        raw = REPORT.format(message_id="other@elsewhere.example", action="failed", status="5.1.1").encode()
        inbound = take_in(mailbox, raw.replace(b"Subject: Received", b"Subject: Lunch"), minutes=5)
        sent.refresh_from_db()
        assert inbound.case != sent.case
        assert sent.bounces == []
