"""Old mail that somebody asks for: read in pieces, killed anywhere, answered by nobody."""

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from accounts.actors import Actor
from accounts.models import User
from cases.models import TimelineEvent
from handyconnect.refusals import Invalid, NotFound
from mail_ingest.models import Backfill, InboundMessage, Mailbox
from mail_ingest.services import backfill as backfills
from mail_ingest.services.backfill import BackfillRunning, backfill_step, request_backfill, stop_backfill
from mail_ingest.sources.base import PositionLost
from tests.factories import NOON, SYSTEM, MailboxFactory, later
from tests.integration.conftest import Watch
from tests.mail_server import Lying, MemoryReader, Server, away, unreadable
from tests.mails import mail

pytestmark = pytest.mark.django_db

SINCE = later(days=-30)


def numbered(number: int) -> bytes:
    return mail(message_id=f"{number}@home.example", subject=f"Tap {number} drips")


def fill(server: Server, *days: int, role: str = "inbox") -> None:
    for number, day in enumerate(days, start=1):
        server.deliver(numbered(number if role == "inbox" else 100 + number), at=later(days=-day), role=role)


@pytest.fixture
def backfill(server: Server, remote: Mailbox) -> Backfill:
    return request_backfill(remote, since=SINCE, at=NOON, actor=SYSTEM)


class TestAskingForOldMail:
    def test_is_an_event_of_who_asked(self, remote: Mailbox, supervisor: User) -> None:
        backfill = request_backfill(remote, since=SINCE, at=NOON, actor=Actor.user(supervisor))
        assert (backfill.requested_by, backfill.until, backfill.state) == (supervisor, NOON, "running")
        event = TimelineEvent.objects.get(kind="backfill_requested")
        assert event.data["mailbox"] == "support"

    def test_is_refused_while_one_is_running(self, remote: Mailbox, backfill: Backfill) -> None:
        with pytest.raises(BackfillRunning):
            request_backfill(remote, since=SINCE, at=NOON, actor=SYSTEM)
        stop_backfill(backfill.pk, at=NOON, actor=SYSTEM)
        request_backfill(remote, since=SINCE, at=NOON, actor=SYSTEM)

    @pytest.mark.parametrize(("since", "until"), [(NOON, NOON), (later(days=1), None), (NOON, later(days=-1))])
    def test_needs_a_span_that_is_past(self, remote: Mailbox, since: datetime, until: datetime | None) -> None:
        with pytest.raises(Invalid) as refused:
            request_backfill(remote, since=since, until=until, at=NOON, actor=SYSTEM)
        assert refused.value.field == "since"

    def test_is_not_for_a_folder_of_files(self) -> None:
        with pytest.raises(Invalid) as refused:
            request_backfill(MailboxFactory.create(kind="folder"), since=SINCE, at=NOON, actor=SYSTEM)
        assert refused.value.field == "mailbox"


def broken(*_args: object, **_values: object) -> None:
    raise KeyError("nobody thought of that")


