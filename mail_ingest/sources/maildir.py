"""The Maildir source: `new/` and `cur/` of a folder that a mail server delivers into (maildir(5), Maildir++ for sub-folders).

A message's id is the unique part of its file name, which stays when it is read, flagged or moved from `new` to `cur`.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from imap_tools.imap_utf7 import utf7_encode

from mail_ingest.models import FolderRole, Mailbox
from mail_ingest.models.mailbox import AfterFiling
from mail_ingest.sources.base import (
    MAX_MESSAGE_BYTES,
    PAGE_ITEMS,
    Diagnosis,
    Found,
    MessageUnreadable,
    MessageVanished,
    Page,
    Position,
    SourceUnavailable,
    too_large,
)

INFO = ":2,"
SUBFOLDERS = ("new", "cur")
USUAL_SENT = (".Sent", ".Sent Items", ".Sent Messages", ".Gesendet", ".Gesendete Elemente")

# Files whose status changed so shortly before the newest one that was seen are looked at again: file systems differ in how
# finely they count, and a delivery may become visible late.
LOOKS_BACK_SECONDS = 60.0
SETTLED_NS = 3_000_000_000
LONGEST_NAME_CHARS = 400
FIRST_TIMESTAMP = 631_152_000  # 1990


@dataclass(frozen=True, slots=True)
class _File:
    unique: str
    path: Path
    received_at: datetime
    changed: float  # seconds since 1970: the last time that its status changed


@contextmanager
def opened(mailbox: Mailbox) -> Iterator["MaildirReader"]:
    root = Path(settings.VAR) / mailbox.folder
    if not root.is_dir():
        raise SourceUnavailable(_("There is no folder “%(path)s”.") % {"path": root}, lasting=True)
    yield MaildirReader(root, mailbox)


class MaildirReader:
    """A `Reader` of files; see there for what the calls promise."""

    def __init__(self, root: Path, mailbox: Mailbox) -> None:
        self._root = root
        self._mailbox = mailbox
        self._files: dict[tuple[str, str], Path] = {}

    def rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        """Positions are {changed, folders}: the newest change that was seen, and the folders' own as it was seen.

        What is older than `since` is left out also later: files change whenever somebody reads or flags them.
        """
        folder = self._folder(role)
        if folder is None:
            yield Page((), {}, last=True)
            return
        folders = _changed_ns(folder)
        if position.get("folders") == folders:
            yield Page((), position, last=True)
            return
        seen = float(position.get("changed", 0.0))
        files = [
            file
            for file in self._scan(role, folder)
            if file.changed > seen - LOOKS_BACK_SECONDS and file.received_at >= since
        ]
        files.sort(key=lambda file: (file.changed, file.unique))
        # A folder that was changed just now may change again within the same tick of its clock.
        is_settled = datetime.now(UTC).timestamp() * 1e9 - max(folders) > SETTLED_NS
        for page, is_last in _chunks(files):
            reached = {"changed": max(seen, page[-1].changed)}
            yield Page(
                [_found(role, file) for file in page],
                reached | ({"folders": folders} if is_last and is_settled else {}),
                last=is_last,
            )
        if not files:
            yield Page((), {"changed": seen} | ({"folders": folders} if is_settled else {}), last=True)

    def listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        folder = self._folder(role)
        files = [file for file in self._scan(role, folder) if since <= file.received_at < until] if folder else []
        files.sort(key=_by_age)
        behind = (str(position.get("received_at", "")), str(position.get("unique", "")))
        files = [file for file in files if _by_age(file) > behind]
        for page, is_last in _chunks(files):
            received_at, unique = _by_age(page[-1])
            yield Page(
                [_found(role, file) for file in page], {"received_at": received_at, "unique": unique}, last=is_last
            )
        if not files:
            yield Page((), position, last=True)

    def fetch(self, role: str, source_id: str) -> bytes:
        for _try in range(2):  # it may be renamed at any moment
            path = self._find(role, source_id)
            try:
                raw = _read(path)
            except FileNotFoundError:
                self._files.clear()
            except OSError as error:
                raise MessageUnreadable(
                    _("The file cannot be read: %(reason)s.") % {"reason": error.strerror or type(error).__name__}
                ) from error
            else:
                if not raw:
                    raise MessageUnreadable(_("The file is empty."))
                return raw
        raise MessageVanished(source_id)

    def put_away(self, source_id: str, *, how: str, folder: str) -> None:
        path = self._find(FolderRole.INBOX, source_id)
        unique, _colon, flags = path.name.partition(INFO)
        name = f"{unique}{INFO}{''.join(sorted({*flags, 'S'}))}"
        try:
            if how == AfterFiling.MARK_READ:
                path.rename(path.parent.parent / "cur" / name)
            elif how == AfterFiling.MOVE:
                path.rename(_made(self._root, folder) / "cur" / name)
        except FileNotFoundError as error:
            raise MessageUnreadable(_("The file was renamed just now.")) from error
        except OSError as error:
            raise MessageUnreadable(
                _("The file cannot be moved: %(reason)s.") % {"reason": error.strerror or type(error).__name__}
            ) from error
        self._files.clear()

    def check(self) -> Diagnosis:
        self._folder(FolderRole.INBOX)
        folders = sorted(path.name for path in self._root.glob(".*") if (path / "cur").is_dir())
        return Diagnosis(ok=True, detail=_("The Maildir can be read."), folders=folders)

    def _folder(self, role: str) -> Path | None:
        """The role's folder; None when nobody named the sent items and there are none."""
        if role == FolderRole.SENT:
            name = self._mailbox.sent_folder.strip()
            if not name:
                return next((self._root / usual for usual in USUAL_SENT if (self._root / usual / "cur").is_dir()), None)
        else:
            name = self._mailbox.inbox_folder.strip()
        folder = _subfolder(self._root, name) if name else self._root
        if not all((folder / part).is_dir() for part in SUBFOLDERS):
            there = ", ".join(sorted(path.name for path in self._root.glob(".*") if (path / "cur").is_dir())) or "–"  # noqa: RUF001
            raise SourceUnavailable(
                _("“%(path)s” is no Maildir: it has no folders “new” and “cur”. Sub-folders there are: %(there)s.")
                % {"path": folder, "there": there},
                lasting=True,
            )
        return folder

    def _scan(self, role: str, folder: Path) -> Iterator[_File]:
        """Regular files only: what else lies there is not a mail (a link could lead anywhere, a pipe would never end)."""
        for part in SUBFOLDERS:
            try:
                entries = list(os.scandir(folder / part))
            except OSError as error:
                raise SourceUnavailable(
                    _("“%(path)s” cannot be read: %(reason)s.")
                    % {"path": folder / part, "reason": error.strerror or type(error).__name__},
                    lasting=True,
                ) from error
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                with suppress(OSError):  # moved or deleted in this moment
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        unique = _unique(entry.name)
                        self._files[role, unique] = Path(entry.path)
                        yield _File(unique, Path(entry.path), _received_at(unique, info.st_mtime), info.st_ctime)

    def _find(self, role: str, source_id: str) -> Path:
        kind, _colon, unique = source_id.partition(":")
        if kind != role:
            raise MessageVanished(source_id)
        if (role, unique) not in self._files and (folder := self._folder(role)):
            for _file in self._scan(role, folder):
                pass
        try:
            return self._files[role, unique]
        except KeyError:
            raise MessageVanished(source_id) from None


