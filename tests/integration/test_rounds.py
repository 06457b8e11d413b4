"""Rounds, on a mailbox in memory: what a source shows is stored once, whatever fails and wherever it is killed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError

from cases.models import TimelineEvent
from mail_ingest.models import InboundMessage, Mailbox, SourceAlias, SourceFolder
from mail_ingest.pipeline import process_message
from mail_ingest.services import replay, rounds, store, taking
from mail_ingest.sources.base import MessageVanished
from tests.factories import NOON, SYSTEM, MailboxFactory, later
from tests.integration.conftest import Watch
from tests.mail_server import SERVERS, Lying, MemoryReader, Server, away, unreadable
from tests.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(remote: Mailbox) -> Mailbox:
    return remote


@pytest.fixture
def read(mailbox: Mailbox, watch: Watch) -> Callable[[], int]:
    def read() -> int:
        mailbox.refresh_from_db()
        return rounds.read(mailbox, clock=watch)

    return read


def numbered(number: int) -> bytes:
    return mail(message_id=f"{number}@home.example", subject=f"Tap {number} drips")


def numbers_stored() -> list[int]:
    stored = InboundMessage.objects.exclude(sha256="").order_by("pk").values_list("source_id", flat=True)
    return [int(source_id.rpartition(":")[2]) for source_id in stored]


def folder_of(mailbox: Mailbox, role: str = "inbox") -> SourceFolder:
    return SourceFolder.objects.get(mailbox=mailbox, role=role)


class TestARound:
    def test_stores_page_after_page_and_keeps_the_position(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        for number in range(1, 6):
            server.deliver(numbered(number), at=NOON)
        assert read() == 5
        assert numbers_stored() == [1, 2, 3, 4, 5]
        folder = folder_of(mailbox)
        assert (folder.position, folder.leased_until, folder.round_at) == ({"age": 1, "number": 5}, None, NOON)
        assert read() == 0
        assert server.fetched == [1, 2, 3, 4, 5]

    def test_takes_what_came_a_day_before_the_mailbox_was_added_and_nothing_older(
        self, server: Server, read: Callable[[], int]
    ) -> None:
        server.deliver(numbered(1), at=later(hours=-25))
        server.deliver(numbered(2), at=later(hours=-23))
        assert read() == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.origin, inbound.answerable, inbound.received_at) == ("live", True, later(hours=-23))

    def test_reads_sent_items_in_their_own_role(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        Mailbox.objects.update(reads_sent=True)
        server.deliver(numbered(1), at=NOON, role="sent")
        assert read() == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.role, inbound.answerable, inbound.put_away) == ("sent", False, "nothing")

    def test_goes_on_where_it_was_killed_and_fetches_nothing_twice(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        for number in range(1, 6):
            server.deliver(numbered(number), at=NOON)

        def die(lying: Lying) -> None:
            if lying.number == 4:
                raise KeyboardInterrupt

        server.on_fetch = die
        with pytest.raises(KeyboardInterrupt):
            read()
        server.on_fetch = None
        assert (numbers_stored(), folder_of(mailbox).position["number"]) == ([1, 2, 3], 2)
        assert read() == 0, "the lease of the killed one still runs"
        watch.go_on(seconds=91)
        assert read() == 2
        assert (numbers_stored(), server.fetched) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 4, 5])

    def test_stops_after_a_minute_and_goes_on_in_the_next(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        for number in range(1, 8):
            server.deliver(numbered(number), at=NOON)
        server.page_items = 3
        server.on_fetch = lambda _lying: watch.go_on(seconds=16)
        assert read() == 4
        folder = folder_of(mailbox)
        assert (folder.round_at, folder.leased_until) == (None, None)
        assert folder.next_round_at is not None
        assert folder.next_round_at - watch.now <= timedelta(seconds=5)
        assert read() == 3
        assert numbers_stored() == list(range(1, 8))
        assert folder_of(mailbox).round_at == watch.now

    def test_writes_no_position_when_somebody_else_has_taken_over(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        theirs = later(minutes=9)
        server.on_fetch = lambda _lying: SourceFolder.objects.update(leased_until=theirs, position={"theirs": 1})
        read()
        folder = folder_of(mailbox)
        assert (folder.leased_until, folder.position) == (theirs, {"theirs": 1})
        assert numbers_stored() == [1]

    def test_stops_between_two_pages_as_well(self, server: Server, read: Callable[[], int], watch: Watch) -> None:
        for number in range(1, 5):
            server.deliver(numbered(number), at=NOON)
        server.on_fetch = lambda _lying: watch.go_on(seconds=31)
        assert read() == 2
        assert read() == 2

    def test_ends_with_the_pages_that_a_source_gives(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        monkeypatch.setattr(MemoryReader, "rounds", lambda *_args, **_values: iter(()))
        assert read() == 0
        assert folder_of(mailbox).round_at is None

    def test_notes_no_failure_in_a_folder_that_somebody_else_has_taken_over(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: KeyError("nobody thought of that")}
        server.on_fetch = lambda _lying: SourceFolder.objects.update(leased_until=later(minutes=9))
        read()
        assert folder_of(mailbox).failures == 0
        Mailbox.objects.update(health="unknown")
        SourceFolder.objects.update(leased_until=None)
        server.refuses = away("The password is wrong.", lasting=True)

        def overtaken(*_args: object) -> object:
            SourceFolder.objects.update(leased_until=later(minutes=9))
            raise server.refuses  # type: ignore[misc]

        server.on_open = overtaken
        read()
        assert folder_of(mailbox).failures == 0

    def test_lets_only_the_databases_own_failures_out(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(numbered(1), at=NOON)

        def fail(_lying: Lying) -> None:
            raise OperationalError("the server has gone away")

        server.on_fetch = fail
        with pytest.raises(OperationalError):
            read()


class TestAMailThatIsShownAgain:
    def test_is_known_within_one_page_and_across_folders_of_ids(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(numbered(1), at=NOON)
        server.deliver(numbered(1), at=NOON)
        assert read() == 1
        assert SourceAlias.objects.get().source_id == "inbox:1:2"

    def test_is_another_mail_when_its_content_is_another(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(mail("The first text."), at=NOON)
        server.deliver(mail("Another text under the same Message-ID."), at=NOON)
        assert read() == 2

    def test_is_known_when_another_worker_was_quicker_and_got_other_bytes(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exchange writes the boundaries of a message anew each time it is asked for one."""
        server.deliver(numbered(1), at=NOON)

        def be_quicker(*_args: object, **_values: object) -> object:
            store(mailbox, source_id="inbox:1:1", raw=numbered(99), received_at=NOON, at=NOON)
            raise IntegrityError("inbound_once")

        monkeypatch.setattr(taking, "store", be_quicker)
        assert read() == 0
        assert InboundMessage.objects.count() == 1

    @pytest.mark.parametrize("error", [IntegrityError("another one"), OperationalError("it has gone away")])
    def test_is_no_excuse_for_a_failure_of_our_own(
        self, server: Server, read: Callable[[], int], monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        server.deliver(numbered(1), at=NOON)

        def fail(*_args: object, **_values: object) -> object:
            raise error

        monkeypatch.setattr(taking, "store", fail)
        with pytest.raises(type(error)):
            read()


class TestALostPosition:
    def test_is_read_from_the_start_and_makes_nothing_new_of_what_is_known(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        for number in range(1, 4):
            server.deliver(numbered(number), at=NOON)
        read()
        server.renumber()
        watch.go_on(minutes=1)
        assert read() == 0
        assert (InboundMessage.objects.count(), SourceAlias.objects.count()) == (3, 3)
        assert TimelineEvent.objects.filter(kind="mailbox_resynced").count() == 1
        folder = folder_of(mailbox)
        assert (folder.resyncing, folder.position) == (False, {"age": 2, "number": 3})
        fetched = len(server.fetched)
        read()
        assert len(server.fetched) == fetched

    def test_files_what_is_new_and_lets_nobody_answer_it(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        read()
        server.renumber()
        server.deliver(numbered(2), at=NOON)
        watch.go_on(minutes=1)
        assert read() == 1
        new = InboundMessage.objects.latest("pk")
        assert (new.origin, new.answerable) == ("resync", False)
        server.deliver(numbered(3), at=NOON)
        read()
        assert InboundMessage.objects.latest("pk").origin == "live"

    def test_reads_no_old_mail_that_was_never_asked_for(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(numbered(1), at=later(days=-9))
        read()
        server.renumber()
        assert read() == 0

    def test_is_no_resync_before_a_first_round_came_to_its_end(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        for number in range(1, 4):
            server.deliver(numbered(number), at=NOON)
        server.fetch_raises = {3: away()}
        read()
        server.fetch_raises = {}
        server.renumber()
        read()
        assert set(InboundMessage.objects.values_list("origin", flat=True)) == {"live"}
        assert not TimelineEvent.objects.filter(kind="mailbox_resynced").exists()

    def test_that_is_lost_again_at_once_is_a_failure(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        server.loses_position_always = True
        read()
        assert folder_of(mailbox).failures == 1


class TestAPoisonMessage:
    def test_is_kept_in_quarantine_and_the_rest_goes_on(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        for number in range(1, 4):
            server.deliver(numbered(number), at=NOON)
        server.fetch_raises = {1: unreadable("The server answers 504.")}
        assert read() == 3
        missed = InboundMessage.objects.get(sha256="")
        assert (missed.state, missed.source_id, missed.answerable) == ("quarantined", "inbox:1:1", False)
        assert "The server answers 504." in missed.reason
        assert numbers_stored() == [2, 3]
        assert TimelineEvent.objects.filter(kind="mail_quarantined").count() == 1
        mailbox.refresh_from_db()
        assert mailbox.health == "good"

    def test_is_asked_for_again_and_then_goes_the_way_of_every_mail(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        Mailbox.objects.update(after_filing="mark_read")
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        watch.go_on(minutes=1)
        assert read() == 0, "its time has not come"
        watch.go_on(minutes=2)
        server.fetch_raises = {}
        assert read() == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.state, inbound.message_id, inbound.put_away) == ("received", "1@home.example", "due")
        assert (inbound.answerable, inbound.attempts, inbound.reason) == (True, 0, "")
        assert bytes(inbound.raw.content) == numbered(1)
        assert process_message(inbound.pk, now=watch.now) == "filed"

    def test_is_asked_for_less_and_less_and_in_the_end_only_by_a_replay(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        for _try in range(20):
            watch.go_on(days=1, minutes=1)
            read()
        assert len(server.fetched) == 1 + taking.ASKED_AT_MOST
        missed = InboundMessage.objects.get()
        assert (missed.state, missed.next_try_at) == ("quarantined", None)
        replay(missed.pk, at=watch.now, actor=SYSTEM)
        read()
        missed.refresh_from_db()
        assert missed.state == "quarantined", "and it says so again, visibly"
        assert TimelineEvent.objects.filter(kind="mail_quarantined").count() == 2
        replay(missed.pk, at=watch.now, actor=SYSTEM)
        server.fetch_raises = {}
        assert read() == 1
        missed.refresh_from_db()
        assert missed.state == "received"

    def test_that_is_too_large_is_not_asked_for_again(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable("It has 200 MB.", lasting=True)}
        read()
        watch.go_on(days=3)
        read()
        assert server.fetched == [1]

    def test_that_is_gone_when_it_is_asked_for_again_stays_visible(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        server.folders["inbox"].clear()
        watch.go_on(minutes=3)
        read()
        missed = InboundMessage.objects.get()
        assert (missed.state, missed.next_try_at) == ("quarantined", None)
        assert "not there any more" in missed.reason

    def test_that_cannot_even_be_asked_for_is_kept_all_the_same(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(numbered(1), at=NOON, problem="Its entry has no id.")
        assert read() == 1
        assert "Its entry has no id." in InboundMessage.objects.get().reason
        assert server.fetched == []

    def test_is_ignored_when_it_came_by_another_way_in_the_meantime(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        store(mailbox, source_id="import:1", raw=numbered(1), received_at=NOON, at=NOON)
        server.fetch_raises = {}
        watch.go_on(minutes=3)
        assert read() == 0
        assert sorted(InboundMessage.objects.values_list("state", flat=True)) == ["ignored", "received"]

    def test_that_breaks_the_connection_is_set_aside_the_third_time(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        for number in range(1, 4):
            server.deliver(numbered(number), at=NOON)
        server.fetch_raises = {1: away("The connection was broken off.")}
        for _round in range(2):
            assert read() == 0
            watch.go_on(minutes=11)
        assert not InboundMessage.objects.exists()
        read()
        watch.go_on(minutes=11)
        assert "broken off" in InboundMessage.objects.get(sha256="").reason
        assert read() == 2
        assert (numbers_stored(), folder_of(mailbox).stuck_on) == ([2, 3], "")

    def test_that_makes_our_own_reader_stumble_is_set_aside_likewise(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.deliver(numbered(2), at=NOON)
        server.fetch_raises = {1: KeyError("nobody thought of that")}
        for _round in range(4):
            read()
            watch.go_on(minutes=11)
        assert numbers_stored() == [2]
        assert InboundMessage.objects.filter(sha256="").count() == 1

    def test_is_not_blamed_for_a_server_that_asks_for_patience(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        for _round in range(5):
            server.fetch_raises = {1: away("Too many requests.", retry_at=watch.now + timedelta(minutes=1))}
            read()
            watch.go_on(minutes=11)
        assert not InboundMessage.objects.exists()

    def test_is_completed_by_one_worker_only(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        missed = InboundMessage.objects.get()
        server.fetch_raises = {}

        def be_quicker(_lying: Lying) -> None:
            server.on_fetch = None
            assert taking.complete(missed.pk, numbered(1), at=watch.now)

        server.on_fetch = be_quicker
        watch.go_on(minutes=3)
        assert read() == 0
        assert TimelineEvent.objects.filter(kind="mail_stored").count() == 1

    def test_that_another_worker_got_meanwhile_is_not_put_back(
        self, server: Server, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        missed = InboundMessage.objects.get()
        server.on_fetch = lambda _lying: taking.complete(missed.pk, numbered(1), at=watch.now)
        watch.go_on(minutes=3)
        read()
        missed.refresh_from_db()
        assert missed.state == "received"

    def test_that_breaks_the_connection_when_it_is_asked_for_again_turns_nothing_red(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: unreadable()}
        read()
        server.fetch_raises = {1: away("The connection was broken off.")}
        watch.go_on(minutes=3)
        read()
        mailbox.refresh_from_db()
        assert mailbox.health == "good"
        assert "broken off" in InboundMessage.objects.get().reason

    def test_that_cannot_be_stored_keeps_no_other_waiting(
        self, server: Server, read: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.deliver(numbered(1), at=NOON)
        server.deliver(numbered(2), at=NOON)
        honest = store

        def choke(*args: object, **values: object) -> object:
            if values["source_id"] == "inbox:1:1":
                raise ValueError("a header that nobody thought of")
            return honest(*args, **values)  # type: ignore[arg-type]

        monkeypatch.setattr(taking, "store", choke)
        read()
        assert numbers_stored() == [2]
        assert "could not be stored" in InboundMessage.objects.get(sha256="").reason

    def test_that_vanished_before_it_was_read_leaves_nothing(self, server: Server, read: Callable[[], int]) -> None:
        server.deliver(numbered(1), at=NOON)
        server.fetch_raises = {1: MessageVanished()}
        assert read() == 0
        assert not InboundMessage.objects.exists()


class TestAMailboxThatFails:
    def test_turns_red_at_once_when_a_person_has_to_act_and_green_by_itself(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        server.refuses = away("The password is wrong.", lasting=True)
        read()
        mailbox.refresh_from_db()
        assert (mailbox.health, mailbox.health_detail) == ("failing", "The password is wrong.")
        server.refuses = None
        watch.go_on(minutes=2)
        read()
        mailbox.refresh_from_db()
        assert (mailbox.health, mailbox.health_detail) == ("good", "")
        assert TimelineEvent.objects.filter(kind="mailbox_checked").count() == 2

    def test_is_not_red_for_one_time_out(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        read()
        server.refuses = away("It does not answer in time.")
        read()
        mailbox.refresh_from_db()
        assert mailbox.health == "good"
        watch.go_on(minutes=1)
        read()
        mailbox.refresh_from_db()
        assert mailbox.health == "failing"

    def test_is_asked_less_and_less_but_every_ten_minutes(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        server.refuses = away()
        waits = []
        for _failure in range(7):
            read()
            folder = folder_of(mailbox)
            assert folder.next_round_at is not None
            waits.append((folder.next_round_at - watch.now).total_seconds())
        assert waits == [30, 60, 120, 240, 480, 600, 600]

    def test_is_left_alone_for_as_long_as_it_asks(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        server.refuses = away("Too many requests.", retry_at=later(hours=1))
        read()
        assert folder_of(mailbox).next_round_at == later(hours=1)
        assert rounds.to_read(now=later(minutes=59)) == []
        assert rounds.to_read(now=later(minutes=61)) == [mailbox.pk]

    def test_reads_its_inbox_although_the_sent_items_are_missing(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        Mailbox.objects.update(reads_sent=True)
        server.deliver(numbered(1), at=NOON)
        server.broken_folders = {"sent": away("There is no folder “Gone”.", lasting=True)}
        assert read() == 1
        mailbox.refresh_from_db()
        assert (mailbox.health, mailbox.health_detail) == ("failing", "Sent items: There is no folder “Gone”.")
        assert folder_of(mailbox).failures == 0

    def test_says_once_what_concerns_both_folders(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int]
    ) -> None:
        Mailbox.objects.update(reads_sent=True)
        server.refuses = away("The password is wrong.", lasting=True)
        read()
        mailbox.refresh_from_db()
        assert mailbox.health_detail == "The password is wrong."

    def test_survives_what_nobody_thought_of(
        self, server: Server, mailbox: Mailbox, read: Callable[[], int], watch: Watch
    ) -> None:
        SERVERS.clear()  # opening it is a KeyError now
        for _round in range(2):
            read()
            watch.go_on(minutes=2)
        mailbox.refresh_from_db()
        assert mailbox.health == "failing"
        assert "KeyError" in mailbox.health_detail


class TestWhatIsToBeRead:
    def test_is_what_is_switched_on_and_due_and_asked_for_once(self, server: Server, mailbox: Mailbox) -> None:
        MailboxFactory.create(kind="imap", imap_host="mail.example", is_active=False)
        MailboxFactory.create(kind="folder")
        assert rounds.to_read(now=NOON) == [mailbox.pk]
        assert rounds.to_read(now=later(minutes=0)) == []
        assert rounds.to_read(now=later(minutes=1)) == [mailbox.pk]

    def test_comes_at_once_when_it_is_hurried(self, server: Server, mailbox: Mailbox, read: Callable[[], int]) -> None:
        read()
        assert rounds.to_read(now=NOON) == []
        rounds.hurry(mailbox, "inbox", now=NOON)
        assert rounds.to_read(now=NOON) == [mailbox.pk]

    def test_begins_a_day_back_also_where_somebody_else_made_the_row(self, server: Server, mailbox: Mailbox) -> None:
        SourceFolder.objects.create(mailbox=mailbox, role="inbox")
        rounds.folders_of(mailbox, now=NOON)
        assert folder_of(mailbox).since == later(days=-1)
