"""A mailbox of Microsoft 365, read over real HTTP: every message is in the ledger once, whatever the service does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from cases.models import Case, TimelineEvent
from mail_ingest import sender
from mail_ingest.models import EmailMessage, InboundMessage, Mailbox, OutboundMessage, SourceFolder
from mail_ingest.services import put_away, queue_automatic, reconcile
from mail_ingest.services.backfill import backfill_step, request_backfill
from mail_ingest.services.mailboxes import diagnose
from mail_ingest.sources.base import MessageUnreadable, MessageVanished
from mail_ingest.sources.graph import reader as graph_reader
from mail_ingest.sources.graph.auth import forget_all
from mail_ingest.sources.opening import opened
from tests.factories import SYSTEM
from tests.graph_mailbox import *  # noqa: F403 - fixtures
from tests.graph_mailbox import ADDRESS, Clock, fill, folder_of, health_of, letter, mailbox_at, read, work
from tests.standins.graph import Fault, GraphStandIn
from tests.standins.graph import Mailbox as Box
from tests.standins.graph.http import Request

pytestmark = pytest.mark.django_db

OTHER = "office@contoso.example"
Break = Callable[[GraphStandIn], object]


@pytest.fixture
def mailbox(box: Box) -> Mailbox:
    return mailbox_at(box, reads_sent=False)


def numbers_stored() -> list[str]:
    """By whom the letters were written, each as often as it is there."""
    ids = InboundMessage.objects.exclude(sha256="").values_list("message_id", flat=True)
    return sorted(one.partition("@")[0] for one in ids)


def numbers(count: int) -> list[str]:
    return sorted(str(number) for number in range(count))


class TestARound:
    def test_makes_a_case_of_a_mail(self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn) -> None:
        message = box.add(letter(1), at=clock.now - timedelta(minutes=3))
        assert read(mailbox, clock) == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.source_id, inbound.role, inbound.origin) == (message.id, "inbox", "live")
        assert (inbound.received_at, bytes(inbound.raw.content)) == (message.received_at, message.raw)
        work(clock)
        assert Case.objects.get().title == "Tap 1 drips"
        assert read(mailbox, clock) == 0
        assert len(standin.seen("GET", "$value")) == 1
        assert not message.is_read
        assert health_of(mailbox) == ("good", "")

    def test_asks_for_ids_that_never_change(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        asked = [request for request in standin.seen("GET") if "/oauth2/" not in request.target]
        assert asked
        assert all(request.immutable for request in asked)

    def test_takes_what_came_a_day_before_and_nothing_older(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        box.add(letter("old"), at=clock.now - timedelta(hours=25))
        box.add(letter("news"), at=clock.now - timedelta(hours=23))
        assert read(mailbox, clock) == 1
        assert numbers_stored() == ["news"]

    def test_reads_a_folder_that_the_mailbox_names(self, box: Box, clock: Clock) -> None:
        inside = box.make_folder("Desk", box.folder("inbox").id)
        box.add(letter("in"), folder=inside.id, at=clock.now)
        box.add(letter("out"), at=clock.now)
        mailbox = mailbox_at(box, reads_sent=False, inbox_folder="Inbox/desk")
        assert read(mailbox, clock) == 1
        assert numbers_stored() == ["in"]

    def test_says_that_a_named_folder_is_not_there_and_makes_none(
        self, box: Box, clock: Clock, standin: GraphStandIn
    ) -> None:
        mailbox = mailbox_at(box, reads_sent=False, inbox_folder="Desks")
        assert read(mailbox, clock) == 0
        state, detail = health_of(mailbox)
        assert state == "failing"
        assert "“Desks”" in detail
        assert standin.seen("POST", "childFolders") == []

    def test_begins_anew_when_the_mailbox_names_another_folder(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        box.add(letter(2), folder="archive", at=clock.now)
        Mailbox.objects.update(inbox_folder="archive")
        assert read(mailbox, clock) == 1
        assert numbers_stored() == ["1", "2"]

    def test_leaves_drafts_alone(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        box.add(letter(1), at=clock.now, is_draft=True)
        assert read(mailbox, clock) == 0

    def test_keeps_what_is_deleted_or_moved_there_afterwards(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        first, second = fill(box, 2, clock=clock)
        read(mailbox, clock)
        box.delete(first)
        box.move(second, "archive")
        assert read(mailbox, clock) == 0
        work(clock)
        assert InboundMessage.objects.filter(state="filed").count() == 2

    def test_knows_a_message_that_was_moved_away_and_back(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        message = box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        box.move(message, "archive")
        read(mailbox, clock)
        box.move(message, "inbox")
        assert read(mailbox, clock) == 0
        assert InboundMessage.objects.count() == 1

    @pytest.mark.parametrize("habit", ["repeated_items", "unordered", "empty_pages", "removed_in_first_round"])
    def test_takes_each_message_once_whatever_the_habits_of_the_server(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, habit: str
    ) -> None:
        setattr(standin.faults, habit, True)
        fill(box, 120, clock=clock)  # more than a page
        assert read(mailbox, clock) == 120
        assert numbers_stored() == numbers(120)
        assert folder_of(mailbox).round_at == clock.now

    def test_stays_below_four_requests_at_a_time(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        fill(box, 10, clock=clock)
        read(mailbox, clock)
        assert 0 < standin.most_at_once[ADDRESS] <= 4

    def test_gives_an_id_that_is_too_long_a_short_name(
        self, box: Box, mailbox: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph_reader, "MAX_SOURCE_ID_CHARS", 40)
        box.add(letter(1), at=clock.now)
        assert read(mailbox, clock) == 1
        assert InboundMessage.objects.get().source_id.startswith("long:")
        assert read(mailbox, clock) == 0
        with opened(mailbox) as reader, pytest.raises(MessageUnreadable, match="too long"):
            reader.fetch("inbox", InboundMessage.objects.get().source_id)

    def test_lists_the_folder_as_well_where_a_round_may_not_have_shown_all(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A round with a date in it ends at 5,000 messages; what it has not shown is found by listing."""
        monkeypatch.setattr(graph_reader, "FILTERED_ROUND_SHOWS_AT_MOST", 510)  # 10 and more are suspicious
        sent = fill(box, 12, clock=clock)
        hidden = sent[0]
        before = standin.serve

        def short(request: Request) -> Any:
            if "/delta" not in request.target:
                return before(request)
            del box.all[hidden.uid]
            try:
                return before(request)
            finally:
                box.all[hidden.uid] = hidden

        monkeypatch.setattr(standin, "serve", short)
        assert read(mailbox, clock) == 12
        folder = folder_of(mailbox)
        assert (set(folder.position), folder.round_at) == ({"of", "link"}, clock.now)
        asked = len(standin.seen("GET", "/messages?"))
        assert read(mailbox, clock) == 0
        assert len(standin.seen("GET", "/messages?")) == asked, "only a round that begins anew can be short"