def _unique(name: str) -> str:
    """The part of a file's name that stays. Bytes that are no UTF-8 are written out, as the ledger holds text."""
    raw = os.fsencode(name.partition(":")[0])
    text = raw.decode(errors="backslashreplace")
    return text if len(text) <= LONGEST_NAME_CHARS else hashlib.sha256(raw).hexdigest()


def _received_at(unique: str, written: float) -> datetime:
    """The name begins with the time of delivery; a file that is named otherwise is as old as its bytes."""
    seconds = unique.partition(".")[0]
    plausible = seconds.isascii() and seconds.isdigit() and FIRST_TIMESTAMP < int(seconds[:12]) < written + 86_400
    return datetime.fromtimestamp(int(seconds[:12]) if plausible else written, UTC)


def _found(role: str, file: _File) -> Found:
    return Found(source_id=f"{role}:{file.unique}", received_at=file.received_at)


def _by_age(file: _File) -> tuple[str, str]:
    return file.received_at.isoformat(timespec="microseconds"), file.unique


def _changed_ns(folder: Path) -> list[int]:
    try:
        return [(folder / part).stat().st_mtime_ns for part in SUBFOLDERS]
    except OSError as error:
        raise SourceUnavailable(_("“%(path)s” cannot be read.") % {"path": folder}, lasting=True) from error


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise MessageUnreadable(_("It is not a regular file."), lasting=True)
        if info.st_size > MAX_MESSAGE_BYTES:
            raise too_large(info.st_size)
        return file.read(MAX_MESSAGE_BYTES + 1)


def _subfolder(root: Path, name: str) -> Path:
    """Maildir++: sub-folders lie side by side, with a dot before each part, in modified UTF-7."""
    parts = [part.strip(".") for part in name.replace("/", ".").split(".") if part.strip(".")]
    return root / ("." + utf7_encode(".".join(parts)).decode("ascii")) if parts else root


def _made(root: Path, name: str) -> Path:
    folder = _subfolder(root, name)
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder != root:
        (folder / "maildirfolder").touch()
    return folder


def _chunks(files: Sequence[_File]) -> Iterator[tuple[Sequence[_File], bool]]:
    for start in range(0, len(files), PAGE_ITEMS):
        yield files[start : start + PAGE_ITEMS], start + PAGE_ITEMS >= len(files)
