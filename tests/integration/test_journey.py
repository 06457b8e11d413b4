"""The whole journey of a mail: from the folder to a worked case, an acknowledgment and a notification."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from cases.listeners import drain
from cases.models import Case, Category, TimelineEvent
from cases.services import change_status, delete_case
from handyconnect import provision
from handyconnect.provision import load_defaults
from handyconnect.refusals import NotFound
from mail_ingest import parsing, pipeline, sender
from mail_ingest.models import EmailMessage, InboundMessage, InboundRaw, Mailbox, OutboundMessage, TriageResult
from mail_ingest.services import intake, poll, processing, record_reply, replay, store
from notifications.models import Notification
from sla.models import SLAClock
from tests.factories import NOON, SYSTEM, MembershipFactory, UserFactory, later
from tests.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """A house with its defaults (one category, the words in English), a team, an agent, and a folder mailbox."""
    settings.EMBEDDED = True
    read = provision._read

    def read_less(name: str) -> Any:
        if name == "categories":
            return [{"slug": "water_damage", "name": "Water damage and leaks"}]
        return [words for words in read(name) if words["language"] == "en"] if name == "templates" else read(name)

    monkeypatch.setattr(provision, "_read", read_less)
    load_defaults(at=NOON)
    ana = UserFactory.create(username="ana", email="ana@house.example")
    team = Team.objects.create(name="Repairs", slug="repairs")
    MembershipFactory.create(user=ana, team=team)
    mailbox = Mailbox.objects.get(slug="support")
    mailbox.address, mailbox.team = "support@house.example", team
    mailbox.save()
    return mailbox


@pytest.fixture
def receive(house: Mailbox) -> Callable[..., InboundMessage]:
    """Take a mail in and walk it to its end, with everything that follows from it."""

    def take(raw: bytes, *, minutes: int = 0, origin: str = "live") -> InboundMessage:
        now = later(minutes=minutes)
        source_id = hashlib.sha256(raw).hexdigest()
        inbound, _created = store(house, source_id=source_id, raw=raw, received_at=now, at=now, origin=origin)
        pipeline.process_message(inbound.pk, now=now)
        drain(now=now)
        sender.send_due(now=now)
        inbound.refresh_from_db()
        return inbound

    return take


def drop(folder: Path, raw: bytes, name: str = "mail.eml", *, age_seconds: float = 60) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(raw)
    written = timezone.now().timestamp() - age_seconds
    os.utime(path, (written, written))
    return path


class TestADroppedMail:
    def test_becomes_a_worked_case(self, house: Mailbox, state_folder: Path) -> None:
        now = timezone.now()
        raw = mail(
            "Hello,\n\nthere is water everywhere in the kitchen, please help!\n\nTina",
            subject="Burst pipe",
            sent_at=now,
        )
        drop(state_folder / "mail" / "inbox", raw)
        assert poll(house, now=now) == 1
        inbound = InboundMessage.objects.get()
        assert bytes(InboundRaw.objects.get(inbound=inbound).content) == raw
        assert pipeline.process_message(inbound.pk, now=now) == "filed"
        drain(now=now)
        assert sender.send_due(now=now) >= 2

        case = Case.objects.get()
        assert (case.title, case.customer.email, case.status) == ("Burst pipe", "tina@home.example", "new")
        assert case.priority in {"urgent", "critical"}
        assert case.category == Category.objects.get(slug="water_damage")
        assert case.assigned_team == house.team
        assert case.assigned_to is not None, "the default rule assigns new high cases"
        assert case.tasks.exists()
        assert case.sla_due_date is not None
        assert SLAClock.objects.filter(case=case).count() == 2
        assert TriageResult.objects.get().source == "offline"
        assert Notification.objects.filter(case=case, recipient=case.assigned_to, kind="assigned").exists()
        kinds = list(TimelineEvent.objects.filter(case=case).order_by("id").values_list("kind", flat=True))
        assert {
            "case_created",
            "task_created",
            "message_received",
            "case_assigned",
            "rule_ran",
            "outbound_sent",
        } <= set(kinds)

        sent = [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in (state_folder / "mail" / "sent").iterdir()
        ]
        (acknowledgment,) = [message for message in sent if message["To"] == "tina@home.example"]
        assert case.case_number in acknowledgment["Subject"]
        assert acknowledgment["Auto-Submitted"] == "auto-replied"
        assert acknowledgment["In-Reply-To"] == "<first@home.example>"
        assert not list((state_folder / "mail" / "inbox").iterdir())

    def test_is_one_mail_when_it_is_dropped_twice(self, house: Mailbox, state_folder: Path) -> None:
        now = timezone.now()
        for name in ("one.eml", "two.EML"):
            drop(state_folder / "mail" / "inbox", mail(), name)
        assert poll(house, now=now) == 1
        drop(state_folder / "mail" / "inbox", mail())
        assert poll(house, now=now) == 0
        assert InboundMessage.objects.count() == 1

    def test_waits_until_it_is_written(self, house: Mailbox, state_folder: Path) -> None:
        path = drop(state_folder / "mail" / "inbox", mail(), age_seconds=0.1)
        assert poll(house, now=timezone.now()) == 0
        assert path.exists()

    def test_is_told_from_other_files(self, house: Mailbox, state_folder: Path) -> None:
        inbox = state_folder / "mail" / "inbox"
        for name in (".hidden.eml", "mail.eml.part", "notes.txt"):
            drop(inbox, mail(), name)
        (inbox / "linked.eml").symlink_to(state_folder / "secret")
        (inbox / "folder.eml").mkdir()
        assert poll(house, now=timezone.now()) == 0

    def test_is_dated_by_its_headers(self, house: Mailbox, state_folder: Path) -> None:
        drop(state_folder / "mail" / "inbox", mail(sent_at=NOON))
        poll(house, now=timezone.now())
        inbound = InboundMessage.objects.get()
        assert (inbound.received_at, inbound.answerable) == (NOON, False)

    @pytest.mark.parametrize("date", ["never", "Mon, 99 Foo 2026", "Thu, 1 Jan 1970 00:00:00 +0000", ""])
    def test_is_dated_now_when_its_headers_say_nothing_usable(
        self, house: Mailbox, state_folder: Path, date: str
    ) -> None:
        now = timezone.now()
        drop(state_folder / "mail" / "inbox", f"From: t@home.example\nDate: {date}\n\nhi".encode())
        poll(house, now=now)
        assert InboundMessage.objects.get().received_at == now

    def test_turns_the_mailbox_red_when_the_folder_cannot_be_read(self, house: Mailbox, state_folder: Path) -> None:
        (state_folder / "mail").mkdir()
        (state_folder / "mail" / "inbox").write_text("a file, not a folder")
        assert poll(house, now=timezone.now()) == 0
        house.refresh_from_db()
        assert house.health == "failing"
        (state_folder / "mail" / "inbox").unlink()
        poll(house, now=timezone.now())
        poll(house, now=timezone.now())
        house.refresh_from_db()
        assert (house.health, house.health_detail) == ("good", "")
        assert TimelineEvent.objects.filter(kind="mailbox_checked").count() == 2

    def test_is_stored_also_when_its_file_cannot_be_moved(
        self, house: Mailbox, state_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbox = state_folder / "mail" / "inbox"
        drop(inbox, mail(), "one.eml")
        drop(inbox, mail(message_id="second@home.example"), "two.eml")

        def refuse(_mail: object) -> None:
            raise PermissionError("The folder is read-only.")

        with monkeypatch.context() as patched:
            patched.setattr("mail_ingest.sources.folder.set_aside", refuse)
            poll(house, now=timezone.now())
        assert InboundMessage.objects.count() == 2
        house.refresh_from_db()
        assert (house.health, house.health_detail) == ("failing", "The folder is read-only.")
        assert poll(house, now=timezone.now()) == 0
        assert (InboundMessage.objects.count(), list(inbox.iterdir())) == (2, [])

    def test_stays_where_it_is_when_it_is_too_large(
        self, house: Mailbox, state_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mail_ingest.sources.folder.MAX_FILE_BYTES", 10)
        path = drop(state_folder / "mail" / "inbox", mail())
        poll(house, now=timezone.now())
        house.refresh_from_db()
        assert path.exists()
        assert "mail.eml" in house.health_detail

    def test_keeps_none_of_the_others_waiting(
        self, house: Mailbox, state_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mail_ingest.sources.folder.MAX_FILE_BYTES", 1_000)
        inbox = state_folder / "mail" / "inbox"
        drop(inbox, b"From: t@home.example\n\n" + b"x" * 1_000, "large.eml", age_seconds=90)
        small = drop(inbox, mail(), "small.eml")
        poll(house, now=timezone.now())
        house.refresh_from_db()
        assert (house.health, small.exists(), InboundMessage.objects.count()) == ("failing", False, 1)

    def test_may_have_as_long_a_name_as_the_file_system_allows(self, house: Mailbox, state_folder: Path) -> None:
        path = drop(state_folder / "mail" / "inbox", mail(), "\u6f22" * 83 + ".eml")  # 253 of 255 bytes
        assert poll(house, now=timezone.now()) == 1
        house.refresh_from_db()
        assert (house.health, path.exists()) == ("good", False)


class TestAConversation:
    def test_joins_by_in_reply_to_and_goes_on_when_it_waited(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        change_status(case.pk, "in_progress", at=later(minutes=1), actor=SYSTEM)
        change_status(case.pk, "awaiting_customer", at=later(minutes=2), actor=SYSTEM)
        answer = receive(
            mail("It is 12 degrees.", message_id="second@home.example", answers="first@home.example"), minutes=9
        )
        assert answer.case == case
        case.refresh_from_db()
        assert case.status == "in_progress"
        assert case.last_activity_at == later(minutes=9)
        assert answer.email is not None
        assert answer.email.threaded_by

    def test_joins_by_our_own_signed_message_id_from_a_new_address(
        self, receive: Callable[..., InboundMessage]
    ) -> None:
        case = receive(mail()).case
        sent = OutboundMessage.objects.get(purpose="acknowledgment")
        answer = receive(
            mail(sender="Tina <tina@work.example>", message_id="x@work.example", answers=sent.message_id), minutes=5
        )
        assert answer.case == case

    def test_is_not_joined_by_a_stranger_who_guesses_headers(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        forged = mail(
            subject=f"Re: [{case.case_number}] Heating is cold",
            sender="eve@evil.example",
            message_id="forged@evil.example",
            answers="first@home.example",
        )
        assert receive(forged, minutes=5).case != case

    def test_is_not_joined_by_the_same_subject_alone(self, receive: Callable[..., InboundMessage]) -> None:
        one = receive(mail())
        two = receive(mail(message_id="another@home.example"), minutes=60)
        assert one.case != two.case

    def test_reopens_a_resolved_case(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        change_status(case.pk, "resolved", at=later(minutes=1), actor=SYSTEM)
        receive(mail(message_id="second@home.example", answers="first@home.example"), minutes=5)
        case.refresh_from_db()
        assert (case.status, case.reopen_count) == ("in_progress", 1)

    def test_is_not_reopened_or_answered_when_a_machine_writes(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        change_status(case.pk, "resolved", at=later(minutes=1), actor=SYSTEM)
        automatic = mail(
            "I am away.", message_id="auto@home.example", answers="first@home.example", Auto_Submitted="auto-replied"
        )
        inbound = receive(automatic, minutes=5)
        case.refresh_from_db()
        assert (inbound.case, case.status) == (case, "resolved")
        assert OutboundMessage.objects.filter(purpose="acknowledgment").count() == 1

    def test_of_a_deleted_case_goes_on_in_a_new_one(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        delete_case(case.pk, at=later(minutes=1), actor=SYSTEM)
        answer = receive(mail(message_id="second@home.example", answers="first@home.example"), minutes=5)
        assert answer.case not in {None, case}
        case.refresh_from_db()
        assert case.deleted_at is not None

    def test_of_a_merged_case_goes_on_in_the_one_it_was_merged_into(
        self, receive: Callable[..., InboundMessage]
    ) -> None:
        one = receive(mail()).case
        two = receive(mail(message_id="other@home.example", sender="b@home.example"), minutes=1).case
        assert one is not None
        assert two is not None
        Case.objects.filter(pk=two.pk).update(status="merged", merged_into=one)
        answer = receive(
            mail(message_id="more@home.example", answers="other@home.example", sender="b@home.example"), minutes=5
        )
        assert answer.case == one

    def test_counts_a_colleagues_answer_as_the_first_response(self, receive: Callable[..., InboundMessage]) -> None:
        case = receive(mail()).case
        assert case is not None
        reply = record_reply(case, body="We are on our way.", at=later(minutes=9), actor=SYSTEM)
        case.refresh_from_db()
        assert case.first_response_at == later(minutes=9)
        assert SLAClock.objects.get(case=case, kind="first_response").state == "met"
        answer = receive(mail(message_id="third@home.example", answers=reply.message_id), minutes=12)
        assert answer.case == case


class TestOldMail:
    def test_is_filed_and_clocked_but_answered_by_nobody(
        self, receive: Callable[..., InboundMessage], state_folder: Path
    ) -> None:
        inbound = receive(mail("Water everywhere!", subject="Burst pipe"), origin="import")
        case = inbound.case
        assert case is not None
        assert SLAClock.objects.filter(case=case).exists()
        assert not (state_folder / "mail" / "sent").exists()
        assert not OutboundMessage.objects.filter(state__in=["waiting", "sent"]).exists()


class TestAMailOfOurOwn:
    def test_is_ignored_when_it_is_a_copy_of_what_we_sent(
        self, receive: Callable[..., InboundMessage], state_folder: Path
    ) -> None:
        receive(mail())
        copy = next((state_folder / "mail" / "sent").glob("*acknowledgment.eml")).read_bytes()
        assert (receive(copy, minutes=1).state, Case.objects.count()) == ("ignored", 1)

    def test_is_told_from_a_strangers_that_bears_its_message_id(self, receive: Callable[..., InboundMessage]) -> None:
        receive(mail())
        sent = OutboundMessage.objects.get(purpose="acknowledgment")
        stolen = receive(mail(sender="eve@evil.example", message_id=sent.message_id), minutes=5)
        assert stolen.state == "filed"


class TestWhatCannotBeRead:
    def test_is_quarantined_with_its_bytes_and_can_be_replayed(
        self, receive: Callable[..., InboundMessage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = mail()

        def unreadable(*_args: Any, **_kwargs: Any) -> None:
            raise parsing.Unreadable("Nothing can be made of it.")

        with monkeypatch.context() as patched:
            patched.setattr(parsing, "parse", unreadable)
            inbound = receive(raw)
        assert (inbound.state, inbound.reason) == ("quarantined", "Nothing can be made of it.")
        assert bytes(inbound.raw.content) == raw
        replay(inbound.pk, at=later(minutes=1), actor=SYSTEM)
        assert pipeline.process_message(inbound.pk, now=later(minutes=1)) == "filed"
        with pytest.raises(intake.NotInQuarantine):
            replay(inbound.pk, at=later(minutes=2), actor=SYSTEM)
        with pytest.raises(NotFound):
            replay(0, at=later(minutes=2), actor=SYSTEM)

    def test_is_tried_again_and_put_aside_after_the_last_try(
        self, house: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_args: Any, **_kwargs: Any) -> None:
            raise ValueError("odd")

        monkeypatch.setattr(processing, "thread_message", fail)
        inbound, _created = store(house, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        assert pipeline.process_message(inbound.pk, now=NOON) == "received"
        assert pipeline.process_message(inbound.pk, now=NOON) is None  # not yet
        for attempt in range(1, intake.MAX_ATTEMPTS):
            pipeline.process_message(inbound.pk, now=later(hours=attempt))
        inbound.refresh_from_db()
        assert inbound.state == "quarantined"
        assert "ValueError: odd" in inbound.reason

    def test_is_put_aside_when_every_worker_that_reads_it_is_killed(
        self, house: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def kill(*_args: Any, **_kwargs: Any) -> None:
            raise Killed

        monkeypatch.setattr(processing, "read_raw", kill)
        inbound, _created = store(house, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        for attempt in range(intake.MAX_CLAIMS):
            with pytest.raises(Killed):
                pipeline.process_message(inbound.pk, now=later(hours=attempt))
        assert pipeline.process_message(inbound.pk, now=later(days=1)) is None
        inbound.refresh_from_db()
        assert inbound.state == "quarantined"
        assert TimelineEvent.objects.filter(kind="mail_quarantined").count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time")
@pytest.mark.django_db(transaction=True)
class TestTwoMailsAtOnce:
    def test_of_one_new_conversation_are_one_case(self, house: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
        raws = [mail(), mail("And one more thing", answers="first@home.example", message_id="second@home.example")]
        both = [
            store(house, source_id=str(number), raw=raw, received_at=NOON, at=NOON)[0]
            for number, raw in enumerate(raws)
        ]
        with monkeypatch.context() as patched:
            patched.setattr(processing, "file_message", lambda inbound, **_kwargs: inbound)
            for inbound in both:
                pipeline.process_message(inbound.pk, now=NOON)
        meet, open_case = threading.Barrier(2), processing._open_case

        def open_slowly(*args: Any, **kwargs: Any) -> Case:
            with contextlib.suppress(threading.BrokenBarrierError):
                meet.wait(timeout=1)  # the other one comes here only if nothing keeps it out
            return open_case(*args, **kwargs)

        def file(inbound: InboundMessage) -> None:
            processing.file_message(inbound, at=NOON)
            connection.close()

        monkeypatch.setattr(processing, "_open_case", open_slowly)
        analysed = InboundMessage.objects.select_related("mailbox__team", "email")
        workers = [threading.Thread(target=file, args=[inbound]) for inbound in analysed]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert Case.objects.count() == 1
        assert InboundMessage.objects.filter(state="filed").count() == len(both)


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the house may catch it."""


