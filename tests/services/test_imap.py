"""Against a real IMAP server (Debian's dovecot): what a mailbox holds is in the ledger once, and nothing there is disturbed."""

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.models import TimelineEvent
from mail_ingest.models import InboundMessage, Mailbox, SourceAlias, SourceFolder
from mail_ingest.pipeline import process_message
from mail_ingest.services import put_away, reconcile, rounds
from mail_ingest.services.backfill import backfill_step, request_backfill
from mail_ingest.services.mailboxes import diagnose
from mail_ingest.sources import oauth
from mail_ingest.sources.base import MessageUnreadable, SourceUnavailable
from mail_ingest.sources.imap import connection, reader
from mail_ingest.sources.opening import opened
from tests import dovecot
from tests.dovecot import PASSWORD, Cutting, Dovecot
from tests.factories import SYSTEM, MailboxFactory
from tests.mails import mail

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    pytest.mark.xdist_group("imap"),
    pytest.mark.skipif(not dovecot.program(), reason="dovecot is not installed (apt-get install dovecot-imapd)"),
]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    server = Dovecot()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def old_server() -> Iterator[Dovecot]:
    """One that can do no more than RFC 3501 asks for: neither MOVE nor UIDPLUS."""
    server = Dovecot(capability="IMAP4rev1")
    yield server
    server.stop()


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A mailbox of its own for every test."""
    return f"u{abs(hash(request.node.nodeid)):x}"


def mailbox_on(server: Dovecot, user: str, **more: Any) -> Mailbox:
    values = {
        "kind": "imap",
        "imap_host": "127.0.0.1",
        "imap_port": server.port,
        "imap_security": "none",
        "imap_username": user,
        "imap_password": PASSWORD,
        "reads_sent": False,
    }
    mailbox: Mailbox = MailboxFactory.create(**{**values, **more})
    mailbox.refresh_from_db()
    return mailbox


@pytest.fixture
def mailbox(server: Dovecot, user: str, db: None) -> Mailbox:
    return mailbox_on(server, user)


def read(mailbox: Mailbox) -> int:
    mailbox.refresh_from_db()
    SourceFolder.objects.filter(mailbox=mailbox).update(next_round_at=None)
    return rounds.read(mailbox, clock=now)


def numbered(number: int, **more: Any) -> bytes:
    raw = mail(message_id=f"{number}@home.example", subject=f"Tap {number} drips", sent_at=now(), **more)
    return raw.replace(b"\n", b"\r\n")


def subjects() -> list[str]:
    texts = [bytes(inbound.raw.content) for inbound in InboundMessage.objects.order_by("pk").select_related("raw")]
    return [text.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for text in texts]


class TestReading:
    def test_stores_every_byte_and_leaves_the_mail_unread(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        raw = "From: Jörg <j@home.example>\r\nSubject: Ölheizung\r\nMessage-ID: <1@home.example>\r\n\r\nGrüße\r\n".encode()
        server.deliver(user, raw)
        assert read(mailbox) == 1
        inbound = InboundMessage.objects.get()
        assert bytes(inbound.raw.content) == raw
        assert (inbound.message_id, inbound.origin, inbound.answerable) == ("1@home.example", "live", True)
        assert b"\\Seen" not in server.flags(user)[0]
        assert abs(now() - inbound.received_at) < timedelta(minutes=1)

    def test_takes_only_what_came_since(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        server.deliver(user, numbered(1), at=now() - timedelta(days=30))
        server.deliver(user, numbered(2), at=now() - timedelta(hours=2))
        assert read(mailbox) == 1
        assert read(mailbox) == 0
        server.deliver(user, numbered(3))
        assert read(mailbox) == 1
        assert subjects() == ["Tap 2 drips", "Tap 3 drips"]

    def test_takes_an_old_mail_that_somebody_moves_into_the_inbox_later(
        self, server: Dovecot, user: str, mailbox: Mailbox
    ) -> None:
        server.deliver(user, numbered(1))
        read(mailbox)
        server.deliver(user, numbered(2), at=now() - timedelta(days=30))
        assert read(mailbox) == 1
        assert InboundMessage.objects.get(message_id="2@home.example").answerable is False

    def test_goes_through_many_pages(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        server.deliver(user, *(numbered(number) for number in range(230)))
        assert read(mailbox) == 230
        assert SourceFolder.objects.get().position["uid"] == 230
        assert read(mailbox) == 0

    def test_reads_an_empty_mailbox_and_then_its_first_mail(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        assert read(mailbox) == 0
        server.deliver(user, numbered(1))
        assert read(mailbox) == 1

    def test_finds_the_sent_items_by_their_special_use(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, reads_sent=True)
        server.deliver(user, numbered(1), folder="Sent Things")
        assert read(mailbox) == 1
        assert InboundMessage.objects.get().role == "sent"

    def test_reads_a_folder_with_an_umlaut_and_an_ampersand(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, inbox_folder="Schäden & Mängel")
        with server.client(user) as client:
            client.create('"Sch&AOQ-den &- M&AOQ-ngel"')
        server.deliver(user, numbered(1), folder="Sch&AOQ-den &- M&AOQ-ngel")
        assert read(mailbox) == 1

    def test_names_the_folders_there_are_when_one_is_missing(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, inbox_folder="Suport")
        read(mailbox)
        mailbox.refresh_from_db()
        assert mailbox.health == "failing"
        assert mailbox.health_detail == "There is no folder “Suport”. There are: INBOX, Sent Things."

    def test_keeps_a_mail_that_is_too_large_as_a_visible_refusal(
        self, server: Dovecot, user: str, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "MAX_MESSAGE_BYTES", 5_000)
        server.deliver(user, numbered(1), numbered(2, text="x" * 9_000), numbered(3))
        assert read(mailbox) == 3
        assert InboundMessage.objects.get(sha256="").state == "quarantined"
        assert InboundMessage.objects.exclude(sha256="").count() == 2


class TestANewUidvalidity:
    def test_reads_all_again_and_doubles_nothing(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, inbox_folder="Support")
        with server.client(user) as client:
            client.create("Support")
        server.deliver(user, numbered(1), numbered(2), folder="Support")
        assert read(mailbox) == 2
        with server.client(user) as client:
            client.delete("Support")
            client.create("Support")
        server.deliver(user, numbered(2), numbered(3), numbered(1), folder="Support")
        assert read(mailbox) == 1
        assert (InboundMessage.objects.count(), SourceAlias.objects.count()) == (3, 2)
        new = InboundMessage.objects.get(message_id="3@home.example")
        assert (new.origin, new.answerable) == ("resync", False)
        assert TimelineEvent.objects.filter(kind="mailbox_resynced").count() == 1
        assert read(mailbox) == 0


class TestABrokenConnection:
    @pytest.mark.parametrize("after_bytes", [0, 30, 900, 2_500, 4_000, 9_000])
    def test_loses_and_doubles_nothing_wherever_it_breaks(self, server: Dovecot, user: str, after_bytes: int) -> None:
        mailbox = mailbox_on(server, f"{user}{after_bytes}")
        server.deliver(f"{user}{after_bytes}", *(numbered(number) for number in range(20)))
        cutting = Cutting(server.port)
        Mailbox.objects.update(imap_port=cutting.port)
        cutting.cuts_after_bytes = after_bytes
        read(mailbox)
        cutting.cuts_after_bytes = None
        SourceFolder.objects.update(next_round_at=None)
        read(mailbox)
        cutting.close()
        assert subjects() == [f"Tap {number} drips" for number in range(20)]


class TestPuttingAway:
    def filed(self, mailbox: Mailbox) -> InboundMessage:
        read(mailbox)
        inbound = InboundMessage.objects.get()
        assert process_message(inbound.pk, now=now()) == "filed"
        return inbound

    def test_marks_as_read(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, after_filing="mark_read")
        server.deliver(user, numbered(1))
        inbound = self.filed(mailbox)
        assert put_away.put_away_due(mailbox, clock=now) == 1
        inbound.refresh_from_db()
        assert inbound.put_away == "done"
        assert b"\\Seen" in server.flags(user)[0]

    @pytest.mark.parametrize("folder", ["Erledigte Fälle", "Archive/2026"])
    def test_moves_into_a_folder_that_it_makes(self, server: Dovecot, user: str, folder: str) -> None:
        mailbox = mailbox_on(server, user, after_filing="move", filed_folder=folder)
        server.deliver(user, numbered(1))
        self.filed(mailbox)
        assert put_away.put_away_due(mailbox, clock=now) == 1
        assert server.flags(user) == []
        encoded = {"Erledigte Fälle": "Erledigte F&AOQ-lle"}.get(folder, folder)
        assert len(server.flags(user, encoded)) == 1
        assert read(mailbox) == 0

    def test_leaves_what_others_have_marked_where_the_server_cannot_move(self, old_server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(old_server, user, after_filing="move")
        old_server.deliver(user, numbered(1), at=now() - timedelta(days=9), flags="(\\Deleted)")
        old_server.deliver(user, numbered(2))
        self.filed(mailbox)
        assert put_away.put_away_due(mailbox, clock=now) == 1
        flags = old_server.flags(user)
        assert [b"\\Deleted" in one for one in flags] == [True, True], "nothing is expunged: that would take both"
        assert len(old_server.flags(user, "HandyConnect")) == 1
        assert read(mailbox) == 0

    def test_is_content_when_somebody_else_has_moved_it(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, after_filing="move")
        server.deliver(user, numbered(1))
        inbound = self.filed(mailbox)
        with server.client(user) as client:
            client.select("INBOX")
            client.store("1", "+FLAGS", "\\Deleted")
            client.expunge()
        put_away.put_away_due(mailbox, clock=now)
        inbound.refresh_from_db()
        assert inbound.put_away == "done"

    def test_knows_a_mail_that_is_moved_back_into_the_inbox(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, after_filing="move")
        server.deliver(user, numbered(1))
        self.filed(mailbox)
        put_away.put_away_due(mailbox, clock=now)
        with server.client(user) as client:
            client.select("HandyConnect")
            client.uid("MOVE", "1", "INBOX")
        assert read(mailbox) == 0
        assert InboundMessage.objects.count() == 1


class TestOldMail:
    def test_comes_by_a_backfill_and_is_answered_by_nobody(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        for days in (40, 20, 10):
            server.deliver(user, numbered(days), at=now() - timedelta(days=days))
        read(mailbox)
        assert not InboundMessage.objects.exists()
        backfill = request_backfill(
            mailbox, since=now() - timedelta(days=30), until=now() - timedelta(days=15), at=now(), actor=SYSTEM
        )
        assert backfill_step(backfill.pk, clock=now) == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.message_id, inbound.origin, inbound.answerable) == ("20@home.example", "backfill", False)
        backfill.refresh_from_db()
        assert (backfill.state, backfill.found, backfill.stored) == ("done", 1, 1)

    def test_that_a_round_has_missed_is_found_by_comparing(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        server.deliver(user, numbered(1), at=now() - timedelta(hours=1))
        read(mailbox)
        server.deliver(user, numbered(2), at=now() - timedelta(hours=1))
        folder = SourceFolder.objects.get()
        folder.position["uid"] = 2  # as if a higher UID had been visible before a lower one
        folder.save()
        assert read(mailbox) == 0
        assert reconcile.reconcile(mailbox, clock=now) == 1
        assert subjects() == ["Tap 1 drips", "Tap 2 drips"]


class TestTheConnection:
    def detail(self, mailbox: Mailbox) -> str:
        diagnosis = diagnose(mailbox)
        assert not diagnosis.ok
        return diagnosis.detail

    def test_is_diagnosed_as_good(self, server: Dovecot, user: str) -> None:
        diagnosis = diagnose(mailbox_on(server, user, reads_sent=True))
        assert diagnosis.ok
        assert diagnosis.detail == "The inbox can be read. Sent items are read from “Sent Things”."
        assert diagnosis.folders == ["INBOX", "Sent Things"]

    def test_names_a_wrong_password(self, server: Dovecot, user: str) -> None:
        detail = self.detail(mailbox_on(server, user, imap_password="wrong"))
        assert "refuses user name or password" in detail
        assert "wrong" not in detail.replace("refuses user name", "")

    @pytest.mark.parametrize("password", ["Paßwort", 'quo"te\\', "line\r\nbreak"])
    def test_speaks_any_password_without_stumbling(self, server: Dovecot, user: str, password: str) -> None:
        assert "refuses user name or password" in self.detail(mailbox_on(server, user, imap_password=password))

    def test_names_a_port_where_nothing_answers(self, server: Dovecot, user: str) -> None:
        port = dovecot.free_port()
        assert (
            self.detail(mailbox_on(server, user, imap_port=port))
            == f"Nothing answers at 127.0.0.1, port {port}: check both."
        )

    def test_names_a_host_that_is_not_found(self, server: Dovecot, user: str) -> None:
        mailbox = mailbox_on(server, user, imap_host="imap.invalid", imap_security="tls")
        assert self.detail(mailbox) == "The server imap.invalid is not found: check its name."

    def test_refuses_to_speak_unencrypted_over_a_network(self, server: Dovecot, user: str) -> None:
        assert "only a server on this machine" in self.detail(mailbox_on(server, user, imap_host="mail.example"))

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_refuses_a_certificate_that_nobody_vouches_for(self, server: Dovecot, user: str, security: str) -> None:
        port = server.tls_port if security == "tls" else server.port
        mailbox = mailbox_on(server, user, imap_security=security, imap_port=port)
        assert "certificate of 127.0.0.1 is not to be trusted" in self.detail(mailbox)

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_is_encrypted_where_the_certificate_is_trusted(
        self, server: Dovecot, user: str, security: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        port = server.tls_port if security == "tls" else server.port
        mailbox = mailbox_on(server, user, imap_security=security, imap_port=port)
        server.deliver(user, numbered(1))
        assert read(mailbox) == 1

    def test_names_a_port_that_does_not_speak_tls(self, server: Dovecot, user: str) -> None:
        assert "check port and encryption" in self.detail(mailbox_on(server, user, imap_security="tls"))

    def test_names_a_server_that_does_not_answer_in_time(
        self, server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import socket

        monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            detail = self.detail(mailbox_on(server, user, imap_port=silent.getsockname()[1]))
        assert detail.endswith("does not answer in time.")


class TestTheOneBadMessage:
    def test_is_told_from_a_broken_connection(self, server: Dovecot, user: str, mailbox: Mailbox) -> None:
        server.deliver(user, numbered(1))
        with opened(mailbox) as box:
            assert isinstance(box, reader.ImapReader)
            client: Any = box._box.client
            (page,) = box.rounds("inbox", {}, since=now() - timedelta(days=1))
            honest = client.uid
            client.uid = lambda *_arguments: ("OK", [b"1 (UID 1 BODY[] NIL)"])
            with pytest.raises(MessageUnreadable, match="empty"):
                box.fetch("inbox", page.items[0].source_id)
            client.uid = honest
            client.sock.close()
            client.file.close()
            with pytest.raises(SourceUnavailable):
                box.put_away(page.items[0].source_id, how="mark_read", folder="")


class TokenServer:
    """A log-in service (RFC 6749) and what dovecot asks about tokens (RFC 7662)."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.good_tokens: dict[str, str] = {}  # token -> user
        self.answers: list[tuple[int, dict[str, Any]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                if self.path == "/introspect":
                    user = outer.good_tokens.get(form["token"])
                    self.answer(200, {"active": "true", "username": user} if user else {"active": "false"})
                    return
                outer.asked.append(form)
                self.answer(*outer.answers.pop(0))

            def answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Quietly."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    server = TokenServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def oauth_server(tokens: TokenServer) -> Iterator[Dovecot]:
    server = Dovecot(introspection_url=f"{tokens.url}/introspect")
    yield server
    server.stop()


class TestOAuth2:
    @pytest.fixture(autouse=True)
    def fresh(self, tokens: TokenServer) -> None:
        tokens.asked.clear()
        tokens.answers.clear()
        oauth._kept.clear()

    def mailbox(self, oauth_server: Dovecot, tokens: TokenServer, user: str, **more: Any) -> Mailbox:
        return mailbox_on(
            oauth_server,
            user,
            imap_login="oauth2",
            oauth_token_url=f"{tokens.url}/token",
            oauth_scope="imap",
            client_id="our-client",
            client_secret="our-secret",
            **more,
        )

    def test_logs_in_with_client_credentials_and_keeps_the_token(
        self, oauth_server: Dovecot, tokens: TokenServer, user: str
    ) -> None:
        mailbox = self.mailbox(oauth_server, tokens, user)
        tokens.good_tokens["token-1"] = user
        tokens.answers.append((200, {"access_token": "token-1", "expires_in": 3600}))
        oauth_server.deliver(user, numbered(1))
        assert read(mailbox) == 1
        assert read(mailbox) == 0
        assert tokens.asked == [
            {
                "client_id": "our-client",
                "client_secret": "our-secret",
                "scope": "imap",
                "grant_type": "client_credentials",
            }
        ]

    def test_saves_a_refresh_token_that_was_replaced(
        self, oauth_server: Dovecot, tokens: TokenServer, user: str
    ) -> None:
        mailbox = self.mailbox(oauth_server, tokens, user, oauth_refresh_token="refresh-1")
        tokens.good_tokens["token-2"] = user
        tokens.answers.append((200, {"access_token": "token-2", "expires_in": "100", "refresh_token": "refresh-2"}))
        tokens.answers.append((200, {"access_token": "token-2"}))
        read(mailbox)
        read(mailbox)
        assert [form["refresh_token"] for form in tokens.asked] == ["refresh-1", "refresh-2"]
        assert Mailbox.objects.get(pk=mailbox.pk).oauth_refresh_token == "refresh-2"

    def test_fetches_a_new_token_when_the_server_does_not_take_the_old_one(
        self, oauth_server: Dovecot, tokens: TokenServer, user: str
    ) -> None:
        mailbox = self.mailbox(oauth_server, tokens, user)
        tokens.good_tokens["token-4"] = user
        tokens.answers += [(200, {"access_token": token, "expires_in": 3600}) for token in ("revoked", "token-4")]
        read(mailbox)
        mailbox.refresh_from_db()
        assert mailbox.health == "failing"
        assert "refuses the access token" in mailbox.health_detail
        read(mailbox)
        mailbox.refresh_from_db()
        assert mailbox.health == "good"

    def test_says_why_no_token_is_given(self, oauth_server: Dovecot, tokens: TokenServer, user: str) -> None:
        tokens.answers.append(
            (401, {"error": "invalid_client", "error_description": "AADSTS7000222: The secret is expired. Trace ID: 1"})
        )
        detail = diagnose(self.mailbox(oauth_server, tokens, user)).detail
        assert "invalid_client – AADSTS7000222: The secret is expired." in detail  # noqa: RUF001
        assert "Trace" not in detail
        assert "our-secret" not in detail

    @pytest.mark.parametrize("answer", [(503, {}), (200, {"no": "token"}), (429, {"error": "slow down"})])
    def test_waits_when_the_log_in_service_has_a_bad_moment(
        self, oauth_server: Dovecot, tokens: TokenServer, user: str, answer: tuple[int, dict[str, Any]]
    ) -> None:
        tokens.answers.append(answer)
        with pytest.raises(SourceUnavailable) as caught:
            oauth.access_token(self.mailbox(oauth_server, tokens, user))
        assert caught.value.lasting is False

    @pytest.mark.parametrize(
        "url", ["http://login.example/token", "ftp://x", "nonsense", "https://me:pw@login.example/"]
    )
    def test_sends_its_secret_only_to_a_safe_address(
        self, oauth_server: Dovecot, tokens: TokenServer, user: str, url: str
    ) -> None:
        mailbox = self.mailbox(oauth_server, tokens, user)
        mailbox.oauth_token_url = url
        with pytest.raises(SourceUnavailable, match="https://"):
            oauth.access_token(mailbox)

    def test_needs_an_address_and_an_application(self, oauth_server: Dovecot, tokens: TokenServer, user: str) -> None:
        mailbox = self.mailbox(oauth_server, tokens, user)
        mailbox.client_id = ""
        with pytest.raises(SourceUnavailable, match="client"):
            oauth.grant_of(mailbox)
        mailbox.oauth_token_url = ""
        with pytest.raises(SourceUnavailable, match="tenant"):
            oauth.grant_of(mailbox)
        mailbox.client_id, mailbox.tenant_id = "our-client", "contoso.example"
        assert oauth.grant_of(mailbox).url == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
