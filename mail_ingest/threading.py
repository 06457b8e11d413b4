"""Which conversation a mail belongs to. A pure decision: what is known is asked of `Known`, nothing is stored.

Headers and subjects are chosen by whoever writes. A mail joins a conversation only if an id or address in it carries our
signature, or if its sender already takes part; never by sender or subject alone.

Who takes part is whoever wrote there or was written to there: by mails that are already stored, never by the mail that asks. Its own To and
Cc prove nothing, since a stranger can put a tenant's address in them; nor does knowing a Message-ID, which stands in every mail that was
forwarded or quoted with its header. So whoever answers a list or a forwarded mail without having been addressed is kept apart,
visibly, and an agent joins them.

Mails come in any order. One that was answered before it came (its id stands in a stored mail's In-Reply-To or References), and one that answers or
refers to the same unknown mail as a stored one, join that conversation, under the same condition: nobody who does not take part
gets in by guessing ids.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MAX_IDS = 100
_MAX_SIGNED = 20


class Reason(StrEnum):
    """Why a mail is where it is. The values are stored and never change."""

    SIGNED_ID = "signed_id"
    SIGNED_ADDRESS = "signed_address"
    IN_REPLY_TO = "in_reply_to"
    REFERENCES = "references"
    ANSWERED_BEFORE = "answered_before"
    SAME_REFERENCE = "same_reference"
    CASE_NUMBER = "case_number"
    MOVED = "moved_by_person"
    WRITTEN_ELSEWHERE = "written_elsewhere"
    REPORTS = "reports_on_ours"
    NEW = "new"
    NEW_SENDER_TAKES_NO_PART = "new_sender_takes_no_part"

    @property
    def label(self) -> "_StrPromise":
        """For people."""
        return _LABELS[self]


_LABELS: dict[Reason, "_StrPromise"] = {
    Reason.SIGNED_ID: _("It answers a mail that we sent about this case."),
    Reason.SIGNED_ADDRESS: _("It was sent to this case's own address."),
    Reason.IN_REPLY_TO: _("It answers a message of this conversation, and its sender takes part in it."),
    Reason.REFERENCES: _("It refers to a message of this conversation, and its sender takes part in it."),
    Reason.ANSWERED_BEFORE: _("A message of this conversation answers it, and its sender takes part."),
    Reason.SAME_REFERENCE: _("It refers to the same earlier mail as this conversation, and its sender takes part."),
    Reason.CASE_NUMBER: _("Its subject names the case, and its sender takes part in it."),
    Reason.MOVED: _("A colleague moved it here."),
    Reason.REPORTS: _("It reports on a mail that we sent from here."),
    Reason.WRITTEN_ELSEWHERE: _("A colleague wrote it in another mail program, as an answer in this conversation."),
    Reason.NEW: _("It belongs to nothing that is known."),
    Reason.NEW_SENDER_TAKES_NO_PART: _(
        "It refers to a conversation that its sender takes no part in, so it was kept apart."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """What a mail says about where it belongs.

    Message ids stand without angle brackets, `references` oldest first. `signed_case_ids` are the cases of those ids that
    bear our valid signature, best first; `tagged_case_ids` those of signed plus addresses; `case_numbers` what the subject names.
    """

    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    subject: str = ""
    sender: str = ""
    signed_case_ids: tuple[UUID, ...] = ()
    tagged_case_ids: tuple[UUID, ...] = ()
    case_numbers: tuple[str, ...] = ()
    mailbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A stored message. `participants` are the addresses that take part in its conversation or case.

    `is_moved`: a colleague has put it where it is now, which says more than the headers of its earlier life.
    """

    thread_id: int
    case_id: UUID | None
    participants: frozenset[str]
    mailbox_id: int | None = None
    is_moved: bool = False


@dataclass(frozen=True, slots=True)
class KnownThread:
    """A case's conversation; `thread_id` is None while the case has none. `participants` as for a message.

    `case_id` is the case where it goes on: of a merged case, the one that it was merged into.
    """

    thread_id: int | None
    case_id: UUID | None
    participants: frozenset[str]


class Known(Protocol):
    """What is stored. Deleted cases are not known."""

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        """The stored messages that bear one of these ids."""

    def by_reference(self, ids: Sequence[str]) -> Mapping[str, Sequence[KnownMessage]]:
        """For each of these ids that is known so: the stored messages that name it in In-Reply-To or References, one of each
        conversation, the oldest first."""

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        """The cases that bear, or once bore, one of these numbers."""

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        """The case, or the one that it was merged into, and its newest conversation; None when there is no such case."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the mail goes: a conversation, or a new one (`thread_id` None), which belongs to `case_id` if that is there.

    `detail` is the id, number or case that decided.
    """

    thread_id: int | None
    case_id: UUID | None
    reason: Reason
    detail: str = ""


def decide(clues: Clues, *, known: Known) -> Decision:
    """Find the conversation of a mail, by the strongest clue that holds. Raises nothing of its own.

    The order: In-Reply-To, when a colleague has moved the message that it names; our signature in an id or address;
    In-Reply-To; References, newest first; a stored message that answers this one; one that refers to the same unknown mail; a
    case number in the subject. All but the signature hold only for a sender who takes part.
    """
    answered = _ids(clues.in_reply_to, without={clues.message_id})
    referred = _ids(reversed(clues.references), without={clues.message_id, *answered})
    ids = [*answered, *referred]
    messages = known.by_message_id(ids) if ids else {}
    moved = [one for one in answered if one in messages and messages[one].is_moved]
    return (
        _by_header(clues, moved, messages, Reason.IN_REPLY_TO)
        or _by_signature(clues, ids, messages, known)
        or _by_header(clues, answered, messages, Reason.IN_REPLY_TO)
        or _by_header(clues, referred, messages, Reason.REFERENCES)
        or _by_late_arrival(clues, ids, messages, known)
        or _by_number(clues, known)
        or _new(ids, messages)
    )


