"""The lines by which mail programs announce that what follows was written before.

The expressions are tried only on short windows of lines that end like such an announcement, and only so many times a mail.
"""

import re

from mail_ingest.parsing.quote_words import BEGIN_FORWARDED, FORWARDED, LABELS, ON, ORIGINAL, QUOTING, WROTE

_WINDOW_LINES = 4
_WINDOW_CHARS = 400
_BLOCK_LINES = 12
_MAX_TRIES = 300  # Each may take up to 6 ms on a line made for it.

_AT = r"[<(\[]\s*[^\s<>()\[\]]+@[^\s<>()\[\]]+(?:[<(\[][^<>()\[\]]*[>)\]])?\s*[>)\]]?"
_COLON = r"[:\uff1a]"
_DATE = r"(?:\d[:.]\d\d|\d[-./]\s?\d|\b(?:19|20)\d\d\b|\d ?[年년])"
_ANNOUNCEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A date near the start, an address, and a colon: in any language.
        rf"^\W{{0,6}}(?=.{{0,30}}\d)(?=.*{_DATE}).{{3,200}}{_AT}.{{0,25}}{_COLON}$",
        # A date near the start and a verb of writing.
        rf"^\W{{0,6}}(?=.{{0,30}}\d)(?=.*{_DATE}).{{3,250}}(?:{WROTE}).{{0,60}}{_COLON}$",
        # In dashes.
        rf"^-{{2,}}\s?(?=.*(?:@|\d)).{{3,200}}(?:{WROTE})\W*-{{2,}}$",
        # A name, an address and a verb of writing; or an address, a date and such a verb.
        rf"^\S.{{0,120}}{_AT},?\s?(?:.{{0,12}}\s)?(?:{WROTE}).{{0,60}}{_COLON}$",
        rf"^\S{{1,100}}@\S{{1,150}}\s(?:{WROTE})\s.{{0,60}}\d.{{0,30}}{_COLON}$",
        rf"^.{{0,30}}(?:{QUOTING})\s.{{0,100}}\S@\S.{{0,60}}{_COLON}$",
        # 2011/4/7 Somebody <somebody@example.com>
        rf"^\d{{4}}[/-]\d{{1,2}}[/-]\d{{1,2}}\b.{{1,120}}{_AT}:?$",
    )
)
# Believed only where a quote follows.
_WEAK = re.compile(
    rf"^(?:\S.{{0,100}}\b(?:{WROTE})\s?{_COLON}|[\s*]{{0,4}}(?:{LABELS['from']})\s?{_COLON}.{{0,100}}\S@\S.{{0,60}})$",
    re.IGNORECASE,
)
_OPENS_WITH_DATE = re.compile(rf"^\W{{0,6}}(?:{ON})\b.{{0,30}}\d", re.IGNORECASE)
_HINT = re.compile(WROTE, re.IGNORECASE)
_HINT_CHARS = 90  # The verb stands near the end: what is longer takes its time.
_ENDS = re.compile(r"(?:[:\uff1a]|--|>)\Z")
_DAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)\w{0,6},?\s|\d{1,2}[\s./-]|\d{4}-\d|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w{0,6}\.?\s\d)"
_SHARED_LINE = re.compile(
    rf"^(.*?\w[.!?)]{{0,3}}\s*?)(?:\s|(?=-{{2,}}))\s{{0,3}}((?:-{{2,}}\s?)?On {_DAY}.{{5,200}}(?:{WROTE}):)$",
    re.IGNORECASE,
)

_WROTE_END = re.compile(rf"(?:{WROTE}):\Z", re.IGNORECASE)
_ORIGINAL = re.compile(rf"^\W{{0,60}}+(?:{ORIGINAL})\s*[-_*=]{{2,}}\W*$", re.IGNORECASE)
_BARE_ORIGINAL = re.compile(rf"^\W{{0,60}}+(?:{ORIGINAL})\s?{_COLON}?\W{{0,60}}$", re.IGNORECASE)
_FORWARDED = re.compile(
    rf"^\s*(?:[-_*=]{{2,80}}+\s*(?:{FORWARDED})\b.*|(?:{BEGIN_FORWARDED})\s?{_COLON})\s*$", re.IGNORECASE
)
_FORWARD_SUBJECT = re.compile(
    r"^\s*(?:fwd?|wg|wtr|tr|rv|enc|doorst|vb|vl|pd|ilt|továbbítás|i|转发|轉寄|전달|πρθ|прд|пересл)\s?[:\uff1a]",
    re.IGNORECASE,
)

