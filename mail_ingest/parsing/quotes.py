"""What the sender wrote now, apart from history and signature. Nothing is dropped: every line lands on one side."""

import re
from dataclasses import dataclass
from itertools import groupby

from mailparser_reply.constants import MAIL_LANGUAGES

from mail_ingest.parsing import quote_headers
from mail_ingest.parsing.html_text import QUOTE_MARK

MAX_LINES = 10_000
_MIN_BARE_QUOTES = 3  # Fewer quoted lines without an announcement are taken for the sender's own.
_LOOK_AHEAD_LINES = 8
_MAX_SIGNATURE_LINES = 20
_MAX_SENT_FROM_CHARS = 100

_QUOTED = re.compile(r"[ \t]{0,4}>")
_MARKS = re.compile(r"^[ \t]{0,4}(?:>[ \t]?)+")
_DASHES = re.compile(r"^(?:--|__|—)\s*$")
_FOOTER = re.compile(r"^[ \t]*_{20,}\s*$")
_SENT_FROM = re.compile(
    r"^\W{0,3}(?:sent (?:from|via|with) (?:my|an?|the|outlook|mail|yahoo|samsung|proton|aol|gmail|mobile|iphone)|get outlook for"
    r"|von meinem|envoyé (?:de|à partir de) mon|enviado do meu|verstuurd vanaf mijn|отправлено|"
    + "|".join(table["sent_from"].removesuffix(".*") for table in MAIL_LANGUAGES.values() if table.get("sent_from"))
    + r")\b[^.,!?]{0,60}$",
    re.IGNORECASE,
)
_DASH_NAME = re.compile(r"^-{1,2}[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,3}$")


@dataclass(frozen=True, slots=True)
class Reply:
    """Both sides of a mail's text, each in its old order."""

    visible: str
    quoted: str


def split(text: str, *, is_forward: bool = False) -> Reply:
    """Part the sender's words from what is quoted below, above or around them, and from signatures.

    Answers written between quoted lines keep the quotes that they answer. A forwarded mail is content, not history. What
    would leave nothing visible is not folded. Lines after the first MAX_LINES go where the line before them went.
    """
    lines = [part for line in text.split("\n") for part in quote_headers.unglue(line)]
    kinds = _kinds(lines[:MAX_LINES])
    folded = [False] * len(kinds) if is_forward else _history(kinds)
    _fold_signatures(lines, folded)
    folded += [folded[-1]] * (len(lines) - len(folded))
    visible = _join(lines, folded, wanted=False)
    if not visible:
        return Reply(_join(lines, [False] * len(lines), wanted=False), "")
    return Reply(visible, _join(lines, folded, wanted=True))


def _kinds(lines: list[str]) -> str:
    """One letter a line: e empty, m marked by >, s announcing, k marked by the HTML, f forwarding, t text."""
    kinds: list[str] = []
    finder = quote_headers.Finder()
    at = 0
    while at < len(lines):
        line = lines[at]
        if line == QUOTE_MARK:
            kinds.append("k")
        elif not line.strip():
            kinds.append("e")
        elif _QUOTED.match(line):
            kinds.append("m" if "m" in kinds[-1:] or not _announced_inside(lines, at, finder) else "s")
        elif quote_headers.is_forward(line):
            kinds.append("f")
        elif count := finder.length_at(lines, at):
            _absorb_rule(lines, kinds)
            kinds.extend("s" * count)
            at += count - 1
        else:
            kinds.append("t")
        at += 1
    return "".join(kinds)


def _announced_inside(lines: list[str], at: int, finder: quote_headers.Finder) -> bool:
    """Whether a run of quoted lines begins with the announcement, as where a program quotes both together."""
    inside = [_MARKS.sub("", line) for line in lines[at : at + _LOOK_AHEAD_LINES] if _QUOTED.match(line)]
    return finder.length_at(inside, 0) > 0


def _absorb_rule(lines: list[str], kinds: list[str]) -> None:
    """A line drawn above the announcement belongs to it."""
    above = len(kinds) - 1
    while above >= 0 and kinds[above] in "ek":
        above -= 1
    if above >= 0 and kinds[above] == "t" and quote_headers.is_rule(lines[above]):
        kinds[above] = "s"


def _history(kinds: str) -> list[bool]:
    """Which lines are history."""
    announced = re.search(r"[sk]", kinds)
    forward = kinds.find("f")
    end = len(kinds)
    if forward >= 0 and (
        not announced or forward <= announced.start() or not kinds[announced.start() : forward].strip("ek")
    ):
        kinds = kinds[:forward]
    start = announced.start() if announced else len(kinds)
    if kinds.count("m", 0, start) < _MIN_BARE_QUOTES:
        kinds = kinds[:start].replace("m", "t") + kinds[start:]
    cut = _unmarked_history(kinds)
    folded = [kind in "smk" or at >= cut for at, kind in enumerate(kinds)]
    own = kinds.rfind("t", max(kinds.find("m"), 0), max(kinds.rfind("m", 0, cut), 0))
    if own > 0:
        # Answers between the quoted lines: keep what they answer, fold only what follows the last own words.
        last = kinds.rfind("t", 0, cut)
        folded = [fold and at > last for at, fold in enumerate(folded)]
    return folded + [False] * (end - len(folded))


def _unmarked_history(kinds: str) -> int:
    """Where history begins that carries no > marks: after it there is nothing of the sender's."""
    for found in re.finditer(r"[sk][sek]*", kinds):
        if kinds[found.end() : found.end() + 1] not in {"m", ""}:
            return found.start()
    return len(kinds)


def _fold_signatures(lines: list[str], folded: list[bool]) -> None:
    at = 0
    for is_history, run in groupby(list(folded)):
        size = len(list(run))
        if not is_history:
            start = _signature_start(lines, at, at + size)
            if start < at + size and any(
                line.strip() and not fold for line, fold in zip(lines[:start], folded[:start], strict=True)
            ):
                folded[start : at + size] = [True] * (at + size - start)
        at += size


def _signature_start(lines: list[str], start: int, end: int) -> int:
    """The line that begins the signature of this stretch of own words, else `end`."""
    written = [at for at in range(start, end) if lines[at].strip()]
    for left, at in reversed(list(enumerate(reversed(written[-_MAX_SIGNATURE_LINES - 1 :])))):
        line = lines[at]
        if _DASHES.match(line) or (_FOOTER.match(line) and left):
            return at
        if left <= 1 and len(line) <= _MAX_SENT_FROM_CHARS and _SENT_FROM.match(line):
            return at
    if written and len(written) > 1 and _DASH_NAME.match(lines[written[-1]].rstrip()):
        above = lines[written[-2]].lstrip()
        return end if above.startswith("-") else written[-1]
    return end


def _join(lines: list[str], folded: list[bool], *, wanted: bool) -> str:
    picked: list[str] = []
    for fold, run in groupby(zip(folded, lines, strict=True), key=lambda pair: pair[0]):
        rows = [line for _, line in run if line != QUOTE_MARK]
        if fold is wanted:
            start = next((at for at, row in enumerate(rows) if row.strip()), len(rows)) if picked else 0
            picked += rows[start:]
        elif picked and picked[-1].strip():
            picked.append("")
    return "\n".join(picked).strip("\n").rstrip()
