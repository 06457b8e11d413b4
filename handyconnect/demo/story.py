"""What the staff did with the demo's mails: `story.json`, put on the clock.

Each line names the mail whose case is meant, what was done (`do`), by whom, and when: `after_minutes` counts office
time from the moment the mail came in, so that nobody works at night.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from handyconnect.demo import mails
from handyconnect.demo.times import office_time_after, sent_at

FOLDER = Path(__file__).parent
Deed = Literal["assign", "status", "note", "reply", "resolve_task", "close"]


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One thing that somebody did. Which fields are filled depends on `do`."""

    mail: str
    """Key of the mail that opened the case."""
    at: datetime
    """Aware, in UTC."""
    do: Deed
    by: str
    """A username."""
    status: str = ""
    text: str = ""
    assigned_to: str = ""
    assigned_team: str = ""
    which: Literal["", "first", "all"] = ""
    """Of the case's open tasks, those that are resolved."""


def build(now: datetime) -> list[DemoStep]:
    """Everything that was done until now, oldest first; what would lie after now is left out."""
    written = mails.written()
    steps = []
    for line in lines():
        start = sent_at(written[line["mail"]].fields["sent"], now=now)
        at = office_time_after(start, minutes=line["after_minutes"])
        if at <= now:
            details = {name: value for name, value in line.items() if name != "after_minutes"}
            steps.append(DemoStep(at=at, **details))
    return sorted(steps, key=lambda step: step.at)


@functools.cache
def lines() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads((FOLDER / "story.json").read_text(encoding="utf-8")))


@functools.cache
def people() -> Mapping[str, Any]:
    """`people.json`: `users`, `teams`, `contractors` and `customers` (extra facts by e-mail address)."""
    found: Mapping[str, Any] = json.loads((FOLDER / "people.json").read_text(encoding="utf-8"))
    return found
