"""Filling `{{ placeholders }}` in the words that administrators write. Pure; there is nothing else in the language.

Values are plain text and one line each: what a customer wrote into a subject can neither add a line to a mail, nor a
header, nor a placeholder of its own.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MAX_VALUE = 300
MAX_SUBJECT = 300

PLACEHOLDERS: Mapping[str, Promise] = {
    "case_number": gettext_lazy("the case's number"),
    "case_title": gettext_lazy("the case's title"),
    "customer_name": gettext_lazy("the customer's name, or address"),
    "assignee_name": gettext_lazy("whom the case is assigned to"),
    "team_name": gettext_lazy("the case's team"),
    "actor_name": gettext_lazy("who did it"),
    "priority": gettext_lazy("the case's priority"),
    "status": gettext_lazy("the case's status"),
    "due_at": gettext_lazy("when the case is due"),
    "link": gettext_lazy("the address of the case in the desk"),
    "reason": gettext_lazy("why it happened"),
    "task_subject": gettext_lazy("the task's subject"),
}
"""Every placeholder, with what it stands for."""

FIT_FOR_CUSTOMERS = frozenset({"case_number", "team_name", "assignee_name", "priority", "status", "due_at"})
"""What an automatic mail to a customer may say. Nothing in it was written by whoever wrote in: a sender's address is
easily forged, and an answer that repeats the forger's words delivers them to somebody else in our name."""

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
# What turns the reading direction around makes a harmless text of an alarming one, and the other way round.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def placeholders(text: str) -> list[str]:
    """The names in the text, in order, each once."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def problems(text: str, *, allowed: Iterable[str] = PLACEHOLDERS) -> list[str]:
    """What is wrong with a text that somebody wants to save; empty when it can be."""
    known = list(allowed)
    found = [
        _("{{ %(name)s }} is not a placeholder here; choose from %(known)s.")
        % {"name": name, "known": ", ".join(known)}
        for name in placeholders(text)
        if name not in known
    ]
    if left_over := _LEFT_OVER.search(_PLACEHOLDER.sub("", text)):
        found.append(
            _("%(braces)s stands alone. A placeholder is written {{ case_number }}; nothing else is filled in.")
            % {"braces": left_over.group()}
        )
    return found


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in, once: a value that looks like a placeholder stays what it is.

    A placeholder without a value becomes nothing. Lines end in LF; other control characters are gone.
    """
    filled = _PLACEHOLDER.sub(lambda found: one_line(values.get(found.group(1), ""), most=MAX_VALUE), text)
    lines = filled.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in lines if character in "\n\t" or _is_plain(character))


def render_subject(text: str, values: Mapping[str, str]) -> str:
    """The same for a subject or title: one line of at most MAX_SUBJECT characters, fit for a mail header."""
    return one_line(render(text, values), most=MAX_SUBJECT)


def one_line(value: str, *, most: int) -> str:
    """Plain text on one line: no line break, no control character, no run of spaces; cut to `most` characters."""
    spaced = "".join(character if _is_plain(character) else " " for character in value if character not in _TURNS)
    words = " ".join(spaced.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _is_plain(character: str) -> bool:
    # Cc: control characters; Cs: half of a pair, which no mail and no database takes; Zl, Zp: line breaks in disguise.
    return character not in _TURNS and unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
