"""When a call to Graph is tried again. Waits are worked out by hand from RFC 9110 (Retry-After) and the policy's numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from mail_ingest.sources.graph.errors import Throttled, Unreachable
from mail_ingest.sources.graph.retry import Attempts, Pace, Policy, told_seconds, wait_seconds

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


class Watch:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def pace(self) -> Pace:
        return Pace(
            now=lambda: NOON + timedelta(seconds=sum(self.slept)),
            monotonic=lambda: sum(self.slept),
            sleep=self.slept.append,
            jitter=lambda: 0.0,
        )


def tried(policy: Policy, *, retry_after: str | None, throttled: bool = True) -> tuple[list[float], Exception]:
    """The waits of a call that never succeeds, and how it ends."""
    watch = Watch()
    attempts = Attempts(policy, watch.pace())
    try:
        for _ in attempts:
            attempts.failed(Unreachable("busy", status=429), retry_after=retry_after, throttled=throttled)
    except (Throttled, Unreachable) as error:
        return watch.slept, error
    raise AssertionError


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("120", 120.0),
            ("0", 0.0),
            (" 7 ", 7.0),
            ("2.128", 2.128),  # as the Graph documentation shows it
            ("0.5", 0.5),
            ("-3", 0.0),
            ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
            ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),  # the obsolete forms, which RFC 9110 still wants read
            ("Sun Nov 22 12:00:30 2026", 30.0),
            ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
            ("Mon, 22 Nov 2027 12:00:00 GMT", 86400.0),
            ("99999999", 86400.0),
            (None, None),
            ("", None),
            ("soon", None),
            ("nan", None),
            ("inf", None),
            ("1e999", None),
            ("Sun, 99 Nov 2026 12:00:30 GMT", None),
        ],
    )
    def test_it_is_read_in_every_form(self, header: str | None, seconds: float | None) -> None:
        assert told_seconds(header, now=NOON) == seconds


class TestWaiting:
    def test_it_grows_by_itself_when_the_server_says_nothing(self) -> None:
        policy = Policy(longest_wait_seconds=20.0)
        assert [wait_seconds(attempt, None, policy=policy, jitter=0.0) for attempt in (1, 2, 3, 4, 5, 6)] == [
            1,
            2,
            4,
            8,
            16,
            16,
        ]

    def test_it_is_never_shorter_than_the_server_told(self) -> None:
        assert wait_seconds(1, 9.5, policy=Policy(), jitter=0.0) == 9.5

    def test_it_adds_at_most_a_quarter_by_chance(self) -> None:
        assert wait_seconds(1, 8.0, policy=Policy(), jitter=1.0) == 10.0

    def test_it_grows_although_the_server_says_one_for_ever(self) -> None:
        waits, error = tried(Policy(tries=5, total_seconds=100.0), retry_after="1")
        assert waits == [1, 2, 4, 8]
        assert isinstance(error, Throttled)


class TestAttempts:
    def test_it_ends_after_so_many_tries(self) -> None:
        waits, error = tried(Policy(tries=3, total_seconds=100.0), retry_after=None, throttled=False)
        assert waits == [1, 2]
        assert isinstance(error, Unreachable)

    def test_it_ends_before_a_wait_that_does_not_fit_into_its_time(self) -> None:
        waits, _error = tried(Policy(tries=9, total_seconds=8.0), retry_after=None)
        assert waits == [1, 2, 4]  # the next one, of 8 s, would end after 15 s

    @pytest.mark.parametrize("header", ["3600", "3600.0", "Sun, 22 Nov 2026 13:00:00 GMT"])
    def test_it_does_not_sleep_through_a_long_wait_but_says_when(self, header: str) -> None:
        waits, error = tried(Policy(), retry_after=header, throttled=False)
        assert waits == []
        assert isinstance(error, Throttled)
        assert error.retry_at == datetime(2026, 11, 22, 13, 0, 0, tzinfo=UTC)

    def test_it_says_when_to_come_back_after_being_throttled_to_the_end(self) -> None:
        waits, error = tried(Policy(tries=2), retry_after="5")
        assert waits == [5]
        assert isinstance(error, Throttled)
        assert error.retry_at == NOON + timedelta(seconds=10)  # after the first wait of 5 s, another 5 s
