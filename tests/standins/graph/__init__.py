"""Microsoft Graph and its login authority, played over real HTTP: see `GraphStandIn`.

The answers have the shape that the Graph documentation shows, and the habits that its users report. `python -m
tests.standins.graph` runs it as a program, with a few mails in it.
"""

from tests.standins.graph.faults import Fault, Faults
from tests.standins.graph.mailbox import Mailbox, Message
from tests.standins.graph.server import GraphStandIn

__all__ = ["Fault", "Faults", "GraphStandIn", "Mailbox", "Message"]
