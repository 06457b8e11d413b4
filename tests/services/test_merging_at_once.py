"""Merges, moves and mail at the same moment, on a real PostgreSQL: nobody waits for ever, and nothing is left behind."""

import threading
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from django.db import connection, connections

from cases.models import Case, CaseMerge
from cases.services import lock_living, merge_cases, unmerge_case
from handyconnect.refusals import Conflict
from mail_ingest import pipeline
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, Mailbox
from mail_ingest.services import store
from mail_ingest.services.moves import move_message
from tests.factories import SYSTEM, MailboxFactory, later
from tests.mails import mail

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]

ROUNDS = 8


@pytest.fixture
def mailbox(transactional_db: None) -> Mailbox:
    return MailboxFactory.create(address="support@house.example")


def receive(mailbox: Mailbox, raw: bytes, *, number: str, at: datetime) -> InboundMessage:
    inbound, _new = store(mailbox, source_id=number, raw=raw, received_at=at, at=at)
    return inbound


def case_with_mail(mailbox: Mailbox, name: str) -> Case:
    raw = mail(message_id=f"{name}@home.example", sender=f"{name}@home.example")
    inbound = receive(mailbox, raw, number=name, at=later())
    pipeline.process_message(inbound.pk, now=later())
    inbound.refresh_from_db()
    assert inbound.case
    return inbound.case


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each of the acts answered or raised, all having begun together."""
    ready = threading.Barrier(len(acts))
    answers: list[object] = [None] * len(acts)

    def run(place: int, act: Callable[[], object]) -> None:
        try:
            ready.wait(timeout=10)
            answers[place] = act()
        except Exception as error:  # noqa: BLE001 - whatever it was, the test looks at it
            answers[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    return answers


def refused(answers: list[object]) -> int:
    """How many were refused. Anything else that was raised, a deadlock above all, fails the test."""
    raised = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(answer, Conflict) for answer in raised), raised
    return len(raised)


def merge(source: Case, target: Case) -> Callable[[], object]:
    return lambda: merge_cases(source.pk, into=target.pk, at=later(minutes=10), actor=SYSTEM)


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def assert_nothing_lies_in_a_merged_case() -> None:
    assert not EmailThread.objects.filter(case__status="merged").exists()
    assert not InboundMessage.objects.filter(case__status="merged").exists()


class TestAtOnce:
    def test_two_merges_of_each_other_are_one_merge(self, mailbox: Mailbox) -> None:
        for number in range(ROUNDS):
            one, other = case_with_mail(mailbox, f"a{number}"), case_with_mail(mailbox, f"b{number}")
            assert refused(at_once(merge(one, other), merge(other, one))) == 1
            one.refresh_from_db()
            other.refresh_from_db()
            assert sorted([one.status, other.status]) == ["merged", "new"]
        assert CaseMerge.objects.count() == ROUNDS
        assert_nothing_lies_in_a_merged_case()

    def test_merges_in_a_row_leave_nothing_on_the_way(self, mailbox: Mailbox) -> None:
        for number in range(ROUNDS):
            one, two, three = (case_with_mail(mailbox, f"{name}{number}") for name in "abc")
            refused(at_once(merge(one, two), merge(two, three)))
            assert_nothing_lies_in_a_merged_case()

    def test_mail_that_comes_during_a_merge_is_filed_where_the_case_went(self, mailbox: Mailbox) -> None:
        for number in range(ROUNDS):
            source, target = case_with_mail(mailbox, f"a{number}"), case_with_mail(mailbox, f"b{number}")
            raws = [
                mail(f"More {n}", message_id=f"m{n}.{number}@x.example", answers=f"a{number}@home.example",
                     sender=f"a{number}@home.example")
                for n in range(3)
            ]  # fmt: skip
            mails = [receive(mailbox, raw, number=f"m{n}.{number}", at=later(minutes=5)) for n, raw in enumerate(raws)]
            walks = [lambda pk=inbound.pk: pipeline.process_message(pk, now=later(minutes=5)) for inbound in mails]
            answers = at_once(merge(source, target), *walks)
            assert refused(answers) == 0
            assert answers[1:] == ["filed"] * 3
            assert set(
                InboundMessage.objects.filter(pk__in=[one.pk for one in mails]).values_list("case", flat=True)
            ) == {target.pk}
            assert_nothing_lies_in_a_merged_case()

    def test_a_merge_waits_for_a_mail_that_is_just_being_filed(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The mail has its conversation and wants the case; the merge must not have the case and want the conversation."""
        source, target = case_with_mail(mailbox, "a"), case_with_mail(mailbox, "b")
        raw = mail("More", message_id="more@x.example", answers="a@home.example", sender="a@home.example")
        inbound = receive(mailbox, raw, number="more", at=later(minutes=5))
        has_thread, go_on = threading.Event(), threading.Event()

        def wait_first(case_id: UUID) -> Case | None:
            has_thread.set()
            assert go_on.wait(timeout=20)
            return lock_living(case_id)

        def merge_meanwhile() -> object:
            assert has_thread.wait(timeout=20)
            return merge(source, target)()

        def let_it_go_on() -> None:
            assert has_thread.wait(timeout=20)
            while not somebody_waits_for_a_lock():
                go_on.wait(timeout=0.05)
            go_on.set()

        monkeypatch.setattr("mail_ingest.services.processing.lock_living", wait_first)
        walk = lambda: pipeline.process_message(inbound.pk, now=later(minutes=5))  # noqa: E731
        assert refused(at_once(walk, merge_meanwhile, let_it_go_on)) == 0
        inbound.refresh_from_db()
        assert (inbound.state, inbound.case) == ("filed", target)

    def test_a_merge_is_taken_back_once(self, mailbox: Mailbox) -> None:
        for number in range(ROUNDS):
            source, target = case_with_mail(mailbox, f"a{number}"), case_with_mail(mailbox, f"b{number}")
            merge(source, target)()
            back = [lambda pk=source.pk: unmerge_case(pk, at=later(minutes=20), actor=SYSTEM)] * 2
            assert refused(at_once(*back)) == 1
            assert (source.threads.count(), target.threads.count()) == (1, 1)

    def test_moves_in_both_directions_do_not_wait_for_each_other(self, mailbox: Mailbox) -> None:
        for number in range(ROUNDS):
            one, other = case_with_mail(mailbox, f"a{number}"), case_with_mail(mailbox, f"b{number}")
            of_one, of_other = (EmailMessage.objects.get(thread__case=case) for case in (one, other))
            moves = [
                lambda pk=email.pk, to=case.pk: move_message(pk, to_case=to, at=later(minutes=9), actor=SYSTEM)
                for email, case in ((of_one, other), (of_other, one))
            ]
            assert refused(at_once(*moves)) == 0
            assert EmailMessage.objects.get(thread__case=one).pk == of_other.pk
            assert EmailMessage.objects.get(thread__case=other).pk == of_one.pk
