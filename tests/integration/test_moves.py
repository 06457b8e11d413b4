"""A message that came to the wrong place is put into the right one; a part of a case becomes a case of its own."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from accounts.actors import Actor
from accounts.models import User
from cases.models import Case, CaseLink, Customer, TimelineEvent
from cases.services import AlreadyMerged, CaseGone, change_status, delete_case, merge_cases, update_customer
from handyconnect.refusals import Invalid
from mail_ingest import message_ids, pipeline
from mail_ingest.keys import signing_key
from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, Mailbox, OutboundMessage, TriageResult
from mail_ingest.representation import reason_label
from mail_ingest.services import processing, record_reply, store
from mail_ingest.services.moves import EmailGone, NotFiledYet, move_message, split_case
from notifications.events import may_go_out
from sla.models import SLAClock
from tests.factories import (
    NOON,
    SYSTEM,
    CategoryFactory,
    MailboxFactory,
    PolicyFactory,
    TeamFactory,
    later,
    make_case,
    make_task,
)
from tests.mails import mail

pytestmark = pytest.mark.django_db

Receive = Callable[..., EmailMessage]


@pytest.fixture
def mailbox() -> Mailbox:
    return MailboxFactory.create(address="support@house.example")


@pytest.fixture
def receive(mailbox: Mailbox) -> Receive:
    """Take a mail in and file it; the message that it became."""

    def take(raw: bytes, *, minutes: int = 0, origin: str = "live") -> EmailMessage:
        at = later(minutes=minutes)
        source_id = hashlib.sha256(raw).hexdigest()
        inbound, _new = store(mailbox, source_id=source_id, raw=raw, received_at=at, at=at, origin=origin)
        pipeline.process_message(inbound.pk, now=at)
        return EmailMessage.objects.select_related("thread__case").get(inbound=inbound)

    return take


def case_of(email: EmailMessage) -> Case:
    return Case.objects.get(threads__emails=email)


def move(email: EmailMessage, case: Case, *, minutes: int = 60, actor: Actor = SYSTEM, **more: Any) -> EmailMessage:
    return move_message(email.pk, to_case=case.pk, at=later(minutes=minutes), actor=actor, **more)


def split(case: Case, *emails: EmailMessage, minutes: int = 60, actor: Actor = SYSTEM, **more: Any) -> Case:
    ids = [email.pk for email in emails]
    return split_case(case.pk, ids, at=later(minutes=minutes), actor=actor, **more)


def answer(number: int, *, to: str = "first@home.example", **more: Any) -> bytes:
    return mail(f"Answer {number}", message_id=f"answer{number}@home.example", answers=to, **more)


class TestAMove:
    def test_puts_the_message_into_the_other_cases_newest_conversation(self, receive: Receive, agent: User) -> None:
        first, stray = receive(mail()), receive(answer(1), minutes=1)
        roof = receive(mail(message_id="roof@home.example", subject="The roof leaks"), minutes=2)
        moved = move(stray, case_of(roof), actor=Actor.user(agent))
        assert (moved.thread, moved.threaded_by, moved.threaded_detail) == (roof.thread, "moved_by_person", "ana")
        assert reason_label(moved.threaded_by) == "A colleague moved it here."
        assert InboundMessage.objects.get(email=stray).case == case_of(roof)
        assert list(first.thread.emails.all()) == [first]

    def test_puts_it_into_the_conversation_that_was_named(self, receive: Receive, mailbox: Mailbox) -> None:
        stray, roof = receive(mail()), receive(mail(message_id="roof@home.example"), minutes=2)
        case = case_of(roof)
        older = EmailThread.objects.create(mailbox=mailbox, case=case, created_at=NOON, updated_at=later(hours=-9))
        assert move(stray, case, to_thread=older.pk).thread == older
        older.refresh_from_db()
        assert older.updated_at == NOON

    def test_makes_a_conversation_in_a_case_without_one(self, receive: Receive, mailbox: Mailbox) -> None:
        stray, case = receive(mail()), make_case()
        thread = move(stray, case).thread
        assert (thread.case, thread.mailbox, thread.subject) == (case, mailbox, "Heating is cold")

    def test_within_its_case_makes_a_conversation_of_its_own(self, receive: Receive) -> None:
        first, second = receive(mail()), receive(answer(1), minutes=1)
        case = case_of(first)
        moved = move(second, case)
        assert moved.thread != first.thread
        assert set(case.threads.all()) == {first.thread, moved.thread}
        assert move(second, case, to_thread=first.thread_id).thread == first.thread
        assert TimelineEvent.objects.filter(kind="message_moved").count() == 2

    def test_is_told_in_both_timelines(self, receive: Receive, agent: User) -> None:
        stray, other = receive(mail()), make_case()
        case = case_of(stray)
        move(stray, other, actor=Actor.user(agent))
        left, came = TimelineEvent.objects.filter(kind="message_moved").order_by("id")
        assert (left.case, left.data["into_case"], left.actor_reference) == (case, other.case_number, str(agent.pk))
        assert (came.case, came.data["from_case"], came.cause) == (other, case.case_number, left)
        assert came.subject_id == str(stray.pk)

    def test_to_where_it_is_does_nothing(self, receive: Receive) -> None:
        email = receive(mail())
        move(email, case_of(email), to_thread=email.thread_id)
        email.refresh_from_db()
        assert email.threaded_by == "new"
        assert not TimelineEvent.objects.filter(kind="message_moved").exists()

    def test_leaves_an_empty_case_where_it_was(self, receive: Receive) -> None:
        email = receive(mail())
        case = case_of(email)
        move(email, make_case())
        case.refresh_from_db()
        assert (case.status, case.deleted_at) == ("new", None)
        assert not EmailMessage.objects.filter(thread__case=case).exists()

    def test_is_followed_by_the_answers_to_it(self, receive: Receive) -> None:
        """Though the answer also refers to a mail of the old case that we signed."""
        first = receive(mail())
        old, other = case_of(first), make_case(email="else@home.example")
        signed = message_ids.make(old.pk, domain="house.example", key=signing_key(), nonce="n1")
        moved = move(receive(answer(1), minutes=1), other)
        raw = mail(message_id="late@home.example", In_Reply_To="<answer1@home.example>", References=f"<{signed}>")
        late = receive(raw, minutes=70)
        assert (late.thread, case_of(late), late.threaded_by) == (moved.thread, other, "in_reply_to")

    def test_lets_no_stranger_in(self, receive: Receive) -> None:
        other = make_case(email="else@home.example")
        move(receive(mail()), other)
        assert case_of(receive(answer(1, sender="eve@else.example"), minutes=70)) != other

    @pytest.mark.parametrize(("resolved_after_minutes", "status"), [(1, "in_progress"), (30, "resolved")])
    def test_takes_up_a_case_that_was_resolved_before_it_was_written(
        self, resolved_after_minutes: int, status: str, receive: Receive
    ) -> None:
        other = make_case()
        change_status(other.pk, "resolved", at=later(minutes=resolved_after_minutes), actor=SYSTEM)
        move(receive(mail(), minutes=10), other)
        other.refresh_from_db()
        assert other.status == status

    def test_takes_a_sent_message_and_its_place_in_the_queue_along(self, receive: Receive, mailbox: Mailbox) -> None:
        PolicyFactory.create()
        case, other = case_of(receive(mail())), make_case()
        reply = record_reply(case, body="On our way.", at=later(minutes=9), actor=SYSTEM)
        row = OutboundMessage.objects.create(
            mailbox=mailbox,
            case=case,
            thread=reply.thread,
            email=reply,
            purpose="reply",
            recipient="tina@home.example",
            subject="Re",
            body="On our way.",
            message_id=reply.message_id,
            send_after=NOON,
            created_at=NOON,
        )
        moved = move(reply, other)
        row.refresh_from_db()
        other.refresh_from_db()
        assert (row.case, row.thread, moved.thread.case) == (other, moved.thread, other)
        assert other.first_response_at == later(minutes=9)
        assert SLAClock.objects.get(case=other, kind="first_response").stopped_at == later(minutes=9)


class TestARefusal:
    def test_of_a_message_that_is_not_there(self) -> None:
        with pytest.raises(EmailGone):
            move_message(99, to_case=make_case().pk, at=NOON, actor=SYSTEM)

    def test_of_a_message_on_its_way(self, receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
        def stuck(*_args: Any, **_more: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(processing, "file_message", stuck)
        email = receive(mail())
        with pytest.raises(NotFiledYet):
            move(email, make_case())

    def test_of_a_message_of_no_case(self, mailbox: Mailbox) -> None:
        thread = EmailThread.objects.create(mailbox=mailbox, created_at=NOON, updated_at=NOON)
        email = EmailMessage.objects.create(thread=thread, direction="outbound", received_at=NOON, created_at=NOON)
        with pytest.raises(NotFiledYet):
            move(email, make_case())

    def test_of_a_conversation_of_another_case(self, receive: Receive) -> None:
        email, other = receive(mail()), receive(mail(message_id="roof@home.example"))
        for thread in (other.thread_id, 999_999):
            with pytest.raises(Invalid) as refusal:
                move(email, make_case(), to_thread=thread)
            assert refusal.value.field == "thread_id"

    def test_of_a_case_that_is_deleted_or_merged(self, receive: Receive) -> None:
        email, gone, merged, left = receive(mail()), make_case(), make_case(), make_case()
        delete_case(gone.pk, at=NOON, actor=SYSTEM)
        merge_cases(merged.pk, into=left.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(CaseGone):
            move(email, gone)
        with pytest.raises(AlreadyMerged) as refusal:
            move(email, merged)
        assert refusal.value.facts == {"merged_into": left.case_number}

    def test_to_split_off_what_is_not_in_the_case(self, receive: Receive) -> None:
        email, other = receive(mail()), receive(mail(message_id="roof@home.example"))
        case = case_of(email)
        with pytest.raises(Invalid, match=str(other.pk)) as refusal:
            split(case, email, other)
        assert refusal.value.field == "message_ids"
        with pytest.raises(Invalid):
            split(case)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(CaseGone):
            split(case, email)
        with pytest.raises(CaseGone):
            split_case(UUID(int=1), [email.pk], at=NOON, actor=SYSTEM)

    def test_to_split_off_only_what_we_wrote(self, receive: Receive) -> None:
        case = case_of(receive(mail()))
        reply = record_reply(case, body="On our way.", at=later(minutes=9), actor=SYSTEM)
        with pytest.raises(Invalid, match="came in"):
            split(case, reply)

    def test_to_split_a_case_that_was_merged_and_stayed_behind(self, receive: Receive) -> None:
        case, other = case_of(receive(mail())), make_case()
        Case.objects.filter(pk=case.pk).update(status="merged", merged_into=other)
        with pytest.raises(AlreadyMerged):
            split(case, EmailMessage.objects.get())


class TestASplit:
    def test_opens_a_case_for_who_wrote_the_message(self, receive: Receive) -> None:
        first = receive(mail())
        case = case_of(first)
        second = receive(
            answer(1, sender="Tina Tenant <tina@home.example>", subject="Re: Heating, and a broken lock"), minutes=5
        )
        new = split(case, second)
        assert new.pk != case.pk
        assert (new.title, new.description) == ("Re: Heating, and a broken lock", "Answer 1")
        assert (new.customer.email, new.received_at, new.created_at) == (
            "tina@home.example", later(minutes=5), later(hours=1),
        )  # fmt: skip
        moved = EmailMessage.objects.get(pk=second.pk)
        assert (moved.thread.case, moved.threaded_by) == (new, "moved_by_person")
        assert InboundMessage.objects.get(email=second).case == new
        assert list(first.thread.emails.all()) == [first]

    def test_takes_the_labels_that_triage_chose_and_says_so(self, receive: Receive) -> None:
        CategoryFactory.create(slug="locks")
        first, second = receive(mail()), receive(answer(1), minutes=5)
        TriageResult.objects.create(
            email=second,
            source="model",
            reader_version="1",
            labels={"priority": "urgent", "case_type": "security", "category": "locks", "phone": "555-1"},
            confidence={"priority": 0.9},
            created_at=later(minutes=9),
        )
        new = split(case_of(first), second, title=" A broken lock ")
        assert (new.title, new.priority, new.case_type) == ("A broken lock", "urgent", "security")
        assert new.category is not None
        assert new.category.slug == "locks"
        assert (new.provenance["priority"]["by"], new.provenance["priority"]["confidence"]) == ("model", 0.9)

    def test_does_without_triage_and_without_a_subject(self, receive: Receive) -> None:
        first, second = receive(mail()), receive(answer(1, subject=""), minutes=5)
        TriageResult.objects.all().delete()
        new = split(case_of(first), second)
        assert (new.title, new.provenance) == ("Answer 1", {})

    def test_replaces_nothing_that_a_colleague_knows_of_the_customer(self, receive: Receive, agent: User) -> None:
        first, second = receive(mail()), receive(answer(1), minutes=5)
        customer = Customer.objects.get(email="tina@home.example")
        update_customer(customer.pk, {"name": "Christina T.", "phone": "1"}, at=NOON, actor=Actor.user(agent))
        TriageResult.objects.filter(email=second).update(labels={"phone": "2"})
        split(case_of(first), second, actor=Actor.user(agent))
        customer.refresh_from_db()
        assert (customer.name, customer.phone) == ("Christina T.", "1")

    def test_keeps_tasks_and_team_where_they_were(self, receive: Receive) -> None:
        first, second = receive(mail()), receive(answer(1), minutes=5)
        case, team = case_of(first), TeamFactory.create()
        task = make_task(case=case)
        Case.objects.filter(pk=case.pk).update(assigned_team=team)
        new = split(case, second)
        task.refresh_from_db()
        assert (task.case, new.assigned_team) == (case, team)
        assert new.tasks.count() == 0

    def test_starts_a_clock_from_when_the_mail_came(self, receive: Receive) -> None:
        PolicyFactory.create()
        first, second = receive(mail()), receive(answer(1), minutes=5)
        TriageResult.objects.update(labels={"priority": "high"})
        new = split(case_of(first), second)
        due = SLAClock.objects.get(case=new, kind="first_response").due_at
        assert due == datetime(2026, 3, 4, 16, 5, tzinfo=UTC)  # 4 h from Wednesday 12:05

    def test_counts_an_answer_that_comes_along(self, receive: Receive) -> None:
        PolicyFactory.create()
        first = receive(mail())
        case = case_of(first)
        reply = record_reply(case, body="On our way.", at=later(minutes=9), actor=SYSTEM)
        new = split(case, first, and_later=True)
        reply.refresh_from_db()
        new.refresh_from_db()
        assert reply.thread.case == new
        assert new.first_response_at == later(minutes=9)
        assert SLAClock.objects.get(case=new, kind="first_response").state == "met"

    def test_takes_what_follows_along_when_it_is_told_to(self, receive: Receive) -> None:
        emails = [receive(mail()), *(receive(answer(n), minutes=n) for n in range(1, 4))]
        new = split(case_of(emails[0]), emails[2], and_later=True)
        assert list(EmailMessage.objects.filter(thread__case=new)) == emails[2:]
        assert new.threads.count() == 1
        assert new.last_activity_at >= later(minutes=2)

    def test_is_told_and_linked(self, receive: Receive, agent: User) -> None:
        first, second = receive(mail()), receive(answer(1), minutes=5)
        case = case_of(first)
        new = split(case, second, actor=Actor.user(agent))
        told = TimelineEvent.objects.get(kind="case_split")
        assert (told.case, told.data["into_case"], told.data["email_ids"]) == (case, new.case_number, [second.pk])
        assert TimelineEvent.objects.filter(case=new, kind="case_created", actor_reference=str(agent.pk)).count() == 1
        link = CaseLink.objects.get()
        assert (link.source, link.target, link.kind) == (new, case, "related")

    def test_answers_to_it_follow_it(self, receive: Receive) -> None:
        first, second = receive(mail()), receive(answer(1), minutes=5)
        case = case_of(first)
        new = split(case, second)
        assert case_of(receive(answer(2, to="answer1@home.example"), minutes=70)) == new
        assert case_of(receive(answer(3), minutes=71)) == case

    def test_may_be_written_to_as_the_mail_may(self, receive: Receive) -> None:
        live, old = receive(mail()), receive(mail(message_id="old@home.example"), origin="import")
        verdicts = []
        for email in (live, old):
            new = split(case_of(email), email)
            verdicts.append(may_go_out(TimelineEvent.objects.get(case=new, kind="case_created")))
        assert verdicts == [True, False]

    def test_of_all_messages_leaves_an_empty_case(self, receive: Receive) -> None:
        email = receive(mail())
        case = case_of(email)
        new = split(case, email)
        case.refresh_from_db()
        assert (case.status, case.deleted_at, new.status) == ("new", None, "new")

    def test_of_a_mail_without_a_sender_keeps_the_customer(self, receive: Receive) -> None:
        email = receive(mail())
        case = case_of(email)
        EmailMessage.objects.filter(pk=email.pk).update(from_email="", from_name="")
        assert split(case, email).customer == case.customer
