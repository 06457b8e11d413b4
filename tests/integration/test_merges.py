"""One case into another, with all that belongs to it, and back again. NOON is a Wednesday."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.actors import Actor
from accounts.models import User
from analytics.periods import Period
from analytics.queries import speed
from analytics.queries.flow import UTC_ZONE
from cases import history
from cases.models import Case, CaseMerge, TimelineEvent
from cases.queues import QUEUES
from cases.services import (
    AlreadyMerged,
    CaseGone,
    NotMerged,
    VersionStale,
    absorbed_ids,
    add_note,
    change_status,
    delete_case,
    living_id,
    lock_living,
    merge_cases,
    merges,
    restore_case,
    unmerge_case,
)
from handyconnect.refusals import Conflict, Invalid
from mail_ingest import message_ids, pipeline
from mail_ingest.keys import signing_key
from mail_ingest.models import Draft, EmailThread, InboundMessage, Mailbox, OutboundMessage
from mail_ingest.services import processing, store
from sla.models import SLAClock
from sla.services import note_first_response, sweep_clocks
from tasks.services import change_task_status
from tests.factories import NOON, SYSTEM, MailboxFactory, PolicyFactory, UserFactory, later, make_case, make_task
from tests.mails import mail
from tests.rules import drain, make_rule
from workflows.models import RuleRun

pytestmark = pytest.mark.django_db

Receive = Callable[..., InboundMessage]


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(address="support@house.example")


@pytest.fixture
def receive(mailbox: Mailbox) -> Receive:
    """Take a mail in and file it."""

    def take(raw: bytes, *, minutes: int = 0) -> InboundMessage:
        at = later(minutes=minutes)
        source_id = hashlib.sha256(raw).hexdigest()
        inbound, _new = store(mailbox, source_id=source_id, raw=raw, received_at=at, at=at)
        pipeline.process_message(inbound.pk, now=at)
        inbound.refresh_from_db()
        return inbound

    return take


@pytest.fixture
def two(receive: Receive) -> tuple[Case, Case]:
    """Tina's heating, and what Bo of the same house writes of it."""
    source, target = receive(mail()).case, receive(mail(message_id="bo@home.example", sender="bo@home.example")).case
    assert source is not None
    assert target is not None
    return source, target


def merge(source: Case, target: Case, *, minutes: int = 10, actor: Actor = SYSTEM, **more: Any) -> Case:
    return merge_cases(source.pk, into=target.pk, at=later(minutes=minutes), actor=actor, **more)


def unmerge(source: Case, *, minutes: int = 60, actor: Actor = SYSTEM, **more: Any) -> Case:
    return unmerge_case(source.pk, at=later(minutes=minutes), actor=actor, **more)


def kinds(case: Case) -> list[str]:
    return list(TimelineEvent.objects.filter(case=case).order_by("id").values_list("kind", flat=True))


def newest(case: Case) -> TimelineEvent:
    return TimelineEvent.objects.filter(case=case).latest("id")


