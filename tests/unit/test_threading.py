"""Where a mail belongs: tables of clues and what they lead to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from mail_ingest.threading import Clues, Decision, KnownMessage, KnownThread, Reason, decide

BOILER, ROOF, MERGED, GONE = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=9)
ADA, BO, EVE = "ada@example.com", "bo@example.net", "eve@example.org"


class Store:
    """What is stored in these tests: Ada's boiler (case 1) in two conversations, Bo's roof (case 2), Ada's talk without a case."""

    messages = {
        "boiler-1@x": KnownMessage(10, BOILER, frozenset({ADA, "Desk@example.org"}), 1),
        "boiler-2@x": KnownMessage(11, BOILER, frozenset({ADA}), 2),
        "roof-1@x": KnownMessage(20, ROOF, frozenset({BO})),
        "talk-1@x": KnownMessage(30, None, frozenset({ADA})),
        "moved-1@x": KnownMessage(21, ROOF, frozenset({ADA, BO}), is_moved=True),
    }
    cases = {
        BOILER: KnownThread(11, BOILER, frozenset({ADA})),
        ROOF: KnownThread(None, ROOF, frozenset({BO})),
        MERGED: KnownThread(11, BOILER, frozenset({ADA})),
    }
    numbers = {"HC-17": KnownThread(11, BOILER, frozenset({ADA})), "HC-25": KnownThread(None, ROOF, frozenset({BO}))}

    # What stored messages name that has not come (yet).
    named = {
        "late@x": [KnownMessage(20, ROOF, frozenset({BO})), KnownMessage(40, None, frozenset({ADA}))],
        "both@x": [KnownMessage(41, None, frozenset({ADA}), 1), KnownMessage(42, None, frozenset({ADA}), 2)],
    }

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.asked_late: list[str] = []

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        self.asked += ids
        return {one: self.messages[one] for one in ids if one in self.messages}

    def by_reference(self, ids: Sequence[str]) -> Mapping[str, Sequence[KnownMessage]]:
        self.asked_late += ids
        return {one: self.named[one] for one in ids if one in self.named}

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        return {number: self.numbers[number] for number in numbers if number in self.numbers}

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        return self.cases.get(case_id)


NEW = Decision(None, None, Reason.NEW)

