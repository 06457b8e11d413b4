"""Conversations: archives and made-up cases whose groups are known, told in order and out of order.

Out of order not all can come right: two mails that know nothing of each other open two conversations, and the one that
answers both, coming last, goes to one of them. Merging cases is for people.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from mail_ingest.parsing import parse
from mail_ingest.threading import Clues, KnownMessage, KnownThread, Reason, decide
from tests.scoreboard.row import Row, rows

ARCHIVES = {"default": "truth_notmuch_default.json", "threading": "truth_notmuch_threading.json"}
SHUFFLES = 10
STRANGER = "stranger@elsewhere.example"
Groups = frozenset[frozenset[str]]


@dataclass(slots=True)
class Memory:
    """What is stored, in memory. `everybody` are those to whom a list brings every mail; they take part in all of it."""

    everybody: frozenset[str] = frozenset()
    threads: dict[str, int] = field(default_factory=dict)
    named: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    people: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        return {one: self._message(self.threads[one]) for one in ids if one in self.threads}

    def by_reference(self, ids: Sequence[str]) -> Mapping[str, Sequence[KnownMessage]]:
        return {
            one: [self._message(thread) for thread in dict.fromkeys(self.named[one])]
            for one in ids
            if one in self.named
        }

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        return {}

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        return None

    def take(self, clues: Clues, recipients: Sequence[str] = ()) -> Reason:
        """Store a mail where it belongs, as the pipeline does; the reason why it is there."""
        decision = decide(clues, known=self)
        thread = decision.thread_id if decision.thread_id is not None else len(self.threads) + 1_000
        self.threads.setdefault(clues.message_id, thread)
        for one in {*clues.in_reply_to, *clues.references}:
            self.named[one].append(thread)
        self.people[thread] |= {clues.sender, *recipients}
        return decision.reason

    def groups(self) -> Groups:
        found: dict[int, set[str]] = defaultdict(set)
        for message_id, thread in self.threads.items():
            found[thread].add(message_id)
        return frozenset(frozenset(ids) for ids in found.values())

    def _message(self, thread: int) -> KnownMessage:
        return KnownMessage(thread, None, frozenset(self.people[thread]) | self.everybody)


@dataclass(frozen=True, slots=True)
class Mail:
    clues: Clues
    recipients: tuple[str, ...]
    sent_at: datetime


@rows
def archives(corpora: Path) -> Iterator[Row]:
    """A list brings every mail to everybody on it, so everybody who writes to an archive takes part in all of it."""
    for name, truth_file in ARCHIVES.items():
        truth = json.loads((corpora / "threading" / truth_file).read_text())
        expected = frozenset(frozenset(ids) for ids in truth["threads_notmuch"])
        mails = read(corpora / "notmuch/corpora" / name)
        everybody = frozenset(mail.clues.sender for mail in mails)
        wrong = wrong_groups(expected, grouped(mails, everybody))
        yield Row(f"threading: notmuch {name}", len(expected), tuple(wrong), floor=1.0)
        wrong = [
            f"order {seed}: {group}"
            for seed in range(SHUFFLES)
            for group in wrong_groups(expected, grouped(shuffled(mails, seed), everybody))
        ]
        yield Row(f"threading: notmuch {name}, out of order", len(expected) * SHUFFLES, tuple(wrong), floor=0.96)


@rows
def made_up(corpora: Path) -> Iterator[Row]:
    """Jamie Zawinski's cases, as if one person had sent them: what holds together is what refers to each other, loops and all."""
    cases = jwz(corpora)
    expected = {name: by_edges(mails) for name, mails in cases.items()}
    wrong = [
        f"{name}, order {seed}: {group}"
        for name, mails in cases.items()
        for seed in range(SHUFFLES)
        for group in wrong_groups(expected[name], grouped(shuffled(mails, seed) if seed else mails))
    ]
    number = sum(map(len, expected.values())) * SHUFFLES
    yield Row("threading: JWZ, in and out of order", number, tuple(wrong), floor=0.96)


