"""A mailbox of Microsoft 365 with real workers, PostgreSQL and Redis: each mail once and complete, whichever way it comes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from cases.listeners import behind
from cases.models import Case
from cases.tasks import ask
from handyconnect.provision import load_defaults
from mail_ingest import tasks
from mail_ingest.models import EmailMessage, GraphNotice, GraphSubscription, InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import graph_subscriptions, rounds
from mail_ingest.services.backfill import request_backfill
from tests.factories import SYSTEM
from tests.graph_mailbox import *  # noqa: F403 - fixtures
from tests.graph_mailbox import ADDRESS, letter, mailbox_at
from tests.standins.graph import GraphStandIn
from tests.standins.graph import Mailbox as Box

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("worker")]

WITHIN_SECONDS = 120
MESSAGES = 200
CODE = Path(__file__).resolve().parents[2]


class Workers:
    """`celery worker` with its beat and so many processes, on the test's database and broker, against the stand-in."""

    def __init__(self, folder: Path, standin: GraphStandIn, settings: Settings) -> None:
        database = connection.settings_dict
        self.folder = folder
        self.log = folder / "workers.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
            "REDIS_URL": settings.REDIS_URL,
            "BASE_URL": settings.BASE_URL,
            "EMAIL_URL": f"filemail://{folder / 'mail' / 'sent'}",
            "HANDYCONNECT_VAR": str(folder),
            "MICROSOFT_GRAPH_URL": standin.url,
            "MICROSOFT_AUTHORITY_URL": standin.authority_url,
            "MICROSOFT_TENANT_ID": standin.tenant,
            "MICROSOFT_CLIENT_ID": standin.client_id,
            "MICROSOFT_CLIENT_SECRET": standin.client_secret,
        }

    def start(self, processes: int = 4) -> None:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "handyconnect",
            "worker",
            "-B",
            "--concurrency",
            str(processes),
        ]
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

    def wait_until(self, done: Callable[[], bool], *, seconds: float = WITHIN_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                pytest.fail(f"not done after {seconds} s; the workers said:\n{self.log.read_text()[-6000:]}")
            time.sleep(0.25)


@pytest.fixture
def workers(standin: GraphStandIn, live_server: LiveServer, settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    broker: redis.Redis = redis.Redis.from_url(settings.REDIS_URL)
    broker.flushdb()
    settings.BASE_URL = live_server.url
    workers = Workers(tmp_path, standin, settings)
    yield workers
    workers.kill()
    broker.flushdb()


@pytest.fixture
def mailbox(box: Box, transactional_db: None) -> Mailbox:
    load_defaults(at=timezone.now())
    return mailbox_at(box, reads_sent=False, after_filing="mark_read", acknowledges=False)


@pytest.fixture
def subscribed(workers: Workers, mailbox: Mailbox) -> GraphSubscription:
    graph_subscriptions.look_after(mailbox, clock=timezone.now)
    return GraphSubscription.objects.get()


def all_filed(count: int) -> bool:
    return (
        InboundMessage.objects.filter(state="filed").count() == count
        and not GraphNotice.objects.filter(handled_at=None).exists()
        and behind() == 0
    )


def assert_all_is_there_once(count: int) -> None:
    assert InboundMessage.objects.count() == Case.objects.count() == EmailMessage.objects.count() == count
    for inbound in InboundMessage.objects.select_related("email__thread", "case", "raw"):
        assert inbound.raw.content
        assert inbound.email is not None
        assert "heating" in inbound.email.text
        assert inbound.case == inbound.email.thread.case
        assert inbound.message_id == inbound.email.message_id


class TestTheSameMailInEveryWayAtOnce:
    def test_is_one_row_and_one_whole_case_each(
        self, box: Box, mailbox: Mailbox, standin: GraphStandIn, workers: Workers, subscribed: GraphSubscription
    ) -> None:
        standin.faults.notifications_twice = standin.faults.repeated_items = True
        began = time.monotonic()
        workers.start(4)
        request_backfill(mailbox, since=timezone.now() - timedelta(days=1), at=timezone.now(), actor=SYSTEM)
        for number in range(MESSAGES):
            box.add(letter(number))
            if number % 20 == 0:
                rounds.hurry(mailbox, "inbox", now=timezone.now())  # somebody presses “Read now”, again and again
                for _ in range(4):
                    ask(tasks.read_mailbox, mailbox.pk)
        workers.wait_until(lambda: all_filed(MESSAGES), seconds=WITHIN_SECONDS)
        took = time.monotonic() - began
        standin.notifier.flush()
        assert {status for *_rest, status in standin.notifier.delivered} == {202}
        assert took < WITHIN_SECONDS
        assert_all_is_there_once(MESSAGES)
        assert standin.most_at_once[ADDRESS] <= 4
        workers.wait_until(lambda: all(one.is_read for one in box.messages("inbox")))
        assert_all_is_there_once(MESSAGES)


class TestAWorkerThatIsKilled:
    def test_leaves_nothing_lost_or_doubled(
        self, box: Box, mailbox: Mailbox, standin: GraphStandIn, workers: Workers, subscribed: GraphSubscription
    ) -> None:
        standin.faults.slowness_seconds = 0.02
        workers.start(2)
        for number in range(60):
            box.add(letter(number))
        workers.wait_until(lambda: InboundMessage.objects.count() >= 15)
        workers.kill()
        assert InboundMessage.objects.count() < 60, "the kill came too late to prove anything"
        redis.Redis.from_url(workers.environment["REDIS_URL"]).flushdb()
        standin.notifier.flush()
        standin.faults.lose_delta_links(410)
        standin.faults.throttle(3, retry_after="0.5")
        killed = time.monotonic()
        workers.start(2)
        workers.wait_until(lambda: InboundMessage.objects.filter(state="filed").count() == 60)
        assert time.monotonic() - killed < WITHIN_SECONDS
        workers.wait_until(
            lambda: SourceFolder.objects.filter(round_at__isnull=False, leased_until=None).exists() and behind() == 0
        )
        assert_all_is_there_once(60)


class TestSeveralMailboxes:
    def test_are_read_while_one_of_them_hangs(
        self, box: Box, mailbox: Mailbox, standin: GraphStandIn, workers: Workers
    ) -> None:
        stuck = mailbox_at(standin.mailbox("stuck@contoso.example"), reads_sent=False)
        standin.faults.throttle(None, retry_after="5", mailbox="stuck@contoso.example")
        for number in range(10):
            box.add(letter(number))
        workers.start(2)
        workers.wait_until(lambda: InboundMessage.objects.filter(state="filed").count() == 10, seconds=60)
        assert not stuck.inbound.exists()
