"""With a real PostgreSQL, Redis and Celery worker: mail goes through. What faults do to it: see `test_faults`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connections
from django.utils import timezone

from cases.listeners import behind
from cases.models import Case, TimelineEvent
from handyconnect.provision import load_defaults
from mail_ingest import pipeline
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import store
from tests.factories import MailboxFactory
from tests.mails import mail
from tests.services.workers import Worker, wait_until

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("worker")]


@pytest.fixture
def broker() -> redis.Redis:
    client: redis.Redis = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    return client


@pytest.fixture
def worker(broker: redis.Redis, tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    yield worker
    worker.kill()
    broker.flushdb()


@pytest.fixture
def mailbox(transactional_db: None) -> Mailbox:
    load_defaults(at=timezone.now())
    return MailboxFactory.create(address="support@house.example", folder="mail/inbox")


def mails(count: int, *, at: datetime) -> list[bytes]:
    return [
        mail(sender=f"t{n}@home.example", message_id=f"{n}@home.example", subject=f"Tap {n} drips", sent_at=at)
        for n in range(count)
    ]


def all_is_done(count: int) -> bool:
    """Every mail filed, every event heard, every acknowledgment sent."""
    return (
        InboundMessage.objects.filter(state="filed").count() == count
        and behind() == 0
        and OutboundMessage.objects.filter(purpose="acknowledgment", state="sent").count() == count
    )


def assert_nothing_lost_or_doubled(count: int) -> None:
    assert InboundMessage.objects.count() == Case.objects.count() == count
    assert EmailMessage.objects.filter(direction="inbound").count() == count
    assert OutboundMessage.objects.filter(purpose="acknowledgment").count() == count
    for kind in ("mail_stored", "mail_threaded", "mail_analysed", "case_created", "message_received"):
        assert TimelineEvent.objects.filter(kind=kind).count() == count, kind


class TestAWorker:
    def test_turns_a_dropped_mail_into_a_worked_case(self, worker: Worker, mailbox: Mailbox) -> None:
        inbox = worker.folder / "mail" / "inbox"
        inbox.mkdir(parents=True)
        worker.start()
        draft = worker.folder / "draft"
        draft.write_bytes(mails(1, at=timezone.now())[0])
        draft.rename(inbox / "mail.eml")
        wait_until(lambda: all_is_done(1), log=worker.log)
        assert_nothing_lost_or_doubled(1)
        assert Case.objects.get().sla_due_date is not None
        assert len(list((worker.folder / "mail" / "sent").glob("*acknowledgment.eml"))) == 1


class TestSeveralWorkers:
    def test_file_the_same_mail_once(self, mailbox: Mailbox) -> None:
        now = timezone.now()
        ids = [
            store(mailbox, source_id=str(number), raw=raw, received_at=now, at=now)[0].pk
            for number, raw in enumerate(mails(5, at=now))
        ]

        def process(inbound_id: int) -> str | None:
            try:
                return pipeline.process_message(inbound_id, now=timezone.now())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            states = list(pool.map(process, ids * 4))
        assert sorted(filter(None, states)) == ["filed"] * 5
        assert Case.objects.count() == 5
