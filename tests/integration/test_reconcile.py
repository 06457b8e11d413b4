"""Comparing a mailbox with the ledger finds what a position has wrongly passed, and says so."""

import pytest
from django.db import OperationalError

from cases.models import TimelineEvent
from mail_ingest.counts import mail_counts
from mail_ingest.models import InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import reconcile, rounds, store
from tests.factories import NOON, later
from tests.integration.conftest import Watch
from tests.mail_server import SERVERS, Server, away
from tests.mails import mail

pytestmark = pytest.mark.django_db


def numbered(number: int) -> bytes:
    return mail(message_id=f"{number}@home.example")


@pytest.fixture
def missed(server: Server, remote: Mailbox, watch: Watch) -> Server:
    """Two of three mails lie in the mailbox, passed by the rounds."""
    SourceFolder.objects.create(mailbox=remote, role="inbox", since=later(days=-9))
    for number in (1, 2, 3):
        server.deliver(numbered(number), at=later(hours=-1))
    server.hides = {1, 2}
    rounds.read(remote, clock=watch)
    return server


class TestComparing:
    def test_stores_what_was_missing_and_says_so(self, missed: Server, remote: Mailbox, watch: Watch) -> None:
        assert reconcile.to_compare(now=NOON) == [remote.pk]
        assert reconcile.reconcile(remote, clock=watch) == 2
        assert InboundMessage.objects.count() == 3
        assert set(InboundMessage.objects.values_list("origin", "answerable")) == {("live", True)}
        assert TimelineEvent.objects.get(kind="mailbox_reconciled").data == {"role": "inbox", "missing": 2}
        assert reconcile.to_compare(now=later(minutes=59)) == []
        assert reconcile.to_compare(now=later(minutes=61)) == [remote.pk]

    def test_is_silent_when_nothing_was(self, missed: Server, remote: Mailbox, watch: Watch) -> None:
        reconcile.reconcile(remote, clock=watch)
        assert reconcile.reconcile(remote, clock=watch) == 0
        assert TimelineEvent.objects.filter(kind="mailbox_reconciled").count() == 1
        assert SourceFolder.objects.get().leased_until is None

    def test_leaves_to_the_round_what_has_just_come_and_to_a_backfill_what_is_old(
        self, server: Server, remote: Mailbox, watch: Watch
    ) -> None:
        SourceFolder.objects.create(mailbox=remote, role="inbox", since=later(days=-9))
        rounds.read(remote, clock=watch)
        server.deliver(numbered(1), at=later(minutes=-4))
        server.deliver(numbered(2), at=later(hours=-49))
        assert reconcile.reconcile(remote, clock=watch) == 0

    def test_leaves_alone_what_is_being_read_or_was_never_read_through(
        self, server: Server, remote: Mailbox, watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=later(hours=-1))
        assert reconcile.reconcile(remote, clock=watch) == 0
        rounds.read(remote, clock=watch)
        server.deliver(numbered(2), at=later(hours=-1))
        SourceFolder.objects.update(leased_until=later(minutes=1))
        assert reconcile.reconcile(remote, clock=watch) == 0

    def test_goes_on_in_an_hour_when_time_runs_out(self, missed: Server, remote: Mailbox, watch: Watch) -> None:
        missed.on_fetch = lambda _lying: watch.go_on(minutes=5)
        assert reconcile.reconcile(remote, clock=watch) == 1
        assert SourceFolder.objects.get().leased_until is None
        assert reconcile.reconcile(remote, clock=watch) == 1

    @pytest.mark.parametrize("fault", ["refuses", "breaks"])
    def test_leaves_a_mailbox_that_is_away_to_its_rounds(
        self, missed: Server, remote: Mailbox, watch: Watch, fault: str
    ) -> None:
        if fault == "refuses":
            missed.refuses = away()
        else:
            missed.fetch_raises = {1: away()}
        assert reconcile.reconcile(remote, clock=watch) == 0
        remote.refresh_from_db()
        assert remote.health == "good"

    def test_survives_what_nobody_thought_of(self, missed: Server, remote: Mailbox, watch: Watch) -> None:
        SERVERS.clear()
        assert reconcile.reconcile(remote, clock=watch) == 0

    def test_lets_only_the_databases_own_failures_out(self, missed: Server, remote: Mailbox, watch: Watch) -> None:
        missed.fetch_raises = {1: OperationalError()}
        with pytest.raises(OperationalError):
            reconcile.reconcile(remote, clock=watch)


class TestMailThatHangs:
    def test_is_counted_and_logged(
        self, server: Server, remote: Mailbox, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        store(remote, source_id="1", raw=numbered(1), received_at=NOON, at=NOON)
        waiting, _created = store(remote, source_id="2", raw=numbered(2), received_at=NOON, at=NOON)
        InboundMessage.objects.filter(pk=waiting.pk).update(next_try_at=later(hours=1))
        watch.go_on(minutes=9)
        reconcile.reconcile(remote, clock=watch)
        assert "mail_hangs" not in caplog.text
        watch.go_on(minutes=2)
        reconcile.reconcile(remote, clock=watch)
        assert "mail_hangs" in caplog.text
        assert mail_counts(now=watch.now)[remote.pk]["hanging"] == 1
