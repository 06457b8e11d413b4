"""With a real PostgreSQL, Redis and Celery worker: mail goes through, also when worker and broker are shot down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from cases.listeners import behind
from cases.models import Case, TimelineEvent
from handyconnect.provision import load_defaults
from mail_ingest import pipeline
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import store
from tests.factories import MailboxFactory
from tests.mails import mail

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("worker")]

RECOVERS_WITHIN_SECONDS = 120
CODE = Path(__file__).resolve().parents[2]


class Worker:
    """`celery worker` with its beat, as a process of its own, on the test's database, broker and state folder."""

    def __init__(self, folder: Path) -> None:
        database = connection.settings_dict
        self.folder = folder
        self.log = folder / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
            "EMAIL_URL": f"filemail://{folder / 'mail' / 'sent'}",
            "HANDYCONNECT_VAR": str(folder),
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "handyconnect", "worker", "-B", "--concurrency", "2"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "-s", str(self.folder / "beat"), "--without-mingle", "--without-gossip"],
                cwd=CODE, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """`kill -9`, with all its children."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


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


def wait_until(done: Callable[[], bool], *, worker: Worker, seconds: float = RECOVERS_WITHIN_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"not done after {seconds} s; the worker said:\n{worker.log.read_text()[-4000:]}")
        time.sleep(0.5)


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
        wait_until(lambda: all_is_done(1), worker=worker)
        assert_nothing_lost_or_doubled(1)
        assert Case.objects.get().sla_due_date is not None
        assert len(list((worker.folder / "mail" / "sent").glob("*acknowledgment.eml"))) == 1

    def test_loses_and_doubles_nothing_when_it_is_killed_and_the_broker_is_emptied(
        self, worker: Worker, mailbox: Mailbox, broker: redis.Redis
    ) -> None:
        now = timezone.now()
        worker.start()
        for number, raw in enumerate(mails(30, at=now)):
            store(mailbox, source_id=str(number), raw=raw, received_at=now, at=timezone.now())
        wait_until(lambda: InboundMessage.objects.filter(state="filed").count() >= 5, worker=worker)
        worker.kill()
        assert InboundMessage.objects.pending().exists(), "the kill came too late to prove anything"
        broker.flushdb()
        worker.start()
        wait_until(lambda: all_is_done(30), worker=worker)
        assert_nothing_lost_or_doubled(30)


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
