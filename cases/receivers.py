"""What the cases app itself does when something happens: wake the drain."""

from typing import Any

from cases.facts import FACTS
from cases.tasks import nudge


def wake_the_drain(**fact: Any) -> None:
    nudge(**fact)


def connect() -> None:
    for fact in FACTS.values():
        fact.connect(wake_the_drain, dispatch_uid="cases.wake_the_drain")