CASES: dict[str, tuple[Clues, Decision]] = {
    "a first mail": (Clues(message_id="n@x", sender=ADA, subject="Boiler"), NEW),
    "the same subject again": (Clues(sender=ADA, subject="Re: Boiler"), NEW),
    "an answer": (
        Clues(in_reply_to=("boiler-1@x",), sender=ADA),
        Decision(10, BOILER, Reason.IN_REPLY_TO, "boiler-1@x"),
    ),
    "an answer, the address in capitals": (
        Clues(in_reply_to=("boiler-1@x",), sender=" DESK@example.ORG"),
        Decision(10, BOILER, Reason.IN_REPLY_TO, "boiler-1@x"),
    ),
    "an answer in a conversation without a case": (
        Clues(in_reply_to=("talk-1@x",), sender=ADA),
        Decision(30, None, Reason.IN_REPLY_TO, "talk-1@x"),
    ),
    "an answer to something unknown": (Clues(in_reply_to=("other@x",), sender=ADA), NEW),
    "an answer to something unknown that refers to something known": (
        Clues(in_reply_to=("other@x",), references=("boiler-1@x", "other@x"), sender=ADA),
        Decision(10, BOILER, Reason.REFERENCES, "boiler-1@x"),
    ),
    "references, the newest first": (
        Clues(references=("talk-1@x", "boiler-1@x", "boiler-2@x"), sender=ADA),
        Decision(11, BOILER, Reason.REFERENCES, "boiler-2@x"),
    ),
    "In-Reply-To before References": (
        Clues(in_reply_to=("talk-1@x",), references=("boiler-1@x",), sender=ADA),
        Decision(30, None, Reason.IN_REPLY_TO, "talk-1@x"),
    ),
    "a forged answer": (
        Clues(in_reply_to=("boiler-1@x",), sender=EVE),
        Decision(None, None, Reason.NEW_SENDER_TAKES_NO_PART, "boiler-1@x"),
    ),
    "forged references": (
        Clues(references=("roof-1@x",), sender=ADA),
        Decision(None, None, Reason.NEW_SENDER_TAKES_NO_PART, "roof-1@x"),
    ),
    "a forged answer from nobody": (
        Clues(in_reply_to=("boiler-1@x",), sender=""),
        Decision(None, None, Reason.NEW_SENDER_TAKES_NO_PART, "boiler-1@x"),
    ),
    "a forged answer beside an honest reference": (
        Clues(in_reply_to=("roof-1@x",), references=("boiler-1@x",), sender=ADA),
        Decision(10, BOILER, Reason.REFERENCES, "boiler-1@x"),
    ),
    "a stranger with our signature": (
        Clues(in_reply_to=("signed@x",), signed_case_ids=(BOILER,), sender=EVE),
        Decision(11, BOILER, Reason.SIGNED_ID, str(BOILER)),
    ),
    "our signature on a stored message": (
        Clues(in_reply_to=("boiler-1@x",), signed_case_ids=(BOILER,), sender=EVE),
        Decision(10, BOILER, Reason.SIGNED_ID, "boiler-1@x"),
    ),
    "our signature before other headers": (
        Clues(in_reply_to=("talk-1@x",), signed_case_ids=(BOILER,), sender=ADA),
        Decision(11, BOILER, Reason.SIGNED_ID, str(BOILER)),
    ),
    "our signature for a case, but a colleague has moved what was answered": (
        Clues(in_reply_to=("moved-1@x",), signed_case_ids=(BOILER,), sender=ADA),
        Decision(21, ROOF, Reason.IN_REPLY_TO, "moved-1@x"),
    ),
    "a stranger with our signature, and a colleague has moved what was answered": (
        Clues(in_reply_to=("moved-1@x",), signed_case_ids=(BOILER,), sender=EVE),
        Decision(11, BOILER, Reason.SIGNED_ID, str(BOILER)),
    ),
    "our signature for a case that was merged": (
        Clues(signed_case_ids=(MERGED,), sender=EVE),
        Decision(11, BOILER, Reason.SIGNED_ID, str(MERGED)),
    ),
    "our signature for a case that was merged, on a message that came with it": (
        Clues(in_reply_to=("boiler-1@x",), signed_case_ids=(MERGED,), sender=EVE),
        Decision(10, BOILER, Reason.SIGNED_ID, "boiler-1@x"),
    ),
    "our signature for a case without a conversation": (
        Clues(signed_case_ids=(ROOF,), sender=EVE),
        Decision(None, ROOF, Reason.SIGNED_ID, str(ROOF)),
    ),
    "our signature for a case that is gone": (Clues(signed_case_ids=(GONE,), sender=ADA), NEW),
    "a gone case, then a living one": (
        Clues(signed_case_ids=(GONE, BOILER), sender=ADA),
        Decision(11, BOILER, Reason.SIGNED_ID, str(BOILER)),
    ),
    "a gone case, but an honest header": (
        Clues(in_reply_to=("boiler-1@x",), signed_case_ids=(GONE,), sender=ADA),
        Decision(10, BOILER, Reason.IN_REPLY_TO, "boiler-1@x"),
    ),
    "a case's own address": (
        Clues(tagged_case_ids=(BOILER,), sender=EVE),
        Decision(11, BOILER, Reason.SIGNED_ADDRESS, str(BOILER)),
    ),
    "a signed id before a signed address": (
        Clues(signed_case_ids=(ROOF,), tagged_case_ids=(BOILER,), sender=EVE),
        Decision(None, ROOF, Reason.SIGNED_ID, str(ROOF)),
    ),
    "a case number": (Clues(case_numbers=("HC-17",), sender=ADA), Decision(11, BOILER, Reason.CASE_NUMBER, "HC-17")),
    "a case number of somebody else's": (Clues(case_numbers=("HC-25",), sender=ADA), NEW),
    "a case number from nobody": (Clues(case_numbers=("HC-17",), sender=""), NEW),
    "an unknown, a foreign and an own case number": (
        Clues(case_numbers=("HC-1", "HC-25", "HC-17"), sender=ADA),
        Decision(11, BOILER, Reason.CASE_NUMBER, "HC-17"),
    ),
    "a forged answer with an own case number": (
        Clues(in_reply_to=("roof-1@x",), case_numbers=("HC-17",), sender=ADA),
        Decision(11, BOILER, Reason.CASE_NUMBER, "HC-17"),
    ),
    "a header before a case number": (
        Clues(in_reply_to=("talk-1@x",), case_numbers=("HC-17",), sender=ADA),
        Decision(30, None, Reason.IN_REPLY_TO, "talk-1@x"),
    ),
    "an answer to itself": (
        Clues(message_id="boiler-1@x", in_reply_to=("boiler-1@x",), references=("boiler-1@x",), sender=ADA),
        NEW,
    ),
    "an id that was used before": (Clues(message_id="boiler-1@x", sender=ADA), NEW),
    "a loop through itself": (
        Clues(message_id="n@x", in_reply_to=("n@x",), references=("boiler-1@x", "n@x", "boiler-1@x", ""), sender=ADA),
        Decision(10, BOILER, Reason.REFERENCES, "boiler-1@x"),
    ),
    "two mailboxes, the answer came to the second": (
        Clues(references=("boiler-2@x", "boiler-1@x"), sender=ADA, mailbox_id=2),
        Decision(11, BOILER, Reason.REFERENCES, "boiler-2@x"),
    ),
    "two mailboxes, the answer came to a third": (
        Clues(references=("boiler-2@x", "boiler-1@x"), sender=ADA, mailbox_id=3),
        Decision(10, BOILER, Reason.REFERENCES, "boiler-1@x"),
    ),
    "a mail that was answered before it came": (
        Clues(message_id="late@x", sender=ADA),
        Decision(40, None, Reason.ANSWERED_BEFORE, "late@x"),
    ),
    "an id that somebody waits for, used by a stranger": (Clues(message_id="late@x", sender=EVE), NEW),
    "an id that somebody waits for, used by nobody": (Clues(message_id="late@x"), NEW),
    "another answer to a mail that never came": (
        Clues(message_id="n@x", in_reply_to=("late@x",), sender=BO),
        Decision(20, ROOF, Reason.SAME_REFERENCE, "late@x"),
    ),
    "a stranger's answer to a mail that never came": (Clues(references=("late@x",), sender=EVE), NEW),
    "a known reference before a late one": (
        Clues(message_id="late@x", references=("boiler-1@x",), sender=ADA),
        Decision(10, BOILER, Reason.REFERENCES, "boiler-1@x"),
    ),
    "a late mail before a case number": (
        Clues(message_id="late@x", case_numbers=("HC-17",), sender=ADA),
        Decision(40, None, Reason.ANSWERED_BEFORE, "late@x"),
    ),
    "a late mail to the second of two mailboxes": (
        Clues(message_id="both@x", sender=ADA, mailbox_id=2),
        Decision(42, None, Reason.ANSWERED_BEFORE, "both@x"),
    ),
    "nothing at all": (Clues(), NEW),
}


