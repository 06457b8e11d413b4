"""The same messages, found by several workers at once: each is in the ledger once, and nobody stumbles (on PostgreSQL)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.db import connection, connections
from django.utils import timezone

from cases.models import TimelineEvent
from mail_ingest.models import InboundMessage, InboundRaw, Mailbox, SourceFolder
from mail_ingest.services import rounds
from mail_ingest.services.taking import take_in
from mail_ingest.sources.base import Found
from mail_ingest.sources.opening import OPENERS, opened
from tests.factories import MailboxFactory
from tests.mail_server import SERVERS, Server
from tests.mails import mail

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("worker"),
]

MAILS = 200


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL (DATABASE_URL): SQLite lets one writer in at a time")
    monkeypatch.setitem(OPENERS, "imap", "tests.mail_server.opened")
    SERVERS["support"] = server = Server(page_items=50)
    now = timezone.now()
    for number in range(MAILS):
        server.deliver(mail(message_id=f"{number}@home.example", subject=f"Tap {number}"), at=now)
    return server


@pytest.fixture
def mailbox(transactional_db: None) -> Mailbox:
    return MailboxFactory.create(slug="support", kind="imap", imap_host="mail.example", reads_sent=False)


def in_thread(work: object, *args: object) -> object:
    try:
        return work(*args)  # type: ignore[operator]
    finally:
        connections.close_all()


def everything(mailbox: Mailbox, names: str) -> int:
    """Take the whole mailbox in, as a webhook, a round and a comparison do side by side."""
    with opened(mailbox) as reader:
        lying = [f"inbox:1:{number}" for number in range(1, MAILS + 1)]
        items = [
            Found(source_id, received_at=timezone.now()) for source_id in (lying if names == "up" else lying[::-1])
        ]
        return take_in(reader, mailbox, items, role="inbox", origin="live", clock=timezone.now).new


def assert_each_is_there_once() -> None:
    assert InboundMessage.objects.count() == InboundRaw.objects.count() == MAILS
    assert TimelineEvent.objects.filter(kind="mail_stored").count() == MAILS
    assert not InboundMessage.objects.filter(state="quarantined").exists()


class TestFourWorkers:
    def test_store_each_mail_once(self, server: Server, mailbox: Mailbox) -> None:
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(in_thread, everything, mailbox, way) for way in ("up", "down", "up", "down")]
            new = [job.result() for job in jobs]
        assert sum(new) == MAILS  # type: ignore[arg-type]
        assert_each_is_there_once()

    def test_share_a_mailbox_by_its_lease(self, server: Server, mailbox: Mailbox) -> None:
        rounds.folders_of(mailbox, now=timezone.now())

        def clock() -> datetime:
            return timezone.now()

        with ThreadPoolExecutor(4) as pool:
            jobs = [
                pool.submit(in_thread, lambda: rounds.read(Mailbox.objects.get(pk=mailbox.pk), clock=clock))
                for _worker in range(4)
            ]
            new = [job.result() for job in jobs]
        assert sum(new) == MAILS  # type: ignore[arg-type]
        assert len(server.fetched) == MAILS, "nobody fetched what another was fetching"
        assert SourceFolder.objects.get().leased_until is None
        assert_each_is_there_once()
