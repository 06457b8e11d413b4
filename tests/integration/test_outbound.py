"""The way out: each mail at most once, and none that would loop."""

import smtplib
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from cases.models import TimelineEvent
from mail_ingest import delivery, sender
from mail_ingest.models import EmailThread, Mailbox, OutboundMessage
from mail_ingest.services import (
    NoMailbox,
    claim_next,
    loop_guard,
    mark_sent,
    queue_automatic,
    queue_staff_mail,
    record_reply,
    settle_stuck,
)
from tests.factories import NOON, SYSTEM, MailboxFactory, later, make_case

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Support", address="support@house.example")


@pytest.fixture
def sent_folder(state_folder: Path) -> Path:
    return state_folder / "mail" / "sent"


def queue(number: int = 0, *, recipient: str = "t@home.example", minutes: float = 0, **given: Any) -> OutboundMessage:
    case = given.pop("case", None) or make_case()
    return queue_automatic(
        case=case,
        event=TimelineEvent.objects.filter(case=case).latest("id"),
        recipient=recipient,
        purpose=given.pop("purpose", "template"),
        subject=given.pop("subject", f"Number {number}"),
        body="Hello",
        at=later(minutes=int(minutes)),
        actor=SYSTEM,
    )


class TestQueue:
    def test_holds_one_mail_for_each_event_recipient_and_purpose(self) -> None:
        case = make_case()
        first = queue(case=case)
        event = TimelineEvent.objects.get(kind="case_created")
        again = queue_automatic(
            case=case,
            event=event,
            recipient=" T@Home.example",
            purpose="template",
            subject="x",
            body="",
            at=NOON,
            actor=SYSTEM,
        )
        assert again == first

    def test_needs_a_mailbox_to_send_from(self, mailbox: Mailbox) -> None:
        mailbox.delete()
        with pytest.raises(NoMailbox):
            queue()

    def test_keeps_a_colleagues_notification_out_of_the_conversation(self) -> None:
        case = make_case()
        event = TimelineEvent.objects.get(kind="case_created")
        mail = queue_staff_mail(
            event=event,
            case=None,
            recipient="ana@house.example",
            subject="New\r\nBcc: x",
            body="",
            at=NOON,
            actor=SYSTEM,
        )
        assert (mail.thread, mail.subject) == (None, "New Bcc: x")
        assert mail.message_id.endswith("@house.example")
        assert case.threads.count() == 0


class TestTheLoopGuard:
    def test_sends_nothing_to_ourselves_or_to_nobody(self) -> None:
        assert queue(recipient="SUPPORT@house.example").state == "suppressed"
        assert queue(recipient="").state == "suppressed"
        assert TimelineEvent.objects.filter(kind="outbound_suppressed").count() == 2

    def test_caps_what_one_person_gets_about_one_case(self) -> None:
        case = make_case()
        states = []
        for number in range(11):
            make_case(email=f"x{number}@home.example")
            event = TimelineEvent.objects.latest("id")
            states.append(
                queue_automatic(
                    case=case, event=event, recipient="t@home.example", purpose="template", subject=f"{number}",
                    body="", at=later(minutes=number // 2), actor=SYSTEM,
                ).state
            )  # fmt: skip
        assert states == ["waiting"] * 10 + ["suppressed"]

    def test_caps_what_one_person_gets_over_all_cases(self) -> None:
        states = [queue(number, minutes=number * 12).state for number in range(12)]
        assert states == ["waiting"] * 10 + ["suppressed"] * 2
        assert queue(99, minutes=60 * 6).state == "waiting"  # the caps forget

    def test_lets_a_colleague_have_a_busy_day(self) -> None:
        for number in range(15):
            case = make_case(email=f"t{number}@home.example")
            event = TimelineEvent.objects.filter(case=case).latest("id")
            mail = queue_staff_mail(
                event=event, case=case, recipient="ana@house.example", subject="New", body="", at=NOON, actor=SYSTEM
            )
            assert mail.state == "waiting"

    def test_sends_no_second_mail_with_the_same_subject(self) -> None:
        assert queue(subject="Hello").state == "waiting"
        assert queue(subject="Hello", minutes=5).state == "suppressed"

    def test_stops_a_storm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loop_guard, "STORM", loop_guard.Cap(3, 10))
        states = [queue(number, recipient=f"t{number}@home.example").state for number in range(5)]
        assert states == ["waiting"] * 3 + ["suppressed"] * 2
        assert "storm" in OutboundMessage.objects.filter(state="suppressed").earliest("id").reason


