"""Reading a mailbox of Microsoft 365, as a `Reader`.

A message's id is Graph's immutable one, which stays the same when the message is moved within its mailbox. A position is
`{"of": mailbox and folder, "link": …}`, the link being the server's; while a round is under way also `seen`, how many messages
it has shown, and, when those may not have been all, `catch_up`, from when on the folder is still to be listed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from mail_ingest.models import FolderRole, Mailbox
from mail_ingest.models.mailbox import AfterFiling
from mail_ingest.sources.base import (
    Diagnosis,
    Found,
    MessageUnreadable,
    MessageVanished,
    Page,
    Position,
    PositionLost,
    SourceUnavailable,
)
from mail_ingest.sources.graph import delta, folders, items, messages
from mail_ingest.sources.graph.account import READING, connected
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    DeltaLost,
    GraphError,
    MessageGone,
    Refused,
    Throttled,
    TooLarge,
    Unreachable,
    UntrustedLink,
)
from mail_ingest.sources.graph.explanations import explain
from mail_ingest.sources.graph.retry import Policy

WELL_KNOWN: Mapping[str, str] = {FolderRole.INBOX: "inbox", FolderRole.SENT: "sentitems"}
MAX_SOURCE_ID_CHARS = 500
UNREADABLE_IN_A_ROW = 3  # more: it is not the messages
# A delta round with a date in it ends at 5,000 messages as if there were no more (Graph documentation, "Get incremental
# changes to messages in a folder").
FILTERED_ROUND_SHOWS_AT_MOST = 5000
NEAR_ENOUGH = 500
_UNNAMED, _LONG = "unnamed:", "long:"


@contextmanager
def opened(mailbox: Mailbox) -> Iterator["GraphReader"]:
    with in_plain_words():
        graph = connected(mailbox, policy=READING)
    with graph:
        yield GraphReader(graph, mailbox)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Whatever goes wrong with Graph becomes SourceUnavailable, or PositionLost."""
    try:
        yield
    except DeltaLost as error:
        raise PositionLost from error
    except GraphError as error:
        retry_at = error.retry_at if isinstance(error, Throttled) else None
        raise SourceUnavailable(str(explain(error)), retry_at=retry_at, lasting=error.lasting) from error


def folder_of(graph: Graph, mailbox: Mailbox, role: str) -> str:
    """The folder for a role: a well-known name, or the id of the one that the mailbox names. Raises SourceUnavailable."""
    name = (mailbox.inbox_folder if role == FolderRole.INBOX else mailbox.sent_folder).strip()
    if not name:
        return WELL_KNOWN[role]
    found = folders.find(graph, mailbox.address, name)
    if not found:
        raise SourceUnavailable(
            _("There is no folder “%(name)s” in this mailbox. Check its name in the mailbox's settings.")
            % {"name": name},
            lasting=True,
        )
    return found


