"""Triage without a model: words and how they are put. The same mail always gives the same answer."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cases.choices import CasePriority, CaseSentiment, CaseType
from mail_ingest.ai import facts, language, lexicon
from mail_ingest.ai.lexicon import Hit, Lexicon
from mail_ingest.ai.schema import Triage, clip
from mail_ingest.ai.suggestions import action_for, tasks_for
from mail_ingest.ai.text import Sentence, own_lines, sentences_of, starts_with, without_greeting

VERSION = "lexicon-1"
"""Stored with every answer; counts up whenever the lexicon or its weighing changes what a mail gets."""

PRIORITIES = tuple(CasePriority)
SUBJECT_WEIGHT = 1.6
FOREIGN_WEIGHT = 0.25
"""What a word of another language than the mail's counts: writers mix, but `four` is no oven in English."""
DOUBT = 1.5
"""Points that stand against every label, so that a single weak word never makes it certain."""
CERTAINTY_MAX = 0.95
TOPIC_MIN = 0.9
TYPE_MIN = 1.0
ACT_MAX = 4.0
MOOD_MIN = 2.0
CLEAR_FAULT = 2.0
SUMMARY_CHARS = 220
SUBJECT_CHARS = 1_000
SHOUTED_LETTERS = 4
SHOUTED_WORDS = 2

FAULT_TYPES = frozenset({CaseType.MAINTENANCE, CaseType.SECURITY, CaseType.COMPLAINT})
IDLE_TYPES = frozenset({CaseType.QUERY, CaseType.FEEDBACK, CaseType.SUGGESTION})
# How much a word of a kind, or of one label of it, makes a sentence tell what the mail is about.
TELLING = {"topic": 1.0, "fault": 1.0, "act": 0.3, "urgency": 0.7, "low": 0.0, "sentiment": 0.1}
# The category of a mail that names no topic.
VOICES = {
    CaseType.COMPLAINT: ("complaint",),
    CaseType.FEEDBACK: ("praise",),
    CaseType.SUGGESTION: ("suggestion",),
}


@dataclass(slots=True)
class Findings:
    """Points by label, with the same words counted once however often they are repeated."""

    topics: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    signs: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    acts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    urgency: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    sentiment: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    questions: int = 0
    telling: list[float] = field(default_factory=list)
    """How much each sentence says, in their order."""

    def has_happened(self, topic: str) -> bool:
        """Whether it is more than a mention: something is wrong with it."""
        return self.signs[topic] > 0 or self.acts["fault"] >= 1


def read(*, subject: str, text: str, categories: Collection[str]) -> Triage:
    """Triage one mail by its words, from its first 20,000 characters.

    `text` is its visible text, `categories` the slugs on offer. Knows English, German, French, Spanish and
    Portuguese; of any other mail it says general, medium and neutral, and how little it trusts that. Texts for the
    team are in the active language.
    """
    words = lexicon.load()
    subject = subject[:SUBJECT_CHARS]
    lines = without_greeting(own_lines(text, closings=words.closings), greetings=words.greetings)
    body = sentences_of(lines)
    code, code_confidence = language.detect(f"{subject}\n" + "\n".join(body))
    sentences = [*(Sentence.of(part, in_subject=True) for part in sentences_of([subject])), *map(Sentence.of, body)]
    found = _find(sentences, words=words, code=code if code_confidence > FOREIGN_WEIGHT else "")

    topic, topic_confidence = _best(found.topics)
    if found.topics[topic] < TOPIC_MIN:
        topic, topic_confidence = "", 0.0
    case_type, type_confidence = _case_type(found, topic=topic, words=words)
    happened = bool(topic) and case_type not in IDLE_TYPES and found.has_happened(topic)
    priority, priority_confidence = _priority(found, case_type=case_type, topic=topic, happened=happened, words=words)
    sentiment, sentiment_confidence = _sentiment(
        found, sentences=sentences, happened=happened, readable=code in words.languages
    )
    category = _category(case_type, topic=topic, offered=categories, words=words)
    tasks = [] if case_type in IDLE_TYPES else tasks_for(topic, has_happened=happened)
    home = facts.find(f"{subject}\n{text}")
    return Triage(
        case_type=case_type,
        category=category,
        priority=priority,
        sentiment=sentiment,
        language=code,
        summary=_summary(sentences, found=found, words=words),
        action_required=action_for(case_type, tasks),
        suggested_tasks=tasks,
        address=home.address,
        property_number=home.property_number,
        block_number=home.block_number,
        phone=home.phone,
        confidence={
            "case_type": type_confidence,
            "category": (topic_confidence or type_confidence) if category else 0.0,
            "priority": priority_confidence,
            "sentiment": sentiment_confidence,
            "language": code_confidence,
        },
    )


