"""What the sender wrote now, apart from history and signature. Nothing is dropped: every line lands on one side."""

import re
from dataclasses import dataclass
from itertools import groupby

from mail_ingest.parsing import quote_headers, quote_words, signatures
from mail_ingest.parsing.html_text import QUOTE_MARK

MAX_LINES = 10_000
_MIN_BARE_QUOTES = 3  # Fewer quoted lines without an announcement are taken for the sender's own.
_LOOK_AHEAD_LINES = 8
_MAX_POINTER_CHARS = 600

_QUOTED = re.compile(r"[ \t]{0,4}>")
_MARKS = re.compile(r"^[ \t]{0,4}(?:>[ \t]?)+")
_SEE_BELOW = re.compile(quote_words.SEE_BELOW, re.IGNORECASE)
_LONE_LINK = re.compile(r"^\s*[<(]https?://[^\s<>()]{1,500}[>)][\s>]*$")
_OPEN_LINK = re.compile(r"[<(]https?://[^\s<>()]{1,500}$")
_LINK_END = re.compile(r"^[^\s<>()]{1,300}[>)]")


@dataclass(frozen=True, slots=True)
class Reply:
    """Both sides of a mail's text, each in its old order."""

    visible: str
    quoted: str


def split(text: str, *, is_forward: bool = False) -> Reply:
    """Part the sender's words from what is quoted below, above or around them, and from signatures.

    Answers written between quoted lines keep the quotes that they answer. A forwarded mail is content, not history. What
    would leave nothing visible is not folded, nor where a few words say that the answers stand below in the history. Lines after the first MAX_LINES go where the line before them went.
    """
    lines = [part for line in text.split("\n") for part in quote_headers.unglue(line)]
    kinds = _kinds(lines[:MAX_LINES])
    kinds = kinds[: _last_signature(lines, kinds)]
    folded = [False] * len(kinds) if is_forward else _history(kinds)
    folded += [True] * (min(len(lines), MAX_LINES) - len(folded))
    _fold_signatures(lines, folded)
    folded += [folded[-1]] * (len(lines) - len(folded))
    visible = _join(lines, folded, wanted=False)
    if not visible or (len(visible) <= _MAX_POINTER_CHARS and _SEE_BELOW.search(visible)):
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
            kinds.append("m" if _goes_on(lines, at, kinds) else "t")
        at += 1
    return "".join(kinds)


def _goes_on(lines: list[str], at: int, kinds: list[str]) -> bool:
    """Whether the line belongs to the quoted one above: a link that a program broke there, or put between quoted lines."""
    if kinds[-1:] != ["m"]:
        return False
    line, above = lines[at][:_MAX_POINTER_CHARS], lines[at - 1][-_MAX_POINTER_CHARS:]
    if _OPEN_LINK.search(above) and _LINK_END.match(line):
        return True
    return at + 1 < len(lines) and _QUOTED.match(lines[at + 1]) is not None and _LONE_LINK.match(line) is not None


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


def _last_signature(lines: list[str], kinds: str) -> int:
    """Where the signature at the very end begins, so that what stands above it is not taken for an answer written below a quote."""
    start = max(kinds.rfind(kind) for kind in "smk") + 1
    at = signatures.start_of(lines, start, len(kinds))
    return at if set(kinds[:at]) - set("e") else len(kinds)


def _fold_signatures(lines: list[str], folded: list[bool]) -> None:
    at = 0
    for is_history, run in groupby(list(folded)):
        size = len(list(run))
        if not is_history:
            start = signatures.start_of(lines, at, at + size)
            if start < at + size and any(
                line.strip() and not fold for line, fold in zip(lines[:start], folded[:start], strict=True)
            ):
                folded[start : at + size] = [True] * (at + size - start)
        at += size


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