class GraphReader:
    """A `Reader` on one connection; see there for what the calls promise."""

    def __init__(self, graph: Graph, mailbox: Mailbox) -> None:
        self._graph = graph
        self._mailbox = mailbox
        self._user = mailbox.address
        self._folders: dict[str, str] = {}
        self._long: dict[str, str] = {}
        self._unreadable = 0
        self._inbox_id = ""

    def rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        with in_plain_words():
            yield from self._rounds(role, position, since=since)

    def listing(self, role: str, *, since: datetime, until: datetime, position: Position) -> Iterator[Page]:
        with in_plain_words():
            begin = max(since, items.moment(position.get("reached")) or since)
            for page, reached in self._listed(role, begin, until=until):
                yield Page(page, {"reached": items.stamp(reached)})
                begin = reached
            yield Page((), {"reached": items.stamp(begin)}, last=True)

    def fetch(self, role: str, source_id: str) -> bytes:
        with in_plain_words():
            if source_id.startswith(_UNNAMED):
                raise MessageUnreadable(_unnamed(), lasting=True)
            message_id = self._id_of(source_id)
            with self._about_one(role):
                return messages.mime(self._graph, self._user, message_id)

    def put_away(self, source_id: str, *, how: str, folder: str) -> None:
        with in_plain_words():
            message_id = self._id_of(source_id)
            with self._about_one(FolderRole.INBOX):
                if how == AfterFiling.MARK_READ:
                    messages.mark_read(self._graph, self._user, message_id)
                elif how == AfterFiling.MOVE and self._is_in_inbox(message_id):
                    folders.move(self._graph, self._user, message_id, folder)

    def check(self) -> Diagnosis:
        with in_plain_words():
            return self._check()

    def announced(self, role: str, message_id: str) -> Found | None:
        """What a notification has named; None for a draft. Waits a few seconds for what is not there yet.

        Raises MessageVanished.
        """
        with in_plain_words():
            try:
                with self._about_one(role):
                    item = messages.item(self._graph, self._user, message_id)
            except MessageUnreadable:  # its bytes may still be had; if not, that is told when they are fetched
                return Found(message_id)
            return None if item.is_draft else self._shown(item)

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _rounds(self, role: str, position: Position, *, since: datetime) -> Iterator[Page]:
        folder = self._folder(role)
        place = {"of": f"{self._user}/{folder}".casefold()}
        link = self._link(position, place)
        if link and (reached := items.moment(position.get("catch_up"))):
            yield from self._catch_up(role, reached, {**place, "link": link})
        seen = int(position.get("seen") or 0) if link else 0
        is_complete = is_short = False
        here: dict[str, Any] = dict(position)
        for page in delta.rounds(self._graph, self._user, folder, link=link, since=since):
            here, is_complete = {**place, "link": page.resume}, page.is_complete
            seen += len(page.items)
            is_short = is_complete and seen >= FILTERED_ROUND_SHOWS_AT_MOST - NEAR_ENOUGH
            if is_short:
                here["catch_up"] = items.stamp(since)
            elif not is_complete:
                here["seen"] = seen
            yield Page(self._found(role, page), here, last=is_complete and not is_short)
        if is_short:
            here.pop("catch_up")
            yield from self._catch_up(role, since, here)
            yield Page((), here, last=True)
        elif not is_complete:  # a poison message is the newest: all but it was shown, and the round begins there again
            yield Page((), here, last=True)

    def _catch_up(self, role: str, since: datetime, here: Mapping[str, Any]) -> Iterator[Page]:
        for page, reached in self._listed(role, since):
            yield Page(page, {**here, "catch_up": items.stamp(reached)})

    def _listed(
        self, role: str, since: datetime, *, until: datetime | None = None
    ) -> Iterator[tuple[list[Found], datetime]]:
        """By date, oldest first: what is shown, and up to when all was."""
        # Graph counts whole seconds: the one in which the span ends is asked for, too.
        before = until + timedelta(seconds=1) if until else None
        reached = since
        for page in messages.listing(self._graph, self._user, self._folder(role), since=since, until=before):
            shown = [
                found
                for found in self._found(role, page)
                if until is None or found.received_at is None or found.received_at < until
            ]
            reached = max([reached, *(item.received_at for item in page.items if item.received_at)])
            yield shown, reached

    def _link(self, position: Position, place: Mapping[str, str]) -> str:
        """The link to go on from. Raises PositionLost when it is one of another folder, mailbox or service."""
        link = position.get("link")
        if not position:
            return ""
        if not isinstance(link, str) or position.get("of") != place["of"]:
            raise PositionLost
        try:
            return self._graph.same_origin(link)
        except UntrustedLink as error:
            raise PositionLost from error

    def _found(self, role: str, page: items.Page) -> list[Found]:
        """What was removed is of no interest: a message that is stored here stays, whatever becomes of it there."""
        shown = [self._shown(item) for item in page.items if not item.removed and not item.is_draft]
        return [*shown, *(_poison(role, one) for one in page.poison)]

    def _shown(self, item: items.Item) -> Found:
        source_id = item.id
        if len(source_id) > MAX_SOURCE_ID_CHARS:
            source_id = _LONG + hashlib.sha256(source_id.encode()).hexdigest()
            self._long[source_id] = item.id
        return Found(source_id, received_at=item.received_at, message_id=item.internet_message_id.strip("<> "))

    def _id_of(self, source_id: str) -> str:
        if not source_id.startswith((_LONG, _UNNAMED)):
            return source_id
        if message_id := self._long.get(source_id):
            return message_id
        raise MessageUnreadable(_("Its id is too long to be kept, so the message can only be asked for when it comes."))

    @contextmanager
    def _about_one(self, role: str) -> Iterator[None]:
        """Tells what is wrong with one message from what is wrong with its mailbox, by asking for the folder itself."""
        try:
            yield
        except MessageGone as error:
            raise MessageVanished from error
        except TooLarge as error:
            raise MessageUnreadable(str(explain(error)), lasting=True) from error
        except (Refused, Unreachable) as error:
            self._unreadable += 1
            if self._unreadable > UNREADABLE_IN_A_ROW:
                raise
            if not messages.is_healthy(self._graph, self._user, self._folder(role)):
                raise
            raise MessageUnreadable(str(explain(error))) from error
        else:
            self._unreadable = 0

    def _folder(self, role: str) -> str:
        if role not in self._folders:
            self._folders[role] = folder_of(self._graph, self._mailbox, role)
        return self._folders[role]

    # --- Putting away and testing -------------------------------------------------------------------------------------

    def _is_in_inbox(self, message_id: str) -> bool:
        """A colleague may have moved it elsewhere since, and wants it there."""
        if not self._inbox_id:
            self._inbox_id = folders.folder_id(self._graph, self._user, self._folder(FolderRole.INBOX))
        lying = messages.item(self._graph, self._user, message_id, patience=Policy(tries=1))
        return lying.parent_folder_id == self._inbox_id

    def _check(self) -> Diagnosis:
        there = folders.folders(self._graph, self._user)
        inbox = self._folder(FolderRole.INBOX)
        next(messages.listing(self._graph, self._user, inbox, page_size=1), None)
        said = [_("The inbox can be read.")]
        if self._mailbox.reads_sent:
            sent = folders.folder_id(self._graph, self._user, self._folder(FolderRole.SENT))
            name = next((folder.path for folder in there if folder.id == sent), self._mailbox.sent_folder)
            said.append(_("Sent items are read from “%(name)s”.") % {"name": name})
        return Diagnosis(ok=True, detail=" ".join(said), folders=sorted(folder.path for folder in there))


def _poison(role: str, one: items.Poison) -> Found:
    """A message that breaks the list it stands in. With its id it can be asked for all the same.

    Without, all that can be done is to say so: once a day and folder, because its neighbours, which are all that is known of
    it, come and go.
    """
    if one.id and len(one.id) <= MAX_SOURCE_ID_CHARS:
        return Found(one.id, received_at=one.before)
    near = one.after or one.before
    day = near.date().isoformat() if near else "newest"
    return Found(f"{_UNNAMED}{role}:{day}", received_at=one.before or one.after, problem=_unnamed(one))


def _unnamed(one: items.Poison | None = None) -> str:
    span = ""
    if one and one.after and one.before:
        span = _(" It was received between %(after)s and %(before)s.") % {
            "after": f"{one.after:%Y-%m-%d %H:%M}",
            "before": f"{one.before:%Y-%m-%d %H:%M UTC}",
        }
    return _(
        "Microsoft 365 fails over a message in this folder and does not even name it.%(span)s "
        "Look for it in Outlook, and forward it to the mailbox."
    ) % {"span": span}