class TestDecide:
    @pytest.mark.parametrize("name", CASES)
    def test_follows(self, name: str) -> None:
        clues, expected = CASES[name]
        assert decide(clues, known=Store()) == expected

    def test_asks_for_each_id_once_and_for_no_more_than_a_number(self) -> None:
        store = Store()
        decide(
            Clues(in_reply_to=("a@x",), references=("a@x", *(f"{n}@x" for n in range(500)), "b@x", "b@x")), known=store
        )
        assert store.asked[:2] == ["a@x", "b@x"]
        assert len(store.asked) == len(set(store.asked)) == 101

    def test_asks_for_late_mail_only_where_no_header_has_decided(self) -> None:
        store = Store()
        decide(Clues(message_id="n@x", in_reply_to=("boiler-1@x",), sender=ADA), known=store)
        assert store.asked_late == []
        decide(Clues(message_id="n@x", in_reply_to=("roof-1@x", "other@x"), sender=ADA), known=store)
        assert store.asked_late == ["n@x", "other@x"]

    def test_never_joins_by_subject(self, corpora: Path) -> None:
        """The references of published threading cases, as if one person had sent them all: only edges that are there join."""
        cases = json.loads((corpora / "threading/jwz_cases.json").read_text())["cases"]
        joined = 0
        for case in cases:
            store, number = Store(), 100
            store.messages = {}
            for message in case["messages"]:
                message_id, references = message["message_id"], tuple(message["references"])
                before = dict(store.messages)
                decision = decide(
                    Clues(message_id=message_id, references=references, subject=message["subject"], sender=ADA),
                    known=store,
                )
                linked = [one for one in references if one in before and one != message_id]
                assert (decision.thread_id is not None) == bool(linked), (case["name"], message_id)
                if linked:
                    joined += 1
                    assert decision.thread_id == before[linked[-1]].thread_id
                number += 1
                thread = decision.thread_id if decision.thread_id is not None else number
                store.messages = {message_id: KnownMessage(thread, None, frozenset({ADA})), **before}
        assert joined >= 5


class TestReason:
    def test_is_said_to_people_in_words(self) -> None:
        assert all(str(reason.label).endswith(".") for reason in Reason)
        assert len({str(reason.label) for reason in Reason}) == len(Reason)

    def test_values_stay_what_they_are(self) -> None:
        assert [reason.value for reason in Reason] == [
            *(
                "signed_id",
                "signed_address",
                "in_reply_to",
                "references",
                "answered_before",
                "same_reference",
                "case_number",
                "moved_by_person",
                "written_elsewhere",
                "reports_on_ours",
                "new",
                "new_sender_takes_no_part",
            ),
        ]