class TestSending:
    def test_writes_each_mail_once_and_notes_it(self, sent_folder: Path) -> None:
        mail = queue()
        assert (sender.send_due(now=NOON), sender.send_due(now=NOON)) == (1, 0)
        mail.refresh_from_db()
        assert mail.state == "sent"
        assert [path.name for path in sent_folder.iterdir()] == [f"{mail.pk:08d}-template.eml"]
        mark_sent(mail.pk, at=later(minutes=1))
        assert TimelineEvent.objects.filter(kind="outbound_sent").count() == 1

    def test_tries_again_later_and_gives_up_visibly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Down:
            repeatable = False

            def deliver(self, _mail: OutboundMessage) -> None:
                raise smtplib.SMTPConnectError(421, "down")

        monkeypatch.setattr(delivery, "configured", Down)
        mail = queue()
        sender.send_due(now=NOON)
        mail.refresh_from_db()
        assert mail.state == "waiting"
        assert mail.send_after > NOON
        for day in range(1, 8):
            sender.send_due(now=later(days=day))
        mail.refresh_from_db()
        assert (mail.state, mail.attempts) == ("failed", 7)
        assert TimelineEvent.objects.filter(kind="outbound_failed").count() == 1

    def test_leaves_a_server_that_is_down_alone_for_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []

        class Down:
            repeatable = False

            def deliver(self, mail: OutboundMessage) -> None:
                calls.append(mail.pk)
                raise TimeoutError("timed out")

        monkeypatch.setattr(delivery, "configured", Down)
        for number in range(8):
            queue(number)
        assert sender.send_due(now=NOON) == 0
        assert len(calls) == sender.MOST_FAILURES

    @pytest.mark.parametrize("recipient", ["t@a..\u00e4.example", "t@" + "\u00e4" * 70 + ".example"])
    def test_is_not_held_up_by_an_address_that_none_can_be_sent_to(self, sent_folder: Path, recipient: str) -> None:
        bad, good = queue(1, recipient=recipient), queue(2)
        assert sender.send_due(now=NOON) == 1
        for mail in (bad, good):
            mail.refresh_from_db()
        assert (bad.state, good.state) == ("failed", "sent")
        assert bad.reason

    def test_names_the_mailbox_also_when_its_name_has_quotes(self, mailbox: Mailbox, sent_folder: Path) -> None:
        mailbox.name = 'The "House"'
        mailbox.save()
        queue()
        assert sender.send_due(now=NOON) == 1
        (path,) = sent_folder.iterdir()
        sent = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert [(one.display_name, one.addr_spec) for one in sent["From"].addresses] == [
            ('The "House"', "support@house.example")
        ]

    @pytest.mark.parametrize(
        ("failure", "state"),
        [
            (smtplib.SMTPDataError(451, b"try again later"), "waiting"),
            (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "maybe_sent"),
            (TimeoutError("timed out"), "maybe_sent"),
        ],
    )
    def test_never_repeats_what_the_server_may_have_taken(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, failure: OSError, state: str
    ) -> None:
        class Server:
            def open(self) -> None: ...

            def close(self) -> None:
                raise smtplib.SMTPServerDisconnected("gone")

            def send_messages(self, _mails: list[Any]) -> int:
                raise failure

        settings.EMAIL_FILE_PATH = ""
        monkeypatch.setattr(delivery, "get_connection", Server)
        mail = queue()
        sender.send_due(now=NOON)
        settle_stuck(now=later(minutes=5), repeatable=False)
        mail.refresh_from_db()
        assert mail.state == state

    def test_says_that_a_mail_may_have_been_sent_when_the_sender_died(self) -> None:
        mail = queue()
        claim_next(now=NOON)
        assert settle_stuck(now=later(minutes=1), repeatable=False) == 0
        assert settle_stuck(now=later(minutes=5), repeatable=False) == 1
        mail.refresh_from_db()
        assert mail.state == "maybe_sent"
        assert claim_next(now=later(minutes=6)) is None

    def test_sends_again_where_that_leaves_one_mail(self) -> None:
        queue()
        claim_next(now=NOON)
        settle_stuck(now=later(minutes=5), repeatable=True)
        assert claim_next(now=later(minutes=5)) is not None

    def test_uses_the_configured_server(self, settings: Any, mailoutbox: list[Any]) -> None:
        settings.EMAIL_FILE_PATH = ""
        mail = queue()
        sender.send_due(now=NOON)
        assert [message.extra_headers["Message-ID"] for message in mailoutbox] == [f"<{mail.message_id}>"]


class TestAnAutomaticMail:
    def test_does_not_look_like_life_in_the_case(self, sent_folder: Path) -> None:
        record_reply(case := make_case(), body="Hello", at=NOON, actor=SYSTEM)
        queue(case=case, minutes=60)
        sender.send_due(now=later(hours=2))
        case.refresh_from_db()
        assert case.last_activity_at == NOON
        assert EmailThread.objects.get(case=case).emails.count() == 2


class TestRecordReply:
    def test_opens_a_conversation_where_there_is_none(self) -> None:
        case = make_case()
        record_reply(case, body="We called you.", at=NOON, actor=SYSTEM)
        assert EmailThread.objects.get(case=case).emails.get().direction == "outbound"
