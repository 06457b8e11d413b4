"""Events wake the rules: the signal nudges the drain, and the drain brings each event to the engine, once."""

from typing import Any

from cases.facts import FACTS
from cases.listeners import Listener, register
from cases.tasks import nudge
from workflows.engine import KINDS, handle, handle_all


def on_fact(**fact: Any) -> None:
    """Something happened that rules can hear: wake the drain."""
    nudge(**fact)


def connect() -> None:
    register(Listener("workflows", handle, KINDS, handle_all))
    for kind in KINDS:
        FACTS[kind].connect(on_fact, dispatch_uid="workflows.on_fact")