class TestAMerge:
    def test_leaves_the_source_merged_and_where_it_went(self) -> None:
        source, target = make_case(), make_case()
        merged = merge(source, target)
        source.refresh_from_db()
        assert (source.status, source.merged_into, merged.status) == ("merged", target, "merged")
        assert source.status_changed_at == later(minutes=10)
        target.refresh_from_db()
        assert (target.status, target.merged_into) == ("new", None)
        row = CaseMerge.objects.get()
        assert (row.source, row.target, row.old_status, row.undone_at) == (source, target, "new", None)

    def test_takes_the_mail_along(self, two: tuple[Case, Case]) -> None:
        source, target = two
        merge(source, target)
        assert set(EmailThread.objects.values_list("case", flat=True)) == {target.pk}
        assert set(InboundMessage.objects.values_list("case", flat=True)) == {target.pk}

    def test_takes_along_what_waits_to_be_sent(self, two: tuple[Case, Case], mailbox: Mailbox) -> None:
        source, target = two
        waiting = outbound(source, mailbox)
        merge(source, target)
        waiting.refresh_from_db()
        assert (waiting.case, waiting.state) == (target, "waiting")

    def test_takes_along_open_tasks_and_no_others(self) -> None:
        source, target = make_case(), make_case()
        todo, done = make_task(case=source), make_task(case=source)
        change_task_status(done.pk, "resolved", at=NOON, actor=SYSTEM)
        merge(source, target)
        todo.refresh_from_db()
        done.refresh_from_db()
        assert (todo.case, done.case) == (target, source)

    def test_takes_along_notes_and_unites_the_tags(self) -> None:
        source, target = make_case(tags=["cold", "boiler"]), make_case(tags=["cold", "flat 3"])
        note = add_note(source.pk, "Called back.", at=NOON, actor=SYSTEM)
        merge(source, target)
        note.refresh_from_db()
        assert note.case == target
        assert sorted(tag.name for tag in target.tags.all()) == ["boiler", "cold", "flat 3"]
        assert sorted(tag.name for tag in source.tags.all()) == ["boiler", "cold"]

    def test_takes_along_drafts_unless_their_author_writes_over_there_already(self) -> None:
        source, target, ana, bea = make_case(), make_case(), UserFactory.create(), UserFactory.create()
        words: dict[str, Any] = {"created_at": NOON, "updated_at": NOON}
        of_ana = Draft.objects.create(case=source, author=ana, body="one", **words)
        of_bea = Draft.objects.create(case=source, author=bea, body="two", **words)
        Draft.objects.create(case=target, author=bea, body="three", **words)
        merge(source, target)
        of_ana.refresh_from_db()
        of_bea.refresh_from_db()
        assert (of_ana.case, of_bea.case) == (target, source)
        unmerge(source)
        of_ana.refresh_from_db()
        assert of_ana.case == source

    def test_is_told_once_in_each_timeline(self, agent: User) -> None:
        source, target = make_case(tags=["cold"]), make_case()
        merge(source, target, actor=Actor.user(agent))
        left, came = newest(source), newest(target)
        assert (left.kind, left.changes) == ("case_merged", {"status": ["new", "merged"]})
        assert left.data == {"into_case": target.case_number, "moved": {"tags": 1}}
        assert (came.kind, came.data["from_case"], came.cause) == ("case_absorbed", source.case_number, left)
        assert kinds(source) == ["case_created", "case_merged"]
        assert kinds(target) == ["case_created", "case_absorbed"]

    def test_is_said_in_words(self) -> None:
        source, target = make_case(), make_case()
        merge(source, target)
        (line, *_older), _more = history.of_case(source)
        assert (line.label, line.remarks) == ("Merged into another case", [f"Into case {target.case_number}."])
        (line, *_older), _more = history.of_case(target)
        assert line.remarks == [f"From case {source.case_number}."]

    def test_counts_an_edit_of_the_source_and_of_a_target_that_got_tags(self, agent: User) -> None:
        source, target, other = make_case(tags=["cold"]), make_case(), make_case()
        merge(source, target, actor=Actor.user(agent))
        merge(other, target, actor=Actor.user(agent))
        for case in (source, target, other):
            case.refresh_from_db()
        assert (source.version, target.version, other.version) == (2, 2, 2)

    def test_brings_the_last_message_of_both(self) -> None:
        source, target = make_case(received_at=later(minutes=-5)), make_case(received_at=later(hours=-2))
        merge(source, target)
        target.refresh_from_db()
        assert target.last_activity_at == later(minutes=-5)

    @pytest.mark.parametrize(
        ("status", "afterwards"), [("resolved", "in_progress"), ("awaiting_customer", "awaiting_customer")]
    )
    def test_of_open_work_takes_up_a_case_that_was_done(self, status: str, afterwards: str) -> None:
        source, target = make_case(), make_case()
        change_status(target.pk, status, at=NOON, actor=SYSTEM)
        merge(source, target)
        target.refresh_from_db()
        assert target.status == afterwards

    def test_of_a_case_that_is_done_takes_up_nothing(self) -> None:
        source, target = make_case(), make_case()
        for case in (source, target):
            change_status(case.pk, "closed", at=NOON, actor=SYSTEM)
        merge(source, target)
        target.refresh_from_db()
        assert target.status == "closed"

    def test_does_nothing_when_it_is_repeated(self) -> None:
        source, target = make_case(), make_case()
        merge(source, target)
        again = merge(source, target, minutes=20)
        assert again.status_changed_at == later(minutes=10)
        assert kinds(source).count("case_merged") == 1
        assert CaseMerge.objects.count() == 1