def _find(sentences: Iterable[Sentence], *, words: Lexicon, code: str) -> Findings:
    found = Findings()
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    known = code in words.languages
    for sentence in sentences:
        hits = words.hits(sentence)
        emphasis = SUBJECT_WEIGHT if sentence.in_subject else 1.0
        weighed = [
            (hit.entry.points * emphasis * (1.0 if not known or hit.entry.language == code else FOREIGN_WEIGHT), hit)
            for hit in hits
        ]
        found.telling.append(
            sum(points * TELLING.get(hit.entry.label, TELLING.get(hit.entry.kind, 0)) for points, hit in weighed)
        )
        for points, hit in sorted(weighed, key=lambda item: -item[0]):
            key = (hit.entry.kind, hit.entry.label, sentence.words[hit.start : hit.end])
            if key not in seen:
                seen.add(key)
                _count(found, hit, points=points)
        asks_for_action = any(hit.entry.label in {"request", "fault"} for hit in hits)
        # In a language that nobody here can read, a question mark may as well end a cry for help.
        found.questions += sentence.asks and not asks_for_action and (known or not code)
    return found


def _count(found: Findings, hit: Hit, *, points: float) -> None:
    entry = hit.entry
    if entry.kind == "topic":
        found.topics[entry.label] += points / 2 if hit.negated else points
        if entry.is_sign and not hit.negated:
            found.signs[entry.label] += points
            found.topics[entry.label] += points / 2
    elif not hit.negated:
        by_kind = {"act": found.acts, "urgency": found.urgency, "sentiment": found.sentiment}
        by_kind[entry.kind][entry.label] += points
    elif entry.label == "positive":
        found.sentiment["negative"] += points / 2


