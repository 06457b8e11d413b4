"""What a mailbox holds, and a log of what changed in it, from which delta rounds are told."""

import hashlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.message import Message as AnyMail
from functools import cached_property

WELL_KNOWN = {
    "msgfolderroot": "Top of Information Store",
    "inbox": "Inbox",
    "sentitems": "Sent Items",
    "drafts": "Drafts",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
    "junkemail": "Junk Email",
}


def opaque(*parts: object, start: str = "AAMk") -> str:
    """An id that looks like Exchange's and says nothing."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
    return f"{start}AD{digest}AAA="


@dataclass(eq=False)
class Folder:
    id: str
    name: str
    parent_id: str
    well_known: str = ""


@dataclass(eq=False)
class Message:
    """`id` never changes; `mutable_id` does with every move, as without `IdType="ImmutableId"`."""

    uid: str
    raw: bytes
    received_at: datetime
    folder_id: str
    is_read: bool = False
    is_draft: bool = False
    version: int = 1
    moves: int = 0
    not_found_reads: int = 0
    extra_attachments: list[dict[str, object]] = field(default_factory=list)

    @cached_property
    def id(self) -> str:
        return opaque(self.uid, start="AAkA")

    @property
    def mutable_id(self) -> str:
        return opaque(self.uid, self.folder_id, self.moves)

    @property
    def change_key(self) -> str:
        return f"CQAAABYAAAD{hashlib.sha256(f'{self.uid}{self.version}'.encode()).hexdigest()[:20]}"

    @property
    def mail(self) -> AnyMail:
        return message_from_bytes(self.raw)

    @property
    def modern_mail(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)

    @cached_property
    def made_up_message_id(self) -> str:
        return f"<{self.uid}@standin.prod.outlook.example>"

    @property
    def message_id(self) -> str:
        found = str(self.mail.get("Message-ID") or "").strip()
        return found or self.made_up_message_id


class Mailbox:
    """One user's mailbox. All methods may be called from any thread."""

    def __init__(self, address: str, *, on_new: Callable[["Mailbox", Message], None]) -> None:
        self.address = address
        self.user_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, address.casefold()))
        self.lock = threading.RLock()
        self.folders: dict[str, Folder] = {}
        self.all: dict[str, Message] = {}
        self._uids: dict[str, str] = {}  # by the id that never changes
        self.changes: list[tuple[str, str]] = []  # (folder id, uid), in the order in which it happened
        self._on_new = on_new
        root = self._folder("msgfolderroot", "", "msgfolderroot")
        for name, shown in WELL_KNOWN.items():
            if name != "msgfolderroot":
                self._folder(shown, root.id, name)

    def add(
        self,
        raw: bytes,
        *,
        folder: str = "inbox",
        at: datetime | None = None,
        is_read: bool = False,
        is_draft: bool = False,
        announced: bool = True,
        not_found_reads: int = 0,
    ) -> Message:
        """A message arrives; whoever subscribed is told. `not_found_reads`: so many reads of it answer 404 at first."""
        received_at = (at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        with self.lock:
            message = Message(uuid.uuid4().hex, raw, received_at, self.folder(folder).id, is_read, is_draft)
            message.not_found_reads = not_found_reads
            self.all[message.uid] = message
            self._uids[message.id] = message.uid
            self.changes.append((message.folder_id, message.uid))
        if announced:
            self._on_new(self, message)
        return message

    def add_sent(self, raw: bytes, *, at: datetime | None = None) -> Message:
        """A mail that a person has sent from Outlook."""
        return self.add(raw, folder="sentitems", at=at, is_read=True)

    def touch(self, message: Message) -> None:
        """Something about the message changed: delta rounds tell it again."""
        with self.lock:
            message.version += 1
            self.changes.append((message.folder_id, message.uid))

    def move(self, message: Message, folder: str) -> Message:
        with self.lock:
            target = self.folder(folder)
            if target.id != message.folder_id:
                self.changes.append((message.folder_id, message.uid))
                message.folder_id = target.id
                message.moves += 1
                self.touch(message)
        return message

    def delete(self, message: Message) -> None:
        """Gone for good."""
        with self.lock:
            self.changes.append((message.folder_id, message.uid))
            self.all.pop(message.uid, None)

    def folder(self, name: str) -> Folder:
        """By id, well-known name or display name. Raises KeyError."""
        with self.lock:
            for folder in self.folders.values():
                if name in {folder.id, folder.name} or name.casefold() == (folder.well_known or None):
                    return folder
        raise KeyError(name)

    def make_folder(self, name: str, parent_id: str) -> Folder:
        with self.lock:
            return self._folder(name, parent_id, "")

    def children(self, parent_id: str) -> list[Folder]:
        with self.lock:
            return [folder for folder in self.folders.values() if folder.parent_id == parent_id]

    def messages(self, folder: str = "") -> list[Message]:
        """Oldest first; of one folder, or all."""
        with self.lock:
            wanted = self.folder(folder).id if folder else ""
            found = [one for one in self.all.values() if not wanted or one.folder_id == wanted]
        return sorted(found, key=lambda one: one.received_at)

    def find(self, message_id: str) -> Message | None:
        with self.lock:
            known = self.all.get(self._uids.get(message_id, ""))
            return known or next((one for one in self.all.values() if message_id == one.mutable_id), None)

    def _folder(self, name: str, parent_id: str, well_known: str) -> Folder:
        shown = WELL_KNOWN.get(well_known, name)
        folder = Folder(opaque(self.address, parent_id, name, start="AQMk"), shown, parent_id, well_known)
        self.folders[folder.id] = folder
        return folder
