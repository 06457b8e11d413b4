"""Reading a mailbox over IMAP.

A message's id is `role:UIDVALIDITY:UID`, which no server uses twice. Folders are opened to be read only (EXAMINE) and bodies
fetched by PEEK, so that nothing looks read. Nothing is ever expunged but what we moved ourselves.
"""

import imaplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.utils.translation import gettext as _
from imap_tools import BaseMailBox
from imap_tools.errors import MailboxFolderCreateError
from imap_tools.utils import encode_folder

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
    PositionLost,
    SourceUnavailable,
    too_large,
)
from mail_ingest.sources.imap import folders
from mail_ingest.sources.imap.answers import Answer, answers, search_day
from mail_ingest.sources.imap.connection import connected, in_plain_words, said

_TOLD = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
_OK = "OK"


@contextmanager
def opened(mailbox: Mailbox) -> Iterator["ImapReader"]:
    with connected(mailbox) as box:
        yield ImapReader(box, mailbox)


class ImapReader:
    """A `Reader` on one connection; see there for what the calls promise."""

    def __init__(self, box: BaseMailBox, mailbox: Mailbox) -> None:
        self._box = box
        self._mailbox = mailbox
        self._names: dict[str, str] = {}
        self._open: tuple[str, bool] | None = None
        self._uidvalidity = 0
        self._sizes: dict[int, int] = {}

    def rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        with in_plain_words(self._mailbox):
            yield from self._rounds(role, position, since=since)

    def listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        with in_plain_words(self._mailbox):
            yield from self._listing(role, since=since, until=until, position=position)

    def fetch(self, role: str, source_id: str) -> bytes:
        with in_plain_words(self._mailbox):
            return self._fetch(role, source_id)

    def put_away(self, source_id: str, *, how: str, folder: str) -> None:
        with in_plain_words(self._mailbox):
            self._put_away(source_id, how=how, folder=folder)

    def check(self) -> Diagnosis:
        with in_plain_words(self._mailbox):
            return self._check()

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        """Positions are {uidvalidity, uid, old_until}: read up to `uid`; up to `old_until`, `since` decides what is news."""
        if not self._select(role):
            yield Page((), {}, last=True)
            return
        after = self._known_age(position)
        old_until = int(position.get("old_until", 0)) if position else self._highest_uid()
        uids: list[int] = []
        if after < old_until:
            uids = self._search(f"UID {after + 1}:{old_until} SINCE {search_day(since, days=-1)}")
        uids += [uid for uid in self._search(f"UID {max(after, old_until) + 1}:*") if uid > max(after, old_until)]
        for page, is_last in _chunks(uids):
            items = [
                found
                for uid, found in self._look_at(role, page)
                if uid > old_until or found.received_at is None or found.received_at >= since
            ]
            reached = max(page[-1], old_until) if is_last else page[-1]
            yield Page(items, self._position(reached, old_until=old_until), last=is_last)
        if not uids:
            yield Page((), self._position(max(after, old_until), old_until=old_until), last=True)

    def _listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        if not self._select(role):
            yield Page((), {}, last=True)
            return
        after = self._known_age(position)
        span = f"SINCE {search_day(since, days=-1)} BEFORE {search_day(until, days=2)}"
        uids = self._search(f"UID {after + 1}:* {span}")
        for page, is_last in _chunks([uid for uid in uids if uid > after]):
            items = [
                found
                for _uid, found in self._look_at(role, page)
                if found.received_at is None or since <= found.received_at < until
            ]
            yield Page(items, self._position(page[-1]), last=is_last)
        if not uids or uids[-1] <= after:
            yield Page((), self._position(after), last=True)

    def _fetch(self, role: str, source_id: str) -> bytes:
        uid = self._uid_of(source_id, role)
        size_bytes = self._sizes.get(uid)
        if size_bytes is None:
            told = self._ask(uid, "(UID RFC822.SIZE)")
            size_bytes = (told.size_bytes if told else None) or 0
        if size_bytes > MAX_MESSAGE_BYTES:
            raise too_large(size_bytes)
        whole = self._ask(uid, "(UID BODY.PEEK[])")
        if whole is None:
            raise MessageVanished(source_id)
        if not whole.body:
            raise MessageUnreadable(_("The server handed over an empty message."))
        if len(whole.body) > MAX_MESSAGE_BYTES:
            raise too_large(len(whole.body))
        return whole.body

    # --- Putting away -------------------------------------------------------------------------------------------------

    def _put_away(self, source_id: str, *, how: str, folder: str) -> None:
        uid = self._uid_of(source_id, FolderRole.INBOX, readonly=False)
        told = self._ask(uid, "(UID FLAGS)")
        if told is None:
            raise MessageVanished(source_id)
        if how == AfterFiling.MARK_READ:
            self._store(uid, r"(\Seen)")
        elif how == AfterFiling.MOVE and "\\deleted" not in (told.flags or ()):
            self._move(uid, folder)

    def _move(self, uid: int, folder: str) -> None:
        """MOVE (RFC 6851) in one step; else a copy, and of the original only the mark of deletion.

        A plain EXPUNGE would also remove what other people have marked: without UIDPLUS (RFC 4315) the original stays, marked.
        """
        able = self._box.client.capabilities
        try:
            folder = folders.made(self._box, folder)
        except MailboxFolderCreateError as error:
            raise MessageUnreadable(
                _("The folder “%(name)s” cannot be made: %(reason)s")
                % {"name": folder, "reason": said(error.command_result[1])}
            ) from error
        target = encode_folder(folder).decode("ascii")
        if "MOVE" in able:
            self._command("MOVE", str(uid), target)
            return
        self._command("COPY", str(uid), target)
        self._store(uid, r"(\Deleted)")
        if "UIDPLUS" in able:
            self._command("EXPUNGE", str(uid))

    def _store(self, uid: int, flags: str) -> None:
        self._command("STORE", str(uid), "+FLAGS.SILENT", flags)

    # --- Testing ------------------------------------------------------------------------------------------------------

    def _check(self) -> Diagnosis:
        there = folders.all_folders(self._box)
        self._select(FolderRole.INBOX)
        said_of = [_("The inbox can be read.")]
        if self._mailbox.reads_sent:
            name = folders.folder_name(self._box, self._mailbox, FolderRole.SENT)
            if self._select(FolderRole.SENT):
                said_of.append(_("Sent items are read from “%(name)s”.") % {"name": name})
            else:
                said_of.append(_("No folder for sent items was found: name it, or switch reading it off."))
        return Diagnosis(ok=True, detail=" ".join(said_of), folders=sorted(folder.name for folder in there))

    # --- The connection -----------------------------------------------------------------------------------------------

    def _select(self, role: str, *, readonly: bool = True) -> bool:
        """Open the role's folder; False when there is none. Only the first time: the server tells what is new by itself."""
        if role not in self._names:
            self._names[role] = folders.folder_name(self._box, self._mailbox, role)
        name = self._names[role]
        if not name:
            return False
        if self._open == (name, readonly):
            return True
        self._open = None
        folders.select(self._box, name, readonly=readonly)
        self._uidvalidity = self._number("UIDVALIDITY")
        if not self._uidvalidity:
            raise SourceUnavailable(
                _("The server gives the folder “%(name)s” no UIDVALIDITY: its mail cannot be told apart reliably.")
                % {"name": name},
                lasting=True,
            )
        self._sizes.clear()
        self._open = (name, readonly)
        return True

    def _number(self, code: str) -> int:
        data = self._box.client.response(code)[1]
        text = (data[-1] or b"").decode(errors="replace") if data else ""
        return int(text) if text.isascii() and text.isdigit() else 0

    def _highest_uid(self) -> int:
        """Of the folder that was just opened. Not every server tells UIDNEXT."""
        uidnext = self._number("UIDNEXT")
        return uidnext - 1 if uidnext else max(self._search("UID *"), default=0)

    def _known_age(self, position: Position) -> int:
        """The UID that was read last. Raises PositionLost when the folder's UIDs mean something else since then."""
        if not position:
            return 0
        if position.get("uidvalidity") != self._uidvalidity:
            raise PositionLost
        return int(position.get("uid", 0))

    def _position(self, uid: int, **more: int) -> dict[str, int]:
        return {"uidvalidity": self._uidvalidity, "uid": uid, **more}

    def _uid_of(self, source_id: str, role: str, *, readonly: bool = True) -> int:
        kind, _colon, rest = source_id.partition(":")
        uidvalidity, _colon, uid = rest.partition(":")
        if kind != role or not uidvalidity.isdigit() or not uid.isdigit() or not self._select(role, readonly=readonly):
            raise MessageVanished(source_id)
        if int(uidvalidity) != self._uidvalidity:
            raise PositionLost
        return int(uid)

    def _search(self, criteria: str) -> list[int]:
        kind, data = self._box.client.uid("SEARCH", criteria)
        if kind != _OK:
            raise SourceUnavailable(_("The server does not search the folder: %(reason)s") % {"reason": said(data)})
        words = b" ".join(part for part in data if isinstance(part, bytes)).split()
        return sorted({int(word) for word in words if word.isdigit()})

    def _look_at(self, role: str, uids: Sequence[int]) -> Iterator[tuple[int, Found]]:
        """What the server tells of these messages. One of which it tells nothing is shown all the same: nothing is left out."""
        try:
            told = {answer.uid: answer for answer in answers(self._command("FETCH", ",".join(map(str, uids)), _TOLD))}
        except MessageUnreadable:  # because of one of them; each is asked for alone, and shows which
            told = {}
        for uid in uids:
            answer = told.get(uid)
            if answer and answer.size_bytes is not None:
                self._sizes[uid] = answer.size_bytes
            yield (
                uid,
                Found(
                    source_id=f"{role}:{self._uidvalidity}:{uid}",
                    received_at=answer.received_at if answer else None,
                    message_id=answer.message_id if answer else "",
                ),
            )

    def _ask(self, uid: int, parts: str) -> Answer | None:
        """What the server tells of one message; None when it is not there. Raises MessageUnreadable."""
        data = self._command("FETCH", str(uid), parts)
        told = [answer for answer in answers(data) if answer.uid == uid]  # with it may come news that nobody asked for
        return max(told, key=lambda answer: (answer.body is not None, answer.size_bytes is not None), default=None)

    def _command(self, name: str, *arguments: str) -> Sequence[object]:
        """A command about one message. A refusal concerns this message only; a broken connection is another matter."""
        try:
            kind, data = self._box.client.uid(name, *arguments)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise MessageUnreadable(_("The server refuses: %(reason)s") % {"reason": said(error.args)}) from error
        if kind != _OK:
            raise MessageUnreadable(_("The server refuses: %(reason)s") % {"reason": said(data)})
        return list(data)


def _chunks(uids: Sequence[int]) -> Iterator[tuple[Sequence[int], bool]]:
    for start in range(0, len(uids), PAGE_ITEMS):
        yield uids[start : start + PAGE_ITEMS], start + PAGE_ITEMS >= len(uids)
