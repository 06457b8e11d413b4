"""Where the clocks take part in a case's life: inside its own transaction, by the hooks of `cases.lifecycle`."""

from cases.embed import embed
from cases.lifecycle import hooks
from sla import services
from sla.representation import clocks_of_cases


def connect() -> None:
    hooks.initialisers.append(services.start_clocks)
    hooks.movers.append(services.follow_status)
    hooks.relabelers.append(services.follow_priority)
    embed("sla", clocks_of_cases, empty=list)
