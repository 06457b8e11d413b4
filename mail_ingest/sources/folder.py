"""The folder source: an `.eml` file renamed or copied into the mailbox's folder is a mail.

A file's source id is the hash of its bytes, so the same mail dropped twice is one mail. A file is moved away only after
its bytes are stored; if it cannot be moved it is found again, and known.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from mail_ingest.models import Mailbox
from mail_ingest.sources.dates import received_at

SETTLED_SECONDS = 1.0
MAX_FILE_BYTES = 150 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FolderMail:
    path: Path
    source_id: str
    raw: bytes
    received_at: datetime


def folder_of(mailbox: Mailbox) -> Path:
    """The mailbox's folder; a relative one lies in the state folder."""
    return Path(settings.VAR) / mailbox.folder


def arrived(mailbox: Mailbox, *, now: datetime) -> Iterator[FolderMail]:
    """The mails that lie in the folder, oldest file first. A file that is still being written waits for the next look.

    Raises OSError when the folder cannot be read, and at the end when a file cannot: one keeps none of the others waiting.
    """
    folder = folder_of(mailbox)
    folder.mkdir(parents=True, exist_ok=True)
    ready, wrong = [], []
    for path in folder.iterdir():
        if path.suffix.lower() != ".eml" or path.name.startswith(".") or path.is_symlink() or not path.is_file():
            continue
        try:
            stat = path.stat()
        except FileNotFoundError:  # another worker has stored it and taken it away
            continue
        if 0 <= now.timestamp() - stat.st_mtime < SETTLED_SECONDS:
            continue
        if stat.st_size > MAX_FILE_BYTES:
            size_mb = MAX_FILE_BYTES // 1024 // 1024
            wrong.append(OSError(f"{path.name!r} is larger than {size_mb} MB; take it out of the folder."))
            continue
        ready.append((stat.st_mtime, path.name, path))
    for _written, _name, path in sorted(ready):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            wrong.append(error)
            continue
        yield FolderMail(path, hashlib.sha256(raw).hexdigest(), raw, received_at(raw, now=now))
    if wrong:
        raise wrong[0]


def set_aside(mail: FolderMail) -> None:
    """Move a stored mail's file out of the way, into the folder `done` beside the inbox."""
    done = mail.path.parent.parent / "done"
    done.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another worker was quicker
        mail.path.replace(done / f"{mail.source_id[:16]}-{_short(mail.path.name)}")


def _short(name: str) -> str:
    """The end of a name, so that something can be put before it: file systems count 255 bytes, not characters."""
    return os.fsdecode(os.fsencode(name)[-200:])