def decide_sent(clues: Clues, *, written_to: Collection[str], known: Known) -> Decision | None:
    """Find the conversation of a mail that a colleague wrote in another program; None when it belongs to none.

    Nobody but us puts mail among our sent items, so its headers are believed. The case number in a subject may be a
    stranger's words that were answered: it holds only for mail to somebody (`written_to`) who takes part in the case.
    """
    ids = _ids([*clues.in_reply_to, *reversed(clues.references)], without={clues.message_id})
    messages = known.by_message_id(ids) if ids else {}
    for one in ids:
        if one in messages:
            return Decision(messages[one].thread_id, messages[one].case_id, Reason.WRITTEN_ELSEWHERE, one)
    for case_id in clues.signed_case_ids:
        thread = known.case_thread(case_id)
        if thread:
            return Decision(thread.thread_id, thread.case_id, Reason.WRITTEN_ELSEWHERE, str(case_id))
    threads = known.by_case_number(clues.case_numbers) if clues.case_numbers else {}
    for number, thread in threads.items():
        if thread.participants.intersection(written_to):
            return Decision(thread.thread_id, thread.case_id, Reason.WRITTEN_ELSEWHERE, number)
    return None


def _ids(ids: Iterable[str], *, without: set[str]) -> list[str]:
    """Each id once, none that is empty or the mail's own: a mail cannot answer itself."""
    return [one for one in dict.fromkeys(ids) if one and one not in without][:MAX_IDS]


def _by_signature(clues: Clues, ids: list[str], messages: Mapping[str, KnownMessage], known: Known) -> Decision | None:
    signed = [(case_id, Reason.SIGNED_ID) for case_id in clues.signed_case_ids]
    tagged = [(case_id, Reason.SIGNED_ADDRESS) for case_id in clues.tagged_case_ids]
    for case_id, reason in dict.fromkeys((*signed[:_MAX_SIGNED], *tagged[:_MAX_SIGNED])):
        # A case may have several conversations: the one that was answered comes before the newest.
        answered = _first_of(case_id, ids, messages)
        thread = None if answered else known.case_thread(case_id)
        if thread and thread.case_id != case_id:  # it was merged, and its conversations went with it
            answered = _first_of(thread.case_id, ids, messages)
        if answered:
            return Decision(messages[answered].thread_id, messages[answered].case_id, reason, answered)
        if thread:
            return Decision(thread.thread_id, thread.case_id, reason, str(case_id))
    return None


def _first_of(case_id: UUID | None, ids: list[str], messages: Mapping[str, KnownMessage]) -> str:
    """The first of these messages that belongs to the case; empty when none does."""
    return next((one for one in ids if one in messages and messages[one].case_id == case_id), "")


def _by_header(clues: Clues, ids: list[str], messages: Mapping[str, KnownMessage], reason: Reason) -> Decision | None:
    found = [(one, messages[one]) for one in ids if one in messages and _takes_part(clues, messages[one].participants)]
    # The same mail may have come to two of our mailboxes; the answer to it belongs where the answer came.
    found.sort(key=lambda pair: clues.mailbox_id is not None and pair[1].mailbox_id != clues.mailbox_id)
    return Decision(found[0][1].thread_id, found[0][1].case_id, reason, found[0][0]) if found else None


def _by_late_arrival(
    clues: Clues, ids: list[str], messages: Mapping[str, KnownMessage], known: Known
) -> Decision | None:
    """Mail does not come in order: something may already answer this one, or answer what it answers."""
    own = _ids([clues.message_id], without=set())
    unknown = [one for one in ids if one not in messages]
    named = known.by_reference([*own, *unknown]) if clues.sender and (own or unknown) else {}
    reasons = dict.fromkeys(unknown, Reason.SAME_REFERENCE) | dict.fromkeys(own, Reason.ANSWERED_BEFORE)
    for one in (*own, *unknown):
        # It may have come to two of our mailboxes, each with a conversation of its own.
        for message in sorted(named.get(one, ()), key=lambda found: found.mailbox_id != clues.mailbox_id):
            if _takes_part(clues, message.participants):
                return Decision(message.thread_id, message.case_id, reasons[one], one)
    return None


def _by_number(clues: Clues, known: Known) -> Decision | None:
    threads = known.by_case_number(clues.case_numbers) if clues.case_numbers and clues.sender else {}
    for number in clues.case_numbers:
        thread = threads.get(number)
        if thread and _takes_part(clues, thread.participants):
            return Decision(thread.thread_id, thread.case_id, Reason.CASE_NUMBER, number)
    return None


def _new(ids: list[str], messages: Mapping[str, KnownMessage]) -> Decision:
    stranger = next((one for one in ids if one in messages), "")
    return Decision(None, None, Reason.NEW_SENDER_TAKES_NO_PART if stranger else Reason.NEW, stranger)


def _takes_part(clues: Clues, participants: frozenset[str]) -> bool:
    sender = clues.sender.strip().casefold()
    return bool(sender) and any(sender == one.strip().casefold() for one in participants)
