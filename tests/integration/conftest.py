"""A mailbox in memory, and a time that goes on only when told, for the tests of how mailboxes are read."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from mail_ingest.models import Mailbox
from mail_ingest.sources.opening import OPENERS
from tests.factories import NOON, MailboxFactory
from tests.mail_server import SERVERS, Server


class Watch:
    """The time, which goes on only when told."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def remote(db: None) -> Mailbox:
    """A mailbox on a server elsewhere, which `server` plays."""
    return MailboxFactory.create(kind="imap", imap_host="mail.example", slug="support", reads_sent=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, remote: Mailbox) -> Iterator[Server]:
    for kind in OPENERS:
        monkeypatch.setitem(OPENERS, kind, "tests.mail_server.opened")
    SERVERS[remote.slug] = server = Server()
    yield server
    SERVERS.clear()
