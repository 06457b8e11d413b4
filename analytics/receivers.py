"""Counting: each event once, in the transaction that moves the cursor. The first start counts the whole log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from analytics.metrics import KINDS
from analytics.queries.flow import LISTENER
from analytics.services import count
from cases.facts import FACTS
from cases.listeners import Listener, register
from cases.models import TimelineEvent
from cases.tasks import nudge


def handle(event: TimelineEvent, _now: datetime) -> None:
    """The listener "analytics"."""
    count([event])


def handle_all(events: Sequence[TimelineEvent], _now: datetime) -> None:
    """The same for many."""
    count(events)


def on_fact(**fact: Any) -> None:
    """Something happened that is counted: wake the drain."""
    nudge(**fact)


def connect() -> None:
    register(Listener(LISTENER, handle, KINDS, handle_all, from_start=True))
    for kind in KINDS:
        FACTS[kind].connect(on_fact, dispatch_uid="analytics.on_fact")