class TestSentItems:
    @pytest.fixture
    def mailbox(self, box: Box) -> Mailbox:
        return mailbox_at(box, sends_by="graph")

    @pytest.fixture
    def case(self, box: Box, mailbox: Mailbox, clock: Clock) -> Case:
        box.add(letter(1), at=clock.now - timedelta(hours=1))
        read(mailbox, clock)
        work(clock)
        return Case.objects.get()

    def test_an_answer_typed_in_outlook_joins_its_case(
        self, box: Box, mailbox: Mailbox, clock: Clock, case: Case
    ) -> None:
        box.add_sent(letter("reply", sender=ADDRESS, to="t1@home.example", answers="1@home.example"), at=clock.now)
        assert read(mailbox, clock) == 1
        work(clock)
        found = InboundMessage.objects.get(role="sent")
        assert (found.state, found.case, found.answerable, found.put_away) == ("filed", case, False, "nothing")

    def test_other_mail_opens_no_case(self, box: Box, mailbox: Mailbox, clock: Clock, case: Case) -> None:
        box.add_sent(letter("private", sender=ADDRESS, to="friend@home.example"), at=clock.now)
        read(mailbox, clock)
        work(clock)
        assert InboundMessage.objects.get(role="sent").state == "ignored"
        assert Case.objects.count() == 1

    def test_what_we_sent_ourselves_is_not_counted_twice(
        self, box: Box, mailbox: Mailbox, clock: Clock, case: Case, standin: GraphStandIn
    ) -> None:
        queued = queue_automatic(
            case=case,
            event=TimelineEvent.objects.get(kind="case_created"),
            recipient="t1@home.example",
            purpose=OutboundMessage.Purpose.ACKNOWLEDGMENT,
            subject="We have your message",
            body="Thank you.",
            at=clock.now,
            actor=SYSTEM,
        )
        clock.go_on(minutes=1)
        assert sender.send_due(now=clock.now) == 1
        (sent,) = standin.sent
        assert sent is not None
        assert len(box.messages("sentitems")) == 1
        assert read(mailbox, clock) == 1
        work(clock)
        assert InboundMessage.objects.get(role="sent").state == "ignored"
        assert EmailMessage.objects.filter(direction="outbound").count() == 1
        queued.refresh_from_db()
        assert queued.state == "sent"


