"""What becomes of a mail in its mailbox: the last thing, tried again, and never a reason to import it twice."""

import pytest
from django.db import OperationalError

from mail_ingest.models import InboundMessage, Mailbox, SourceAlias
from mail_ingest.services import ignore, put_away, store
from mail_ingest.sources.opening import opened
from tests.factories import NOON
from tests.integration.conftest import Watch
from tests.mail_server import Server, away, unreadable
from tests.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def inbound(server: Server, remote: Mailbox) -> InboundMessage:
    """A mail that is finished here and lies in the inbox there."""
    Mailbox.objects.update(after_filing="move", filed_folder="Done")
    remote.refresh_from_db()
    server.deliver(mail(), at=NOON)
    inbound, _created = store(remote, source_id="inbox:1:1", raw=mail(), received_at=NOON, at=NOON)
    ignore(inbound.pk, reason="For the test.", at=NOON)
    inbound.refresh_from_db()
    return inbound


class TestPuttingAway:
    def test_moves_what_is_finished_and_only_once(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        assert put_away.mailboxes_with_due(now=NOON) == [remote.pk]
        assert put_away.put_away_due(remote, clock=watch) == 1
        assert put_away.put_away_due(remote, clock=watch) == 0
        assert server.put_away == [("inbox:1:1", "move", "Done")]
        inbound.refresh_from_db()
        assert (inbound.put_away, inbound.put_away_next_at, inbound.put_away_detail) == ("done", None, "")
        assert put_away.mailboxes_with_due(now=NOON) == []

    @pytest.mark.parametrize("state", ["received", "threaded", "analysed", "quarantined"])
    def test_leaves_what_is_not_finished(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch, state: str
    ) -> None:
        InboundMessage.objects.update(state=state)
        assert put_away.put_away_due(remote, clock=watch) == 0
        assert server.put_away == []

    def test_tries_again_less_and_less_and_gives_up_visibly(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        server.put_away_raises = unreadable("The folder is full.")
        for _try in range(put_away.MAX_TRIES):
            put_away.put_away_due(remote, clock=watch)
            assert put_away.put_away_due(remote, clock=watch) == 0, "not at once again"
            watch.go_on(hours=7)
        inbound.refresh_from_db()
        assert (inbound.put_away, inbound.put_away_tries) == ("given_up", put_away.MAX_TRIES)
        assert inbound.put_away_detail == "The folder is full."
        assert (inbound.state, InboundMessage.objects.count()) == ("ignored", 1)

    def test_costs_no_try_while_the_mailbox_is_away(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        server.put_away_raises = away("It is read-only.")
        for _try in range(30):
            put_away.put_away_due(remote, clock=watch)
            watch.go_on(hours=1)
        server.put_away_raises, server.refuses = None, away()
        put_away.put_away_due(remote, clock=watch)
        inbound.refresh_from_db()
        assert (inbound.put_away, inbound.put_away_tries, inbound.put_away_detail) == (
            "due",
            0,
            "The server does not answer.",
        )
        server.refuses = None
        watch.go_on(minutes=6)
        assert put_away.put_away_due(remote, clock=watch) == 1

    def test_is_content_when_the_mail_is_no_longer_in_the_inbox(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        server.folders["inbox"].clear()
        assert put_away.put_away_due(remote, clock=watch) == 1
        inbound.refresh_from_db()
        assert inbound.put_away == "done"

    def test_knows_the_mail_by_its_newest_name(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        server.renumber()
        put_away.put_away_due(remote, clock=watch)
        inbound.refresh_from_db()
        assert inbound.put_away == "due"
        assert "numbered its messages anew" in inbound.put_away_detail
        SourceAlias.objects.create(mailbox=remote, inbound=inbound, source_id="inbox:2:1")
        watch.go_on(hours=1)
        assert put_away.put_away_due(remote, clock=watch) == 1
        assert server.put_away == [("inbox:2:1", "move", "Done")]

    def test_does_nothing_when_it_is_not_wanted_any_more(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        remote.after_filing = "leave"
        assert put_away.put_away_due(remote, clock=watch) == 0
        inbound.refresh_from_db()
        assert (inbound.put_away, server.put_away) == ("nothing", [])

    def test_is_done_by_one_of_several_workers(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        row = InboundMessage.objects.get()
        InboundMessage.objects.update(put_away_tries=1)
        with opened(remote) as reader:
            assert put_away._put_away(reader, remote, row, now=NOON) is False
        assert server.put_away == []

    def test_counts_the_try_before_it_is_made(
        self, server: Server, remote: Mailbox, inbound: InboundMessage, watch: Watch
    ) -> None:
        server.put_away_raises = OperationalError("killed in the middle")
        with pytest.raises(OperationalError):
            put_away.put_away_due(remote, clock=watch)
        inbound.refresh_from_db()
        assert (inbound.put_away, inbound.put_away_tries) == ("due", 1)
        server.put_away_raises = None
        watch.go_on(minutes=1)
        assert put_away.put_away_due(remote, clock=watch) == 1


class TestWhatIsToBePutAway:
    @pytest.mark.parametrize(
        ("kind", "after", "role", "origin", "state"),
        [
            ("imap", "move", "inbox", "live", "due"),
            ("graph", "mark_read", "inbox", "backfill", "due"),
            ("maildir", "move", "inbox", "resync", "due"),
            ("imap", "leave", "inbox", "live", "nothing"),
            ("imap", "move", "sent", "live", "nothing"),
            ("imap", "move", "inbox", "import", "nothing"),
            ("folder", "move", "inbox", "live", "nothing"),
        ],
    )
    def test_is_what_arrived_in_the_inbox_of_a_mailbox_that_wants_it(
        self, kind: str, after: str, role: str, origin: str, state: str
    ) -> None:
        mailbox = Mailbox(kind=kind, after_filing=after)
        assert put_away.first_state(mailbox, role=role, origin=origin) == state
