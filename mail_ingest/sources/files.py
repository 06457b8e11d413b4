"""Mail in files: single messages, mbox files and Maildirs, found below a path and read one message at a time."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from mail_ingest.sources.base import MAX_MESSAGE_BYTES

MAILDIR_PARTS = ("new", "cur")
LINE_BYTES = 64 * 1024

# The line between two messages (RFC 4155): sender, and a date as asctime(3) writes it, in more variants than there are programs.
_DATED = re.compile(
    rb"From .*?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +"
    rb"(?:(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2}|\d{1,2} +(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec))"
    rb".*\d{1,2}:\d\d",
    re.IGNORECASE,
)
_UNDATED = re.compile(rb"From (?:\S+@\S+|-|MAILER-DAEMON)[ \t]*\r?\n?$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|>From ")
_QUOTED = re.compile(rb">+From ")


@dataclass(frozen=True, slots=True)
class Read:
    """A message, or what could not be read: `name` says which, `refused` why. `at_bytes`: how far into its file that is."""

    name: str
    raw: bytes = b""
    refused: str = ""
    at_bytes: int = 0


@dataclass(frozen=True, slots=True)
class MailFile:
    path: Path
    size_bytes: int


def found(path: Path) -> Iterator[MailFile | Read]:
    """The files that hold mail at a path, and below it when it is a folder, in the order of their names.

    What is named itself is always given; in folders `.eml` and mbox files and the content of Maildirs. Links are not followed
    within folders. A folder that cannot be listed is given as refused.
    """
    try:
        info = path.stat()
    except OSError as error:
        yield Read(str(path), refused=_reason(error))
        return
    if stat.S_ISDIR(info.st_mode):
        yield from _below(path)
    elif stat.S_ISREG(info.st_mode):
        yield MailFile(path, info.st_size)
    else:  # a pipe, for one, could be waited for without end
        yield Read(str(path), refused=_("It is not a regular file."))


def _below(folder: Path) -> Iterator[MailFile | Read]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Read(str(folder), refused=_reason(error))
        return
    names = {entry.name for entry in entries}
    is_maildir = set(MAILDIR_PARTS) <= names
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            continue
        if entry.is_dir():
            if is_maildir and entry.name in {*MAILDIR_PARTS, "tmp"}:
                if entry.name != "tmp":
                    yield from _of_maildir(path)
            else:
                yield from _below(path)
        elif entry.is_file() and not entry.name.startswith(".") and _looks_like_mail(path):
            yield MailFile(path, entry.stat().st_size)


def _of_maildir(folder: Path) -> Iterator[MailFile | Read]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Read(str(folder), refused=_reason(error))
        return
    for entry in entries:
        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            yield MailFile(Path(entry.path), entry.stat().st_size)


def _looks_like_mail(path: Path) -> bool:
    """By its name; a file without an ending by how it begins."""
    ending = path.suffix.lower()
    if ending in {".eml", ".mbox", ".mbx"}:
        return True
    if ending:
        return False
    try:
        with path.open("rb") as file:
            return file.read(5) == b"From "
    except OSError:
        return True  # to be named as one that could not be read


def messages(file: MailFile) -> Iterator[Read]:
    """The messages of a file, one in memory at a time. Never raises for what is in it."""
    name = str(file.path)
    try:
        with file.path.open("rb") as stream:
            start = stream.read(LINE_BYTES)
            stream.seek(0)
            if start.lstrip(b"\r\n").startswith(b"From "):
                yield from _of_mbox(name, stream)
            else:
                yield _single(name, start, stream)
    except OSError as error:
        yield Read(name, refused=_reason(error))


def _single(name: str, start: bytes, stream: BinaryIO) -> Read:
    if not start.strip():
        return Read(name, refused=_("It is empty."))
    if b"\0" in start[:1024] or not _HEADER.match(start.lstrip(b"\xef\xbb\xbf \t\r\n")):
        return Read(name, refused=_("It is neither a message nor an mbox file."))
    raw = stream.read(MAX_MESSAGE_BYTES + 1)
    if len(raw) > MAX_MESSAGE_BYTES:
        return Read(name, refused=_too_large(), at_bytes=len(raw))
    return Read(name, raw, at_bytes=len(raw))


def _of_mbox(name: str, stream: BinaryIO) -> Iterator[Read]:
    """Split at lines that are a separator and not just a sentence that begins with “From”.

    A separator carries a date, and stands behind an empty line or before a header; or it has none, and stands between both.
    One `>` is taken from quoted separators (mboxrd), as every writer has put one there.
    """
    number, size_bytes, parts, at_bytes = 0, 0, list[bytes](), 0
    after_blank, whole_line = True, True
    line = stream.readline(LINE_BYTES)
    while line:
        following = stream.readline(LINE_BYTES)
        begins = whole_line and line.startswith(b"From ") and _separates(line, following, after_blank=after_blank)
        if begins:
            if number:
                yield _of_parts(f"{name}, {number}", parts, size_bytes, at_bytes)
            number, size_bytes, parts = number + 1, 0, []
        elif number:
            size_bytes += len(line)
            if size_bytes <= MAX_MESSAGE_BYTES:
                parts.append(line[1:] if whole_line and _QUOTED.match(line) else line)
        at_bytes += len(line)
        after_blank = whole_line and line in {b"\n", b"\r\n"}
        whole_line = line.endswith(b"\n")
        line = following
    if number:
        yield _of_parts(f"{name}, {number}", parts, size_bytes, at_bytes)
    else:
        yield Read(name, refused=_("It is neither a message nor an mbox file."))


def _separates(line: bytes, following: bytes, *, after_blank: bool) -> bool:
    before_header = _HEADER.match(following) is not None
    if _DATED.match(line):
        return after_blank or before_header
    return after_blank and before_header and _UNDATED.match(line) is not None


def _of_parts(name: str, parts: list[bytes], size_bytes: int, at_bytes: int) -> Read:
    if size_bytes > MAX_MESSAGE_BYTES:
        return Read(name, refused=_too_large(), at_bytes=at_bytes)
    if parts and parts[-1] in {b"\n", b"\r\n"}:  # the empty line that belongs to the next separator
        parts.pop()
    raw = b"".join(parts)
    return Read(name, raw, refused="" if raw.strip() else _("It is empty."), at_bytes=at_bytes)


def _too_large() -> str:
    return _("It is larger than %(megabytes)s MB.") % {"megabytes": MAX_MESSAGE_BYTES // 1024 // 1024}


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
