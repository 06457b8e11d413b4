"""The words that give a mail away, and finding them.

`lexicon.json` holds them by language. An entry is a word or a phrase; `stem*` also matches what begins so,
`*element` what ends so (German compounds), and `~` in a phrase stands for up to four words in between.
Accents do not count. A German umlaut is also found when it is written out (`ueberschwemmt`).
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mail_ingest.ai.text import Sentence, fold

PATH = Path(__file__).with_name("lexicon.json")
GAP = "~"
GAP_WORDS = 4
NEGATION_WORDS = 3
PREFIX_MIN = 2
WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})

Kind = Literal["topic", "act", "urgency", "sentiment"]
Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One phrase: of which kind, which label it speaks for and how strongly."""

    kind: Kind
    label: str
    points: float
    language: str
    phrase: Phrase
    is_sign: bool = False
    """Of a topic: it does not only name the thing, it says that something has happened to it."""


@dataclass(frozen=True, slots=True)
class Hit:
    entry: Entry
    start: int
    end: int
    negated: bool

    def inside(self, other: "Hit") -> bool:
        return other.start <= self.start and self.end <= other.end and other.end - other.start > self.end - self.start


@dataclass(frozen=True, slots=True)
class Topic:
    key: str
    categories: tuple[str, ...]
    """The categories that fit, best first."""
    case_type: str
    priority: str
    """The priority of a case in which something has happened to it."""


@dataclass(slots=True)
class Lexicon:
    languages: frozenset[str]
    topics: Mapping[str, Topic]
    negators: frozenset[str]
    greetings: tuple[Phrase, ...]
    closings: tuple[Phrase, ...]
    pleasantries: tuple[Phrase, ...]
    exact: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    prefixes: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    suffixes: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    middles: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: Entry) -> None:
        first = entry.phrase[0]
        match first.startswith("*"), first.endswith("*"):
            case True, True:
                self.middles[first[1:-1]].append(entry)
            case True, False:
                self.suffixes[first[1:]].append(entry)
            case False, True:
                self.prefixes[first[:-1]].append(entry)
            case _:
                self.exact[first].append(entry)

    def beginning_with(self, word: str) -> Iterator[Entry]:
        """Every entry whose first word this could be."""
        yield from self.exact.get(word, ())
        for length in range(PREFIX_MIN, len(word) + 1):
            yield from self.prefixes.get(word[:length], ())
            yield from self.suffixes.get(word[-length:], ())
        for middle, entries in self.middles.items():
            if middle in word:
                yield from entries

    def hits(self, sentence: Sentence) -> list[Hit]:
        """What the sentence says, without what is only part of a longer phrase of the same kind.

        "memory leak" is no leak, and "not urgent" is not urgent.
        """
        found = [
            Hit(entry, start, end, negated=self._is_negated(sentence, start, entry))
            for start, word in enumerate(sentence.words)
            for entry in self.beginning_with(word)
            if (end := _end_of(entry.phrase, sentence.words, start))
        ]
        return [
            hit for hit in found if not any(hit.entry.kind == other.entry.kind and hit.inside(other) for other in found)
        ]

    def _is_negated(self, sentence: Sentence, start: int, entry: Entry) -> bool:
        """A negator shortly before, in the same clause; a phrase that brings its own negator means what it says.

        So do words of anger: "nobody does anything since months" denies nothing.
        """
        if entry.phrase[0] in self.negators or entry.label == "frustrated":
            return False
        reach = 1 if entry.label == "complaint" else NEGATION_WORDS
        return any(
            sentence.words[at] in self.negators and sentence.clauses[at] == sentence.clauses[start]
            for at in range(max(0, start - reach), start)
        )


def _end_of(phrase: Phrase, words: Phrase, start: int) -> int:
    """Where the phrase that begins here ends (exclusive), or 0 when it does not go on as it should."""
    at = start + 1
    skips = 0
    for part in phrase[1:]:
        if part == GAP:
            skips = GAP_WORDS
            continue
        while at < len(words) and skips and not _fits(part, words[at]):
            at += 1
            skips -= 1
        if at >= len(words) or not _fits(part, words[at]):
            return 0
        at += 1
        skips = 0
    return at


def _fits(part: str, word: str) -> bool:
    match part.startswith("*"), part.endswith("*"):
        case True, True:
            return part[1:-1] in word
        case True, False:
            return word.endswith(part[1:])
        case False, True:
            return word.startswith(part[:-1])
        case _:
            return word == part


def _phrases(text: str, language: str) -> Iterator[Phrase]:
    """The folded phrase, and in German also with its umlauts written out."""
    folded = tuple(fold(text).split())
    yield folded
    if language == "de" and (written := tuple(fold(text.translate(WRITTEN_OUT)).split())) != folded:
        yield written


def _entries(
    kind: Kind, label: str, points: float, by_language: Mapping[str, Iterable[str]], *, is_sign: bool = False
) -> Iterator[Entry]:
    for language, texts in by_language.items():
        for text in texts:
            for phrase in _phrases(text, language):
                # A longer word is the more telling one: of `*rechnung` and `nebenkosten*` the latter decides.
                yield Entry(kind, label, points + len(text) / 1000, language, phrase, is_sign)


def _frames(by_language: Mapping[str, Iterable[str]]) -> tuple[Phrase, ...]:
    return tuple(
        phrase for language, texts in by_language.items() for text in texts for phrase in _phrases(text, language)
    )


def build(source: Mapping[str, Any]) -> Lexicon:
    """The lexicon of a parsed `lexicon.json`."""
    lexicon = Lexicon(
        languages=frozenset(source["languages"]),
        topics={
            topic["key"]: Topic(topic["key"], tuple(topic["categories"]), topic["case_type"], topic["priority"])
            for topic in source["topics"]
        },
        negators=frozenset(word for phrase in _frames(source["negators"]) for word in phrase),
        greetings=_frames(source["greetings"]),
        closings=_frames(source["closings"]),
        pleasantries=_frames(source["pleasantries"]),
    )
    for topic in source["topics"]:
        for entry in _entries("topic", topic["key"], 1, topic.get("words", {})):
            lexicon.add(entry)
        for entry in _entries("topic", topic["key"], 2, topic.get("signs", {}), is_sign=True):
            lexicon.add(entry)
    kinds: tuple[tuple[Kind, str], ...] = (("act", "acts"), ("urgency", "urgency"), ("sentiment", "sentiment"))
    for kind, section in kinds:
        for group in source[section]:
            for entry in _entries(kind, group["label"], group["points"], group["words"]):
                lexicon.add(entry)
    return lexicon


@functools.cache
def load() -> Lexicon:
    """The lexicon that is shipped, read once."""
    return build(json.loads(PATH.read_text(encoding="utf-8")))
