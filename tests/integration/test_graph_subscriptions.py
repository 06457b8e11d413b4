"""Subscriptions and what is told through them: the stand-in calls the real webhook, over HTTP."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from cases.models import Case
from mail_ingest import tasks
from mail_ingest.models import GraphNotice, GraphSubscription, InboundMessage, Mailbox, SourceFolder
from mail_ingest.services import graph_notices, graph_subscriptions, rounds
from mail_ingest.services.backfill import backfill_step, request_backfill
from mail_ingest.sources.graph.notifications import BadNotification
from tests.factories import SYSTEM
from tests.graph_mailbox import *  # noqa: F403 - fixtures
from tests.graph_mailbox import ADDRESS, Clock, fill, folder_of, health_of, letter, mailbox_at, read, work
from tests.standins.graph import GraphStandIn
from tests.standins.graph import Mailbox as Box

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "office@contoso.example"


@pytest.fixture(autouse=True)
def webhook(live_server: LiveServer, settings: Settings) -> str:
    settings.BASE_URL, settings.REDIS_URL = live_server.url, ""  # what a task asks for is done at once
    return f"{live_server.url}/api/graph/notifications"


@pytest.fixture
def mailbox(box: Box) -> Mailbox:
    return mailbox_at(box, reads_sent=False)


def look_after(mailbox: Mailbox, clock: Clock) -> None:
    mailbox.refresh_from_db()
    graph_subscriptions.look_after(mailbox, clock=clock)


def see_to(mailbox: Mailbox, clock: Clock) -> int:
    mailbox.refresh_from_db()
    return graph_notices.see_to(mailbox, clock=clock)


@pytest.fixture
def subscribed(mailbox: Mailbox, clock: Clock) -> GraphSubscription:
    look_after(mailbox, clock)
    return GraphSubscription.objects.get()


def collection(subscription: GraphSubscription, *messages: str, **changed: Any) -> bytes:
    told = [
        {
            "subscriptionId": subscription.subscription_id,
            "clientState": subscription.client_state,
            "changeType": "created",
            "resource": f"Users/u/Messages/{message}",
            "resourceData": {"id": message},
            **changed,
        }
        for message in messages
    ]
    return json.dumps({"value": told}).encode()


class TestSubscribing:
    def test_asks_to_be_called_for_each_folder_that_is_read(
        self, box: Box, clock: Clock, standin: GraphStandIn, webhook: str
    ) -> None:
        mailbox = mailbox_at(box)
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]
        look_after(mailbox, clock)
        made = {one.id: one for one in standin.subscriptions.values()}
        rows = GraphSubscription.objects.order_by("role")
        assert [row.role for row in rows] == ["inbox", "sent"]
        for row, place in zip(rows, ("inbox", "sentitems"), strict=True):
            fields = made[row.subscription_id].fields
            assert fields["resource"] == f"users/{ADDRESS}/mailFolders('{place}')/messages"
            assert (fields["notificationUrl"], fields["lifecycleNotificationUrl"]) == (webhook, webhook)
            assert (fields["changeType"], fields["clientState"]) == ("created", row.client_state)
            assert len(row.client_state) > 60
            assert made[row.subscription_id].immutable
        assert rows[0].client_state != rows[1].client_state
        assert graph_subscriptions.to_look_after(now=clock.now) == []
        look_after(mailbox, clock)
        assert len(standin.subscriptions) == 2

    def test_keeps_the_secret_unreadable_in_the_database(self, subscribed: GraphSubscription) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT client_state FROM mail_ingest_graphsubscription")
            assert subscribed.client_state not in str(cursor.fetchone()[0])

    @pytest.mark.parametrize(
        ("base_url", "graph_url", "is_possible"),
        [
            ("https://desk.example", "https://graph.microsoft.com/v1.0", True),
            ("http://desk.example", "https://graph.microsoft.com/v1.0", False),
            ("http://127.0.0.1:8000", "https://graph.microsoft.com/v1.0", False),
            ("http://127.0.0.1:8000", "http://127.0.0.1:9000/v1.0", True),
            ("http://desk.example", "http://127.0.0.1:9000/v1.0", False),
        ],
    )
    def test_is_only_tried_where_microsoft_can_call(
        self, mailbox: Mailbox, clock: Clock, settings: Settings, *, base_url: str, graph_url: str, is_possible: bool
    ) -> None:
        settings.BASE_URL, settings.MICROSOFT_GRAPH_URL = base_url, graph_url
        assert (graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]) is is_possible

    def test_is_renewed_long_before_it_ends(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        clock.go_on(hours=20)
        assert graph_subscriptions.to_look_after(now=clock.now) == []
        clock.go_on(hours=4)
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]
        GraphSubscription.objects.update(expires_at=clock.now + timedelta(hours=1))
        look_after(mailbox, clock)
        (row,) = GraphSubscription.objects.all()
        assert row.subscription_id == subscribed.subscription_id
        assert row.expires_at > clock.now + timedelta(hours=40)
        assert len(standin.seen("PATCH", "/subscriptions/")) == 1

    def test_is_made_anew_when_microsoft_does_not_know_it_any_more(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.subscriptions.clear()
        clock.go_on(hours=30)
        look_after(mailbox, clock)
        (row,) = GraphSubscription.objects.all()
        assert row.subscription_id != subscribed.subscription_id
        assert set(standin.subscriptions) == {row.subscription_id}
        assert folder_of(mailbox).next_round_at == clock.now, "what came meanwhile was told to nobody"

    def test_is_made_anew_when_it_was_for_something_else(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        Mailbox.objects.update(inbox_folder="Archive")
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]
        look_after(mailbox, clock)
        (made,) = standin.subscriptions.values()
        assert made.id == GraphSubscription.objects.get().subscription_id != subscribed.subscription_id
        assert made.fields["resource"] == f"users/{ADDRESS}/mailFolders('archive')/messages"

    def test_ends_what_a_killed_worker_has_left_behind(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        GraphSubscription.objects.all().delete()
        SourceFolder.objects.update(push_claimed_until=clock.now + timedelta(minutes=5))
        look_after(mailbox, clock)
        assert not GraphSubscription.objects.exists(), "the killed one's claim still holds"
        clock.go_on(minutes=6)
        look_after(mailbox, clock)
        assert set(standin.subscriptions) == {GraphSubscription.objects.get().subscription_id}

    def test_yields_to_a_worker_that_was_thought_to_be_dead(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mail_ingest.sources.graph import subscriptions

        create = subscriptions.create

        def late(*arguments: Any, **options: Any) -> Any:
            GraphSubscription.objects.create(
                mailbox=mailbox, role="inbox", subscription_id="theirs", client_state="x",
                expires_at=clock.now + timedelta(days=2), created_at=clock.now,
            )  # fmt: skip
            return create(*arguments, **options)

        monkeypatch.setattr(subscriptions, "create", late)
        look_after(mailbox, clock)
        assert GraphSubscription.objects.get().subscription_id == "theirs"
        assert standin.subscriptions == {}

    def test_refuses_an_id_that_cannot_be_kept(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph_subscriptions, "MAX_ID_CHARS", 5)
        look_after(mailbox, clock)
        assert not GraphSubscription.objects.exists()
        assert standin.subscriptions == {}
        assert folder_of(mailbox).push_detail

    @pytest.mark.parametrize("change", [{"is_active": False}, {"kind": "folder"}, {"reads_sent": False}])
    def test_ends_when_the_folder_is_not_read_any_more(
        self, box: Box, clock: Clock, standin: GraphStandIn, change: dict[str, object]
    ) -> None:
        mailbox = mailbox_at(box)
        look_after(mailbox, clock)
        Mailbox.objects.update(**change)
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]
        tasks.look_after_subscriptions_of(mailbox.pk)
        left = 1 if "reads_sent" in change else 0
        assert GraphSubscription.objects.count() == len(standin.subscriptions) == left
        assert graph_subscriptions.to_look_after(now=clock.now) == []
        asked = len(standin.requests)
        tasks.look_after_subscriptions_of(mailbox.pk)
        assert len(standin.requests) == asked


class TestASubscriptionThatDoesNotWork:
    def test_is_said_with_the_folder_and_turns_nothing_red(
        self, box: Box, mailbox: Mailbox, clock: Clock, settings: Settings
    ) -> None:
        settings.BASE_URL = "http://127.0.0.1:9"  # nobody answers there
        look_after(mailbox, clock)
        assert "BASE_URL" in folder_of(mailbox).push_detail
        box.add(letter(1), at=clock.now)
        assert read(mailbox, clock) == 1
        assert health_of(mailbox) == ("good", "")
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk], "it is tried again"

    def test_is_forgotten_once_it_works(self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn) -> None:
        fault = standin.faults.answer(403, times=None, path="/subscriptions", code="ErrorAccessDenied")
        look_after(mailbox, clock)
        assert folder_of(mailbox).push_detail
        standin.faults.remove(fault)
        look_after(mailbox, clock)
        assert folder_of(mailbox).push_detail == ""
        assert GraphSubscription.objects.count() == 1

    def test_says_what_the_mailbox_itself_lacks(self, mailbox: Mailbox, clock: Clock, settings: Settings) -> None:
        Mailbox.objects.update(inbox_folder="Nowhere")
        look_after(mailbox, clock)
        assert "“Nowhere”" in folder_of(mailbox).push_detail
        settings.MICROSOFT_CLIENT_SECRET = ""
        look_after(mailbox, clock)
        assert "MICROSOFT_CLIENT_SECRET" in folder_of(mailbox).push_detail

    def test_survives_what_nobody_expected(
        self, mailbox: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph_subscriptions, "_make", lambda *_a, **_k: 1 / 0)
        look_after(mailbox, clock)
        folder = folder_of(mailbox)
        assert "ZeroDivisionError" in folder.push_detail
        assert folder.push_claimed_until is None

    def test_lets_the_databases_own_failures_out(
        self, mailbox: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import OperationalError

        def fail(*_arguments: object, **_options: object) -> None:
            raise OperationalError("gone")

        monkeypatch.setattr(graph_subscriptions, "_make", fail)
        with pytest.raises(OperationalError):
            look_after(mailbox, clock)

    def test_ends_by_itself_when_it_cannot_be_ended(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        Mailbox.objects.update(is_active=False)
        standin.faults.expire_secret()
        standin.revoke_tokens()
        look_after(mailbox, clock)
        assert GraphSubscription.objects.count() == 1
        clock.go_on(days=4)
        look_after(mailbox, clock)
        assert GraphSubscription.objects.count() == 0

    def test_of_one_mailbox_stops_no_other(self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn) -> None:
        other = mailbox_at(standin.mailbox(OTHER), reads_sent=False)
        Mailbox.objects.filter(pk=mailbox.pk).update(client_secret="")
        Mailbox.objects.filter(pk=mailbox.pk).update(tenant_id="not a tenant!")
        tasks.look_after_subscriptions()
        assert list(GraphSubscription.objects.values_list("mailbox_id", flat=True)) == [other.pk]


class TestANotification:
    def test_makes_a_case_of_a_mail_without_a_round(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        message = box.add(letter(1), at=clock.now - timedelta(minutes=1))
        standin.notifier.flush()
        assert [status for *_rest, status in standin.notifier.delivered] == [202]
        notice = GraphNotice.objects.get()
        assert (notice.mailbox, notice.role, notice.message_id) == (mailbox, "inbox", message.id)
        assert GraphSubscription.objects.get().last_notice_at is not None
        clock.go_on(minutes=1)
        assert graph_notices.mailboxes_told_of(now=clock.now) == [mailbox.pk]
        assert see_to(mailbox, clock) == 1
        inbound = InboundMessage.objects.get()
        assert (inbound.source_id, inbound.received_at, inbound.origin) == (message.id, message.received_at, "live")
        work(clock)
        assert Case.objects.count() == 1
        assert standin.seen("GET", "/delta") == []
        assert graph_notices.mailboxes_told_of(now=clock.now) == []
        assert read(mailbox, clock) == 0

    def test_joins_an_answer_from_sent_items_to_its_case(self, box: Box, clock: Clock, standin: GraphStandIn) -> None:
        mailbox = mailbox_at(box)
        look_after(mailbox, clock)
        box.add(letter(1), at=clock.now)
        box.add_sent(letter("reply", sender=ADDRESS, to="t1@home.example", answers="1@home.example"), at=clock.now)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 2
        work(clock)
        assert set(InboundMessage.objects.values_list("role", "state")) == {("inbox", "filed"), ("sent", "filed")}
        assert Case.objects.count() == 1

    def test_waits_for_a_message_that_is_not_found_at_first(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        box.add(letter(1), at=clock.now, not_found_reads=2)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 1

    def test_leaves_a_message_that_stays_away_to_the_round(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        message = box.add(letter(1), at=clock.now, not_found_reads=50)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 0
        assert GraphNotice.objects.get().handled_at == clock.now
        message.not_found_reads = 0
        assert read(mailbox, clock) == 1

    def test_of_a_draft_brings_nothing(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        box.add(letter(1), at=clock.now, is_draft=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 0
        assert graph_notices.mailboxes_told_of(now=clock.now) == []

    def test_of_a_poison_message_shows_it_in_the_ledger(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        poison, good = fill(box, 2, clock=clock, announced=True)
        standin.faults.poison(poison, in_value=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        see_to(mailbox, clock)
        states = dict(InboundMessage.objects.values_list("source_id", "state"))
        assert states == {poison.id: "quarantined", good.id: "received"}

    def test_told_twice_and_in_any_order_is_one_mail(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.faults.notifications_twice = standin.faults.notifications_reversed = True
        with standin.one_delivery():
            fill(box, 20, clock=clock, announced=True)
        standin.notifier.flush()
        assert GraphNotice.objects.count() == 20
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 20
        assert InboundMessage.objects.count() == 20

    def test_with_the_wrong_secret_is_dropped_and_answered_alike(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.faults.notifications_client_state = "guessed"
        box.add(letter(1), at=clock.now)
        standin.notifier.flush()
        assert [status for *_rest, status in standin.notifier.delivered] == [202]
        assert not GraphNotice.objects.exists()
        assert GraphSubscription.objects.get().last_notice_at is None
        assert read(mailbox, clock) == 1

    def test_that_is_lost_costs_only_the_time_until_the_round(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.faults.notifications_lost = 2
        fill(box, 5, clock=clock, announced=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        assert see_to(mailbox, clock) == 3
        assert read(mailbox, clock) == 2

    def test_is_seen_to_by_the_sweep_when_nobody_was_nudged(
        self, box: Box, mailbox: Mailbox, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        box.add(letter(1))
        standin.notifier.flush()
        tasks.sweep_notices()
        assert InboundMessage.objects.count() == 1
        tasks.sweep_notices()
        assert InboundMessage.objects.count() == 1

    def test_waits_while_the_mailbox_is_away_and_after_an_hour_is_left_to_the_round(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        box.add(letter(1), at=clock.now)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        down = standin.faults.mailbox_down(ADDRESS)
        assert see_to(mailbox, clock) == 0
        assert GraphNotice.objects.get().next_try_at == clock.now + timedelta(minutes=1)
        assert graph_notices.mailboxes_told_of(now=clock.now) == []
        clock.go_on(minutes=2)
        standin.faults.remove(down)
        assert see_to(mailbox, clock) == 1
        box.add(letter(2), at=clock.now)
        standin.notifier.flush()
        GraphNotice.objects.filter(handled_at=None).update(received_at=clock.now)
        standin.faults.mailbox_down(ADDRESS)
        clock.go_on(minutes=61)
        see_to(mailbox, clock)
        assert not GraphNotice.objects.filter(handled_at=None).exists()
        standin.faults.clear()
        assert read(mailbox, clock) == 1

    def test_waits_as_long_as_microsoft_asks(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        box.add(letter(1), at=clock.now)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        standin.faults.throttle(None, retry_after="900", path=r"/\$value")
        see_to(mailbox, clock)
        next_try_at = GraphNotice.objects.get().next_try_at
        assert next_try_at is not None
        assert next_try_at - clock.now > timedelta(minutes=13)

    def test_that_another_worker_has_taken_is_left_to_it(
        self,
        *,
        box: Box,
        mailbox: Mailbox,
        clock: Clock,
        standin: GraphStandIn,
        subscribed: GraphSubscription,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        fill(box, 2, clock=clock, announced=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        _first, second = GraphNotice.objects.order_by("pk")
        take = graph_notices._take

        def meanwhile(*arguments: Any, **options: Any) -> int:
            GraphNotice.objects.filter(pk=second.pk).update(next_try_at=clock.now + timedelta(minutes=2))
            return take(*arguments, **options)

        monkeypatch.setattr(graph_notices, "_take", meanwhile)
        assert see_to(mailbox, clock) == 1
        assert GraphNotice.objects.filter(handled_at=None).get() == second
        clock.go_on(minutes=3)
        assert see_to(mailbox, clock) == 1

    def test_of_what_a_round_has_brought_already_asks_microsoft_nothing(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        fill(box, 3, clock=clock, announced=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        read(mailbox, clock)
        asked = len(standin.requests)
        assert see_to(mailbox, clock) == 0
        assert len(standin.requests) == asked
        assert not GraphNotice.objects.filter(handled_at=None).exists()

    def test_stops_after_some_minutes_and_goes_on_later(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        fill(box, 3, clock=clock, announced=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        original = standin.serve

        def slow(request: Any) -> Any:
            clock.go_on(minutes=2.5)
            return original(request)

        standin.serve = slow  # type: ignore[method-assign]
        assert see_to(mailbox, clock) == 1
        standin.serve = original  # type: ignore[method-assign]
        assert see_to(mailbox, clock) == 2

    def test_of_a_mailbox_that_is_switched_off_is_dropped(
        self, mailbox: Mailbox, clock: Clock, subscribed: GraphSubscription
    ) -> None:
        graph_notices.keep(collection(subscribed, "one"), at=clock.now)
        Mailbox.objects.update(is_active=False)
        assert graph_notices.keep(collection(subscribed, "two"), at=clock.now) == set()
        assert see_to(mailbox, clock) == 0
        assert GraphNotice.objects.get().handled_at == clock.now

    def test_names_nothing_that_can_be_kept_and_so_asks_for_a_round(
        self, mailbox: Mailbox, clock: Clock, subscribed: GraphSubscription
    ) -> None:
        graph_notices.keep(collection(subscribed, "x" * 600), at=clock.now)
        graph_notices.keep(collection(subscribed, "", resource=""), at=clock.now)
        notice = GraphNotice.objects.get()
        assert (notice.message_id, notice.lifecycle) == ("", "missed")

    def test_survives_what_nobody_expected(
        self, mailbox: Mailbox, clock: Clock, subscribed: GraphSubscription, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        graph_notices.keep(collection(subscribed, "one"), at=clock.now)
        monkeypatch.setattr(graph_notices, "_take", lambda *_a, **_k: 1 / 0)
        assert see_to(mailbox, clock) == 0
        assert GraphNotice.objects.get().handled_at is None

    def test_lets_the_databases_own_failures_out(
        self, mailbox: Mailbox, clock: Clock, subscribed: GraphSubscription, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import OperationalError

        def fail(*_arguments: object, **_options: object) -> int:
            raise OperationalError("gone")

        graph_notices.keep(collection(subscribed, "one"), at=clock.now)
        monkeypatch.setattr(graph_notices, "_take", fail)
        with pytest.raises(OperationalError):
            see_to(mailbox, clock)

    def test_is_refused_when_it_is_none(self, clock: Clock) -> None:
        with pytest.raises(BadNotification):
            graph_notices.keep(b"{}", at=clock.now)

    def test_is_deleted_days_after_it_was_seen_to(
        self, mailbox: Mailbox, clock: Clock, subscribed: GraphSubscription
    ) -> None:
        graph_notices.keep(collection(subscribed, "seen", "open"), at=clock.now)
        GraphNotice.objects.filter(message_id="seen").update(handled_at=clock.now)
        assert graph_notices.forget_old(now=clock.now + timedelta(days=2)) == 0
        assert graph_notices.forget_old(now=clock.now + timedelta(days=4)) == 1
        assert GraphNotice.objects.get().message_id == "open"
        tasks.forget_notices()


class TestALifecycleEvent:
    def test_missed_asks_for_a_round_now(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        read(mailbox, clock)
        box.add(letter(1), at=clock.now, announced=False)
        standin.lifecycle("missed")
        standin.lifecycle("missed")
        standin.notifier.flush()
        assert GraphNotice.objects.get().lifecycle == "missed"
        clock.go_on(seconds=5)
        see_to(mailbox, clock)
        assert folder_of(mailbox).next_round_at == clock.now
        assert rounds.to_read(now=clock.now) == [mailbox.pk]
        assert rounds.read(mailbox, clock=clock) == 1

    def test_subscription_removed_makes_a_new_one(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.lifecycle("subscriptionRemoved")
        standin.notifier.flush()
        box.add(letter("unheard"), at=clock.now)
        clock.go_on(seconds=5)
        GraphNotice.objects.update(received_at=clock.now)
        see_to(mailbox, clock)
        row = GraphSubscription.objects.get()
        assert row.subscription_id != subscribed.subscription_id
        assert set(standin.subscriptions) == {row.subscription_id}
        assert read(mailbox, clock) == 1
        box.add(letter("heard"), at=clock.now)
        standin.notifier.flush()
        assert GraphNotice.objects.filter(handled_at=None).count() == 1

    def test_subscription_removed_spares_one_that_was_made_since(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.lifecycle("subscriptionRemoved")
        standin.notifier.flush()
        GraphNotice.objects.update(received_at=clock.now - timedelta(minutes=5))
        see_to(mailbox, clock)
        assert GraphSubscription.objects.get() == subscribed

    def test_reauthorization_renews_it(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.lifecycle("reauthorizationRequired")
        standin.notifier.flush()
        clock.go_on(seconds=5)
        see_to(mailbox, clock)
        assert GraphSubscription.objects.get().subscription_id == subscribed.subscription_id
        assert len(standin.seen("PATCH", "/subscriptions/")) == 1

    def test_reauthorization_is_tried_again_when_it_fails(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        fault = standin.faults.answer(403, times=None, path="/subscriptions", code="ErrorAccessDenied")
        standin.lifecycle("reauthorizationRequired")
        standin.notifier.flush()
        clock.go_on(seconds=5)
        see_to(mailbox, clock)
        assert graph_subscriptions.to_look_after(now=clock.now) == [mailbox.pk]
        standin.faults.remove(fault)
        look_after(mailbox, clock)
        assert graph_subscriptions.to_look_after(now=clock.now) == []

    def test_that_is_new_to_us_asks_for_a_round(
        self, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        read(mailbox, clock)
        standin.lifecycle("somethingNew")
        standin.notifier.flush()
        clock.go_on(seconds=5)
        see_to(mailbox, clock)
        assert folder_of(mailbox).next_round_at == clock.now


class TestTheSameMail:
    def test_by_webhook_round_and_backfill_is_one_row(
        self, box: Box, mailbox: Mailbox, clock: Clock, standin: GraphStandIn, subscribed: GraphSubscription
    ) -> None:
        standin.faults.notifications_twice = standin.faults.repeated_items = True
        sent = fill(box, 20, clock=clock, announced=True)
        standin.notifier.flush()
        clock.go_on(minutes=1)
        GraphNotice.objects.filter(message_id__in=[one.id for one in sent[10:]]).update(
            next_try_at=clock.now + timedelta(minutes=1)
        )
        backfill = request_backfill(mailbox, since=clock.now - timedelta(days=1), at=clock.now, actor=SYSTEM)
        assert see_to(mailbox, clock) == 10
        assert read(mailbox, clock) == 10
        backfill_step(backfill.pk, clock=clock)
        clock.go_on(minutes=2)
        see_to(mailbox, clock)
        read(mailbox, clock)
        work(clock)
        assert InboundMessage.objects.filter(state="filed").count() == InboundMessage.objects.count() == 20
        assert Case.objects.count() == 20