class TestALostPosition:
    """What is known stays as it is; what came meanwhile is stored."""

    @pytest.fixture(autouse=True)
    def known(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        fill(box, 5, clock=clock)
        read(mailbox, clock)
        work(clock)
        assert Case.objects.count() == 5
        clock.go_on(minutes=1)

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (410, "SyncStateNotFound"),
            (410, ""),
            (404, "syncStateNotFound"),
            (400, "SYNCSTATENOTFOUND"),
            (400, "ResyncRequired"),
        ],
    )
    def test_makes_no_case_again(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, status: int, code: str
    ) -> None:
        standin.faults.lose_delta_links(status, code=code)
        assert read(mailbox, clock) == 0
        work(clock)
        assert (Case.objects.count(), InboundMessage.objects.count()) == (5, 5)
        assert TimelineEvent.objects.filter(kind="mailbox_resynced").count() == 1
        assert health_of(mailbox) == ("good", "")

    def test_still_brings_what_is_new_and_answers_none_of_it(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        box.add(letter("new"), at=clock.now)
        standin.forget_rounds()
        assert read(mailbox, clock) == 1
        work(clock)
        new = InboundMessage.objects.get(message_id="new@home.example")
        assert (new.state, new.origin, new.answerable) == ("filed", "resync", False)
        assert Case.objects.count() == 6
        assert not folder_of(mailbox).resyncing

    def test_is_noticed_in_the_middle_of_a_round_too(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        SourceFolder.objects.update(position={})
        for number in range(120):
            box.add(letter(f"more{number}"), at=clock.now)
        standin.faults.lose_next_links()
        read(mailbox, clock)
        work(clock)
        assert len(numbers_stored()) == len(set(numbers_stored())) == Case.objects.count() == 125

    def test_is_a_link_to_another_service_too(self, mailbox: Mailbox, clock: Clock) -> None:
        """Somebody has changed MICROSOFT_GRAPH_URL: that link is not followed, and the mailbox not red for ever."""
        folder = folder_of(mailbox)
        SourceFolder.objects.update(
            position={**folder.position, "link": "https://graph.example/v1.0/delta?$deltatoken=x"}
        )
        assert read(mailbox, clock) == 0
        assert health_of(mailbox) == ("good", "")
        assert Case.objects.count() == 5


class TestAfterFiling:
    def put_away(self, mailbox: Mailbox, clock: Clock) -> int:
        mailbox.refresh_from_db()
        return put_away.put_away_due(mailbox, clock=clock)

    def test_marks_a_message_as_read(self, box: Box, clock: Clock) -> None:
        mailbox = mailbox_at(box, reads_sent=False, after_filing="mark_read")
        message = box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        assert self.put_away(mailbox, clock) == 0, "it is not filed yet"
        work(clock)
        assert self.put_away(mailbox, clock) == 1
        assert (message.is_read, message.folder_id) == (True, box.folder("inbox").id)

    def test_moves_messages_into_a_folder_that_it_makes(self, box: Box, clock: Clock, standin: GraphStandIn) -> None:
        mailbox = mailbox_at(box, reads_sent=False, after_filing="move", filed_folder="Inbox/Filed")
        moved = fill(box, 3, clock=clock)
        read(mailbox, clock)
        work(clock)
        assert self.put_away(mailbox, clock) == 3
        assert {one.folder_id for one in moved} == {box.folder("Filed").id}
        assert len(standin.seen("POST", "childFolders")) == 1
        assert read(mailbox, clock) == 0
        assert InboundMessage.objects.filter(put_away="done").count() == 3

    def test_leaves_a_message_where_a_colleague_has_moved_it(self, box: Box, clock: Clock) -> None:
        mailbox = mailbox_at(box, reads_sent=False, after_filing="move")
        message = box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        work(clock)
        box.move(message, "archive")
        self.put_away(mailbox, clock)
        assert message.folder_id == box.folder("archive").id
        assert InboundMessage.objects.get().put_away == "done"

    def test_is_done_with_a_message_that_somebody_has_deleted(self, box: Box, clock: Clock) -> None:
        mailbox = mailbox_at(box, reads_sent=False, after_filing="mark_read")
        message = box.add(letter(1), at=clock.now)
        read(mailbox, clock)
        work(clock)
        box.delete(message)
        self.put_away(mailbox, clock)
        assert InboundMessage.objects.get().put_away == "done"

    def test_is_tried_again_and_imports_nothing_when_it_fails(
        self, box: Box, clock: Clock, standin: GraphStandIn
    ) -> None:
        mailbox = mailbox_at(box, reads_sent=False, after_filing="move")
        fill(box, 2, clock=clock)
        read(mailbox, clock)
        work(clock)
        fault = standin.faults.answer(400, times=None, path="/move", code="ErrorInvalidRequest")
        assert self.put_away(mailbox, clock) == 0
        assert set(InboundMessage.objects.values_list("put_away", flat=True)) == {"due"}
        standin.faults.remove(fault)
        clock.go_on(minutes=1)
        assert read(mailbox, clock) == 0
        assert self.put_away(mailbox, clock) == 2


class TestAPoisonMessage:
    """One message that breaks whatever holds it, between others."""

    @pytest.mark.parametrize("place", [0, 3, 6], ids=["the oldest", "between others", "the newest"])
    def test_is_fetched_all_the_same_where_only_lists_break(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, place: int
    ) -> None:
        standin.faults.poison(fill(box, 7, clock=clock)[place], id_readable=True)
        read(mailbox, clock)
        assert numbers_stored() == numbers(7)
        assert health_of(mailbox) == ("good", "")

    def test_is_kept_in_quarantine_and_completed_when_it_can_be_had(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        message = fill(box, 5, clock=clock)[2]
        standin.faults.poison(message, in_value=True, id_readable=True)
        read(mailbox, clock)
        assert numbers_stored() == ["0", "1", "3", "4"]
        missed = InboundMessage.objects.get(sha256="")
        assert (missed.source_id, missed.state) == (message.id, "quarantined")
        assert "status 504" in missed.reason
        assert health_of(mailbox) == ("good", "")
        standin.faults.clear()
        clock.go_on(minutes=3)
        read(mailbox, clock)
        work(clock)
        assert numbers_stored() == numbers(5)
        assert Case.objects.count() == 5

    def test_breaks_its_own_fetching_only(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        message = fill(box, 5, clock=clock)[2]
        standin.faults.answer(500, times=None, path=f"{message.id}/")
        read(mailbox, clock)
        assert numbers_stored() == ["0", "1", "3", "4"]
        assert InboundMessage.objects.get(sha256="").source_id == message.id

    def test_shows_in_the_ledger_once_when_not_even_its_id_is_told(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        standin.faults.poison(fill(box, 5, clock=clock)[2], in_value=True)
        for _ in range(3):
            read(mailbox, clock)
            clock.go_on(minutes=3)
        assert numbers_stored() == ["0", "1", "3", "4"]
        unnamed = InboundMessage.objects.get(sha256="")
        assert unnamed.state == "quarantined"
        assert "Outlook" in unnamed.reason
        box.add(letter("next"), at=clock.now)
        read(mailbox, clock)
        assert "next" in numbers_stored()
        assert folder_of(mailbox).round_at == clock.now

    def test_is_not_blamed_when_all_messages_break(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        fill(box, 12, clock=clock)
        fault = standin.faults.answer(503, times=None, path=r"/\$value")
        read(mailbox, clock)
        assert InboundMessage.objects.count() <= graph_reader.UNREADABLE_IN_A_ROW
        standin.faults.remove(fault)
        clock.go_on(minutes=30)
        read(mailbox, clock)
        assert numbers_stored() == numbers(12)

    def test_is_refused_by_us_when_it_is_too_large(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        message = fill(box, 2, clock=clock)[0]
        standin.faults.answer(413, times=None, path=f"{message.id}/", code="ErrorMessageSizeExceeded")
        read(mailbox, clock)
        missed = InboundMessage.objects.get(sha256="")
        assert (missed.source_id, missed.next_try_at) == (message.id, None)
        assert numbers_stored() == ["1"]


class TestAFaultThatPasses:
    """Within one round, and without a word to anybody: all mail is there, and the mailbox is good."""

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(lambda s: s.faults.throttle(2, retry_after="1"), id="429, a whole number"),
            pytest.param(lambda s: s.faults.throttle(2, retry_after="0.5"), id="429, a fraction"),
            pytest.param(lambda s: s.faults.throttle(2, retry_after=None), id="429 without a word"),
            pytest.param(lambda s: s.faults.throttle(2, retry_after="soon"), id="429, nonsense"),
            pytest.param(lambda s: s.faults.throttle_until(3), id="429 until a date"),
            pytest.param(lambda s: s.faults.throttle(1, path=r"/\$value"), id="429 for a message"),
            pytest.param(lambda s: s.faults.answer(500), id="500"),
            pytest.param(lambda s: s.faults.answer(502, 2), id="502"),
            pytest.param(lambda s: s.faults.answer(503, path=r"/\$value"), id="503 for a message"),
            pytest.param(lambda s: s.faults.answer(504, path="/delta"), id="504 for a page"),
            pytest.param(lambda s: s.faults.add(Fault(how="drop")), id="hung up on"),
            pytest.param(lambda s: s.faults.add(Fault(how="truncate", path="/delta")), id="a page cut short"),
            pytest.param(lambda s: s.faults.add(Fault(how="cut", path="/delta")), id="half a page"),
            pytest.param(lambda s: s.faults.add(Fault(how="truncate", path=r"/\$value")), id="a message cut short"),
            pytest.param(lambda s: s.faults.add(Fault(how="html", status=200)), id="a page for people"),
            pytest.param(lambda s: s.revoke_tokens(), id="an expired token"),
        ],
    )
    def test_costs_nothing(self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, fault: Break) -> None:
        fill(box, 3, clock=clock)
        read(mailbox, clock)
        clock.go_on(minutes=1)
        for number in ("a", "b"):
            box.add(letter(number), at=clock.now)
        fault(standin)
        read(mailbox, clock)
        assert numbers_stored() == ["0", "1", "2", "a", "b"]
        assert {len(inbound.raw.content) for inbound in InboundMessage.objects.all()} == {
            len(letter("a")),
            len(letter("1")),
        }
        assert health_of(mailbox) == ("good", "")


class TestAFaultThatStays:
    """The round is broken off, the reason is said in plain words, and all is there once it is over."""

    def fails(self, mailbox: Mailbox, clock: Clock) -> str:
        assert read(mailbox, clock) == 0
        state, detail = health_of(mailbox)
        assert state == "failing"
        return detail

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            pytest.param(lambda s: s.faults.revoke_consent(ADDRESS), "consent", id="revoked consent"),
            pytest.param(lambda s: s.faults.access_policy(ADDRESS), "access policy in Exchange", id="access policy"),
            pytest.param(lambda s: s.faults.expire_secret(), "secret has expired", id="expired secret"),
            pytest.param(
                lambda s: s.faults.refuse_login(700016, "Application not found.", status=400),
                "MICROSOFT_CLIENT_ID",
                id="unknown application",
            ),
        ],
    )
    def test_turns_the_mailbox_red_at_once_when_only_a_person_can_help(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, *, fault: Break, words: str
    ) -> None:
        fill(box, 3, clock=clock)
        fault(standin)
        detail = self.fails(mailbox, clock)
        assert words in detail
        assert standin.client_secret not in detail
        assert "eyJ" not in detail
        standin.faults.clear()
        forget_all()  # MSAL repeats a refusal out of its own memory for a minute of real time
        clock.go_on(minutes=2)
        read(mailbox, clock)
        assert numbers_stored() == numbers(3)
        assert health_of(mailbox) == ("good", "")

    def test_says_which_setting_is_missing(self, box: Box, mailbox: Mailbox, clock: Clock, settings: Settings) -> None:
        settings.MICROSOFT_CLIENT_SECRET = ""
        assert "MICROSOFT_CLIENT_SECRET" in self.fails(mailbox, clock)

    def test_takes_the_mailboxs_own_application_before_the_servers(
        self, box: Box, clock: Clock, standin: GraphStandIn, settings: Settings
    ) -> None:
        settings.MICROSOFT_TENANT_ID = settings.MICROSOFT_CLIENT_ID = "wrong.example"
        settings.MICROSOFT_CLIENT_SECRET = "wrong"
        own = {"tenant_id": standin.tenant, "client_id": standin.client_id, "client_secret": standin.client_secret}
        mailbox = mailbox_at(box, reads_sent=False, **own)
        box.add(letter(1), at=clock.now)
        assert read(mailbox, clock) == 1

    def test_of_one_mailbox_stops_no_other(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        other = mailbox_at(standin.mailbox(OTHER), reads_sent=False)
        box.add(letter("here"), at=clock.now)
        standin.mailbox(OTHER).add(letter("there", to=OTHER), at=clock.now)
        standin.faults.revoke_consent(ADDRESS)
        self.fails(mailbox, clock)
        assert read(other, clock) == 1
        assert health_of(other) == ("good", "")

    @pytest.mark.parametrize("retry_after", ["900", "date"])
    def test_waits_as_long_as_microsoft_asks(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, *, retry_after: str, slept: list[float]
    ) -> None:
        box.add(letter(1), at=clock.now)
        if retry_after == "date":
            standin.faults.throttle_until(900, times=None)
        else:
            standin.faults.throttle(None, retry_after=retry_after)
        assert read(mailbox, clock) == 0
        next_round_at = folder_of(mailbox).next_round_at
        assert next_round_at is not None
        assert timedelta(seconds=890) < next_round_at - clock.now < timedelta(seconds=1200)
        assert sum(slept) < 60, "a worker does not sleep through it"
        standin.faults.clear()
        clock.go_on(minutes=20)
        assert read(mailbox, clock) == 1

    def test_is_not_asked_every_second_where_one_is_all_that_microsoft_ever_says(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, slept: list[float]
    ) -> None:
        box.add(letter(1), at=clock.now)
        standin.faults.throttle(None, retry_after="1")
        read(mailbox, clock)
        assert len(standin.seen("GET", "/delta")) <= 6
        assert folder_of(mailbox).failures == 1

    @pytest.mark.parametrize("how", ["drop", "html", "cut"])
    def test_of_everything_is_red_after_some_rounds_and_green_by_itself(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, how: str
    ) -> None:
        fill(box, 3, clock=clock)
        read(mailbox, clock)
        box.add(letter("late"), at=clock.now)
        standin.faults.add(Fault(how=how, status=200, times=None))  # type: ignore[arg-type]
        for _ in range(3):
            clock.go_on(minutes=10)
            read(mailbox, clock)
        assert health_of(mailbox)[0] == "failing"
        standin.faults.clear()
        clock.go_on(minutes=10)
        assert read(mailbox, clock) == 1
        assert health_of(mailbox) == ("good", "")

    def test_does_not_follow_a_link_to_another_place(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        fill(box, 3, clock=clock)
        standin.faults.foreign_links = "https://elsewhere.example"
        read(mailbox, clock)
        assert folder_of(mailbox).position == {}
        standin.faults.clear()
        clock.go_on(minutes=5)
        read(mailbox, clock)
        assert numbers_stored() == numbers(3)


class TestAMailboxThatWasDownForThirtyHours:
    def test_brings_every_mail_once_and_answers_none_that_is_too_old(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        began = clock.now - timedelta(hours=30)
        clock.now = began
        box.add(letter("before"), at=began)
        read(mailbox, clock)
        down = standin.faults.mailbox_down(ADDRESS)
        for hour in range(30):
            clock.now = began + timedelta(hours=hour, minutes=30)
            box.add(letter(f"hour{hour:02d}"), at=clock.now)
            read(mailbox, clock)
        assert health_of(mailbox)[0] == "failing"
        assert numbers_stored() == ["before"]
        clock.now = began + timedelta(hours=30)
        next_round_at = folder_of(mailbox).next_round_at
        assert next_round_at is not None
        assert next_round_at - clock.now <= timedelta(minutes=10)
        standin.faults.remove(down)
        standin.forget_rounds()  # after so long the link is worth nothing, too
        assert read(mailbox, clock) == 30
        work(clock)
        assert numbers_stored() == ["before", *(f"hour{hour:02d}" for hour in range(30))]
        assert Case.objects.count() == 31
        assert not InboundMessage.objects.filter(
            received_at__lt=clock.now - timedelta(hours=24), message_id__startswith="hour", answerable=True
        ).exists()
        assert health_of(mailbox) == ("good", "")

    def test_still_answers_what_is_young_enough_when_its_position_held(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        began = clock.now - timedelta(hours=30)
        clock.now = began
        read(mailbox, clock)
        for hour in range(30):
            box.add(letter(f"hour{hour:02d}"), at=began + timedelta(hours=hour, minutes=30))
        clock.now = began + timedelta(hours=30)
        assert read(mailbox, clock) == 30
        # 24 hours before are the sixth hour; the mail of hour six came half an hour later.
        answerable = InboundMessage.objects.filter(answerable=True).values_list("message_id", flat=True)
        assert sorted(answerable) == [f"hour{hour:02d}@home.example" for hour in range(6, 30)]


class TestByDate:
    def test_a_backfill_brings_old_mail_and_answers_none_of_it(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        days = {day: box.add(letter(f"day{day}"), at=clock.now - timedelta(days=day)) for day in (9, 6, 3)}
        read(mailbox, clock)
        backfill = request_backfill(
            mailbox,
            since=clock.now - timedelta(days=7),
            until=clock.now - timedelta(days=2),
            at=clock.now,
            actor=SYSTEM,
        )
        assert backfill_step(backfill.pk, clock=clock) == 2
        rows = InboundMessage.objects.order_by("received_at")
        assert [row.source_id for row in rows] == [days[6].id, days[3].id]
        assert {(row.origin, row.answerable) for row in rows} == {("backfill", False)}
        backfill.refresh_from_db()
        assert backfill.state == "done"

    def test_a_listing_keeps_to_its_span_and_goes_on_where_it_was(
        self, box: Box, mailbox: Mailbox, clock: Clock
    ) -> None:
        sent = fill(box, 450, clock=clock)
        since, until = sent[10].received_at, sent[440].received_at + timedelta(milliseconds=1)
        with opened(mailbox) as reader:
            pages = list(reader.listing("inbox", since=since, until=until, position={}))
            found = [item.source_id for page in pages for item in page.items]
            assert found == [one.id for one in sent[10:441]]
            assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
            rest = [
                item.source_id
                for page in reader.listing("inbox", since=since, until=until, position=pages[0].position)
                for item in page.items
            ]
        assert rest[0] == sent[209].id, "the last second again, and nothing before it"
        assert rest[-1] == sent[440].id

    def test_the_comparison_finds_what_a_round_has_passed(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn
    ) -> None:
        read(mailbox, clock)
        box.add(letter("old"), folder="archive", at=clock.now - timedelta(hours=20))
        box.move(box.messages("archive")[0], "inbox")
        box.changes.clear()  # the server tells nothing of it
        standin.forget_rounds()
        box.add(letter("lost"), at=clock.now - timedelta(hours=1))
        assert reconcile.reconcile(mailbox, clock=clock) == 2
        assert numbers_stored() == ["lost", "old"]


class TestAConnectionTest:
    def test_names_what_works_and_the_folders(self, box: Box, mailbox: Mailbox, standin: GraphStandIn) -> None:
        box.make_folder("Desk", box.folder("inbox").id)
        mailbox.reads_sent = True
        found = diagnose(mailbox)
        assert found.ok
        assert "“Sent Items”" in found.detail
        assert {"Inbox", "Inbox/Desk"} <= set(found.folders)
        assert {request.method for request in standin.requests if "/oauth2/" not in request.target} == {"GET"}

    def test_says_in_plain_words_what_to_do(self, mailbox: Mailbox, standin: GraphStandIn) -> None:
        standin.faults.expire_secret()
        found = diagnose(mailbox)
        assert not found.ok
        assert "secret has expired" in found.detail


class TestTheReader:
    def test_tells_a_message_that_is_gone(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        message = box.add(letter(1), at=clock.now)
        box.delete(message)
        with opened(mailbox) as reader:
            with pytest.raises(MessageVanished):
                reader.fetch("inbox", message.id)
            with pytest.raises(MessageVanished):
                reader.put_away(message.id, how="mark_read", folder="")

    def test_waits_for_a_message_that_was_only_just_announced(self, box: Box, mailbox: Mailbox, clock: Clock) -> None:
        message = box.add(letter(1), at=clock.now, not_found_reads=2)
        with opened(mailbox) as reader:
            assert reader.fetch("inbox", message.id) == message.raw
