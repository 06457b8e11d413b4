"""The words of a mail: what its writer says, in sentences, without greeting, quotes and signature."""

import re
import textwrap
import unicodedata
from dataclasses import dataclass

READ_CHARS = 20_000
WRAPPED_CHARS = 50
SENTENCE_CHARS = 500
SIGNATURE_LINES = 12
WORD = re.compile(r"[^\W_]+")
QUOTE_START = re.compile(
    r"^(?:-{3,} ?(?:original|ursprüngliche|message|mensaje|mensagem|forwarded|weitergeleitete)"
    r"|_{8,}$"
    r"|(?:on|am|le|el|em|no dia)\b.{4,120}\b(?:wrote|schrieb|a écrit|escribió|escreveu)\b.{0,80}:?$"
    r"|(?:from|von|de|expéditeur|remitente): .{0,120}[@<])",
    re.IGNORECASE,
)
SIGNATURE_START = re.compile(r"^(?:--|—|__) ?$")
BREAK = re.compile(r"[.!?…]+[)\"'»“”]*(?=\s|$)")
# After these a full stop does not end a sentence: "Nr. 5", "Mr. Smith", "z. B. im Keller".
# fmt: off
ABBREVIATIONS = frozenset({
    "nr", "no", "tel", "str", "mr", "mrs", "ms", "dr", "st", "apt", "bzw", "ca", "evtl", "inkl", "usw", "etc", "vgl", "mme",
    "sr", "sra", "srta", "exmo", "exma", "av", "avda", "ref", "fl", "núm", "wg",
})
# fmt: on
GREETING_END = re.compile(r"[,!:;]| [-\u2013] ")
CLAUSE = re.compile(r"[,;:()\u2013\u2014]")


def fold(text: str) -> str:
    """Lower case without accents (`Überschwemmt` becomes `uberschwemmt`, `Straße` `strasse`)."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in spread if not unicodedata.combining(character))


def words_of(text: str) -> list[str]:
    """The folded words of a text; hyphens and apostrophes divide them."""
    return WORD.findall(fold(text))


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as written, its folded words and, for each word, the number of its clause."""

    text: str
    words: tuple[str, ...]
    clauses: tuple[int, ...]
    in_subject: bool = False

    @classmethod
    def of(cls, text: str, *, in_subject: bool = False) -> "Sentence":
        words: list[str] = []
        clauses: list[int] = []
        for number, clause in enumerate(CLAUSE.split(text)):
            found = words_of(clause)
            words += found
            clauses += [number] * len(found)
        return cls(text=text, words=tuple(words), clauses=tuple(clauses), in_subject=in_subject)

    @property
    def asks(self) -> bool:
        return "?" in self.text[-3:]


def starts_with(words: list[str], phrases: tuple[tuple[str, ...], ...]) -> int:
    """How many words the longest of the phrases takes up at the beginning; 0 when none is there."""
    best = 0
    for phrase in phrases:
        if len(phrase) > best and len(phrase) <= len(words) and all(map(_fits, phrase, words)):
            best = len(phrase)
    return best


def _fits(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def own_lines(text: str, *, closings: tuple[tuple[str, ...], ...]) -> list[str]:
    """The lines that the writer wrote for this mail: no quotes, nothing from the closing formula on."""
    kept: list[str] = []
    lines = [line.strip() for line in text[:READ_CHARS].splitlines()]
    to_come = sum(map(bool, lines))
    has_content = False
    for line in lines:
        to_come -= bool(line)
        if SIGNATURE_START.match(line) or QUOTE_START.match(line):
            break
        if line.startswith(">"):
            continue
        if has_content and to_come <= SIGNATURE_LINES and _closes(line, closings=closings):
            break
        kept.append(line)
        has_content = has_content or bool(line)
    return kept


def _closes(line: str, *, closings: tuple[tuple[str, ...], ...]) -> bool:
    words = words_of(line[:100])
    taken = starts_with(words, closings)
    return taken > 0 and len(words) <= taken + 3


def without_greeting(lines: list[str], *, greetings: tuple[tuple[str, ...], ...]) -> list[str]:
    """The lines without the salutation, whether it has a line of its own or opens the first sentence."""
    rest = lines[next((at for at, line in enumerate(lines) if line), len(lines)) :]
    if len(rest) > 1 and rest[0].endswith((",", "!")) and len(words_of(rest[0][:100])) <= 4:  # noqa: PLR2004 - in any language
        return rest[1:]
    if not rest or not starts_with(words_of(rest[0][:100]), greetings):
        return rest
    head, mark, tail = _split_at_mark(rest[0])
    if mark and len(words_of(head)) <= 8:  # noqa: PLR2004 - "Sehr geehrte Frau Dr. Vogel und Herr Vogel,"
        return [tail, *rest[1:]] if tail else rest[1:]
    if len(words_of(rest[0])) <= 5 and len(rest) > 1:  # noqa: PLR2004 - "Hallo liebes Team" without a comma
        return rest[1:]
    return rest


def _split_at_mark(line: str) -> tuple[str, str, str]:
    found = GREETING_END.search(line[:80])
    return (line[: found.start()], found.group(), line[found.end() :].strip()) if found else (line, "", "")


def sentences_of(lines: list[str]) -> list[str]:
    """The sentences of the lines; a line that was only wrapped is joined to the next."""
    paragraphs: list[str] = []
    joins = False
    for line in lines:
        if line and joins:
            paragraphs[-1] += " " + line
        elif line:
            paragraphs.append(line)
        joins = len(line) >= WRAPPED_CHARS and line[-1] not in ".!?:"
    return [sentence for paragraph in paragraphs for sentence in _divide(paragraph)]


def _divide(paragraph: str) -> list[str]:
    found: list[str] = []
    start = 0
    for mark in BREAK.finditer(paragraph):
        before = WORD.findall(paragraph[max(start, mark.start() - 12) : mark.start()])
        short = before[-1].casefold() if before else ""
        if mark.group() == "." and (len(short) == 1 or short.isdigit() or short in ABBREVIATIONS):
            continue
        found.append(paragraph[start : mark.end()].strip())
        start = mark.end()
    found.append(paragraph[start:].strip())
    # A text without full stops is taken in pieces: what finds words in a sentence may take its square in time.
    pieces = [piece for sentence in found for piece in textwrap.wrap(sentence, SENTENCE_CHARS)]
    return [piece for piece in pieces if WORD.search(piece)]
