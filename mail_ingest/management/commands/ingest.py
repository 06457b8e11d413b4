"""Takes mail in from files: it is stored, filed, clocked from when it was received, and answered by nobody."""

import hashlib
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from mail_ingest import pipeline
from mail_ingest.models import FolderRole, InboundMessage, Mailbox
from mail_ingest.services import store
from mail_ingest.sources.dates import received_at
from mail_ingest.sources.files import MailFile, Read, found, messages

BAR_CHARS = 24
SHOWN_EVERY = 20


class Refused(Exception):
    """A message that cannot be taken in; the text says why."""


class Progress:
    """A bar on a terminal, nothing anywhere else. By bytes: how many messages an mbox holds, nobody knows before."""

    def __init__(self, stream: Any, total_bytes: int) -> None:
        self._stream = stream
        self._total_bytes = max(total_bytes, 1)
        self._shows = stream.isatty()
        self._calls = 0

    def show(self, done_bytes: int, text: str, *, now: bool = False) -> None:
        self._calls += 1
        if not self._shows or (self._calls % SHOWN_EVERY and not now):
            return
        share = min(done_bytes / self._total_bytes, 1.0)
        bar = ("#" * round(share * BAR_CHARS)).ljust(BAR_CHARS, ".")
        self._stream.write(f"\r  [{bar}] {share:4.0%}  {text} ")
        self._stream.flush()

    def end(self) -> None:
        if self._shows:
            self._stream.write("\n")


class Command(BaseCommand):
    help = "Imports mail: .eml and mbox files, Maildirs, and folders of them. What is known already changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--mailbox", help="The mailbox's slug; may be left out where there is only one.")
        parser.add_argument("--sent", action="store_true", help="It is sent mail: it only joins cases that are there.")
        parser.add_argument(
            "--wait", action="store_true", help="File it here and now instead of leaving it to a worker."
        )

    def handle(self, *_args: Any, paths: list[Path], **options: Any) -> None:
        mailbox = _mailbox(options["mailbox"])
        role = FolderRole.SENT if options["sent"] else FolderRole.INBOX
        items = [item for path in paths for item in found(path)]
        files = [item for item in items if isinstance(item, MailFile)]
        refused = [item for item in items if isinstance(item, Read)]
        progress = Progress(self.stderr, sum(file.size_bytes for file in files))
        new, known, done_bytes = list[int](), 0, 0
        for file in files:
            for message in messages(file):
                try:
                    inbound_id, created = _store(mailbox, message, role=role)
                except Refused as error:
                    refused.append(Read(message.name, refused=str(error)))
                else:
                    known += not created
                    new += [inbound_id] if created else []
                progress.show(done_bytes + message.at_bytes, f"{len(new)} new, {known} known")
            done_bytes += file.size_bytes
        progress.show(done_bytes, f"{len(new)} new, {known} known", now=True)
        progress.end()
        if options["wait"]:
            self._file(new)
        self._tell(len(new), known, refused)
        if refused:
            sys.exit(1)

    def _file(self, ids: list[int]) -> None:
        progress = Progress(self.stderr, len(ids))
        for number, inbound_id in enumerate(ids, start=1):
            pipeline.process_message(inbound_id, now=timezone.now())
            progress.show(number, f"{number} of {len(ids)} filed", now=number == len(ids))
        progress.end()

    def _tell(self, new: int, known: int, refused: list[Read]) -> None:
        for message in refused:
            self.stderr.write(f"{message.name}: {message.refused}")
        self.stdout.write(f"{new} new, {known} known already, {len(refused)} could not be read.")


def _mailbox(slug: str | None) -> Mailbox:
    mailboxes = Mailbox.objects.filter(slug=slug) if slug else Mailbox.objects.all()
    match list(mailboxes.order_by("slug")):
        case [mailbox]:
            return mailbox
        case []:
            raise CommandError(f"There is no mailbox {slug!r}." if slug else "There is no mailbox to import into.")
        case several:
            raise CommandError(f"Say with --mailbox which one: {', '.join(mailbox.slug for mailbox in several)}.")


def _store(mailbox: Mailbox, message: Read, *, role: str) -> tuple[int, bool]:
    """The ledger's id of a message, and whether it is new there. Raises Refused."""
    if message.refused:
        raise Refused(message.refused)
    now = timezone.now()
    try:
        inbound, created = store(
            mailbox,
            source_id=f"import:{role}:{hashlib.sha256(message.raw).hexdigest()}",
            raw=message.raw,
            received_at=received_at(message.raw, now=now),
            at=now,
            origin=InboundMessage.Origin.IMPORT,
            role=role,
        )
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # one message that cannot be kept does not stop the others
        raise Refused(f"It could not be stored ({type(error).__name__}).") from error
    return inbound.pk, created
