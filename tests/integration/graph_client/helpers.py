"""What all of these tests need."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mail_ingest.sources.graph.auth import Account
from mail_ingest.sources.graph.items import Item, Page
from mail_ingest.sources.graph.retry import Pace, Policy
from tests.mails import mail
from tests.standins.graph import GraphStandIn, Mailbox, Message

USER = "support@contoso.example"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
PATIENT = Policy(tries=6, total_seconds=1000.0)


class Watch:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    @property
    def pace(self) -> Pace:
        return Pace(monotonic=lambda: sum(self.slept), sleep=self.slept.append, jitter=lambda: 0.0)


def account_of(standin: GraphStandIn, **changed: str) -> Account:
    return Account(
        **{
            "tenant": standin.tenant,
            "client_id": standin.client_id,
            "client_secret": standin.client_secret,
            "base_url": standin.url,
            "authority_url": standin.authority_url,
            **changed,
        }
    )


def fill(box: Mailbox, count: int, *, folder: str = "inbox", start: datetime = START) -> list[Message]:
    """Mails of one a minute."""
    return [
        box.add(
            mail(message_id=f"{folder}-{number}@home.example"),
            folder=folder,
            at=start + timedelta(minutes=number),
            announced=False,
        )
        for number in range(count)
    ]


def whole(pages: Iterator[Page]) -> tuple[list[Item], Page]:
    """All items, and the last page."""
    found = list(pages)
    return [item for page in found for item in page.items], found[-1]


def ids(items: list[Item]) -> list[str]:
    return sorted(item.id for item in items)


def ids_of(sent: list[Message]) -> list[str]:
    return sorted(one.id for one in sent)