class TestAStep:
    def test_reads_the_span_and_leaves_the_rest(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 40, 29, 20, 10, 1)
        assert backfill_step(backfill.pk, clock=watch) == 4
        assert set(InboundMessage.objects.values_list("origin", "answerable")) == {("backfill", False)}
        assert InboundMessage.objects.earliest("received_at").received_at == later(days=-29)
        backfill.refresh_from_db()
        assert (backfill.state, backfill.found, backfill.stored, backfill.finished_at) == ("done", 4, 4, NOON)
        event = TimelineEvent.objects.get(kind="backfill_finished")
        assert (event.data["state"], event.data["stored"]) == ("done", 4)

    def test_reads_the_sent_items_after_the_inbox(
        self, server: Server, remote: Mailbox, backfill: Backfill, watch: Watch
    ) -> None:
        Mailbox.objects.update(reads_sent=True)
        fill(server, 9, 8, role="sent")
        fill(server, 3, 2, 1)
        backfill_step(backfill.pk, clock=watch)
        roles = list(InboundMessage.objects.order_by("pk").values_list("role", flat=True))
        assert roles == ["inbox"] * 3 + ["sent"] * 2

    def test_stops_after_a_minute_and_goes_on_later(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, *range(20, 10, -1))
        server.on_fetch = lambda _lying: watch.go_on(seconds=25)
        steps = []
        while backfills.backfills_to_continue(now=watch.now):
            steps.append(backfill_step(backfill.pk, clock=watch))
        assert (sum(steps), max(steps)) == (10, 3)
        backfill.refresh_from_db()
        assert (backfill.state, backfill.found, backfill.stored) == ("done", 10, 10)
        assert len(server.fetched) == 10

    def test_stops_between_two_pages_as_well(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 5, 4, 3)
        server.on_fetch = lambda _lying: watch.go_on(seconds=30)
        assert backfill_step(backfill.pk, clock=watch) == 2
        assert backfill_step(backfill.pk, clock=watch) == 1

    def test_is_repeated_after_a_kill_when_its_lease_has_run_out(
        self, server: Server, backfill: Backfill, watch: Watch
    ) -> None:
        fill(server, *range(9, 4, -1))

        def die(lying: Lying) -> None:
            if lying.number == 4:
                raise KeyboardInterrupt

        server.on_fetch = die
        with pytest.raises(KeyboardInterrupt):
            backfill_step(backfill.pk, clock=watch)
        server.on_fetch = None
        assert backfills.backfills_to_continue(now=watch.now) == []
        assert backfill_step(backfill.pk, clock=watch) == 0
        watch.go_on(minutes=5)
        assert backfill_step(backfill.pk, clock=watch) == 2
        assert InboundMessage.objects.count() == 5

    def test_waits_for_a_mailbox_that_is_away_and_says_so(
        self, server: Server, backfill: Backfill, watch: Watch
    ) -> None:
        fill(server, 3)
        server.refuses = away("The password is wrong.")
        backfill_step(backfill.pk, clock=watch)
        backfill.refresh_from_db()
        assert (backfill.state, backfill.detail) == ("running", "The password is wrong.")
        server.refuses = None
        watch.go_on(minutes=3)
        assert backfill_step(backfill.pk, clock=watch) == 1
        backfill.refresh_from_db()
        assert (backfill.state, backfill.detail) == ("done", "")

    def test_begins_anew_when_the_position_is_lost(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, *range(9, 4, -1))
        server.on_fetch = lambda _lying: watch.go_on(seconds=40)
        backfill_step(backfill.pk, clock=watch)
        server.renumber()
        server.on_fetch = None
        backfill_step(backfill.pk, clock=watch)
        assert InboundMessage.objects.count() == 5
        backfill.refresh_from_db()
        assert backfill.state == "done"

    def test_waits_when_the_position_is_lost_again_and_again(
        self, server: Server, backfill: Backfill, watch: Watch
    ) -> None:
        fill(server, 3)
        server.fetch_raises = {1: PositionLost()}
        backfill_step(backfill.pk, clock=watch)
        backfill.refresh_from_db()
        assert (backfill.state, bool(backfill.detail)) == ("running", True)

    def test_sets_aside_what_breaks_it_three_times(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 3, 2, 1)
        server.fetch_raises = {2: away("The connection was broken off.")}
        for _step in range(4):
            backfill_step(backfill.pk, clock=watch)
            watch.go_on(minutes=3)
        backfill.refresh_from_db()
        assert backfill.state == "done"
        assert InboundMessage.objects.get(sha256="").source_id == "inbox:1:2"
        assert InboundMessage.objects.count() == 3

    def test_does_not_blame_a_message_for_a_server_that_asks_for_patience(
        self, server: Server, backfill: Backfill, watch: Watch
    ) -> None:
        fill(server, 3)
        for _step in range(5):
            server.fetch_raises = {1: away("Slow down.", retry_at=watch.now + timedelta(minutes=9))}
            backfill_step(backfill.pk, clock=watch)
            assert backfills.backfills_to_continue(now=watch.now + timedelta(minutes=8)) == []
            watch.go_on(minutes=10)
        assert not InboundMessage.objects.exists()

    def test_takes_a_pause_when_its_source_does(
        self, server: Server, backfill: Backfill, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(server, 3)
        with monkeypatch.context() as patched:
            patched.setattr(MemoryReader, "listing", lambda *_args, **_values: iter(()))
            assert backfill_step(backfill.pk, clock=watch) == 0
        assert backfills.backfills_to_continue(now=watch.now) == [backfill.pk]
        assert backfill_step(backfill.pk, clock=watch) == 1

    def test_keeps_a_message_that_is_not_handed_over_in_quarantine(
        self, server: Server, backfill: Backfill, watch: Watch
    ) -> None:
        fill(server, 3, 2)
        server.fetch_raises = {1: unreadable()}
        backfill_step(backfill.pk, clock=watch)
        missed = InboundMessage.objects.get(sha256="")
        assert (missed.state, missed.origin) == ("quarantined", "backfill")

    def test_survives_what_nobody_thought_of(
        self, server: Server, backfill: Backfill, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(server, 3)
        monkeypatch.setattr(backfills, "take_in", broken)
        backfill_step(backfill.pk, clock=watch)
        backfill.refresh_from_db()
        assert "KeyError" in backfill.detail

    def test_lets_only_the_databases_own_failures_out(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 3)
        server.fetch_raises = {1: OperationalError()}
        with pytest.raises(OperationalError):
            backfill_step(backfill.pk, clock=watch)


class TestStopping:
    def test_ends_a_step_that_is_under_way(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 5, 4, 3, 2)

        def stop(lying: Lying) -> None:
            if lying.number == 2:
                stop_backfill(backfill.pk, at=NOON, actor=SYSTEM)

        server.on_fetch = stop
        backfill_step(backfill.pk, clock=watch)
        backfill.refresh_from_db()
        assert (backfill.state, InboundMessage.objects.count()) == ("stopped", 2)
        assert backfill_step(backfill.pk, clock=watch) == 0

    def test_ends_one_that_fails_just_then(self, server: Server, backfill: Backfill, watch: Watch) -> None:
        fill(server, 5)

        def stop(_lying: Lying) -> None:
            stop_backfill(backfill.pk, at=NOON, actor=SYSTEM)

        server.on_fetch = stop
        server.fetch_raises = {1: away()}
        backfill_step(backfill.pk, clock=watch)
        backfill.refresh_from_db()
        assert backfill.state == "stopped"

    def test_changes_nothing_the_second_time(self, backfill: Backfill) -> None:
        for _time in range(2):
            stop_backfill(backfill.pk, at=NOON, actor=SYSTEM)
        assert TimelineEvent.objects.filter(kind="backfill_finished").count() == 1

    def test_names_one_that_is_not_there(self) -> None:
        with pytest.raises(NotFound):
            stop_backfill(4711, at=NOON, actor=SYSTEM)