_LABEL = re.compile(
    r"(?:^|(?<=\s))[\s*_|\u200e\u200f]{0,10}+(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in LABELS.items())
    + rf")\s?\*{{0,2}}\s?{_COLON}",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*[-_*=]{5,}\s*$")
_NOTES_LABEL = re.compile(
    rf"^\s*(?P<label>{LABELS['to']}|(?P<subject>{LABELS['subject']}))\s*$",
    re.IGNORECASE,
)
_NOTES_DATE = re.compile(r"^\s*(?:\w{2,12}[,.]? )?\d{1,4}[./-]\d{1,2}[./-]\d{2,4}[ ,]+\d{1,2}[:.]\d\d")


def is_forward_subject(subject: str) -> bool:
    """Whether the sender passed on somebody else's mail, so that the old text is what the mail is about."""
    return _FORWARD_SUBJECT.match(subject) is not None


def is_forward(line: str) -> bool:
    """Whether the line announces a forwarded mail."""
    return len(line) <= _WINDOW_CHARS and _FORWARDED.match(line) is not None


def is_rule(line: str) -> bool:
    """Whether the line is only drawn, or says no more than that an original follows."""
    return len(line) <= _WINDOW_CHARS and (_RULE.match(line) or _BARE_ORIGINAL.match(line)) is not None


def unglue(line: str) -> tuple[str, ...]:
    """A line in which the reply runs straight into the announcement, cut in two."""
    if (
        len(line) > _WINDOW_CHARS
        or "On " not in line
        or not line.endswith(":")
        or line.startswith(("On ", ">", " On "))
    ):
        return (line,)
    match = _SHARED_LINE.match(line) if _WROTE_END.search(line[-30:]) else None
    return (match.group(1), match.group(2)) if match else (line,)


class Finder:
    """Looks for announcements in the lines of one mail, with a limit to how many doubtful places it looks at."""

    def __init__(self) -> None:
        self._tries_left = _MAX_TRIES

    def length_at(self, lines: list[str], at: int) -> int:
        """How many lines from `at` on announce older text; 0 when they do not."""
        first = lines[at].strip()
        if not first or len(first) > _WINDOW_CHARS:
            return 0
        if _ORIGINAL.match(first):
            return 1
        return self._attribution(lines, at) or self._block(lines, at) or self._weak(lines, at) or self._notes(lines, at)

    def _attribution(self, lines: list[str], at: int) -> int:
        """The shortest announcement counts: the sender's last words may stand right above it, without a blank line."""
        count = self._announces(lines, at)
        if count and _OPENS_WITH_DATE.match(lines[at][:_WINDOW_CHARS]):
            return count
        later = range(at + 1, at + count)
        return 0 if any(self._announces(lines, start) == at + count - start for start in later) else count

    def _announces(self, lines: list[str], at: int) -> int:
        window = ""
        for count, line in enumerate(lines[at : at + _WINDOW_LINES], start=1):
            row = line.strip()
            window = f"{window} {row}".strip()
            if not row or len(window) > _WINDOW_CHARS:
                return 0
            if _ENDS.search(row) and self._is_announcement(window):
                return count
        return 0

    def _is_announcement(self, window: str) -> bool:
        if self._tries_left <= 0 or not ("@" in window or _HINT.search(window[-_HINT_CHARS:])):
            return False
        self._tries_left -= 1
        return any(pattern.search(window) for pattern in _ANNOUNCEMENTS)

    def _block(self, lines: list[str], at: int) -> int:
        """A block of From:, Sent:, To:, Subject: lines. Two kinds are enough if an address is there, else it takes three."""
        first = _LABEL.match(lines[at][:_WINDOW_CHARS])
        if not first or first.lastgroup not in {"from", "date"} or self._tries_left <= 0:
            return 0
        self._tries_left -= 1
        kinds: set[str] = set()
        seen = last = 0
        for count, line in enumerate(lines[at : at + _BLOCK_LINES], start=1):
            if not line.strip():
                break
            found = (
                {match.lastgroup or "" for match in _LABEL.finditer(line[:_WINDOW_CHARS])}
                if count == 1
                else _label(line)
            )
            kinds |= found
            seen += "@" in line
            last = count if found else last
        seen += at > 0 and _BARE_ORIGINAL.match(lines[at - 1][:_WINDOW_CHARS]) is not None
        enough = len(kinds) >= (2 if seen else 3) and kinds & {"date", "subject"}
        return last if enough else 0

    def _weak(self, lines: list[str], at: int) -> int:
        """`Ada wrote:` without a date or address, and a lone `From:`, where lines marked as quoted follow."""
        row = lines[at].strip()
        if self._tries_left <= 0 or (not row.endswith((":", ">", "\uff1a")) and "@" not in row):
            return 0
        following = next((line.lstrip() for line in lines[at + 1 : at + 4] if line.strip()), "")
        if not following.startswith(">") or following.startswith(">>>"):
            return 0
        self._tries_left -= 1
        return int(_WEAK.match(row) is not None)

    def _notes(self, lines: list[str], at: int) -> int:
        """What Lotus Notes puts there: a name, a date and time on a line of its own, then To and Subject, each alone on a line."""
        if at + 1 >= len(lines) or self._tries_left <= 0 or not _NOTES_DATE.match(lines[at + 1][:_WINDOW_CHARS]):
            return 0
        self._tries_left -= 1
        found = [
            (count, match)
            for count, line in enumerate(lines[at : at + _BLOCK_LINES], start=1)
            if (match := _NOTES_LABEL.match(line[:_WINDOW_CHARS]))
        ]
        subject = next((count for count, match in found if match.group("subject")), 0)
        if not subject or len(found) < 2:  # noqa: PLR2004 # a To and a Subject
            return 0
        value = next(
            (count for count in range(subject, min(subject + 2, len(lines) - at)) if lines[at + count].strip()),
            subject - 1,
        )
        return value + 1


def _label(line: str) -> set[str]:
    match = _LABEL.match(line[:_WINDOW_CHARS])
    return {match.lastgroup or ""} if match else set()
