"""Which folder of a server is meant. Names are plain text here; the library speaks modified UTF-7 (RFC 3501, 5.1.3)."""

import binascii
import imaplib
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from imap_tools import BaseMailBox
from imap_tools.errors import MailboxFolderCreateError, MailboxFolderSelectError

from mail_ingest.models import FolderRole, Mailbox
from mail_ingest.sources.base import SourceUnavailable
from mail_ingest.sources.imap.connection import said

INBOX = "INBOX"
SHOWN_FOLDERS = 30

# What servers without SPECIAL-USE (RFC 6154) call it, as the last part of a folder's name.
_USUAL_SENT = (
    "sent",
    "sent items",
    "sent messages",
    "sent mail",
    "sent-mail",
    "gesendet",
    "gesendete elemente",
    "gesendete objekte",
    "éléments envoyés",
    "messages envoyés",
    "envoyés",
    "elementos enviados",
    "enviados",
    "posta inviata",
    "inviati",
    "verzonden items",
    "verzonden",
)


@dataclass(frozen=True, slots=True)
class Folder:
    name: str
    delimiter: str
    flags: frozenset[str]

    @property
    def can_be_opened(self) -> bool:
        return not self.flags & {"\\noselect", "\\nonexistent"}


def all_folders(box: BaseMailBox) -> list[Folder]:
    """Those that can be opened. A name that nobody can decode is left out."""
    try:
        listed = box.folder.list()
    except (binascii.Error, UnicodeError):
        listed = []
    folders = [Folder(found.name, found.delim, frozenset(flag.casefold() for flag in found.flags)) for found in listed]
    return [folder for folder in folders if folder.can_be_opened]


def folder_name(box: BaseMailBox, mailbox: Mailbox, role: str) -> str:
    """The folder of a role; '' when nobody named the sent items and the server has none that is known as such."""
    if role == FolderRole.INBOX:
        return mailbox.inbox_folder.strip() or INBOX
    return mailbox.sent_folder.strip() or sent_folder(all_folders(box))


def sent_folder(folders: Sequence[Folder]) -> str:
    for folder in folders:
        if "\\sent" in folder.flags:
            return folder.name
    by_name = {last_part(folder).casefold(): folder.name for folder in reversed(folders)}
    return next((by_name[usual] for usual in _USUAL_SENT if usual in by_name), "")


def last_part(folder: Folder) -> str:
    return folder.name.rpartition(folder.delimiter)[2] if folder.delimiter not in {"", "NIL"} else folder.name


def select(box: BaseMailBox, name: str, *, readonly: bool) -> None:
    """Open a folder. Raises SourceUnavailable, naming the folders there are when this is none of them."""
    try:
        box.folder.set(name, readonly)
    except MailboxFolderSelectError as error:
        folders = all_folders(box)
        if any(folder.name == name for folder in folders):
            raise SourceUnavailable(
                _("The folder “%(name)s” cannot be opened: %(reason)s")
                % {"name": name, "reason": said(error.command_result[1])}
            ) from error
        raise SourceUnavailable(
            _("There is no folder “%(name)s”. There are: %(folders)s.") % {"name": name, "folders": shown(folders)},
            lasting=True,
        ) from error
    except imaplib.IMAP4.readonly as error:
        raise SourceUnavailable(
            _("The folder “%(name)s” can only be read: nothing can be moved or marked there.") % {"name": name},
            lasting=True,
        ) from error


def shown(folders: Sequence[Folder]) -> str:
    names = sorted(folder.name for folder in folders)
    return ", ".join(names[:SHOWN_FOLDERS]) + (", …" if len(names) > SHOWN_FOLDERS else "")


def made(box: BaseMailBox, name: str) -> str:
    """The name under which a folder is there, made if it was not. Raises MailboxFolderCreateError.

    Some servers keep all folders below the inbox, and refuse to make one beside it.
    """
    folders = all_folders(box)
    delimiter = next((folder.delimiter for folder in folders if folder.delimiter not in {"", "NIL"}), "/")
    below = f"{INBOX}{delimiter}{name}"
    for candidate in (name, below):
        if any(folder.name == candidate for folder in folders):
            return candidate
    try:
        box.folder.create(name)
    except MailboxFolderCreateError:
        box.folder.create(below)
        return below
    return name
