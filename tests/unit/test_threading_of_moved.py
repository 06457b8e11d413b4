"""Where an answer belongs when a colleague has moved the message, or merged the case, that it speaks of."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from mail_ingest.threading import Clues, Decision, KnownMessage, KnownThread, Reason, decide

OLD, NEW_HOME, MERGED = UUID(int=1), UUID(int=2), UUID(int=3)
ADA, EVE = "ada@example.com", "eve@example.org"


class Store:
    """Ada's boiler (OLD), a mail of it that was moved to another case, and a case that was merged into OLD."""

    messages = {
        "first@x": KnownMessage(10, OLD, frozenset({ADA})),
        "moved@x": KnownMessage(20, NEW_HOME, frozenset({ADA}), is_moved=True),
        "brought@x": KnownMessage(12, OLD, frozenset({ADA})),
    }
    cases = {
        OLD: KnownThread(11, OLD, frozenset({ADA})),
        MERGED: KnownThread(12, OLD, frozenset({ADA})),
    }

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        return {one: self.messages[one] for one in ids if one in self.messages}

    def by_reference(self, _ids: Sequence[str]) -> Mapping[str, Sequence[KnownMessage]]:
        return {}

    def by_case_number(self, _numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        return {}

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        return self.cases.get(case_id)


CASES: dict[str, tuple[Clues, Decision]] = {
    "an answer to a moved message, which refers to what we signed for the old case": (
        Clues(in_reply_to=("moved@x",), references=("first@x",), signed_case_ids=(OLD,), sender=ADA),
        Decision(20, NEW_HOME, Reason.IN_REPLY_TO, "moved@x"),
    ),
    "an answer to what we signed, which refers to a moved message": (
        Clues(in_reply_to=("first@x",), references=("moved@x",), signed_case_ids=(OLD,), sender=ADA),
        Decision(10, OLD, Reason.SIGNED_ID, "first@x"),
    ),
    "a stranger's answer to a moved message": (
        Clues(in_reply_to=("moved@x",), sender=EVE),
        Decision(None, None, Reason.NEW_SENDER_TAKES_NO_PART, "moved@x"),
    ),
    "an answer to a conversation that came with a merged case": (
        Clues(in_reply_to=("brought@x",), signed_case_ids=(MERGED,), sender=EVE),
        Decision(12, OLD, Reason.SIGNED_ID, "brought@x"),
    ),
    "an answer to something unknown that we signed for a merged case": (
        Clues(in_reply_to=("gone@x",), signed_case_ids=(MERGED,), sender=EVE),
        Decision(12, OLD, Reason.SIGNED_ID, str(MERGED)),
    ),
}


class TestDecide:
    @pytest.mark.parametrize(("clues", "decision"), CASES.values(), ids=CASES.keys())
    def test_follows(self, clues: Clues, decision: Decision) -> None:
        assert decide(clues, known=Store()) == decision

    def test_says_who_put_it_there(self) -> None:
        assert (Reason.MOVED.value, str(Reason.MOVED.label)) == ("moved_by_person", "A colleague moved it here.")
