"""Which conversation a mail belongs to. A pure decision: what is known is asked of `Known`, nothing is stored.

Headers and subjects are chosen by whoever writes. A mail joins a conversation only if an id or address in it carries our
signature, or if its sender already takes part; never by sender or subject alone.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    CASE_NUMBER = "case_number"
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
    Reason.CASE_NUMBER: _("Its subject names the case, and its sender takes part in it."),
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
    """A stored message. `participants` are the addresses that take part in its conversation or case."""

    thread_id: int
    case_id: UUID | None
    participants: frozenset[str]
    mailbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class KnownThread:
    """A case's conversation; `thread_id` is None while the case has none. `participants` as for a message."""

    thread_id: int | None
    case_id: UUID | None
    participants: frozenset[str]


class Known(Protocol):
    """What is stored. Deleted cases are not known."""

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        """The stored messages that bear one of these ids."""

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        """The cases that bear, or once bore, one of these numbers."""

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        """The case and its newest conversation; None when there is no such case."""


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

    The order: our signature in an id or address; In-Reply-To; References, newest first; a case number in the subject. All but
    the first hold only for a sender who takes part.
    """
    answered = _ids(clues.in_reply_to, without={clues.message_id})
    referred = _ids(reversed(clues.references), without={clues.message_id, *answered})
    messages = known.by_message_id([*answered, *referred]) if answered or referred else {}
    return (
        _by_signature(clues, [*answered, *referred], messages, known)
        or _by_header(clues, answered, messages, Reason.IN_REPLY_TO)
        or _by_header(clues, referred, messages, Reason.REFERENCES)
        or _by_number(clues, known)
        or _new([*answered, *referred], messages)
    )


def _ids(ids: Iterable[str], *, without: set[str]) -> list[str]:
    """Each id once, none that is empty or the mail's own: a mail cannot answer itself."""
    return [one for one in dict.fromkeys(ids) if one and one not in without][:MAX_IDS]


def _by_signature(clues: Clues, ids: list[str], messages: Mapping[str, KnownMessage], known: Known) -> Decision | None:
    signed = [(case_id, Reason.SIGNED_ID) for case_id in clues.signed_case_ids]
    tagged = [(case_id, Reason.SIGNED_ADDRESS) for case_id in clues.tagged_case_ids]
    for case_id, reason in dict.fromkeys((*signed[:_MAX_SIGNED], *tagged[:_MAX_SIGNED])):
        # A case may have several conversations: the one that was answered comes before the newest.
        for one in ids:
            if one in messages and messages[one].case_id == case_id:
                return Decision(messages[one].thread_id, case_id, reason, one)
        thread = known.case_thread(case_id)
        if thread:
            return Decision(thread.thread_id, thread.case_id, reason, str(case_id))
    return None


def _by_header(clues: Clues, ids: list[str], messages: Mapping[str, KnownMessage], reason: Reason) -> Decision | None:
    found = [(one, messages[one]) for one in ids if one in messages and _takes_part(clues, messages[one].participants)]
    # The same mail may have come to two of our mailboxes; the answer to it belongs where the answer came.
    found.sort(key=lambda pair: clues.mailbox_id is not None and pair[1].mailbox_id != clues.mailbox_id)
    return Decision(found[0][1].thread_id, found[0][1].case_id, reason, found[0][0]) if found else None


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
