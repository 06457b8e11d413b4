"""What stands around the text of a reply: the subject line, the signature and the history below. Pure.

Written so that the programs that get it fold the history: an announcement of the kind that they know, then lines marked by >.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape

from mail_ingest import message_ids

MAX_QUOTED_CHARS = 20_000
MAX_REFERENCES = 20
SUBJECT_LENGTH = 250
SIGNATURE_MARK = "-- "  # RFC 3676, 4.3: with the blank
# "Re" as mail programs of different languages write it, with the counters that some add: Re[2], AW^3.
_PREFIX = re.compile(
    r"\s*(?:re|aw|antw\.?|antwort|sv|vs|odp|rif|res|rép|回复|回覆|答复|回信)(?:\s?[\[(^]?\d{1,3}[\])]?)?\s?[:\uff1a]",
    re.IGNORECASE,
)
_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")  # printable, no blanks, no angle brackets
_WROTE = {
    "en": "On {date} at {time}, {name} wrote:",
    "de": "Am {date} um {time} schrieb {name}:",
    "fr": "Le {date} à {time}, {name} a écrit :",
    "es": "El {date} a las {time}, {name} escribió:",
    "pt": "Em {date} às {time}, {name} escreveu:",
    "it": "Il {date} alle {time}, {name} ha scritto:",
    "nl": "Op {date} om {time} schreef {name}:",
}


def reply_subject(subject: str, case_number: str) -> str:
    """`Re:` once, and the case's number where it is not there yet, at most SUBJECT_LENGTH characters."""
    subject = " ".join(subject.split())
    while match := _PREFIX.match(subject):
        subject = subject[match.end() :].lstrip()
    return numbered(f"Re: {subject}".strip(), case_number)


def numbered(subject: str, case_number: str) -> str:
    """The subject on one line, with the case's number where it is not there yet, at most SUBJECT_LENGTH characters."""
    subject = " ".join(subject.split())
    if case_number in message_ids.case_numbers_in(subject[:SUBJECT_LENGTH]):
        return subject[:SUBJECT_LENGTH]
    tag = f"[{case_number}]"
    return f"{subject[: SUBJECT_LENGTH - len(tag) - 1].rstrip()} {tag}".strip()


def references_of(answered: Sequence[str], own_id: str) -> list[str]:
    """The References of an answer (RFC 5322, 3.6.4): those of the answered mail and its own id.

    Of a long conversation the first and the newest stay; what is no id is left out.
    """
    ids = [one for one in dict.fromkeys([*answered, own_id]) if is_id(one)]
    return ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[-(MAX_REFERENCES - 1) :]]


def is_id(message_id: str) -> bool:
    """Whether it can stand in a header of ours: strangers choose their Message-IDs."""
    return _ID.fullmatch(message_id) is not None


def history(text: str, *, name: str, sent_at: datetime, language: str = "") -> str:
    """What somebody wrote, announced in their language (else English) and marked by >. Empty for no text.

    `sent_at` is told in the zone that it carries. Long texts are cut at their end.
    """
    text = text.strip("\n")
    if not text.strip():
        return ""
    wrote = _WROTE.get(language[:2].lower(), _WROTE["en"])
    lines = text[:MAX_QUOTED_CHARS].split("\n") + (["[…]"] if len(text) > MAX_QUOTED_CHARS else [])
    said = wrote.format(date=f"{sent_at:%Y-%m-%d}", time=f"{sent_at:%H:%M}", name=" ".join(name.split()))
    # RFC 3676, 4.5: the marks of deeper quotes stand side by side.
    return "\n".join([said, *(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)])


def below(signature: str, quoted: str) -> str:
    """What comes under the text."""
    signature = signature.strip()
    return "\n\n".join(part for part in (f"{SIGNATURE_MARK}\n{signature}" if signature else "", quoted) if part)


def as_html(text: str) -> str:
    """Plain text with marked quotes as HTML: harmless, and quotes are quotes."""
    found: list[str] = []
    depth = 0
    for line in text.split("\n"):
        marks = re.match(r"(?:> ?)*", line)
        own = marks.group() if marks else ""
        level = min(own.count(">"), 10)
        found.append('<blockquote type="cite">' * (level - depth) + "</blockquote>" * (depth - level))
        depth = level
        found.append(f"{escape(line[len(own) :])}<br>\n")
    return "".join([*found, "</blockquote>" * depth])