class TestAKill:
    """Wherever the worker dies, the sweep walks the rest of the way, and nothing is there twice."""

    STAGES = ("read_raw", "thread_message", "keep_triage", "file_message")

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_loses_and_doubles_nothing(
        self, house: Mailbox, monkeypatch: pytest.MonkeyPatch, stage: str, moment: str
    ) -> None:
        inbound, _created = store(house, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        step = getattr(processing, stage)

        def dying(*args: Any, **kwargs: Any) -> None:
            if moment == "after":
                step(*args, **kwargs)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(processing, stage, dying)
            with pytest.raises(Killed):
                pipeline.process_message(inbound.pk, now=NOON)
        finished = stage == "file_message" and moment == "after"
        assert pipeline.process_message(inbound.pk, now=later(minutes=2)) == (None if finished else "filed")
        drain(now=later(minutes=2))
        drain(now=later(minutes=3))
        assert Case.objects.count() == EmailMessage.objects.filter(direction="inbound").count() == 1
        assert TriageResult.objects.count() == 1
        assert OutboundMessage.objects.filter(purpose="acknowledgment").count() == 1
        for kind in ("mail_stored", "mail_threaded", "mail_analysed", "case_created", "message_received"):
            assert TimelineEvent.objects.filter(kind=kind).count() == 1

    def test_makes_a_repeated_step_do_nothing(self, house: Mailbox) -> None:
        inbound, _created = store(house, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        pipeline.process_message(inbound.pk, now=NOON)
        before = TimelineEvent.objects.count()
        emails = EmailMessage.objects.count()
        with pytest.raises(processing.Overtaken):  # by a worker whose lease ran out while it read
            processing.thread_message(inbound, processing.read_raw(inbound.pk), at=NOON)
        overtaken = InboundMessage.objects.select_related("mailbox__team", "email").get(pk=inbound.pk)
        overtaken.state = InboundMessage.State.ANALYSED
        with pytest.raises(processing.Overtaken):
            processing.file_message(overtaken, at=NOON)
        assert EmailMessage.objects.count() == emails
        intake.quarantine(inbound.pk, reason="no", at=NOON)
        intake.ignore(inbound.pk, reason="no", at=NOON)
        intake.postpone(inbound.pk, error="no", now=NOON)
        assert TimelineEvent.objects.count() == before


class TestALeaseThatRanOut:
    def test_leaves_the_mail_to_the_worker_that_took_it_on(
        self, house: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbound, _created = store(house, source_id="x", raw=mail(), received_at=NOON, at=NOON)
        read_raw = processing.read_raw

        def slowly(inbound_id: int) -> Any:
            monkeypatch.setattr(processing, "read_raw", read_raw)
            assert pipeline.process_message(inbound_id, now=later(minutes=2)) == "filed"  # another worker, meanwhile
            return read_raw(inbound_id)

        monkeypatch.setattr(processing, "read_raw", slowly)
        assert pipeline.process_message(inbound.pk, now=NOON) == "filed"
        assert Case.objects.count() == EmailMessage.objects.filter(direction="inbound").count() == 1
