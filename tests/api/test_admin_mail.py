"""The mail channel in the back office, through HTTP: mailboxes and their secrets, the ledger, the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from cases.models import ConfigVersion, TimelineEvent
from mail_ingest.models import Backfill, InboundMessage, Mailbox, OutboundMessage, SourceAlias, SourceFolder
from mail_ingest.services import quarantine, store
from mail_ingest.services.loop_guard import STORM
from mail_ingest.sources import opening
from mail_ingest.sources.base import Diagnosis, SourceUnavailable
from tests.factories import NOON, MailboxFactory

pytestmark = pytest.mark.django_db

SECRETS = {
    "client_secret": "graph-secret-1",
    "imap_password": "imap-secret-2",
    "oauth_refresh_token": "refresh-secret-3",
    "smtp_url": "smtp+tls://user:smtp-secret-4@mail.example.com:587",
}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(model: type[Any], page: str, *args: Any) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def fields(mailbox: Mailbox, **values: Any) -> dict[str, Any]:
    """The form of a mailbox as a browser sends it."""
    given = {
        "name": mailbox.name,
        "slug": mailbox.slug,
        "address": mailbox.address,
        "aliases": "",
        "kind": mailbox.kind,
        "is_active": "on",
        "folder": mailbox.folder,
        "imap_host": mailbox.imap_host,
        "imap_port": mailbox.imap_port,
        "imap_security": mailbox.imap_security,
        "imap_login": mailbox.imap_login,
        "reads_sent": "on",
        "after_filing": mailbox.after_filing,
        "filed_folder": mailbox.filed_folder,
        "oauth_scope": mailbox.oauth_scope,
        "sends_by": mailbox.sends_by,
        "undo_seconds": mailbox.undo_seconds,
        "answer_within_hours": mailbox.answer_within_hours,
        "acknowledges": "on",
    }
    return {**given, **values}


@pytest.fixture
def client(administrator: User) -> Client:
    return signed_in(administrator)


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(kind="imap", imap_host="imap.example.com", **SECRETS)


class TestSecrets:
    def test_are_in_no_page(self, client: Client, supervisor: User, mailbox: Mailbox) -> None:
        client.post(url(Mailbox, "change", mailbox.pk), fields(mailbox, name="Renamed"))
        pages = [
            url(Mailbox, "changelist"),
            url(Mailbox, "change", mailbox.pk),
            url(ConfigVersion, "changelist"),
            url(ConfigVersion, "change", ConfigVersion.objects.get().pk),
            url(TimelineEvent, "change", TimelineEvent.objects.latest("id").pk),
        ]
        for reader in (client, signed_in(supervisor)):
            for address in pages:
                answer = reader.get(address)
                assert answer.status_code == 200, address
                for secret in SECRETS.values():
                    assert secret not in answer.content.decode(), address

    def test_are_named_to_whoever_only_looks(self, supervisor: User, mailbox: Mailbox) -> None:
        page = signed_in(supervisor).get(url(Mailbox, "change", mailbox.pk)).content.decode()
        assert "Stored and shown to nobody: client secret, password, refresh token, SMTP address" in page

    def test_stay_when_the_box_is_left_empty(self, client: Client, mailbox: Mailbox) -> None:
        assert client.post(url(Mailbox, "change", mailbox.pk), fields(mailbox)).status_code == 302
        mailbox.refresh_from_db()
        assert {name: getattr(mailbox, name) for name in SECRETS} == SECRETS

    def test_are_replaced_and_forgotten(self, client: Client, mailbox: Mailbox) -> None:
        given = fields(mailbox, new_imap_password="new-secret", **{"new_client_secret-forget": "on"})
        assert client.post(url(Mailbox, "change", mailbox.pk), given).status_code == 302
        mailbox.refresh_from_db()
        assert (mailbox.imap_password, mailbox.client_secret) == ("new-secret", "")
        assert mailbox.oauth_refresh_token == SECRETS["oauth_refresh_token"]

    def test_do_not_come_back_when_the_form_does(self, client: Client, mailbox: Mailbox) -> None:
        given = fields(mailbox, name="", new_imap_password="typed-secret")
        answer = client.post(url(Mailbox, "change", mailbox.pk), given)
        assert answer.status_code == 200
        assert "typed-secret" not in answer.content.decode()

    def test_of_a_lost_key_do_not_shut_the_pages(self, client: Client, mailbox: Mailbox) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE mail_ingest_mailbox SET imap_password = 'unreadable'")
        assert client.get(url(Mailbox, "changelist")).status_code == 200
        assert client.get(url(Mailbox, "change", mailbox.pk)).status_code == 200


class TestTheFormOfAMailbox:
    @pytest.mark.parametrize(
        ("values", "wrong"),
        [
            ({"imap_host": ""}, "imap_host"),
            ({"kind": "maildir", "folder": ""}, "folder"),
            ({"after_filing": "move", "filed_folder": ""}, "filed_folder"),
            ({"aliases": "info@house.example, nonsense"}, "aliases"),
        ],
    )
    def test_says_what_its_kind_needs(
        self, values: dict[str, str], wrong: str, client: Client, mailbox: Mailbox
    ) -> None:
        answer = client.post(url(Mailbox, "change", mailbox.pk), fields(mailbox, **values))
        assert set(answer.context["adminform"].form.errors) == {wrong}

    def test_needs_a_server_to_send_by_one(self, client: Client) -> None:
        plain = MailboxFactory.create()
        answer = client.post(url(Mailbox, "change", plain.pk), fields(plain, sends_by="smtp"))
        assert set(answer.context["adminform"].form.errors) == {"new_smtp_url"}

    def test_takes_addresses_as_people_write_them(self, client: Client, mailbox: Mailbox) -> None:
        given = fields(mailbox, aliases="Info@House.example, rent@house.example\ninfo@house.example")
        client.post(url(Mailbox, "change", mailbox.pk), given)
        mailbox.refresh_from_db()
        assert mailbox.aliases == ["info@house.example", "rent@house.example"]

    def test_leaves_the_health_to_those_who_read_the_mail(self, client: Client, mailbox: Mailbox) -> None:
        from mail_ingest.admin.mailboxes import MailboxAdmin

        save = MailboxAdmin.save_model

        def meanwhile(*args: Any) -> None:
            Mailbox.objects.update(health="failing", health_detail="Wrong password.", checked_at=NOON)
            save(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MailboxAdmin, "save_model", meanwhile)
            client.post(url(Mailbox, "change", mailbox.pk), fields(mailbox, name="Renamed"))
        mailbox.refresh_from_db()
        assert (mailbox.name, mailbox.health, mailbox.checked_at) == ("Renamed", "failing", NOON)
        assert "health" not in ConfigVersion.objects.get().state


class Stand:
    """A source that answers the connection test."""

    def __init__(self, answer: Diagnosis | Exception) -> None:
        self.answer = answer

    def __call__(self, _mailbox: Mailbox) -> "Stand":
        return self

    def __enter__(self) -> "Stand":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def check(self) -> Diagnosis:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestThePageOfAMailbox:
    @pytest.mark.parametrize(
        ("answer", "level"),
        [
            (Diagnosis(ok=True, detail="All is well."), "success"),
            (Diagnosis(ok=False, detail="The password is wrong."), "error"),
            (SourceUnavailable("The server cannot be reached."), "error"),
        ],
    )
    def test_tests_the_connection(
        self, answer: Any, level: str, client: Client, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(opening, "import_string", lambda _path: Stand(answer))
        page = client.post(url(Mailbox, "act", mailbox.pk, "check"), follow=True)
        (message,) = page.context["messages"]
        assert (str(message), message.level_tag) == (answer.detail, level)

    def test_has_every_folder_read_at_once(self, client: Client, mailbox: Mailbox) -> None:
        client.post(url(Mailbox, "act", mailbox.pk, "read"))
        due = SourceFolder.objects.filter(mailbox=mailbox, next_round_at__lte=timezone.now())
        assert set(due.values_list("role", flat=True)) == {"inbox", "sent"}

    def test_asks_for_old_mail_in_days_of_the_reader(
        self, client: Client, administrator: User, mailbox: Mailbox
    ) -> None:
        administrator.time_zone = "Europe/Berlin"
        administrator.save()
        client.post(url(Mailbox, "act", mailbox.pk, "backfill"), {"since": "2026-01-05", "until": "2026-01-06"})
        backfill = Backfill.objects.get()
        assert backfill.since == datetime(2026, 1, 4, 23, tzinfo=UTC)
        assert backfill.until == datetime(2026, 1, 6, 23, tzinfo=UTC)
        assert backfill.requested_by == administrator
        assert "0 found, 0 new" in client.get(url(Mailbox, "change", mailbox.pk)).content.decode()
        client.post(url(Backfill, "act", backfill.pk, "stop"))
        backfill.refresh_from_db()
        assert backfill.state == "stopped"

    def test_says_what_is_wrong_and_how_far_it_was_read(self, client: Client, mailbox: Mailbox) -> None:
        Mailbox.objects.update(health="failing", health_detail="The secret has expired. Make a new one.")
        SourceFolder.objects.create(mailbox=mailbox, role="inbox", failures=7, round_at=NOON, next_round_at=NOON)
        page = client.get(url(Mailbox, "change", mailbox.pk)).content.decode()
        assert "The secret has expired. Make a new one." in page
        assert "7 failures in a row" in page

    def test_tells_of_a_storm(self, client: Client, mailbox: Mailbox) -> None:
        address = url(Mailbox, "change", mailbox.pk)
        assert "All automatic mail is held back" not in client.get(address).content.decode()
        now = timezone.now() - timedelta(minutes=1)
        OutboundMessage.objects.bulk_create(
            OutboundMessage(
                mailbox=mailbox,
                purpose="acknowledgment",
                recipient=f"t{number}@home.example",
                subject="Hello",
                body="Hello",
                message_id=f"{number}@house.example",
                send_after=now,
                created_at=now,
            )
            for number in range(STORM.most)
        )
        assert "All automatic mail is held back" in client.get(address).content.decode()


class TestTheLedger:
    @pytest.fixture
    def quarantined(self, mailbox: Mailbox) -> list[InboundMessage]:
        rows = []
        for number in range(120):
            inbound, _created = store(mailbox, source_id=str(number), raw=b"%d" % number, received_at=NOON, at=NOON)
            rows.append(quarantine(inbound.pk, reason="It is no mail.", at=NOON) or inbound)
        return rows

    def test_replays_as_many_as_are_chosen(self, supervisor: User, quarantined: list[InboundMessage]) -> None:
        client = signed_in(supervisor)
        first = InboundMessage.objects.order_by("pk").first()
        assert first is not None
        address = f"{url(InboundMessage, 'changelist')}?state__exact=quarantined"
        everything = {"action": "replay", "_selected_action": [str(first.pk)], "select_across": "1"}
        answer = client.post(address, everything, follow=True)
        assert InboundMessage.objects.filter(state="received").count() == len(quarantined)
        assert len(told(answer)) == 1

    def test_tells_once_of_all_that_cannot_be_replayed(
        self, supervisor: User, quarantined: list[InboundMessage]
    ) -> None:
        InboundMessage.objects.update(state="received", reason="")
        ids = [str(pk) for pk in InboundMessage.objects.values_list("pk", flat=True)[:50]]
        answer = signed_in(supervisor).post(
            url(InboundMessage, "changelist"), {"action": "replay", "_selected_action": ids}, follow=True
        )
        assert told(answer) == [
            "50 mails were left as they are: only what is in quarantine or ignored can be replayed."
        ]

    def test_leads_to_exactly_what_it_counts(self, supervisor: User, quarantined: list[InboundMessage]) -> None:
        client = signed_in(supervisor)
        page = client.get(url(InboundMessage, "changelist"))
        for heap in page.context["heaps"]:
            shown = client.get(url(InboundMessage, "changelist") + heap.url)
            if heap.count is not None:
                assert shown.context["cl"].result_count == heap.count, heap.label
            assert [one.label for one in shown.context["heaps"] if one.is_chosen] == [heap.label]

    def test_shows_other_names_and_what_became_of_it_in_the_mailbox(self, supervisor: User, mailbox: Mailbox) -> None:
        inbound, _created = store(mailbox, source_id="1", raw=b"junk", received_at=NOON, at=NOON)
        InboundMessage.objects.update(put_away="given_up", put_away_detail="The folder is read-only.")
        SourceAlias.objects.create(inbound=inbound, mailbox=mailbox, source_id="after-the-resync")
        page = signed_in(supervisor).get(url(InboundMessage, "change", inbound.pk)).content.decode()
        for words in ("after-the-resync", "Could not be moved or marked", "The folder is read-only."):
            assert words in page

    def test_asks_as_many_questions_for_many_as_for_few(
        self, supervisor: User, quarantined: list[InboundMessage]
    ) -> None:
        client = signed_in(supervisor)
        with CaptureQueriesContext(connection) as many:
            client.get(url(InboundMessage, "changelist"))
        assert len(many) <= 14


class TestTheQueue:
    @pytest.fixture
    def outbound(self, mailbox: Mailbox) -> OutboundMessage:
        return OutboundMessage.objects.create(
            mailbox=mailbox,
            purpose="acknowledgment",
            recipient="tina@home.example",
            subject="Hello",
            body="Hello",
            message_id="1@house.example",
            send_after=timezone.now(),
            created_at=timezone.now(),
        )

    def test_takes_a_mail_back(self, supervisor: User, outbound: OutboundMessage) -> None:
        signed_in(supervisor).post(url(OutboundMessage, "act", outbound.pk, "cancel"))
        outbound.refresh_from_db()
        assert outbound.state == "cancelled"

    def test_sends_again_what_failed_and_shows_why_it_came_back(
        self, supervisor: User, outbound: OutboundMessage
    ) -> None:
        bounce = {"recipient": "tina@home.example", "reason": "mailbox_full", "status": "5.2.2", "is_permanent": True}
        OutboundMessage.objects.update(state="failed", reason="No.", bounces=[bounce], bounced_at=NOON)
        client = signed_in(supervisor)
        page = client.get(url(OutboundMessage, "change", outbound.pk)).content.decode()
        assert "tina@home.example: The recipient&#x27;s mailbox is full. Try again later. (5.2.2)" in page
        client.post(url(OutboundMessage, "act", outbound.pk, "retry"))
        outbound.refresh_from_db()
        assert outbound.state == "waiting"