class TestARefusal:
    def test_of_a_case_into_itself(self) -> None:
        case = make_case()
        with pytest.raises(Invalid) as refusal:
            merge(case, case)
        assert refusal.value.field == "into"

    def test_of_a_deleted_case(self) -> None:
        source, target = make_case(), make_case()
        delete_case(target.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(CaseGone):
            merge(source, target)
        with pytest.raises(CaseGone):
            merge(target, source)

    def test_of_a_merged_case_names_where_it_is(self) -> None:
        source, target, other = make_case(), make_case(), make_case()
        merge(source, target)
        with pytest.raises(AlreadyMerged) as refusal:
            merge(source, other)
        assert refusal.value.facts == {"merged_into": target.case_number}
        assert target.case_number in refusal.value.detail

    def test_of_a_merged_target_names_the_one_that_is_left(self) -> None:
        source, middle, last = make_case(), make_case(), make_case()
        merge(middle, last)
        with pytest.raises(AlreadyMerged) as refusal:
            merge(source, middle)
        assert refusal.value.facts == {"merged_into": last.case_number}

    def test_of_a_circle(self) -> None:
        one, other = make_case(), make_case()
        merge(one, other)
        with pytest.raises(AlreadyMerged):
            merge(other, one)
        other.refresh_from_db()
        assert other.status == "new"

    def test_of_what_somebody_else_has_changed(self) -> None:
        source, target = make_case(), make_case()
        with pytest.raises(VersionStale):
            merge(source, target, expected_version=7)
        merge(source, target, expected_version=1)
        with pytest.raises(VersionStale):
            unmerge(source, expected_version=7)

    def test_to_take_back_what_is_not_merged(self) -> None:
        case = make_case()
        with pytest.raises(NotMerged, match=case.case_number):
            unmerge(case)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(CaseGone):
            unmerge(case)

    def test_to_take_it_back_twice(self) -> None:
        source, target = make_case(), make_case()
        merge(source, target)
        unmerge(source)
        with pytest.raises(NotMerged):
            unmerge(source)
        assert kinds(source).count("case_unmerged") == 1

    def test_to_take_back_what_is_merged_further_at_this_moment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the look at the merges and the locks somebody merges the target."""
        source, target, last = make_case(), make_case(), make_case()
        merge(source, target)
        lock = merges._locked

        def late(case_ids: Any, **more: Any) -> Any:
            monkeypatch.setattr(merges, "_locked", lock)
            merge(target, last)
            return lock(case_ids, **more)

        monkeypatch.setattr(merges, "_locked", late)
        with pytest.raises(Conflict, match="right now"):
            unmerge(source)


def outbound(case: Case, mailbox: Mailbox, *, thread: EmailThread | None = None, number: int = 1) -> OutboundMessage:
    return OutboundMessage.objects.create(
        mailbox=mailbox,
        case=case,
        thread=thread,
        purpose="reply",
        recipient="tina@home.example",
        subject="We have it",
        body="Hello",
        message_id=f"out{number}@house.example",
        send_after=later(days=9),
        created_at=NOON,
    )


class TestMailOfAMergedCase:
    def answer(self, **clues: Any) -> bytes:
        return mail("And now the water, too.", message_id="later@home.example", **clues)

    def test_goes_to_the_case_that_is_left_by_its_references(self, two: tuple[Case, Case], receive: Receive) -> None:
        source, target = two
        merge(source, target)
        assert receive(self.answer(answers="first@home.example"), minutes=20).case == target

    def test_goes_there_by_the_number_of_the_merged_case(self, two: tuple[Case, Case], receive: Receive) -> None:
        source, target = two
        merge(source, target)
        inbound = receive(self.answer(subject=f"Heating [{source.case_number}]"), minutes=20)
        assert inbound.case == target
        assert inbound.email is not None
        assert inbound.email.threaded_by == "case_number"

    @pytest.mark.parametrize("how", ["id", "address"])
    def test_goes_there_by_what_we_signed_for_the_merged_case(
        self, how: str, two: tuple[Case, Case], receive: Receive
    ) -> None:
        """Into the conversation that the merged case brought, though the target has a newer one of its own."""
        source, target = two
        receive(mail(message_id="bo2@home.example", answers="bo@home.example", sender="bo@home.example"), minutes=5)
        brought = source.threads.get()
        merge(source, target)
        signed = message_ids.make(source.pk, domain="house.example", key=signing_key(), nonce="n1")
        tag = message_ids.make_tag(source.pk, key=signing_key())
        clues: dict[str, Any] = {"answers": signed} if how == "id" else {"to": f"support+{tag}@house.example"}
        inbound = receive(self.answer(sender="new@address.example", **clues), minutes=20)
        assert inbound.case == target
        assert inbound.email is not None
        assert inbound.email.thread == brought

    def test_of_a_signed_answer_stays_in_the_conversation_that_it_answers(
        self, two: tuple[Case, Case], receive: Receive
    ) -> None:
        source, target = two
        signed = message_ids.make(source.pk, domain="house.example", key=signing_key(), nonce="n1")
        thread = source.threads.get()
        newer = EmailThread.objects.create(
            mailbox=thread.mailbox, case=source, subject="Roof", created_at=NOON, updated_at=later(minutes=9)
        )
        merge(source, target)
        inbound = receive(self.answer(answers="first@home.example", References=f"<{signed}>"), minutes=20)
        assert inbound.email is not None
        assert (inbound.email.thread, inbound.case) == (thread, target)
        assert newer.emails.count() == 0

    def test_is_open_to_those_who_took_part_in_either(self, two: tuple[Case, Case], receive: Receive) -> None:
        source, target = two
        merge(source, target)
        for number, sender in enumerate(("tina@home.example", "bo@home.example")):
            raw = mail(message_id=f"n{number}@x.example", sender=sender, subject=f"About {target.case_number}")
            assert receive(raw, minutes=20).case == target

    def test_is_open_to_the_customer_of_a_case_without_mail(self, two: tuple[Case, Case], receive: Receive) -> None:
        _source, target = two
        called = make_case(email="carla@home.example")
        merge(called, target)
        raw = self.answer(sender="carla@home.example", subject=f"Re: {called.case_number}")
        assert receive(raw, minutes=20).case == target

    def test_of_a_stranger_who_knows_the_number_is_kept_apart(self, two: tuple[Case, Case], receive: Receive) -> None:
        source, target = two
        merge(source, target)
        raw = self.answer(sender="eve@else.example", subject=f"Re: {source.case_number}")
        assert receive(raw, minutes=20).case not in {source, target}

    def test_follows_through_two_merges(self, two: tuple[Case, Case], receive: Receive) -> None:
        source, middle = two
        last = make_case()
        merge(source, middle)
        merge(middle, last, minutes=11)
        assert receive(self.answer(subject=f"Re: {source.case_number}"), minutes=20).case == last

    def test_is_filed_there_when_the_merge_came_between_its_steps(
        self, two: tuple[Case, Case], receive: Receive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, target = two
        file_message = processing.file_message

        def late(*args: Any, **more: Any) -> Any:
            merge(source, target)
            return file_message(*args, **more)

        monkeypatch.setattr(processing, "file_message", late)
        assert receive(self.answer(answers="first@home.example"), minutes=5).case == target
        assert "message_received" not in kinds(source)[kinds(source).index("case_merged") :]

    def test_opens_a_new_case_when_the_one_that_was_left_is_deleted(
        self, two: tuple[Case, Case], receive: Receive
    ) -> None:
        source, target = two
        merge(source, target)
        delete_case(target.pk, at=later(minutes=12), actor=SYSTEM)
        assert receive(self.answer(subject=f"Re: {source.case_number}"), minutes=20).case not in {source, target}


class TestTakingBack:
    def test_restores_the_status_and_says_so_in_both_timelines(self, agent: User) -> None:
        source, target = make_case(), make_case()
        change_status(source.pk, "awaiting_vendor", at=NOON, actor=SYSTEM)
        merge(source, target)
        back = unmerge(source, actor=Actor.user(agent))
        assert (back.status, back.merged_into, back.status_changed_at) == ("awaiting_vendor", None, later(hours=1))
        freed, left = newest(source), newest(target)
        assert (freed.kind, freed.changes) == ("case_unmerged", {"status": ["merged", "awaiting_vendor"]})
        assert freed.data["from_case"] == target.case_number
        assert (left.kind, left.data["into_case"], left.cause) == ("case_released", source.case_number, freed)
        assert CaseMerge.objects.get().undone_at == later(hours=1)

    def test_gives_everything_back(self, two: tuple[Case, Case], mailbox: Mailbox) -> None:
        source, target = two
        thread, own = source.threads.get(), target.threads.get()
        waiting, task = outbound(source, mailbox, thread=thread), make_task(case=source)
        note = add_note(source.pk, "Called back.", at=NOON, actor=SYSTEM)
        source.tags.create(name="cold")
        merge(source, target)
        change_task_status(task.pk, "resolved", at=later(minutes=20), actor=SYSTEM)
        unmerge(source)
        for row in (thread, own, waiting, task, note):
            row.refresh_from_db()
        assert (thread.case, waiting.case, task.case, note.case) == (source, source, source, source)
        assert own.case == target
        assert target.tags.count() == 0
        assert InboundMessage.objects.get(email__thread=thread).case == source
        assert InboundMessage.objects.get(email__thread=own).case == target

    def test_gives_the_mail_back_that_came_since(
        self, two: tuple[Case, Case], receive: Receive, mailbox: Mailbox
    ) -> None:
        source, target = two
        thread = source.threads.get()
        merge(source, target)
        answer = receive(mail(message_id="second@home.example", answers="first@home.example"), minutes=30)
        sent = outbound(target, mailbox, thread=thread)
        assert answer.case == target
        unmerge(source)
        answer.refresh_from_db()
        sent.refresh_from_db()
        source.refresh_from_db()
        assert (answer.case, sent.case) == (source, source)
        assert source.last_activity_at == later(minutes=30)

    def test_leaves_where_it_is_what_was_put_elsewhere_since(self, two: tuple[Case, Case]) -> None:
        source, target = two
        other, task = make_case(), make_task(case=source)
        thread = source.threads.get()
        note = add_note(source.pk, "Called back.", at=NOON, actor=SYSTEM)
        source.tags.create(name="cold")
        merge(source, target)
        EmailThread.objects.filter(pk=thread.pk).update(case=other)
        type(task).objects.filter(pk=task.pk).update(case=other)
        type(note).objects.filter(pk=note.pk).update(case=other)
        target.tags.clear()
        unmerge(source)
        for row in (thread, task, note):
            row.refresh_from_db()
            assert row.case == other
        assert newest(target).data["moved"] == {}

    def test_takes_the_case_up_again_when_a_person_wrote_after_it_was_resolved(
        self, two: tuple[Case, Case], receive: Receive
    ) -> None:
        source, target = two
        change_status(source.pk, "resolved", at=later(minutes=5), actor=SYSTEM)
        merge(source, target)
        receive(mail("Cold again!", message_id="second@home.example", answers="first@home.example"), minutes=30)
        back = unmerge(source)
        assert (back.status, back.reopen_count) == ("in_progress", 1)
        told = TimelineEvent.objects.filter(case=source, changes__has_key="status").order_by("id")
        assert [event.changes["status"] for event in told] == [
            ["new", "resolved"], ["resolved", "merged"], ["merged", "resolved"], ["resolved", "in_progress"],
        ]  # fmt: skip

    def test_leaves_a_resolved_case_resolved_when_nobody_wrote(self, two: tuple[Case, Case]) -> None:
        source, target = two
        change_status(source.pk, "resolved", at=later(minutes=5), actor=SYSTEM)
        merge(source, target)
        assert unmerge(source).status == "resolved"

    def test_works_when_the_target_was_deleted(self, two: tuple[Case, Case]) -> None:
        source, target = two
        merge(source, target)
        delete_case(target.pk, at=later(minutes=20), actor=SYSTEM)
        assert unmerge(source).threads.count() == 1
        delete_case(source.pk, at=later(minutes=70), actor=SYSTEM)
        restore_case(target.pk, at=later(minutes=71), actor=SYSTEM)
        merge(target, make_case(), minutes=72)
        delete_case(target.pk, at=later(minutes=73), actor=SYSTEM)
        with pytest.raises(CaseGone):
            unmerge(target)

    def test_can_be_done_after_another_merge(self) -> None:
        source, target, other = make_case(), make_case(), make_case()
        merge(source, target)
        unmerge(source)
        assert merge(source, other, minutes=70).merged_into == other
        assert [row.target for row in CaseMerge.objects.order_by("id")] == [target, other]


class TestAChain:
    """A was merged into B, and then B into C."""

    @pytest.fixture
    def chain(self, receive: Receive) -> tuple[Case, Case, Case]:
        found = [receive(mail(message_id=f"{name}@home.example", sender=f"{name}@home.example")).case for name in "abc"]
        one, two, three = (case for case in found if case)
        one.tags.create(name="of a")
        two.tags.create(name="of b")
        merge(one, two)
        merge(two, three, minutes=20)
        return one, two, three

    def test_leads_to_its_end(self, chain: tuple[Case, Case, Case]) -> None:
        one, two, three = chain
        assert living_id(one.pk) == living_id(two.pk) == living_id(three.pk) == three.pk
        assert set(absorbed_ids(three.pk)) == {one.pk, two.pk}
        assert three.threads.count() == 3
        found = lock_living(one.pk)
        assert found == three

    def test_gives_the_first_its_own_and_nothing_else(self, chain: tuple[Case, Case, Case]) -> None:
        one, two, three = chain
        unmerge(one)
        assert [thread.emails.get().from_email for thread in one.threads.all()] == ["a@home.example"]
        assert (two.threads.count(), three.threads.count()) == (0, 2)
        assert [tag.name for tag in three.tags.all()] == ["of b"]
        assert newest(three).data["into_case"] == one.case_number

    def test_gives_the_second_what_it_then_had(self, chain: tuple[Case, Case, Case]) -> None:
        one, two, _three = chain
        unmerge(one)
        unmerge(two, minutes=70)
        assert [case.threads.get().emails.get().from_email for case in chain] == [f"{n}@home.example" for n in "abc"]
        assert [[tag.name for tag in case.tags.all()] for case in chain] == [["of a"], ["of b"], []]

    def test_may_be_taken_back_from_its_end(self, chain: tuple[Case, Case, Case]) -> None:
        one, two, three = chain
        unmerge(two)
        one.refresh_from_db()
        assert (one.merged_into, two.threads.count(), three.threads.count()) == (two, 2, 1)
        unmerge(one, minutes=70)
        assert [case.threads.count() for case in chain] == [1, 1, 1]

    def test_gives_back_what_stayed_on_the_way(self) -> None:
        """A task that was open at the first merge and done at the second stayed with the middle case."""
        one, two, three = make_case(), make_case(), make_case()
        task = make_task(case=one)
        merge(one, two)
        change_task_status(task.pk, "resolved", at=later(minutes=15), actor=SYSTEM)
        merge(two, three, minutes=20)
        task.refresh_from_db()
        assert task.case == two
        unmerge(one)
        task.refresh_from_db()
        assert task.case == one

    def test_keeps_a_tag_that_the_last_case_had_of_its_own(self) -> None:
        one, two, three = make_case(tags=["cold"]), make_case(), make_case(tags=["cold"])
        merge(one, two)
        merge(two, three, minutes=20)
        unmerge(one)
        assert [[tag.name for tag in case.tags.all()] for case in (one, two, three)] == [["cold"], [], ["cold"]]

    def test_that_cannot_be_ends_somewhere(self) -> None:
        one, other = make_case(), make_case()
        Case.objects.filter(pk=one.pk).update(status="merged", merged_into=other)
        Case.objects.filter(pk=other.pk).update(status="merged", merged_into=one)
        assert living_id(one.pk) in {one.pk, other.pk}
        assert lock_living(one.pk) is None


class TestClocks:
    """Monday to Friday, 9 to 17; high: an answer within 4 h, resolved within 24 h."""

    @pytest.fixture(autouse=True)
    def policy(self) -> None:
        PolicyFactory.create()

    def test_stand_still_and_are_neither_met_nor_missed(self) -> None:
        source, target = make_case(priority="high"), make_case(priority="high")
        merged = merge(source, target)
        assert list(source.clocks.values_list("state", "next_check_at")) == [("paused", None), ("paused", None)]
        assert (merged.sla_status, merged.sla_due_date) == ("not_applicable", None)
        sweep_clocks(now=later(days=30))
        assert not TimelineEvent.objects.filter(case=source, kind__startswith="sla_").exists()
        assert set(target.clocks.values_list("state", flat=True)) == {"running"}

    def test_go_on_as_if_paused_meanwhile(self) -> None:
        source, target = make_case(priority="high"), make_case()
        merge(source, target, minutes=60)  # Wednesday 13:00
        back = unmerge(source, minutes=180)  # 15:00: two hours that do not count
        due = dict(source.clocks.values_list("kind", "due_at"))
        assert due["first_response"] == datetime(2026, 3, 5, 10, 0, tzinfo=UTC)  # was Wednesday 16:00
        assert due["resolution"] == datetime(2026, 3, 9, 14, 0, tzinfo=UTC)  # was Monday 12:00
        assert (back.sla_status, back.sla_due_date) == ("on_time", due["first_response"])

    def test_that_paused_before_stay_so(self) -> None:
        source, target = make_case(priority="high"), make_case()
        note_first_response(source, at=later(minutes=30), actor=SYSTEM)
        change_status(source.pk, "awaiting_customer", at=later(minutes=40), actor=SYSTEM)
        merge(source, target, minutes=60)
        unmerge(source, minutes=180)
        clock = SLAClock.objects.get(case=source, kind="resolution")
        assert clock.state == "paused"
        assert [segment.ended_by for segment in clock.segments.all()] == ["awaiting_customer"]

    def test_of_a_resolved_case_stay_ended(self) -> None:
        source, target = make_case(priority="high"), make_case()
        change_status(source.pk, "resolved", at=later(minutes=30), actor=SYSTEM)
        merge(source, target, minutes=60)
        back = unmerge(source, minutes=180)
        assert SLAClock.objects.filter(case=source, kind="resolution").count() == 1
        assert back.sla_status == "met"


class TestAround:
    def test_rules_leave_a_merged_case_alone(self) -> None:
        make_rule({"do": "add_tag", "tag": "seen"}, conditions={"none": [{"field": "case.title", "op": "is_empty"}]})
        source, target = make_case(), make_case()
        merge(source, target)
        drain(later(minutes=20))
        assert [run.case for run in RuleRun.objects.all()] == [target]

    def test_figures_do_not_count_it_as_resolved(self) -> None:
        period = Period(NOON.date(), NOON.date(), UTC_ZONE)
        source, target = make_case(), make_case()
        for case in (source, target):
            change_status(case.pk, "resolved", at=later(minutes=5), actor=SYSTEM)
        assert speed.resolution_times(period).count == 2
        merge(source, target)
        assert speed.resolution_times(period).count == 1
        reader = UserFactory.create()
        queue = QUEUES["resolved_today"].select(Case.objects.all(), reader=reader, now=later(minutes=30))
        assert list(queue) == [target]
        merge(make_case(), make_case())
        assert speed.resolution_times(period).count == 1