@rows
def loops(corpora: Path) -> Iterator[Row]:
    mails = read(corpora / "notmuch/corpora/broken/loop")
    expected = frozenset({frozenset(mail.clues.message_id for mail in mails)})
    wrong = [f"order {seed}" for seed in range(2) if grouped(mails[:: 1 - 2 * seed]) != expected]
    yield Row("threading: two mails that answer each other", 2, tuple(wrong), floor=1.0)


@rows
def kept_apart(corpora: Path) -> Iterator[Row]:
    """Without references nothing may join, whatever the subjects; nor may a stranger, whatever the references."""
    mails = [mail for name in ARCHIVES for mail in read(corpora / "notmuch/corpora" / name)]
    mails += [mail for case in jwz(corpora).values() for mail in case]
    memory = Memory(everybody=frozenset(mail.clues.sender for mail in mails))
    bare = [
        replace(mail.clues, message_id=f"{number}@bare", in_reply_to=(), references=())
        for number, mail in enumerate(mails)
    ]
    wrong = [clues.subject for clues in bare if memory.take(clues) is not Reason.NEW]
    yield Row("threading: nothing joined by subject alone", len(bare), tuple(wrong), floor=1.0)

    memory = Memory()
    for mail in mails:
        memory.take(mail.clues, mail.recipients)
    forged = [
        replace(mail.clues, sender=STRANGER, message_id=message_id, in_reply_to=(mail.clues.message_id,))
        for number, mail in enumerate(mails)
        # An id of the stranger's own, and one that a stored mail is still waiting for.
        for message_id in (f"{number}@forged", *mail.clues.references[:1])
    ]
    wrong = [clues.subject for clues in forged if decide(clues, known=memory).thread_id is not None]
    yield Row("threading: no stranger joins by knowing ids", len(forged), tuple(wrong), floor=1.0)


def grouped(mails: Sequence[Mail], everybody: frozenset[str] = frozenset()) -> Groups:
    memory = Memory(everybody=everybody)
    for mail in mails:
        memory.take(mail.clues, mail.recipients)
    return memory.groups()


def wrong_groups(expected: Groups, found: Groups) -> list[str]:
    return [", ".join(sorted(group))[:100] for group in expected - found]


def shuffled(mails: Sequence[Mail], seed: int) -> list[Mail]:
    mails = list(mails)
    random.Random(seed).shuffle(mails)
    return mails


def by_edges(mails: Sequence[Mail]) -> Groups:
    """What hangs together by references, written down the plain way: sets that are joined until none touch."""
    sets: list[set[str]] = []
    for mail in mails:
        joined = {mail.clues.message_id, *mail.clues.references}
        for other in [one for one in sets if one & joined]:
            joined |= other
            sets.remove(other)
        sets.append(joined)
    real = {mail.clues.message_id for mail in mails}
    return frozenset(frozenset(group & real) for group in sets)


def read(folder: Path) -> list[Mail]:
    """The mails of an archive, the oldest first."""
    mails = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        mail = parse(path.read_bytes())
        clues = Clues(
            message_id=mail.message_id,
            in_reply_to=mail.in_reply_to,
            references=mail.references,
            subject=mail.subject,
            sender=mail.sender.key if mail.sender else "",
        )
        recipients = tuple(address.key for address in (*mail.to, *mail.cc))
        mails.append(Mail(clues, recipients, mail.sent_at or datetime.min.replace(tzinfo=UTC)))
    return sorted(mails, key=lambda one: one.sent_at)


def jwz(corpora: Path) -> dict[str, list[Mail]]:
    cases: list[dict[str, Any]] = json.loads((corpora / "threading/jwz_cases.json").read_text())["cases"]
    start = datetime(1997, 1, 1, tzinfo=UTC)
    return {
        case["name"]: [
            Mail(
                Clues(
                    message_id=message["message_id"].strip("<>"),
                    references=tuple(one.strip("<>") for one in message["references"]),
                    subject=message["subject"],
                    sender="ada@example.com",
                ),
                (),
                start,
            )
            for message in case["messages"]
        ]
        for case in cases
    }
