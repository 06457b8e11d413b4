"""Tests with real servers: those that start workers share a broker, so no two of them run at once."""

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """One test of a group at a time, whichever process runs it: the runner does not always keep a group together."""
    group = request.node.get_closest_marker("xdist_group")
    if group is None:
        yield
        return
    with (Path(tempfile.gettempdir()) / f"handyconnect-tests-{group.args[0]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