def _best(points: dict[str, float]) -> tuple[str, float]:
    """The label with the most points and a confidence from its lead; ('', 0.0) when there is none."""
    ranked = sorted(points.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return "", 0.0
    first = ranked[0][1]
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    return ranked[0][0], round(min(first / (first + second + DOUBT), CERTAINTY_MAX), 2)


def _case_type(found: Findings, *, topic: str, words: Lexicon) -> tuple[CaseType, float]:
    points: dict[str, float] = defaultdict(float)
    fault = min(found.acts["fault"], ACT_MAX)
    about = CaseType(words.topics[topic].case_type) if topic else CaseType.GENERAL
    if topic:
        strength = min(found.topics[topic], ACT_MAX)
        points[about] += strength if found.signs[topic] else strength / 2
    points[about if about in {CaseType.BILLING, CaseType.SECURITY} else CaseType.MAINTENANCE] += fault
    for act in (CaseType.REQUEST, CaseType.QUERY, CaseType.COMPLAINT, CaseType.FEEDBACK, CaseType.SUGGESTION):
        points[act] += min(found.acts[act], ACT_MAX)
    if about in FAULT_TYPES and (found.signs[topic] or fault >= CLEAR_FAULT):
        # "Could you please send someone?" comes with every fault and does not make it a request.
        points[CaseType.REQUEST] *= 0.6
    points[CaseType.QUERY] += min(found.questions, 2)
    if not fault and not found.questions and not found.acts["complaint"]:
        points[CaseType.FEEDBACK] += min(found.sentiment["positive"], ACT_MAX) / 2
    points[CaseType.COMPLAINT] += min(found.sentiment["frustrated"], ACT_MAX) / 2
    if found.signs["gas"] or found.signs["fire"]:
        points[CaseType.SECURITY] += ACT_MAX
    label, confidence = _best(points)
    if points[label] < TYPE_MIN:
        return CaseType.GENERAL, round(0.2 - 0.1 * min(points[label], 1), 2)
    return CaseType(label), confidence


def _priority(
    found: Findings, *, case_type: CaseType, topic: str, happened: bool, words: Lexicon
) -> tuple[CasePriority, float]:
    level = PRIORITIES.index(CasePriority.MEDIUM)
    confidence = 0.2
    if case_type in IDLE_TYPES:
        level, confidence = PRIORITIES.index(CasePriority.LOW), 0.5
    elif topic:
        usual = PRIORITIES.index(CasePriority(words.topics[topic].priority))
        confidence = 0.5
        if happened and (case_type in FAULT_TYPES or found.signs[topic]):
            level, confidence = usual, 0.65
        else:
            level = min(level, usual)
    if case_type in {CaseType.FEEDBACK, CaseType.SUGGESTION}:
        return PRIORITIES[level], confidence
    if found.urgency["low"] and not found.urgency["critical"]:
        return PRIORITIES[max(0, level - 1)], 0.7
    if found.urgency["critical"] >= 1:
        return CasePriority.CRITICAL, 0.8
    if found.urgency["urgent"] >= 1:
        floor = CasePriority.URGENT if happened or found.acts["fault"] else CasePriority.HIGH
        level, confidence = max(level, PRIORITIES.index(floor)), 0.75
    if found.urgency["high"] >= 1:
        high = PRIORITIES.index(CasePriority.HIGH)
        urgent = PRIORITIES.index(CasePriority.URGENT)
        level, confidence = max(level, min(urgent, max(high, level + 1)) if happened else high), 0.7
    return PRIORITIES[level], confidence


def _sentiment(
    found: Findings, *, sentences: list[Sentence], happened: bool, readable: bool
) -> tuple[CaseSentiment, float]:
    mood = found.sentiment
    loudness = _loudness(sentences)
    frustrated = mood["frustrated"] + (loudness if happened or mood["negative"] or mood["frustrated"] else 0)
    dark = mood["negative"] + frustrated
    bright = mood["positive"]
    if dark >= MOOD_MIN and dark >= bright:
        first, label = (
            (frustrated, CaseSentiment.FRUSTRATED) if frustrated >= MOOD_MIN else (dark, CaseSentiment.NEGATIVE)
        )
        return label, round(min(first / (first + bright + DOUBT), CERTAINTY_MAX), 2)
    if bright >= (2 * MOOD_MIN if happened else MOOD_MIN) and bright > dark:
        return CaseSentiment.POSITIVE, round(min(bright / (bright + dark + DOUBT), CERTAINTY_MAX), 2)
    certainty = 0.6 if readable else 0.2
    return CaseSentiment.NEUTRAL, round(certainty - 0.1 * min(dark + bright, 2), 2)


def _loudness(sentences: list[Sentence]) -> float:
    """0 to 2: exclamation marks in a row and shouted words."""
    text = " ".join(sentence.text for sentence in sentences)
    shouted = [word for word in text.split() if word.isupper() and sum(map(str.isalpha, word)) >= SHOUTED_LETTERS]
    return float("!!" in text or "??" in text or "?!" in text) + float(len(shouted) >= SHOUTED_WORDS)


def _category(case_type: CaseType, *, topic: str, offered: Collection[str], words: Lexicon) -> str:
    """The best of the categories on offer; '' when none fits."""
    fitting = words.topics[topic].categories if topic else ()
    voices = VOICES.get(case_type, ())
    wanted = (*voices, *fitting) if case_type == CaseType.FEEDBACK else (*fitting, *voices)
    return next((slug for slug in wanted if slug in offered), "")


def _summary(sentences: list[Sentence], *, found: Findings, words: Lexicon) -> str:
    """The sentence of the body that says most, and the next one while there is room; else the subject."""
    own = [
        (weight, at)
        for at, (sentence, weight) in enumerate(zip(sentences, found.telling, strict=True))
        if not sentence.in_subject and not _is_pleasantry(sentence, words=words)
    ]
    if not own:
        return clip(" ".join(sentence.text for sentence in sentences if sentence.in_subject), SUMMARY_CHARS)
    # Writers say early what they want: a later sentence has to say clearly more.
    _, start = max(own, key=lambda item: (item[0] / (1 + 0.3 * (item[1] - own[0][1])), -item[1]))
    parts = [sentences[start].text]
    following = [at for _, at in own if at > start][:1]
    parts += [
        sentences[at].text
        for at in following
        if found.telling[at] and len(parts[0]) + len(sentences[at].text) < SUMMARY_CHARS
    ]
    summary = clip(" ".join(parts), SUMMARY_CHARS)
    return summary[:1].upper() + summary[1:]


def _is_pleasantry(sentence: Sentence, *, words: Lexicon) -> bool:
    return any(starts_with(list(sentence.words[at:]), words.pleasantries) for at in range(min(3, len(sentence.words))))
