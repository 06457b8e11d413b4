"""Fixtures for a mailbox of ours at the Graph stand-in: over real HTTP, with waits that take no time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from mail_ingest.models import InboundMessage, Mailbox, SourceFolder
from mail_ingest.pipeline import process_message
from mail_ingest.services import rounds
from mail_ingest.sources.graph import account
from mail_ingest.sources.graph.auth import forget_all
from mail_ingest.sources.graph.retry import Pace
from tests.factories import MailboxFactory
from tests.mails import mail
from tests.standins.graph import GraphStandIn
from tests.standins.graph import Mailbox as Box

__all__ = ["box_fixture", "clock_fixture", "slept_fixture", "standin_fixture"]

ADDRESS = "support@contoso.example"


class Clock:
    """The time: real at first, because the stand-in's is, and from then on only as it is told."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture(name="slept")
def slept_fixture(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of the client, none of which takes any time."""
    waits: list[float] = []
    monkeypatch.setattr(account, "PACE", Pace(monotonic=lambda: sum(waits), sleep=waits.append, jitter=lambda: 0.0))
    return waits


@pytest.fixture(name="standin")
def standin_fixture(settings: Settings, slept: list[float]) -> Iterator[GraphStandIn]:
    forget_all()
    with GraphStandIn() as standin:
        settings.MICROSOFT_GRAPH_URL, settings.MICROSOFT_AUTHORITY_URL = standin.url, standin.authority_url
        settings.MICROSOFT_TENANT_ID, settings.MICROSOFT_CLIENT_ID = standin.tenant, standin.client_id
        settings.MICROSOFT_CLIENT_SECRET = standin.client_secret
        yield standin
    forget_all()


@pytest.fixture(name="box")
def box_fixture(standin: GraphStandIn) -> Box:
    return standin.mailbox(ADDRESS)


@pytest.fixture(name="clock")
def clock_fixture() -> Clock:
    return Clock()


def mailbox_at(box: Box, **more: Any) -> Mailbox:
    mailbox: Mailbox = MailboxFactory.create(**{"address": box.address, "kind": "graph", **more})
    mailbox.refresh_from_db()
    return mailbox


def letter(number: int | str, **more: Any) -> bytes:
    return mail(
        **{
            "message_id": f"{number}@home.example",
            "subject": f"Tap {number} drips",
            "sender": f"t{number}@home.example",
            "to": ADDRESS,
            **more,
        }
    )


def fill(box: Box, count: int, *, clock: Clock, announced: bool = False) -> list[Any]:
    """Letters of one a second, the last of them just now."""
    start = clock.now - timedelta(seconds=count)
    return [
        box.add(letter(number), at=start + timedelta(seconds=number), announced=announced) for number in range(count)
    ]


def read(mailbox: Mailbox, clock: Clock) -> int:
    """A round, whenever the next one was to be."""
    mailbox.refresh_from_db()
    SourceFolder.objects.filter(mailbox=mailbox).update(next_round_at=None)
    return rounds.read(mailbox, clock=clock)


def work(clock: Clock) -> None:
    """All that is stored goes its way."""
    for inbound_id in InboundMessage.objects.pending().exclude(sha256="").values_list("pk", flat=True):
        process_message(inbound_id, now=clock.now)


def folder_of(mailbox: Mailbox, role: str = "inbox") -> SourceFolder:
    return SourceFolder.objects.get(mailbox=mailbox, role=role)


def health_of(mailbox: Mailbox) -> tuple[str, str]:
    mailbox.refresh_from_db()
    return mailbox.health, mailbox.health_detail
