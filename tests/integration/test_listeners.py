"""Listeners: each event once, in order, also when something fails in between."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from cases import listeners, tasks
from cases.listeners import Listener, drain
from cases.models import ListenerCursor, ListenerFailure, Tag, TimelineEvent
from cases.services import add_note
from tests.factories import NOON, SYSTEM, later, make_case

pytestmark = pytest.mark.django_db


class Heard(list[str]):
    """What a listener was told, and a switch that makes it fail."""

    fails = False

    def handle(self, event: TimelineEvent, _now: datetime) -> None:
        Tag.objects.get_or_create(name=f"heard-{event.pk}")
        if self.fails:
            raise RuntimeError("broken")
        self.append((event.detail.body or {})["body"])


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    listeners.register(Listener("listening-test", heard.handle, frozenset({"note_added"})))
    listeners.create_cursors()
    yield heard
    listeners.unregister("listening-test")


class TestDrain:
    def test_passes_each_event_on_once_and_in_order(self, heard: Heard) -> None:
        case = make_case()
        for word in ("one", "two", "three"):
            add_note(case.pk, word, at=NOON, actor=SYSTEM)
        drain(now=NOON)
        drain(now=NOON)
        assert heard == ["one", "two", "three"]

    def test_leaves_out_what_was_there_before_the_listener(self) -> None:
        case = make_case()
        add_note(case.pk, "old", at=NOON, actor=SYSTEM)
        drain(now=NOON)
        heard = Heard()
        listeners.register(Listener("late-test", heard.handle, frozenset({"note_added"})))
        try:
            listeners.create_cursors()
            add_note(case.pk, "new", at=NOON, actor=SYSTEM)
            drain(now=NOON)
        finally:
            listeners.unregister("late-test")
        assert heard == ["new"]

    def test_goes_on_after_a_kill_without_doubling(self, heard: Heard) -> None:
        """A kill between effect and cursor cannot be: both are one transaction. One before it repeats nothing."""
        case = make_case()
        add_note(case.pk, "one", at=NOON, actor=SYSTEM)
        heard.fails = True
        drain(now=NOON)
        assert not Tag.objects.filter(name__startswith="heard-").exists()
        heard.fails = False
        drain(now=later(minutes=1))
        assert heard == ["one"]
        assert Tag.objects.filter(name__startswith="heard-").count() == 1

    def test_retries_a_failing_event_later_and_keeps_the_order(self, heard: Heard) -> None:
        case = make_case()
        add_note(case.pk, "one", at=NOON, actor=SYSTEM)
        add_note(case.pk, "two", at=NOON, actor=SYSTEM)
        heard.fails = True
        drain(now=NOON)
        heard.fails = False
        drain(now=NOON + timedelta(seconds=1))
        assert heard == []  # not yet: the next try is a little later
        drain(now=NOON + timedelta(seconds=30))
        assert heard == ["one", "two"]

    def test_sets_a_failing_event_aside_and_goes_on_behind_it(self, heard: Heard) -> None:
        case = make_case()
        add_note(case.pk, "poison", at=NOON, actor=SYSTEM)
        heard.fails = True
        for minute in range(listeners.MAX_ATTEMPTS):
            drain(now=later(minutes=minute))
        heard.fails = False
        add_note(case.pk, "fine", at=NOON, actor=SYSTEM)
        drain(now=later(hours=1))
        failure = ListenerFailure.objects.get()
        assert heard == ["fine"]
        assert (failure.attempts, failure.set_aside_at is not None) == (listeners.MAX_ATTEMPTS, True)
        assert failure.error == "RuntimeError: broken"

    def test_blames_no_event_for_a_database_that_failed(self, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
        add_note(make_case().pk, "one", at=NOON, actor=SYSTEM)

        def fail(*_args: object) -> None:
            raise OperationalError("the database is away")

        with monkeypatch.context() as patched:
            patched.setattr(heard, "append", fail)
            with pytest.raises(OperationalError):
                drain(now=NOON)
        assert not ListenerFailure.objects.exists()
        drain(now=NOON)
        assert heard == ["one"]

    def test_counts_how_far_the_slowest_is_behind(self, heard: Heard) -> None:
        case = make_case()
        drain(now=NOON)
        assert listeners.behind() == 0
        add_note(case.pk, "one", at=NOON, actor=SYSTEM)
        assert listeners.behind() == 1

    def test_does_nothing_without_a_cursor(self, heard: Heard) -> None:
        ListenerCursor.objects.filter(pk="listening-test").delete()
        add_note(make_case().pk, "one", at=NOON, actor=SYSTEM)
        drain(now=NOON)
        assert heard == []


class TestRetrySetAside:
    def test_handles_the_event_again_and_tells_that_it_is_settled(self, heard: Heard) -> None:
        add_note(make_case().pk, "one", at=NOON, actor=SYSTEM)
        heard.fails = True
        for minute in range(listeners.MAX_ATTEMPTS):
            drain(now=later(minutes=minute))
        failure = ListenerFailure.objects.get()
        with pytest.raises(RuntimeError):
            listeners.retry_set_aside(failure.pk, at=later(hours=1), actor=SYSTEM)
        heard.fails = False
        listeners.retry_set_aside(failure.pk, at=later(hours=2), actor=SYSTEM)
        listeners.retry_set_aside(failure.pk, at=later(hours=3), actor=SYSTEM)
        assert heard == ["one"]
        assert TimelineEvent.objects.filter(kind="event_settled").count() == 1


class TestNudge:
    def test_waits_for_an_absent_redis_once_and_not_for_every_event(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def away(*_args: object, **_kwargs: object) -> None:
            asked.append("publish")
            raise ConnectionError("refused")

        monkeypatch.setattr(tasks, "absence", tasks.Absence())
        monkeypatch.setattr(tasks.drain_events, "apply_async", away)
        for _event in range(5):
            tasks.ask(tasks.drain_events)
        assert asked == ["publish"]
        monkeypatch.setattr(tasks, "absence", tasks.Absence())  # some seconds later
        tasks.ask(tasks.drain_events)
        assert asked == ["publish"] * 2

    def test_never_fails_the_change_that_it_tells_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_args: object, **_kwargs: object) -> None:
            raise ConnectionError("refused")

        monkeypatch.setattr(tasks, "absence", tasks.Absence())
        monkeypatch.setattr("cases.tasks.cache.add", away)
        monkeypatch.setattr(tasks.drain_events, "apply_async", away)
        tasks.nudge(event_id=2**62)
        assert tasks.absence.holds
