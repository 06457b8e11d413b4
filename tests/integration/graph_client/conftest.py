"""Fixtures: a stand-in of its own for each test, a mailbox in it, and a client whose waits take no time."""

from collections.abc import Iterator

import pytest

from mail_ingest.sources.graph.auth import forget_all
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.limits import ThreadLimiter
from tests.integration.graph_client.helpers import PATIENT, USER, Watch, account_of
from tests.standins.graph import GraphStandIn, Mailbox


@pytest.fixture
def standin() -> Iterator[GraphStandIn]:
    forget_all()
    with GraphStandIn() as standin:
        yield standin


@pytest.fixture
def box(standin: GraphStandIn) -> Mailbox:
    return standin.mailbox(USER)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def graph(standin: GraphStandIn, watch: Watch) -> Iterator[Graph]:
    with Graph(account_of(standin), policy=PATIENT, pace=watch.pace, limiter=ThreadLimiter()) as graph:
        yield graph
