"""Getting in, and one call: tokens, retries, refusals, and how many at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from mail_ingest.sources.graph import delta, folders, messages
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    AccessDenied,
    LoginRefused,
    MailboxMissing,
    Refused,
    Throttled,
    Unreachable,
)
from mail_ingest.sources.graph.explanations import explain
from mail_ingest.sources.graph.limits import RedisLimiter
from mail_ingest.sources.graph.retry import Policy
from tests.integration.graph_client.helpers import PATIENT, USER, Watch, account_of, fill, ids, ids_of, whole
from tests.standins.graph import Fault, GraphStandIn, Mailbox


class TestToken:
    def test_it_is_asked_for_once_and_kept(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        for _ in range(3):
            folders.folder_id(graph, USER, "inbox")
        with Graph(account_of(standin)) as another:
            folders.folder_id(another, USER, "inbox")
        assert len(standin.seen("POST", "/oauth2/v2.0/token")) == 1

    def test_it_is_renewed_once_when_it_is_not_taken_any_more(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch
    ) -> None:
        folders.folder_id(graph, USER, "inbox")
        standin.revoke_tokens()
        folders.folder_id(graph, USER, "inbox")
        assert len(standin.seen("POST", "/oauth2/v2.0/token")) == 2
        assert watch.slept == []

    def test_it_is_not_renewed_for_ever(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        standin.faults.answer(401, None, code="InvalidAuthenticationToken")
        with pytest.raises(AccessDenied) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert len(standin.seen("POST", "/oauth2/v2.0/token")) == 2
        assert "consent" in explain(caught.value)

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"tenant": "nowhere.example"}, "MICROSOFT_TENANT_ID"),
            ({"client_id": "99999999-0000-4000-8000-000000000000"}, "MICROSOFT_CLIENT_ID"),
            ({"client_secret": "wrong"}, "secret is wrong"),
        ],
    )
    def test_it_is_refused_with_a_reason_in_plain_words(
        self, standin: GraphStandIn, watch: Watch, changed: dict[str, str], says: str
    ) -> None:
        with Graph(account_of(standin, **changed), pace=watch.pace) as graph, pytest.raises(LoginRefused) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert says in explain(caught.value)
        assert caught.value.lasting
        assert watch.slept == []

    @pytest.mark.parametrize(
        ("number", "says"),
        [(7000222, "has expired"), (65001, "no consent"), (53003, "conditional access"), (7000112, "disabled")],
    )
    def test_it_is_refused_by_the_directory(self, standin: GraphStandIn, graph: Graph, number: int, says: str) -> None:
        standin.faults.refuse_login(number, "No.")
        with pytest.raises(LoginRefused) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert says in explain(caught.value)

    def test_it_comes_again_as_soon_as_the_secret_is_good(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        standin.faults.expire_secret()
        with pytest.raises(LoginRefused):
            folders.folder_id(graph, USER, "inbox")
        standin.faults.clear()
        assert folders.folder_id(graph, USER, "inbox")

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=503, path="oauth2", times=2),
            Fault(status=429, path="oauth2", times=2, retry_after="1"),
            Fault(how="html", status=200, path="oauth2", times=2),
            Fault(how="drop", path="oauth2", times=2),
            Fault(how="truncate", after=True, path="oauth2", times=2),
        ],
    )
    def test_it_is_asked_for_again_when_the_login_service_stumbles(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch, fault: Fault
    ) -> None:
        standin.faults.add(fault)
        assert folders.folder_id(graph, USER, "inbox")
        assert watch.slept == [1, 2]

    def test_it_travels_in_no_error(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        folders.folder_id(graph, USER, "inbox")
        (token,) = standin.tokens
        standin.faults.answer(400, message=f"bad token {token} for Bearer {token}")
        with pytest.raises(Refused) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert token not in str(caught.value)


class TestCalls:
    @pytest.mark.parametrize(
        ("retry_after", "waits"),
        [("3", [3, 3]), ("0.25", [1, 2]), ("2.128", [2.128, 2.128]), (None, [1, 2]), ("1", [1, 2]), ("soon", [1, 2])],
    )
    def test_they_wait_as_they_are_told(  # noqa: PLR0917
        self,
        standin: GraphStandIn,
        box: Mailbox,
        graph: Graph,
        watch: Watch,
        retry_after: str | None,
        waits: list[float],
    ) -> None:
        standin.faults.throttle(2, retry_after=retry_after)
        assert folders.folder_id(graph, USER, "inbox")
        assert watch.slept == waits

    def test_they_wait_until_a_date(self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch) -> None:
        standin.faults.throttle_until(15)
        assert folders.folder_id(graph, USER, "inbox")
        assert 13 <= watch.slept[0] <= 15

    def test_they_do_not_sleep_for_an_hour(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch
    ) -> None:
        standin.faults.throttle(1, retry_after="3600")
        before = datetime.now(UTC)
        with pytest.raises(Throttled) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert timedelta(minutes=59) < caught.value.retry_at - before < timedelta(minutes=61)
        assert watch.slept == []

    def test_they_give_up_on_one_for_ever(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch
    ) -> None:
        standin.faults.throttle(None, retry_after="1")
        with pytest.raises(Throttled):
            folders.folder_id(graph, USER, "inbox")
        assert watch.slept == [1, 2, 4, 8, 16]

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=500),
            Fault(status=502),
            Fault(status=503),
            Fault(status=504),
            Fault(how="drop"),
            Fault(how="truncate", after=True),
            Fault(how="cut", after=True),
            Fault(how="html", status=200),
            Fault(how="html", status=403),
            Fault(how="html", status=502),
        ],
        ids=lambda fault: f"{fault.how}-{fault.status}",
    )
    def test_they_are_repeated_until_a_whole_answer_comes(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch, fault: Fault
    ) -> None:
        sent = fill(box, 3)
        standin.faults.add(replace(fault, times=2))
        items, last = whole(delta.rounds(graph, USER, "inbox"))
        assert ids(items) == ids_of(sent)
        assert last.is_complete
        assert watch.slept == [1, 2]

    def test_they_do_not_wait_for_ever_for_a_silent_server(
        self, standin: GraphStandIn, box: Mailbox, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mail_ingest.sources.graph.client.READ_SECONDS", 0.05)
        standin.faults.add(Fault(how="hang", path="mailFolders", times=2, seconds=5))
        with Graph(account_of(standin), policy=PATIENT, pace=watch.pace) as graph:
            assert folders.folder_id(graph, USER, "inbox")
        assert watch.slept == [1, 2]

    def test_they_end_after_so_many_tries(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        standin.faults.mailbox_down(USER)
        with pytest.raises(Unreachable) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert caught.value.code == "MailboxInfoStale"
        assert not caught.value.lasting
        assert len(standin.seen("GET", "mailFolders/inbox")) == 6

    def test_they_fail_in_one_mailbox_only(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        standin.mailbox("other@contoso.example")
        standin.faults.mailbox_down(USER)
        assert folders.folder_id(graph, "other@contoso.example", "inbox")

    def test_they_say_that_nobody_is_there(self, standin: GraphStandIn, watch: Watch) -> None:
        with GraphStandIn() as gone:
            account = account_of(standin, base_url=gone.url)
        with Graph(account, policy=Policy(tries=2), pace=watch.pace) as graph, pytest.raises(Unreachable) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert "network" in explain(caught.value)

    @pytest.mark.parametrize(
        ("switch", "says"),
        [
            (lambda faults: faults.revoke_consent(USER), "grant it again"),
            (lambda faults: faults.access_policy(USER), "access policy"),
        ],
    )
    def test_they_are_denied_with_a_reason(  # noqa: PLR0917
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch, switch: Callable[[Any], Any], says: str
    ) -> None:
        switch(standin.faults)
        with pytest.raises(AccessDenied) as caught:
            folders.folder_id(graph, USER, "inbox")
        assert says in explain(caught.value)
        assert watch.slept == []

    def test_they_say_when_there_is_no_such_mailbox(self, graph: Graph) -> None:
        with pytest.raises(MailboxMissing):
            list(delta.rounds(graph, "nobody@contoso.example", "inbox"))

    def test_they_are_never_more_than_four_at_a_time(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch
    ) -> None:
        sent = fill(box, 12)
        standin.faults.slowness_seconds = 0.03
        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(lambda one: messages.mime(graph, USER, one.id), sent)) == [one.raw for one in sent]
        assert standin.most_at_once[USER] == 4
        assert watch.slept == []


class TestRedisLimiter:
    class Away:
        """A Redis that cannot be reached."""

        def eval(self, *_arguments: object) -> int:
            raise redis.ConnectionError

        def zrem(self, *_arguments: object) -> int:
            raise redis.ConnectionError

    class Here:
        """The one command that matters, as Redis would carry it out."""

        def __init__(self) -> None:
            self.taken: set[str] = set()

        def eval(self, _script: str, _keys: int, _key: str, slots: str, _lease: str, place: str) -> int:
            if len(self.taken) >= int(slots):
                return 0
            self.taken.add(place)
            return 1

        def zrem(self, _key: str, place: str) -> None:
            self.taken.discard(place)

    def limiter(self, server: Any) -> RedisLimiter:
        return RedisLimiter(server, slots=1, patience_seconds=0.05, poll_seconds=0.01)

    def test_it_counts_over_all_processes(self) -> None:
        server = self.Here()
        one, other = self.limiter(server), self.limiter(server)
        with one.slot(USER), pytest.raises(Unreachable), other.slot(USER):
            raise AssertionError
        with other.slot(USER):
            assert len(server.taken) == 1
        assert server.taken == set()

    def test_it_counts_within_the_process_while_redis_is_away(self) -> None:
        limiter = self.limiter(self.Away())
        with limiter.slot(USER), limiter.slot("other@contoso.example"), pytest.raises(Unreachable), limiter.slot(USER):
            raise AssertionError
