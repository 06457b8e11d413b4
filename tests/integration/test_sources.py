"""Maildirs, the connection test, and the tasks that have every mailbox read."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from mail_ingest import tasks
from mail_ingest.counts import mail_counts
from mail_ingest.models import Backfill, InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import ignore, put_away, reconcile, rounds
from mail_ingest.services.backfill import backfill_step, request_backfill
from mail_ingest.services.mailboxes import diagnose
from mail_ingest.sources import maildir as maildir_source
from mail_ingest.sources.base import MessageUnreadable, MessageVanished, SourceUnavailable
from mail_ingest.sources.opening import opened
from tests.factories import NOON, SYSTEM, MailboxFactory
from tests.mail_server import SERVERS, Server, away
from tests.mails import mail

pytestmark = pytest.mark.django_db


def numbered(number: int) -> bytes:
    return mail(message_id=f"{number}@home.example", subject=f"Tap {number} drips")


@pytest.fixture
def root(state_folder: Path) -> Path:
    root = state_folder / "Maildir"
    for part in ("tmp", "new", "cur"):
        (root / part).mkdir(parents=True)
    return root


@pytest.fixture
def mailbox(root: Path) -> Mailbox:
    return MailboxFactory.create(kind="maildir", folder="Maildir")


def deliver(root: Path, number: int, *, hours_ago: float = 0, part: str = "new", flags: str = "") -> Path:
    moment = timezone.now() - timedelta(hours=hours_ago)
    name = f"{int(moment.timestamp())}.M{number}P1.host"
    path = root / part / (f"{name}:2,{flags}" if part == "cur" else name)
    path.write_bytes(numbered(number))
    return path


def read(mailbox: Mailbox) -> int:
    mailbox.refresh_from_db()
    return rounds.read(mailbox, clock=timezone.now)


class TestAMaildir:
    def test_is_read_in_both_its_folders(self, root: Path, mailbox: Mailbox) -> None:
        deliver(root, 1)
        deliver(root, 2, part="cur", flags="S")
        assert read(mailbox) == 2
        assert read(mailbox) == 0
        mailbox.refresh_from_db()
        assert mailbox.health == "good"

    def test_knows_a_mail_that_was_read_and_flagged_since(self, root: Path, mailbox: Mailbox) -> None:
        path = deliver(root, 1)
        read(mailbox)
        path.rename(root / "cur" / f"{path.name}:2,FS")
        assert read(mailbox) == 0
        assert InboundMessage.objects.count() == 1

    def test_makes_no_news_of_old_mail_also_when_somebody_reads_it(self, root: Path, mailbox: Mailbox) -> None:
        path = deliver(root, 1, hours_ago=100)
        assert read(mailbox) == 0
        path.rename(root / "cur" / f"{path.name}:2,S")
        assert read(mailbox) == 0

    def test_looks_only_at_its_folders_own_dates_while_nothing_changes(
        self, root: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deliver(root, 1)
        for part in ("new", "cur"):
            os.utime(root / part, (1_700_000_000, 1_700_000_000))
        assert read(mailbox) == 1
        monkeypatch.setattr(maildir_source.MaildirReader, "_scan", lambda *_a: pytest.fail("looked at every file"))
        assert read(mailbox) == 0

    def test_goes_through_many_pages(self, root: Path, mailbox: Mailbox) -> None:
        for number in range(250):
            deliver(root, number)
        assert read(mailbox) == 250
        assert read(mailbox) == 0

    def test_takes_neither_links_nor_pipes_nor_hidden_files(self, root: Path, mailbox: Mailbox, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(numbered(9))
        (root / "new" / "1.link").symlink_to(secret)
        os.mkfifo(root / "new" / "2.pipe")
        (root / "new" / ".hidden").write_bytes(numbered(8))
        assert read(mailbox) == 0
        assert not InboundMessage.objects.exists()

    def test_takes_names_that_are_no_text_or_very_long(self, root: Path, mailbox: Mailbox) -> None:
        for name, number in ((b"\xff\xfe.host", 1), (b"\xff" * 250, 2)):
            Path(os.fsdecode(os.fsencode(root / "new") + b"/" + name)).write_bytes(numbered(number))
        assert read(mailbox) == 2

    def test_reads_sent_items_where_there_are_some(self, root: Path, mailbox: Mailbox) -> None:
        for part in ("tmp", "new", "cur"):
            (root / ".Sent" / part).mkdir(parents=True)
        deliver(root / ".Sent", 1, part="cur", flags="S")
        assert read(mailbox) == 1
        assert InboundMessage.objects.get().role == "sent"

    def test_reads_a_folder_with_an_umlaut(self, root: Path, mailbox: Mailbox) -> None:
        for part in ("tmp", "new", "cur"):
            (root / ".Sch&AOQ-den" / part).mkdir(parents=True)
        Mailbox.objects.update(inbox_folder="Schäden", reads_sent=False)
        deliver(root / ".Sch&AOQ-den", 1)
        assert read(mailbox) == 1

    def test_says_what_is_wrong_when_it_is_none(self, root: Path, mailbox: Mailbox) -> None:
        (root / ".Archive" / "cur").mkdir(parents=True)
        (root / "new").rmdir()
        read(mailbox)
        mailbox.refresh_from_db()
        assert mailbox.health == "failing"
        assert "is no Maildir" in mailbox.health_detail
        assert ".Archive" in mailbox.health_detail
        Mailbox.objects.update(folder="nowhere")
        SourceFolder.objects.update(leased_until=None)
        read(mailbox)
        mailbox.refresh_from_db()
        assert "There is no folder" in mailbox.health_detail

    def test_is_compared_with_the_ledger(self, root: Path, mailbox: Mailbox) -> None:
        read(mailbox)
        deliver(root, 1, hours_ago=1)
        SourceFolder.objects.filter(role="inbox").update(since=timezone.now() - timedelta(days=3))
        assert reconcile.reconcile(mailbox, clock=timezone.now) == 1

    def test_gives_its_old_mail_to_a_backfill(self, root: Path, mailbox: Mailbox) -> None:
        for number in range(120):
            deliver(root, number, hours_ago=100 + number, part="cur")
        now = timezone.now()
        backfill = request_backfill(mailbox, since=now - timedelta(days=30), at=now, actor=SYSTEM)
        assert backfill_step(backfill.pk, clock=timezone.now) == 120
        assert Backfill.objects.get().state == "done"

    def test_goes_on_behind_a_page_of_an_earlier_listing(self, root: Path, mailbox: Mailbox) -> None:
        for number in range(120):
            deliver(root, number, hours_ago=1)
        now = timezone.now()
        with opened(mailbox) as box:
            span = {"since": now - timedelta(days=1), "until": now}
            first = next(box.listing("inbox", position={}, **span))
            rest = [item for page in box.listing("inbox", position=first.position, **span) for item in page.items]
        ids = {item.source_id for item in (*first.items, *rest)}
        assert (len(first.items), len(rest), len(ids)) == (100, 20, 120)


class TestAMessageOfAMaildir:
    @pytest.fixture
    def box(self, root: Path, mailbox: Mailbox) -> maildir_source.MaildirReader:
        return maildir_source.MaildirReader(root, mailbox)

    def test_is_found_again_under_another_name(self, root: Path, box: maildir_source.MaildirReader) -> None:
        path = deliver(root, 1)
        (page,) = box.rounds("inbox", {}, since=NOON)
        path.rename(root / "cur" / f"{path.name}:2,S")
        assert box.fetch("inbox", page.items[0].source_id) == numbered(1)

    def test_vanishes(self, root: Path, box: maildir_source.MaildirReader) -> None:
        path = deliver(root, 1)
        (page,) = box.rounds("inbox", {}, since=NOON)
        path.unlink()
        with pytest.raises(MessageVanished):
            box.fetch("inbox", page.items[0].source_id)
        with pytest.raises(MessageVanished):
            box.fetch("sent", page.items[0].source_id)

    def test_is_refused_when_it_is_too_large_or_empty_or_a_link(
        self, root: Path, box: maildir_source.MaildirReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = deliver(root, 1)
        (page,) = box.rounds("inbox", {}, since=NOON)
        source_id = page.items[0].source_id
        with monkeypatch.context() as patched:
            patched.setattr(maildir_source, "MAX_MESSAGE_BYTES", 10)
            with pytest.raises(MessageUnreadable) as refused:
                box.fetch("inbox", source_id)
            assert refused.value.lasting
        path.write_bytes(b"")
        with pytest.raises(MessageUnreadable):
            box.fetch("inbox", source_id)
        path.unlink()
        path.symlink_to("/etc/hostname")
        with pytest.raises(MessageUnreadable):
            box.fetch("inbox", source_id)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(MessageUnreadable):
            box.fetch("inbox", source_id)


class TestPuttingAwayInAMaildir:
    @pytest.fixture
    def put(self, root: Path, mailbox: Mailbox) -> Callable[[str], InboundMessage]:
        def put(how: str) -> InboundMessage:
            Mailbox.objects.update(after_filing=how, filed_folder="Erledigt/Fälle")
            deliver(root, 1)
            read(mailbox)
            inbound = InboundMessage.objects.get()
            InboundMessage.objects.update(put_away="due")
            ignore(inbound.pk, reason="For the test.", at=NOON)
            mailbox.refresh_from_db()
            assert put_away.put_away_due(mailbox, clock=timezone.now) == 1
            inbound.refresh_from_db()
            return inbound

        return put

    def test_marks_it_as_seen(self, root: Path, mailbox: Mailbox, put: Callable[[str], InboundMessage]) -> None:
        assert put("mark_read").put_away == "done"
        assert list((root / "new").iterdir()) == []
        assert [path.name.partition(":")[2] for path in (root / "cur").iterdir()] == ["2,S"]
        assert read(mailbox) == 0

    def test_moves_it_into_a_folder_beside(
        self, root: Path, mailbox: Mailbox, put: Callable[[str], InboundMessage]
    ) -> None:
        assert put("move").put_away == "done"
        assert len(list((root / ".Erledigt.F&AOQ-lle" / "cur").iterdir())) == 1
        assert (root / ".Erledigt.F&AOQ-lle" / "maildirfolder").exists()
        assert read(mailbox) == 0


class TestTheConnectionTest:
    def test_of_a_maildir(self, root: Path, mailbox: Mailbox) -> None:
        (root / ".Archive" / "cur").mkdir(parents=True)
        diagnosis = diagnose(mailbox)
        assert (diagnosis.ok, list(diagnosis.folders)) == (True, [".Archive"])
        mailbox.folder = "nowhere"
        assert not diagnose(mailbox).ok

    def test_of_a_folder_of_files(self, state_folder: Path) -> None:
        mailbox = MailboxFactory.create(kind="folder")
        assert diagnose(mailbox).ok
        (state_folder / "mail").write_text("a file, not a folder")
        assert not diagnose(mailbox).ok

    def test_survives_what_nobody_thought_of(self, server: Server, remote: Mailbox) -> None:
        assert diagnose(remote).ok
        SERVERS.clear()
        assert "KeyError" in diagnose(remote).detail


def broken(*_args: object, **_values: object) -> None:
    raise KeyError("nobody thought of that")


class TestTheTasks:
    @pytest.fixture(autouse=True)
    def without_a_broker(self, settings: Settings) -> None:
        settings.REDIS_URL = ""

    def test_read_put_away_compare_and_backfill_without_a_broker(self, server: Server, remote: Mailbox) -> None:
        Mailbox.objects.update(after_filing="mark_read")
        now = timezone.now()
        server.deliver(numbered(1), at=now - timedelta(hours=1))
        server.deliver(numbered(2), at=now - timedelta(days=9))
        tasks.poll_mailboxes()
        inbound = InboundMessage.objects.get()
        tasks.process_inbound(inbound.pk)
        tasks.put_away_mail()
        inbound.refresh_from_db()
        assert (inbound.state, inbound.put_away) == ("filed", "done")
        server.folders["inbox"].append(server.folders["inbox"].pop(0))
        tasks.reconcile_mailboxes()
        assert SourceFolder.objects.get().reconciled_at is not None
        request_backfill(remote, since=now - timedelta(days=10), at=now, actor=SYSTEM)
        tasks.continue_backfills()
        assert InboundMessage.objects.count() == 2

    def test_let_no_bad_mailbox_stop_another(
        self, server: Server, remote: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = MailboxFactory.create(kind="folder")
        monkeypatch.setattr(tasks, "poll", broken)
        bad = MailboxFactory.create(kind="graph", slug="bad", reads_sent=False)
        SERVERS["bad"] = Server(refuses=away("The secret is expired.", lasting=True))
        server.deliver(numbered(1), at=timezone.now())
        tasks.poll_mailboxes()
        bad.refresh_from_db()
        assert (bad.health, InboundMessage.objects.count()) == ("failing", 1)
        assert folder.is_active

    def test_ask_a_worker_for_each_mailbox_where_there_is_a_broker(
        self, server: Server, remote: Mailbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        asked: list[tuple[object, ...]] = []
        monkeypatch.setattr(tasks, "ask", lambda task, *args: asked.append((task.name, *args)))
        tasks.poll_mailboxes()
        assert asked == [("mail_ingest.tasks.read_mailbox", remote.pk)]

    def test_leave_a_mailbox_that_was_switched_off_meanwhile(self, server: Server, remote: Mailbox) -> None:
        server.deliver(numbered(1), at=timezone.now())
        Mailbox.objects.update(is_active=False)
        tasks.read_mailbox(remote.pk)
        assert not InboundMessage.objects.exists()


class TestTheCounts:
    def test_show_what_was_missed_and_what_could_not_be_put_away(self, server: Server, remote: Mailbox) -> None:
        server.deliver(numbered(1), at=NOON, problem="It has no id.")
        rounds.read(remote, clock=lambda: NOON)
        InboundMessage.objects.update(put_away="given_up")
        counts = mail_counts(now=NOON)[remote.pk]
        assert (counts["missed"], counts["quarantined"], counts["stranded"], counts["hanging"]) == (1, 1, 1, 0)


def test_a_source_that_is_not_there_is_unavailable(mailbox: Mailbox) -> None:
    mailbox.folder = "nowhere"
    with pytest.raises(SourceUnavailable), opened(mailbox):
        pass
