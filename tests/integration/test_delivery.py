"""The ways out, against a real SMTP server with every kind of bad day, and what the queue makes of each."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from accounts.actors import Actor
from cases.models import TimelineEvent
from mail_ingest import delivery, sender
from mail_ingest.models import Mailbox, OutboundMessage
from mail_ingest.services import (
    claim_next,
    confirm_sent,
    mark_bounced,
    mark_failed,
    mark_maybe_sent,
    put_off,
    settle_stuck,
)
from mail_ingest.services.sending import GIVE_UP_AFTER, MAX_ATTEMPTS
from mail_ingest.sources.graph import errors as graph_errors
from mail_ingest.sources.graph import sending as graph_sending
from tests.factories import NOON, MailboxFactory, UserFactory, later, make_case

pytestmark = pytest.mark.django_db


class Server:
    """A small SMTP server: what it says to a command is for each test to choose; None hangs up, "" says nothing."""

    def __init__(self, answers: dict[str, str | None]) -> None:
        self.answers = answers
        self.mails: list[bytes] = []
        self.senders: list[str] = []
        self.recipients: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        with socket.socket() as knock:
            knock.connect(("127.0.0.1", self.port))
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            connection, _address = self._listener.accept()
            # Whoever calls may hang up at any point, as real clients do.
            with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
                self._talk(connection, lines)

    def _talk(self, connection: socket.socket, lines: Any) -> None:
        said = self._said(connection, "CONNECT", "220 hello")
        while said and (line := lines.readline()):
            command = line.decode().strip()
            verb = command.split(" ")[0].split(":")[0].upper()
            if verb == "MAIL":
                self.senders.append(command)
            if verb == "RCPT":
                self.recipients.append(command[9:-1])
            said = self._said(
                connection, command, {"DATA": "354 go on", "EHLO": "250-me\r\n250 SIZE 50000000"}.get(verb, "250 good")
            )
            if verb == "DATA" and said == "354 go on":
                text = b""
                while not text.endswith(b"\r\n.\r\n") and (more := lines.readline()):
                    text += more
                said = self._said(connection, "TEXT", "250 taken")
                if said == "250 taken":
                    self.mails.append(text[:-3].replace(b"\r\n..", b"\r\n."))

    def _said(self, connection: socket.socket, command: str, usual: str) -> str | None:
        answer = next((self.answers[key] for key in self.answers if command.upper().startswith(key.upper())), usual)
        if answer == "":
            self._over.wait(3)
            return None
        if answer is not None:
            connection.sendall(f"{answer}\r\n".encode())
        return answer


@contextlib.contextmanager
def server(**answers: str | None) -> Iterator[Server]:
    found = Server({name.replace("_", " "): answer for name, answer in answers.items()})
    try:
        yield found
    finally:
        found.close()


def smtp_mailbox(port: int, **values: Any) -> Mailbox:
    return MailboxFactory.create(sends_by="smtp", smtp_url=f"smtp://127.0.0.1:{port}", **values)


def waiting(mailbox: Mailbox, *, number: int = 1, **values: Any) -> OutboundMessage:
    return OutboundMessage.objects.create(
        **{
            "mailbox": mailbox,
            "case": make_case(email=f"t{number}@home.example"),
            "purpose": "reply",
            "is_automatic": False,
            "author": UserFactory.create(),
            "recipient": "tina@home.example",
            "to": [{"name": "", "email": "tina@home.example"}],
            "subject": "Hello",
            "body": "One\n.two\n..three",
            "message_id": f"m{number}.{mailbox.pk}@house.example",
            "send_after": NOON,
            "created_at": NOON,
            **values,
        }
    )


def after_a_run(mail: OutboundMessage, *, now: datetime = NOON) -> OutboundMessage:
    sender.send_due(now=now)
    mail.refresh_from_db()
    return mail


class TestSMTP:
    def test_hands_a_mail_over_whole(self) -> None:
        with server() as smtp:
            mail = waiting(
                smtp_mailbox(smtp.port, address="support@house.example"),
                cc=[{"name": "", "email": "j@münchen.example"}],
                bcc=[{"name": "", "email": "b@c.example"}, {"name": "", "email": "tina@home.example"}],
            )
            assert (after_a_run(mail).state, mail.reason) == ("sent", "")
        assert smtp.recipients == ["tina@home.example", "j@xn--mnchen-3ya.example", "b@c.example"]
        assert smtp.senders[0].startswith("mail FROM:<support@house.example>")
        (raw,) = smtp.mails
        read = message_from_bytes(raw, policy=policy.default)
        assert read.get_content().replace("\r\n", "\n").rstrip() == "One\n.two\n..three"
        assert read["Bcc"] is None

    @pytest.mark.parametrize(
        ("answers", "state", "reason"),
        [
            ({"RCPT": "550 5.1.1 No such\tuser"}, "failed", "tina@home.example: 550 5.1.1 No such user"),
            ({"RCPT": "451 4.7.1 Greylisted"}, "waiting", "tina@home.example: 451 4.7.1 Greylisted"),
            ({"MAIL": "552 5.3.4 Too large"}, "failed", "552 5.3.4 Too large"),
            ({"MAIL": "421 4.3.2 Shutting down"}, "waiting", "421 4.3.2 Shutting down"),
            ({"DATA": "554 5.7.1 Spam"}, "failed", "554 5.7.1 Spam"),
            ({"DATA": "451 Later"}, "waiting", "451 Later"),
            ({"TEXT": "550 5.7.1 Spam"}, "failed", "550 5.7.1 Spam"),
            ({"TEXT": "452 4.2.2 Full"}, "waiting", "452 4.2.2 Full"),
            ({"RCPT": None}, "waiting", "SMTPServerDisconnected: Connection unexpectedly closed"),
            ({"TEXT": None}, "maybe_sent", "The server fell silent"),
            ({"CONNECT": "554 Not you"}, "waiting", "554 Not you"),
            ({"CONNECT": None}, "waiting", "SMTPServerDisconnected"),
        ],
    )
    def test_says_what_the_server_said(self, answers: dict[str, str | None], state: str, reason: str) -> None:
        with server(**answers) as smtp:
            mail = after_a_run(waiting(smtp_mailbox(smtp.port)))
        assert mail.state == state
        assert mail.reason.startswith(reason)
        assert smtp.mails == []

    def test_does_not_know_what_became_of_a_mail_when_the_server_falls_silent(self, settings: Any) -> None:
        settings.EMAIL_TIMEOUT = 0.3
        with server(TEXT="") as smtp:
            mail = after_a_run(waiting(smtp_mailbox(smtp.port)))
        assert mail.state == "maybe_sent"
        assert "Look whether it arrived" in mail.reason
        assert after_a_run(mail, now=later(days=3)).state == "maybe_sent"  # never again by itself

    def test_tells_whom_it_was_not_taken_for(self) -> None:
        with server(**{"RCPT_TO:<b@": "550 5.1.1 Nobody"}) as smtp:
            mail = after_a_run(waiting(smtp_mailbox(smtp.port), cc=[{"name": "", "email": "b@c.example"}]))
        assert (mail.state, mail.reason) == ("sent", "Not taken for b@c.example: 550 5.1.1 Nobody")
        assert len(smtp.mails) == 1

    def test_waits_while_any_of_them_may_still_be_taken(self) -> None:
        with server(**{"RCPT_TO:<b@": "451 Later", "RCPT_TO:<tina": "550 Never"}) as smtp:
            mail = after_a_run(waiting(smtp_mailbox(smtp.port), cc=[{"name": "", "email": "b@c.example"}]))
        assert (mail.state, smtp.mails) == ("waiting", [])

    def test_with_an_address_that_cannot_be_used_waits_and_says_so(self) -> None:
        mailbox = smtp_mailbox(25)
        Mailbox.objects.filter(pk=mailbox.pk).update(smtp_url="nonsense")
        mail = after_a_run(waiting(Mailbox.objects.get(pk=mailbox.pk)))
        assert mail.state == "waiting"
        assert "The SMTP address of this mailbox cannot be used" in mail.reason


class TestAServerThatIsDown:
    @pytest.fixture
    def closed_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    def test_holds_up_only_its_own_mail(self, closed_port: int, state_folder: Path) -> None:
        bad = smtp_mailbox(closed_port)
        stuck = [waiting(bad, number=n) for n in range(30)]
        with server() as smtp:
            good, folder = smtp_mailbox(smtp.port), MailboxFactory.create()
            fine = [waiting(good, number=50), waiting(folder, number=51)]
            assert sender.send_due(now=NOON) == 2
        for mail in (*stuck, *fine):
            mail.refresh_from_db()
        assert {mail.state for mail in fine} == {"sent"}
        assert {(mail.state, mail.attempts) for mail in stuck} == {("waiting", 0)}
        assert all("ConnectionRefusedError" in mail.reason for mail in stuck)
        assert all(later(minutes=1) <= mail.send_after < later(minutes=2) for mail in stuck)

    def test_gets_its_mail_as_soon_as_it_is_back(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        mailbox = smtp_mailbox(port)
        mails = [waiting(mailbox, number=n) for n in range(3)]
        for hour in range(30):  # as long as a mailbox may be down
            sender.send_due(now=later(hours=hour))
        with server() as smtp:
            mailbox.smtp_url = f"smtp://127.0.0.1:{smtp.port}"
            mailbox.save()
            assert sender.send_due(now=later(hours=29, minutes=2)) == 3
            assert len(smtp.mails) == 3
        assert {OutboundMessage.objects.get(pk=mail.pk).attempts for mail in mails} == {1}

    def test_is_given_up_for_automatic_mail_alone(self, closed_port: int) -> None:
        mailbox = smtp_mailbox(closed_port)
        automatic, written = waiting(mailbox, is_automatic=True, author=None), waiting(mailbox, number=2)
        for late in (timedelta(), GIVE_UP_AFTER + timedelta(hours=1), GIVE_UP_AFTER + timedelta(hours=2)):
            sender.send_due(now=NOON + late)
        for mail in (automatic, written):
            mail.refresh_from_db()
        assert (automatic.state, written.state) == ("failed", "waiting")

    def test_is_one_for_all_that_send_by_it(self, settings: Any, closed_port: int) -> None:
        settings.EMAIL_FILE_PATH = ""
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port
        mails = [waiting(MailboxFactory.create(), number=n) for n in range(3)]
        assert sender.send_due(now=NOON) == 0
        assert {OutboundMessage.objects.get(pk=mail.pk).reason[:22] for mail in mails} == {"ConnectionRefusedError"}


class TestTurns:
    def test_go_round_the_mailboxes(self, state_folder: Path) -> None:
        busy, quiet = MailboxFactory.create(), MailboxFactory.create()
        for n in range(40):
            waiting(busy, number=n, send_after=NOON - timedelta(hours=1))
        late = waiting(quiet, number=99)
        assert sender.send_due(now=NOON) == sender.MOST_AT_ONCE
        late.refresh_from_db()
        assert late.state == "sent"

    def test_end_when_somebody_else_has_taken_the_mail(
        self, state_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting(MailboxFactory.create())
        monkeypatch.setattr("mail_ingest.services.sending.claim_next", lambda **_given: None)
        assert sender.send_due(now=NOON) == 0


class TestTheQueue:
    def test_tries_a_mail_again_each_time_later(self) -> None:
        mail = waiting(MailboxFactory.create())
        waits = []
        at = NOON
        while claim_next(now=at):
            mark_failed(mail.pk, error="451 Later", at=at)
            mail.refresh_from_db()
            if mail.state == "failed":
                break
            waits.append((mail.send_after - at).total_seconds() / 60)
            at = mail.send_after
        assert waits == [1, 4, 15, 60, 240, 720]
        assert (mail.attempts, TimelineEvent.objects.filter(kind="outbound_failed").count()) == (MAX_ATTEMPTS, 1)

    def test_does_not_take_back_that_a_mail_is_sent(self, state_folder: Path) -> None:
        mail = waiting(MailboxFactory.create())
        assert after_a_run(mail).state == "sent"
        mark_failed(mail.pk, error="late", at=NOON)
        put_off(mail.pk, with_lane=True, error="late", until=NOON, at=NOON)
        mark_maybe_sent(mail.pk, error="late", at=NOON)
        mail.refresh_from_db()
        assert (mail.state, mail.reason) == ("sent", "")

    def test_repeats_only_where_that_leaves_one_mail(self) -> None:
        with_folder, with_smtp = waiting(MailboxFactory.create()), waiting(smtp_mailbox(25), number=2)
        claim_next(now=NOON)
        claim_next(now=NOON)
        assert settle_stuck(now=NOON + timedelta(seconds=61), repeatable=True) == 1
        assert settle_stuck(now=later(minutes=4), repeatable=True) == 1
        with_folder.refresh_from_db()
        with_smtp.refresh_from_db()
        assert (with_folder.state, with_smtp.state) == ("waiting", "maybe_sent")
        assert "The sender stopped" in with_smtp.reason

    def test_does_not_repeat_for_ever_what_kills_its_senders(self) -> None:
        mail = waiting(MailboxFactory.create())
        for hour in range(MAX_ATTEMPTS):
            assert claim_next(now=later(hours=hour)) == mail
            settle_stuck(now=later(hours=hour, minutes=5), repeatable=True)
        mail.refresh_from_db()
        assert mail.state == "maybe_sent"


class TestConfirmSent:
    def test_settles_what_may_have_been_sent(self) -> None:
        mail = waiting(smtp_mailbox(25), author=UserFactory.create())
        claim_next(now=NOON)
        mark_maybe_sent(mail.pk, error="silence", at=NOON)
        found = confirm_sent(f"<{mail.message_id}>", at=later(minutes=5))
        assert found
        assert (found.pk, found.state, found.reason) == (mail.pk, "sent", "")
        assert found.email
        assert found.email.received_at == later(minutes=5)
        assert confirm_sent(mail.message_id, at=later(minutes=9)) == found
        assert TimelineEvent.objects.filter(kind="message_sent").count() == 1

    def test_knows_only_our_own(self) -> None:
        assert confirm_sent("x@y.example", at=NOON) is None

    def test_leaves_alone_what_was_taken_back(self) -> None:
        mail = waiting(smtp_mailbox(25), state="cancelled")
        found = confirm_sent(mail.message_id, at=NOON)
        assert found
        assert found.state == "cancelled"


class TestABounce:
    BOUNCE = {
        "recipient": "Tina@home.example",
        "reason": "user_unknown",
        "status": "5.1.1",
        "detail": "No such user",
        "is_permanent": True,
    }

    def test_marks_the_mail_that_it_reports_on(self, state_folder: Path) -> None:
        mail = waiting(MailboxFactory.create())
        after_a_run(mail)
        for minutes in (10, 20):
            mark_bounced(mail.pk, [self.BOUNCE], at=later(minutes=minutes))
        mail.refresh_from_db()
        assert (mail.state, mail.bounced_at) == ("sent", later(minutes=10))
        assert mail.bounces == [{**self.BOUNCE, "recipient": "tina@home.example"}]
        event = TimelineEvent.objects.get(kind="outbound_bounced")
        assert (event.case_id, event.data["bounces"][0]["status"]) == (mail.case_id, "5.1.1")
        assert "tina" not in str(event.data)

    def test_that_passes_is_noted_and_may_become_one_that_does_not(self) -> None:
        mail = waiting(MailboxFactory.create(), state="sent")
        soft = {**self.BOUNCE, "status": "4.2.2", "is_permanent": False}
        found = mark_bounced(mail.pk, [soft], at=later(minutes=10))
        assert found
        assert (found.bounced_at, len(found.bounces)) == (None, 1)
        found = mark_bounced(mail.pk, [self.BOUNCE, soft], at=later(minutes=20))
        assert found
        assert (found.bounced_at, len(found.bounces)) == (later(minutes=20), 2)

    def test_of_a_mail_that_is_not_ours_is_nothing(self) -> None:
        assert mark_bounced(1, [self.BOUNCE], at=NOON) is None


class TestGraph:
    """What Graph answers is tested where Graph is; here, what the queue makes of it."""

    @pytest.fixture
    def mailbox(self) -> Mailbox:
        return MailboxFactory.create(
            kind="graph", sends_by="graph", tenant_id="t.example", client_id="c", client_secret="s"
        )

    @pytest.mark.parametrize(
        ("error", "state", "counted"),
        [
            (graph_errors.MaybeSent("504"), "maybe_sent", 1),
            (graph_errors.NotSent(graph_errors.Refused("bad recipient", status=400)), "failed", 1),
            (graph_errors.NotSent(graph_errors.TooLarge("too large", status=413)), "failed", 1),
            (graph_errors.NotSent(graph_errors.LoginRefused("expired secret", status=401)), "waiting", 0),
            (graph_errors.NotSent(graph_errors.AccessDenied("no consent", status=403)), "waiting", 0),
            (graph_errors.NotSent(graph_errors.Unreachable("no answer")), "waiting", 0),
            (graph_errors.NotSent(graph_errors.Unreachable("busy", status=503)), "waiting", 1),
            (graph_errors.Misconfigured("MICROSOFT_TENANT_ID is missing"), "waiting", 0),
        ],
    )
    def test_says_whether_it_went(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, counted: int
    ) -> None:
        def refuse(*_given: Any) -> None:
            raise error

        monkeypatch.setattr(graph_sending, "send_mime", refuse)
        mail = after_a_run(waiting(mailbox))
        assert (mail.state, mail.attempts) == (state, counted)
        assert mail.reason

    def test_leaves_a_throttled_mailbox_alone_for_as_long_as_it_says(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        until = datetime(2026, 3, 4, 13, 30, tzinfo=UTC)

        def refuse(*_given: Any) -> None:
            raise graph_errors.Throttled("slow down", retry_at=until)

        monkeypatch.setattr(graph_sending, "send_mime", refuse)
        assert after_a_run(waiting(mailbox)).send_after == until

    def test_gets_the_whole_mail_with_its_hidden_recipients(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[tuple[str, bytes]] = []
        monkeypatch.setattr(graph_sending, "send_mime", lambda _graph, user, raw: sent.append((user, raw)))
        mail = after_a_run(waiting(mailbox, bcc=[{"name": "", "email": "b@c.example"}]))
        assert mail.state == "sent"
        ((user, raw),) = sent
        assert user == mailbox.address
        assert message_from_bytes(raw, policy=policy.default)["Bcc"] == "b@c.example"

    def test_gets_large_files_one_by_one(self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
        from mail_ingest.services import keep_upload

        calls: list[str] = []

        def create_draft(_graph: Any, _user: str, *, raw: bytes) -> str:
            calls.append(f"draft {len(raw) < 2000}")
            return "d1"

        monkeypatch.setattr(graph_sending, "create_draft", create_draft)
        monkeypatch.setattr(
            graph_sending,
            "attach",
            lambda _g, _u, draft, file: calls.append(f"{draft} {file.name} {len(file.content)}"),
        )
        monkeypatch.setattr(graph_sending, "send_draft", lambda _g, _u, draft: calls.append(f"send {draft}"))
        mail = waiting(mailbox)
        assert mail.author
        assert mail.case
        size = 4 * 1024 * 1024
        upload = keep_upload(
            mail.case.pk,
            filename="a.bin",
            content=b"x" * size,
            declared_type="",
            at=NOON,
            actor=Actor.user(mail.author),
        )
        mail.uploads.add(upload)
        assert after_a_run(mail).state == "sent"
        assert calls == ["draft True", f"d1 a.bin {size}", "send d1"]

        def refuse(*_given: Any) -> None:
            raise graph_errors.NotSent(graph_errors.Refused("no", status=400))

        monkeypatch.setattr(graph_sending, "send_draft", refuse)
        monkeypatch.setattr(graph_sending, "discard", lambda _g, _u, draft: calls.append(f"discard {draft}"))
        again = waiting(mailbox, number=2)
        again.uploads.add(upload)
        assert after_a_run(again).state == "failed"
        assert calls[-1] == "discard d1"


class TestWords:
    def test_of_a_server_are_one_bounded_line(self) -> None:
        assert delivery.said(550, b"5.1.1 No\r\nsuch \xff user") == "550 5.1.1 No such \ufffd user"
        assert len(delivery.said(550, "x" * 1000)) == 300
        assert delivery.reason(TimeoutError()) == "TimeoutError"
