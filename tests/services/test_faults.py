"""Whatever is shot down (worker, broker, database, mail server): every mail is there once and whole, soon and by itself."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from cases import timeline
from cases.listeners import behind
from cases.models import Case, ListenerFailure, Note, TimelineEvent
from handyconnect.provision import load_defaults
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage, TriageResult
from mail_ingest.services import queue_automatic, store
from mail_ingest.services.intake import MAX_CLAIMS
from mail_ingest.tasks import process_inbound, send_outbound
from tests.factories import SYSTEM, MailboxFactory, make_case
from tests.mails import mail
from tests.rules import make_rule
from tests.services import workers
from tests.services.poisoned import SUBJECT
from tests.services.workers import Cluster, Mortal, Redis, Sink, Worker, wait_until
from workflows.models import RuleRun

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("worker"),
]

# A mail's whole journey: in the middle of each step, and between it and the next one.
POINTS = [
    "inside mail_stored",
    "after mail_stored",
    "inside mail_threaded",
    "after mail_threaded",
    "inside mail_analysed",
    "after mail_analysed",
    "inside case_created",
    "inside message_received",
    "after message_received",
    "inside rule_ran",
    "inside outbound_queued",
    "after outbound_queued",
    "handed server",
    "inside outbound_sent",
]
HANDED_BY_SMTP = "handed smtp"


@pytest.fixture(autouse=True)
def real_servers() -> None:
    if connection.vendor != "postgresql" or not settings.REDIS_URL:
        pytest.skip("needs PostgreSQL and Redis (DATABASE_URL, REDIS_URL)")


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Keeps how long something took, in seconds, in the report of the run (`--junit-xml`)."""
    return lambda name, seconds: request.node.user_properties.append((name, round(seconds, 1)))


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def make_worker(broker: redis.Redis, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(**options: str) -> Worker:
        made.append(Worker(tmp_path, **options))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    own = Redis(tmp_path)
    own.start()
    yield own
    own.kill()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def mortal(broker: redis.Redis, tmp_path: Path) -> Iterator[Mortal]:
    mortal = Mortal(tmp_path)
    yield mortal
    mortal.close()


@pytest.fixture
def cluster(transactional_db: None) -> Iterator[Cluster]:
    """The test works on it until it ends."""
    programs = workers.postgresql_programs()
    if programs is None:
        pytest.skip("the programs of PostgreSQL (initdb, pg_ctl) are not on this machine")
    with workers.folder_for_everybody() as folder:
        cluster = Cluster(programs, folder)
        cluster.start()
        try:
            cluster.create("faults")
            with workers.database_at(port=cluster.port, name="faults"):
                call_command("migrate", verbosity=0)
                yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def mailbox(transactional_db: None) -> Mailbox:
    return new_mailbox()


def new_mailbox() -> Mailbox:
    load_defaults(at=timezone.now())
    make_rule({"do": "add_note", "body": "Call them back"})
    mailbox: Mailbox = MailboxFactory.create(address="support@house.example", folder="mail/inbox")
    return mailbox


def letter(number: int, *, subject: str = "") -> bytes:
    return mail(
        sender=f"t{number}@home.example",
        message_id=f"{number}@home.example",
        subject=subject or f"Tap {number} drips",
        sent_at=timezone.now(),
        attachment=("photo.pdf", b"%PDF-1.4 not really"),
    )


def put(mailbox: Mailbox, number: int, *, subject: str = "") -> int:
    now = timezone.now()
    raw = letter(number, subject=subject)
    return store(mailbox, source_id=f"{number}", raw=raw, received_at=now, at=now)[0].pk


def drop(folder: Path, number: int) -> None:
    """As people do: written elsewhere, then renamed into the inbox."""
    inbox = folder / "mail" / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    draft = folder / "draft"
    draft.write_bytes(letter(number))
    draft.rename(inbox / f"{number}.eml")


def all_is_done(count: int) -> bool:
    """That many mails have come, none is being worked on, every event is heard and no mail waits to be sent."""
    return (
        InboundMessage.objects.count() == count
        and not InboundMessage.objects.pending().exists()
        and behind() == 0
        and OutboundMessage.objects.count() >= InboundMessage.objects.filter(state="filed").count()
        and not OutboundMessage.objects.filter(state__in=["waiting", "sending"]).exists()
    )


def assert_told_once(kind: str, count: int) -> None:
    """`count` events of that kind, each about something else."""
    events = list(TimelineEvent.objects.filter(kind=kind).values_list("case_id", "subject_id"))
    assert len(events) == len(set(events)) == count, kind


def assert_each_is_there_once_and_whole(count: int, *, sent: Path | None = None) -> None:
    """`count` first mails: what followed from each, followed once. `sent`: the folder of what went out."""
    filed = InboundMessage.objects.filter(state="filed")
    assert filed.count() == count
    assert filed.exclude(raw=None).exclude(email=None).exclude(case=None).count() == count
    assert len(set(filed.values_list("message_id", flat=True))) == count
    messages = EmailMessage.objects.filter(direction="inbound")
    assert messages.count() == messages.exclude(inbound=None).exclude(thread__case=None).count() == count
    assert all(messages.values_list("text", flat=True)), "no case without a body"
    assert sum(message.attachments.count() for message in messages) == count
    assert TriageResult.objects.count() == count
    assert Case.objects.count() == Case.objects.exclude(inbound=None).exclude(sla_due_date=None).count() == count
    assert_told_once("mail_stored", InboundMessage.objects.count())
    for kind in ("mail_threaded", "mail_analysed", "message_received", "case_created", "outbound_queued"):
        assert_told_once(kind, count)
    assert_told_once("rule_ran", RuleRun.objects.exclude(outcome="not_matched").count())
    assert Note.objects.count() == count, "the rule has written one note about each"
    assert not ListenerFailure.objects.exists()
    assert not list(timeline.verify())
    acknowledged = OutboundMessage.objects.filter(purpose="acknowledgment").values_list("recipient", flat=True)
    assert len(acknowledged) == len(set(acknowledged)) == count
    if sent:
        assert OutboundMessage.objects.filter(state="sent").count() == count
        assert TimelineEvent.objects.filter(kind="outbound_sent").count() == count
        went_to = Counter(message_from_bytes(file.read_bytes())["To"] for file in sent.glob("*.eml"))
        assert set(went_to.values()) == {1}
        assert len(went_to) == count


class TestAWorkerThatIsKilled:
    def test_at_every_stage_leaves_nothing_lost_doubled_or_half(  # noqa: PLR0917 - so many servers are needed
        self,
        mailbox: Mailbox,
        mortal: Mortal,
        broker: redis.Redis,
        sink: Sink,
        worker: Worker,
        told: Callable[[str, float], None],
    ) -> None:
        by_smtp = MailboxFactory.create(address="smtp@house.example", sends_by="smtp", smtp_url=sink.url)
        for number, point in enumerate(POINTS):
            if point.endswith("mail_stored"):
                drop(worker.folder, number)
            else:
                put(mailbox, number)
            mortal.live_until(point)
            if number == len(POINTS) // 2:
                broker.flushdb()  # what was asked for before has to be found again
        put(by_smtp, len(POINTS))
        mortal.live_until(HANDED_BY_SMTP)
        assert InboundMessage.objects.pending().exists(), "the kills came too late to prove anything"
        # How long a silent sender is believed to be still at it is no part of this test.
        OutboundMessage.objects.filter(state="sending", mailbox=by_smtp).update(
            sending_since=F("sending_since") - timedelta(minutes=3)
        )
        count = len(POINTS) + 1
        worker.start()
        told("recovery_seconds", wait_until(lambda: all_is_done(count), log=worker.log))
        assert_each_is_there_once_and_whole(count)
        doubtful = OutboundMessage.objects.get(mailbox=by_smtp)
        assert (doubtful.state, sink.taken()) == ("maybe_sent", {doubtful.message_id: 1})
        assert "Look whether it arrived" in doubtful.reason
        assert OutboundMessage.objects.filter(state="sent").count() == count - 1
        assert len(list((worker.folder / "mail" / "sent").glob("*acknowledgment.eml"))) == count - 1


class TestAMailThatKills:
    def test_ends_in_quarantine_and_keeps_nobody_waiting(
        self, mailbox: Mailbox, make_worker: Callable[..., Worker], told: Callable[[str, float], None]
    ) -> None:
        ids = [put(mailbox, number, subject=SUBJECT if number == 10 else "") for number in range(21)]
        poison = InboundMessage.objects.get(pk=ids[10])
        worker = make_worker(app="tests.services.poisoned")
        worker.start()
        worker.wait_until_ready()
        others = InboundMessage.objects.exclude(pk=poison.pk)
        waited = wait_until(lambda: others.filter(state="filed").count() == 20, log=worker.log, seconds=45)
        told("others_waited_seconds", waited)
        # A minute passes between its attempts, which is not waited for here: its lease is ended, and it is asked for.
        for attempt in range(1, MAX_CLAIMS + 1):
            wait_until(lambda made=attempt: self.attempts(poison) >= made, log=worker.log, seconds=30)  # type: ignore[misc]
            InboundMessage.objects.pending().filter(pk=poison.pk).update(next_try_at=None)
            process_inbound.delay(poison.pk)
        wait_until(lambda: all_is_done(21), log=worker.log)
        poison.refresh_from_db()
        assert (poison.state, poison.attempts) == ("quarantined", MAX_CLAIMS)
        assert "broken off" in poison.reason
        assert poison.raw.content
        assert worker.lives
        assert_each_is_there_once_and_whole(20, sent=worker.folder / "mail" / "sent")

    @staticmethod
    def attempts(inbound: InboundMessage) -> int:
        return InboundMessage.objects.values_list("attempts", flat=True).get(pk=inbound.pk)


class TestABrokerThatFails:
    def test_loses_nothing_when_it_is_emptied_and_when_it_is_away(
        self,
        mailbox: Mailbox,
        own_redis: Redis,
        make_worker: Callable[..., Worker],
        told: Callable[[str, float], None],
    ) -> None:
        worker = make_worker(redis_url=own_redis.url)
        worker.start()
        worker.wait_until_ready()
        for number in range(30):
            drop(worker.folder, number)
        wait_until(lambda: InboundMessage.objects.filter(state="filed").count() >= 3, log=worker.log)
        with redis.Redis.from_url(own_redis.url) as client:
            assert client.dbsize()
            client.flushall()
        assert InboundMessage.objects.filter(state="filed").count() < 30, "it was emptied too late to prove anything"
        for number in range(30, 45):
            drop(worker.folder, number)
        wait_until(lambda: InboundMessage.objects.count() > 30, log=worker.log)
        own_redis.kill()
        for number in range(45, 60):
            drop(worker.folder, number)
        time.sleep(5)  # it is away for so long
        own_redis.start()
        told("recovery_seconds", wait_until(lambda: all_is_done(60), log=worker.log))
        assert worker.lives
        assert_each_is_there_once_and_whole(60, sent=worker.folder / "mail" / "sent")


class TestADatabaseThatStops:
    def test_loses_nothing_under_load(
        self, cluster: Cluster, make_worker: Callable[..., Worker], told: Callable[[str, float], None]
    ) -> None:
        mailbox = new_mailbox()
        worker = make_worker()
        for number in range(30):
            put(mailbox, number)
        for number in range(30, 60):
            drop(worker.folder, number)
        worker.start()
        wait_until(lambda: InboundMessage.objects.filter(state="filed").count() >= 5, log=worker.log)
        connection.close()
        cluster.stop()
        time.sleep(5)  # it is away for so long
        cluster.start()
        assert InboundMessage.objects.filter(state="filed").count() < 60, "it stopped too late to prove anything"
        told("recovery_seconds", wait_until(lambda: all_is_done(60), log=worker.log))
        assert worker.lives
        assert_each_is_there_once_and_whole(60, sent=worker.folder / "mail" / "sent")


class TestTwoSenders:
    def test_send_each_mail_once_also_through_a_server_that_falls_silent(
        self,
        mailbox: Mailbox,
        sink: Sink,
        make_worker: Callable[..., Worker],
        told: Callable[[str, float], None],
    ) -> None:
        Mailbox.objects.update(sends_by="smtp", smtp_url=sink.url)
        sink.silent_for = {"t3@home.example", "t17@home.example"}
        both = [make_worker(name=name) for name in ("first", "second")]
        for worker in both:
            worker.start()
        for worker in both:
            worker.wait_until_ready()
        with transaction.atomic():  # all of it can be seen at once, by everybody who is asked to send it
            queued = [self.queue(number) for number in range(60)]
        for _process in range(8):
            send_outbound.delay()
        done = lambda: not OutboundMessage.objects.filter(state__in=["waiting", "sending"]).exists()  # noqa: E731
        told("sent_after_seconds", wait_until(done, log=both[0].log))
        assert sink.taken() == {one.message_id: 1 for one in queued}
        doubtful = OutboundMessage.objects.filter(state="maybe_sent")
        assert set(doubtful.values_list("recipient", flat=True)) == sink.silent_for
        assert OutboundMessage.objects.filter(state="sent").count() == 58
        assert TimelineEvent.objects.filter(kind="outbound_sent").count() == 58
        for worker in both:
            assert worker.log.read_bytes().count(b"mail_ingest.tasks.send_outbound") > 1, "it has sent nothing"

    @staticmethod
    def queue(number: int) -> OutboundMessage:
        now = timezone.now()
        case = make_case(email=f"t{number}@home.example", at=now)
        return queue_automatic(
            case=case,
            event=TimelineEvent.objects.get(kind="case_created", case=case),
            recipient=f"t{number}@home.example",
            purpose="template",
            subject=f"Number {number}",
            body="Hello",
            at=now,
            actor=SYSTEM,
        )
