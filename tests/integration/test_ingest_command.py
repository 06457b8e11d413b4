"""`manage.py ingest`: files of every kind become mail, once, and what could not be read is named."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from mail_ingest.management.commands import ingest
from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import intake
from mail_ingest.sources import files
from tests.factories import MailboxFactory
from tests.mails import mail

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def mailbox(db: None) -> Mailbox:
    return MailboxFactory.create(slug="support")


def numbered(number: int, text: str = "It drips.") -> bytes:
    return mail(text, message_id=f"{number}@home.example", subject=f"Tap {number} drips")


def run(*paths: Path, status: int = 0, **options: Any) -> tuple[str, str]:
    """What it says on its two streams."""
    out, errors = io.StringIO(), options.pop("stderr", io.StringIO())
    ended = 0
    try:
        call_command("ingest", *paths, stdout=out, stderr=errors, **options)
    except SystemExit as end:
        ended = int(str(end.code))
    assert ended == status
    return out.getvalue().strip(), errors.getvalue()


def subjects() -> list[str]:
    raws = [bytes(inbound.raw.content) for inbound in InboundMessage.objects.order_by("pk").select_related("raw")]
    return [raw.partition(b"Subject: ")[2].partition(b"\n")[0].decode() for raw in raws]


FROM = b"From tina@home.example Tue Mar  3 10:00:00 2026\n"


class TestImporting:
    def test_takes_files_mboxes_and_maildirs_out_of_a_folder(self, mailbox: Mailbox, tmp_path: Path) -> None:
        folder = tmp_path / "old"
        (folder / "deeper").mkdir(parents=True)
        (folder / "1.eml").write_bytes(numbered(1))
        (folder / "deeper" / "2.EML").write_bytes(numbered(2))
        (folder / "archive.mbox").write_bytes(FROM + numbered(3) + b"\n" + FROM + numbered(4))
        (folder / "Inbox").write_bytes(FROM + numbered(5))
        for part in ("tmp", "new", "cur"):
            (folder / "Maildir" / part).mkdir(parents=True)
            (folder / "Maildir" / ".Sub" / part).mkdir(parents=True)
        (folder / "Maildir" / "new" / "1.M1.host").write_bytes(numbered(6))
        (folder / "Maildir" / "cur" / "1.M2.host:2,S").write_bytes(numbered(7))
        (folder / "Maildir" / "tmp" / "unfinished").write_bytes(numbered(98))
        (folder / "Maildir" / ".Sub" / "cur" / "1.M3.host:2,").write_bytes(numbered(8))
        (folder / "readme.txt").write_text("no mail")
        (folder / "notes").write_text("no mail either")
        (folder / "link.eml").symlink_to(folder / "1.eml")
        assert run(folder)[0] == "8 new, 0 known already, 0 could not be read."
        assert {int(subject.split()[1]) for subject in subjects()} == set(range(1, 9))

    def test_answers_nobody_and_changes_nothing_the_second_time(self, mailbox: Mailbox, tmp_path: Path) -> None:
        path = tmp_path / "1.eml"
        path.write_bytes(numbered(1))
        assert run(path)[0] == "1 new, 0 known already, 0 could not be read."
        assert run(path)[0] == "0 new, 1 known already, 0 could not be read."
        inbound = InboundMessage.objects.get()
        assert (inbound.origin, inbound.answerable, inbound.role) == ("import", False, "inbox")

    def test_files_here_and_now_when_it_is_told_to_wait(self, mailbox: Mailbox, tmp_path: Path) -> None:
        path = tmp_path / "1.eml"
        path.write_bytes(numbered(1))
        run(path, wait=True)
        assert InboundMessage.objects.get().state == "filed"
        assert not OutboundMessage.objects.exists()

    def test_takes_sent_mail(self, mailbox: Mailbox, tmp_path: Path) -> None:
        (tmp_path / "1.eml").write_bytes(numbered(1))
        run(tmp_path / "1.eml", sent=True)
        assert InboundMessage.objects.get().role == "sent"

    def test_names_what_could_not_be_read_and_ends_with_one(
        self, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "MAX_MESSAGE_BYTES", 2_000)
        wanted = {
            "empty.eml": b"",
            "picture.eml": b"\x89PNG\0\0",
            "prose.eml": b"Once upon a time there was a tap.",
            "large.eml": numbered(1, "x" * 3_000),
            "large.mbox": FROM + numbered(2, "x" * 3_000) + b"\n" + FROM + numbered(3) + b"\n" + FROM + b"\n",
        }
        for name, raw in wanted.items():
            (tmp_path / name).write_bytes(raw)
        os.mkfifo(tmp_path / "pipe.eml")
        out, errors = run(*(tmp_path / name for name in wanted), tmp_path / "gone.eml", tmp_path / "pipe.eml", status=1)
        assert out == "1 new, 0 known already, 8 could not be read."
        for name in (
            "empty.eml",
            "picture.eml",
            "prose.eml",
            "large.eml",
            "large.mbox, 1",
            "large.mbox, 3",
            "gone.eml",
            "pipe.eml",
        ):
            assert name in errors
        assert subjects() == ["Tap 3 drips"]

    def test_goes_on_behind_one_that_cannot_be_stored(
        self, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = intake.store

        def choke(*args: Any, **values: Any) -> Any:
            if b"Tap 1" in values["raw"]:
                raise ValueError
            return honest(*args, **values)

        monkeypatch.setattr(ingest, "store", choke)
        for number in (1, 2):
            (tmp_path / f"{number}.eml").write_bytes(numbered(number))
        out, errors = run(tmp_path, status=1)
        assert out == "1 new, 0 known already, 1 could not be read."
        assert "1.eml: It could not be stored (ValueError)." in errors

    def test_stops_when_the_database_fails(
        self, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_args: Any, **_values: Any) -> Any:
            raise OperationalError

        monkeypatch.setattr(ingest, "store", fail)
        (tmp_path / "1.eml").write_bytes(numbered(1))
        with pytest.raises(OperationalError):
            run(tmp_path)

    def test_needs_to_know_the_mailbox(self, tmp_path: Path) -> None:
        (tmp_path / "1.eml").write_bytes(numbered(1))
        with pytest.raises(CommandError, match="no mailbox to import into"):
            run(tmp_path)
        MailboxFactory.create(slug="one")
        MailboxFactory.create(slug="two")
        with pytest.raises(CommandError, match="one, two"):
            run(tmp_path)
        with pytest.raises(CommandError, match="'three'"):
            run(tmp_path, mailbox="three")
        run(tmp_path, mailbox="two")
        assert InboundMessage.objects.get().mailbox.slug == "two"

    def test_shows_a_bar_on_a_terminal_and_nothing_elsewhere(self, mailbox: Mailbox, tmp_path: Path) -> None:
        (tmp_path / "1.eml").write_bytes(numbered(1))
        assert run(tmp_path)[1] == ""
        shown = run(tmp_path, stderr=Terminal())[1]
        assert "[########################] 100%  0 new, 1 known" in shown

    def test_says_when_a_folder_cannot_be_listed(
        self, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_path: object) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", refuse)
        assert f"{tmp_path}: Permission denied" in run(tmp_path, status=1)[1]


class TestAnMbox:
    def read(self, tmp_path: Path, content: bytes) -> list[bytes]:
        path = tmp_path / "some.mbox"
        path.write_bytes(content)
        return [message.raw for message in files.messages(files.MailFile(path, len(content)))]

    def test_is_split_at_separators_and_not_at_sentences(self, tmp_path: Path) -> None:
        one = b"Subject: 1\n\nFrom now on it drips.\n\nFrom Monday it rains.\n\nFrom here:\nto there\n"
        two = b"Subject: 2\n\nbye\n"
        assert self.read(tmp_path, FROM + one + b"\n" + FROM + two) == [one, two]

    def test_gives_quoted_separators_back_as_they_were(self, tmp_path: Path) -> None:
        quoted = b"Subject: 1\n\n>From the start\n>>From a quote\n> From no quote\n"
        plain = b"Subject: 1\n\nFrom the start\n>From a quote\n> From no quote\n"
        assert self.read(tmp_path, FROM + quoted) == [plain]

    @pytest.mark.parametrize(
        "separator",
        [
            b"From - Thu Jan 01 00:00:00 1970\n",
            b"From ???@??? Thu Jan 01 00:00:00 1970\n",
            b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011\n",
            b"From a@b.example  Wed Dec 31 16:00:00 1969 -0800\n",
            b"From a@b.example Wed, 31 Dec 1969 16:00:00 +0000\n",
            b"From a@b.example\n",
            b"From -\n",
            b"From a b c Fri Jul 8 12:08 PST 2011\r\n",
        ],
    )
    def test_knows_the_separators_of_many_programs(self, tmp_path: Path, separator: bytes) -> None:
        one, two = b"Subject: 1\n\nhello\n", b"Subject: 2\n\nbye\n"
        assert self.read(tmp_path, FROM + one + b"\n" + separator + two) == [one, two]

    def test_needs_no_empty_line_where_a_header_follows(self, tmp_path: Path) -> None:
        one, two = b"Subject: 1\n\nhello\n", b"Subject: 2\n\nbye\n"
        assert self.read(tmp_path, FROM + one + FROM + two) == [one, two]

    def test_may_have_windows_line_ends_and_endless_lines(self, tmp_path: Path) -> None:
        one = b"Subject: 1\r\n\r\n" + b"x" * 200_000 + b"From inside\r\n"
        two = b"Subject: 2\r\n\r\nbye\r\n"
        separator = FROM.replace(b"\n", b"\r\n")
        assert self.read(tmp_path, separator + one + b"\r\n" + separator + two) == [one, two]

    def test_may_begin_with_empty_lines_and_hold_none(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, b"\n\n" + FROM + b"Subject: 1\n\nhello\n") == [b"Subject: 1\n\nhello\n"]
        path = tmp_path / "other.mbox"
        path.write_bytes(b"From now on\nnothing")
        (refused,) = files.messages(files.MailFile(path, 1))
        assert refused.refused == "It is neither a message nor an mbox file."
