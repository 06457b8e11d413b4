"""What people write: to whom, in which conversation, when it goes, and what the case becomes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.actors import Actor
from accounts.models import User
from cases.models import Case, Note, TimelineEvent
from cases.services import add_note, change_status, delete_case, locked, merge_cases, restore_case
from handyconnect.refusals import Invalid
from mail_ingest import conversation, sender
from mail_ingest.models import Draft, EmailMessage, EmailThread, Mailbox, OutboundMessage
from mail_ingest.parsing import Address
from mail_ingest.pipeline import process_message
from mail_ingest.services import (
    CaseIsMerged,
    ConversationMoved,
    NotYours,
    OutboundGone,
    ReplyDraft,
    TooLate,
    Words,
    cancel,
    claim_next,
    mark_failed,
    mark_maybe_sent,
    propose,
    queue_automatic,
    queue_reply,
    record_reply,
    retry,
    save_draft,
    store,
    write_note,
)
from tests.factories import (
    NOON,
    SYSTEM,
    ContractorFactory,
    MailboxFactory,
    PolicyFactory,
    TeamFactory,
    UserFactory,
    later,
    make_case,
)
from tests.mails import mail

pytestmark = pytest.mark.django_db

TINA = Address("Tina Tenant", "tina@home.example")


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(name="Support", address="support@house.example", aliases=["hello@house.example"])


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


def received(mailbox: Mailbox, *, number: int = 1, at: Any = NOON, **headers: Any) -> Case:
    """The case that a mail opened, or was filed to."""
    raw = mail(message_id=f"mail{number}@home.example", sent_at=at, **headers)
    inbound, _new = store(mailbox, source_id=f"s{number}", raw=raw, received_at=at, at=at)
    process_message(inbound.pk, now=at)
    inbound.refresh_from_db()
    assert inbound.case, inbound.reason
    return inbound.case


def reply(case: Case, by: User, *, at: Any = None, seen: Any = None, **words: Any) -> OutboundMessage:
    words.setdefault("body", "Somebody comes tomorrow.")
    outbound, _warnings = queue_reply(
        case.pk, ReplyDraft(**words), at=at or later(minutes=5), actor=Actor.user(by), seen=seen
    )
    return outbound


def codes(case: Case, by: User, **words: Any) -> list[tuple[str, str]]:
    draft = ReplyDraft(**{"body": "Hello.", **words})
    _outbound, warned = queue_reply(case.pk, draft, at=later(minutes=5), actor=Actor.user(by))
    return [(one.code.value, one.email) for one in warned]


class TestAReply:
    def test_goes_to_everybody_but_ourselves(self, mailbox: Mailbox, ana: User) -> None:
        case = received(
            mailbox,
            to="support@house.example, Otto <otto@owners.example>",
            Cc="hello+x@house.example, zoe@home.example",
        )
        out = reply(case, ana)
        assert [one["email"] for one in out.to] == ["tina@home.example"]
        assert [one["email"] for one in out.cc] == ["otto@owners.example", "zoe@home.example"]
        assert (out.recipient, out.purpose, out.is_automatic, out.author) == ("tina@home.example", "reply", False, ana)

    def test_stands_in_its_conversation(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        out = reply(case, ana)
        assert out.subject == f"Re: Heating is cold [{case.case_number}]"
        assert (out.in_reply_to, out.references) == ("mail1@home.example", ["mail1@home.example"])
        assert out.thread == EmailThread.objects.get(case=case)
        assert out.message_id.startswith("hc.")
        assert out.message_id.endswith("@house.example")
        assert out.quoted.startswith("On 2026-03-04 at 12:00, Tina Tenant wrote:\n> Hello,\n>\n> the heating")

    def test_bears_the_signature_of_the_cases_team(self, mailbox: Mailbox, ana: User) -> None:
        mailbox.team = TeamFactory.create(signature="Linden & Partner\nFront desk")
        mailbox.save()
        assert reply(received(mailbox), ana).quoted.startswith("-- \nLinden & Partner\nFront desk\n\nOn 2026")

    def test_tells_times_in_its_writers_zone(self, mailbox: Mailbox) -> None:
        case = received(mailbox)
        assert "at 13:00" in reply(case, UserFactory.create(time_zone="Europe/Berlin")).quoted
        assert "at 12:00" in reply(case, UserFactory.create(time_zone="Nowhere/Land")).quoted

    def test_waits_for_second_thoughts(self, mailbox: Mailbox, ana: User, state_folder: Path) -> None:
        mailbox.undo_seconds = 10
        mailbox.save()
        case = received(mailbox)
        OutboundMessage.objects.all().delete()
        out = reply(case, ana, at=NOON)
        assert out.send_after == NOON + timedelta(seconds=10)
        assert sender.send_due(now=NOON + timedelta(seconds=9)) == 0
        assert sender.send_due(now=NOON + timedelta(seconds=10)) == 1

    def test_can_be_meant_for_later(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        assert reply(case, ana, send_at=later(days=2)).send_after == later(days=2)
        assert reply(case, ana, at=NOON, send_at=later(days=-2)).send_after == NOON + timedelta(seconds=10)
        with pytest.raises(Invalid) as refusal:
            reply(case, ana, send_at=later(days=400))
        assert refusal.value.field == "send_at"

    def test_is_harmless_html_and_plain_text(self, mailbox: Mailbox, ana: User) -> None:
        out = reply(
            received(mailbox),
            ana,
            body="",
            html="<p>Hello <b>Tina</b></p><script>alert(1)</script><img src=x onerror=alert(1)>",
        )
        assert "script" not in out.html
        assert "onerror" not in out.html
        assert "<b>Tina</b>" in out.html
        assert out.body == "Hello Tina"

    @pytest.mark.parametrize(
        ("words", "field"),
        [
            ({"body": " \n"}, "body"),
            ({"to": [Address("", "Support+tag@house.example")]}, "to"),
            ({"cc": [Address("", "hello@house.example")]}, "cc"),
            ({"bcc": [Address("", "support@house.example")]}, "bcc"),
            ({"to": []}, "to"),
            ({"to": [Address("", f"p{n}@x.example") for n in range(101)]}, "to"),
            ({"thread_id": 99_999}, "thread_id"),
            ({"upload_ids": [99_999]}, "attachments"),
            ({"html": "<b>" * 600 + "x"}, "html"),
        ],
    )
    def test_is_refused_by_the_field_that_is_wrong(
        self, mailbox: Mailbox, ana: User, words: dict[str, Any], field: str
    ) -> None:
        case = received(mailbox)
        with pytest.raises(Invalid) as refusal:
            reply(case, ana, **words)
        assert refusal.value.field == field
        assert not OutboundMessage.objects.filter(author=ana).exists()

    def test_is_refused_where_nobody_can_be_written_to(self, ana: User) -> None:
        case = make_case(email="unknown-sender+7@invalid")
        with pytest.raises(Invalid) as refusal:
            reply(case, ana)
        assert refusal.value.field == "to"

    def test_belongs_into_the_case_that_goes_on(self, mailbox: Mailbox, ana: User) -> None:
        case, other = received(mailbox), make_case()
        merge_cases(case.pk, into=other.pk, at=later(minutes=1), actor=Actor.user(ana))
        with pytest.raises(CaseIsMerged) as refusal:
            reply(case, ana)
        assert refusal.value.facts["case_id"] == str(other.pk)

    def test_may_answer_a_machine(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox, Auto_Submitted="auto-replied")
        assert reply(case, ana).recipient == "tina@home.example"

    def test_does_not_answer_a_bounce(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        thread = EmailThread.objects.get(case=case)
        EmailMessage.objects.create(
            thread=thread, direction="inbound", automatic="bounce", from_email="mailer-daemon@mx.example",
            message_id="b@mx.example", received_at=later(minutes=2), created_at=later(minutes=2),
        )  # fmt: skip
        assert reply(case, ana).recipient == "tina@home.example"

    def test_may_have_a_subject_of_its_own(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        assert reply(case, ana, subject=" Your\r\n heating ").subject == f"Your heating [{case.case_number}]"
        assert reply(case, ana, subject=f"{case.case_number}: done").subject == f"{case.case_number}: done"

    def test_is_told_once(self, mailbox: Mailbox, ana: User) -> None:
        out = reply(received(mailbox), ana)
        event = TimelineEvent.objects.get(kind="outbound_queued", subject_id=str(out.pk))
        assert (event.actor_kind, event.actor_reference, event.data["purpose"]) == ("user", str(ana.pk), "reply")


class TestTheConversation:
    def test_is_the_newest_of_the_case(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        newer = EmailThread.objects.create(
            mailbox=mailbox, case=case, subject="More", created_at=NOON, updated_at=later(minutes=3)
        )
        assert reply(case, ana).thread == newer
        older = case.threads.exclude(pk=newer.pk).get()
        assert reply(case, ana, thread_id=older.pk).thread == older

    def test_is_a_new_one_for_somebody_new(self, mailbox: Mailbox, ana: User, state_folder: Path) -> None:
        case = received(mailbox)
        out = reply(case, ana, to=[Address("Pat", "pat@pipes.example")])
        assert (out.thread, out.purpose, out.quoted, out.in_reply_to) == (None, "contractor", "", "")
        assert out.subject == f"Heating is cold [{case.case_number}]"
        sender.send_due(now=later(minutes=6))
        out.refresh_from_db()
        assert out.thread
        assert (out.thread.case, out.thread.emails.count(), out.mailbox) == (case, 1, mailbox)
        case.refresh_from_db()
        assert (case.first_response_at, case.status) == (None, "new")  # nobody has answered the customer

    def test_goes_on_with_that_contractor(self, mailbox: Mailbox, ana: User, state_folder: Path) -> None:
        case = received(mailbox)
        reply(case, ana, to=[Address("Pat", "pat@pipes.example")])
        sender.send_due(now=later(minutes=6))
        again = reply(case, ana, at=later(minutes=7), to=[Address("Pat", "Pat@pipes.example")])
        assert again.thread == OutboundMessage.objects.get(recipient="pat@pipes.example", state="sent").thread
        assert (again.purpose, again.in_reply_to != "") == ("contractor", True)
        default = reply(case, ana, at=later(minutes=8))  # the newest conversation is that one
        assert (default.recipient, default.purpose) == ("pat@pipes.example", "contractor")

    def test_with_somebody_of_the_customers_side_is_an_answer(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox, Cc="zoe@home.example, pat@pipes.example")
        ContractorFactory.create(email="pat@pipes.example")
        assert reply(case, ana, to=[Address("", "zoe@home.example")]).purpose == "reply"
        assert reply(case, ana, to=[Address("", "pat@pipes.example")]).purpose == "contractor"

    def test_begins_with_the_customer_where_there_is_none(self, ana: User) -> None:
        case = make_case(email="tina@home.example", title="She called")
        out = reply(case, ana)
        assert (out.thread, out.recipient, out.purpose) == (None, "tina@home.example", "reply")
        assert out.subject == f"She called [{case.case_number}]"
        assert reply(case, ana, to=[TINA]).purpose == "reply"

    def test_is_held_by_the_mailbox_of_its_team(self, ana: User) -> None:
        team = TeamFactory.create()
        own = MailboxFactory.create(team=team)
        assert reply(make_case(assigned_team=team), ana).mailbox == own
        assert reply(make_case(assigned_team=TeamFactory.create()), ana).mailbox != own

    def test_follows_our_own_last_mail_where_nobody_has_answered(self, ana: User) -> None:
        case = make_case(email="tina@home.example")
        email = record_reply(case, body="We called you.", at=NOON, actor=Actor.user(ana))
        out = reply(case, ana)
        assert (out.recipient, out.in_reply_to, out.quoted) == ("tina@home.example", email.message_id, "")


class TestWarnings:
    def test_tell_whom_nobody_knows(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox, Cc="new@home.example, odd@elsewhere.example")
        make_case(email="known@owners.example")
        ContractorFactory.create(email="pat@pipes.example")
        assert codes(case, ana) == [("new_address", "new@home.example"), ("new_domain", "odd@elsewhere.example")]
        to = [
            Address("", one)
            for one in ("other@owners.example", "known@owners.example", "pat@pipes.example", "tom@pipes.example")
        ]
        assert codes(case, ana, to=to) == [
            ("new_address", "other@owners.example"),
            ("new_address", "tom@pipes.example"),
        ]

    def test_know_a_house_from_another_case(self, mailbox: Mailbox, ana: User) -> None:
        make_case(email="known@owners.example")
        assert codes(make_case(), ana, to=[Address("", "other@Owners.example")]) == [
            ("new_address", "other@Owners.example")
        ]

    def test_end_once_a_mail_was_written(self, mailbox: Mailbox, ana: User) -> None:
        to = [Address("", "other@elsewhere.example")]
        assert codes(make_case(), ana, to=to) == [("new_domain", "other@elsewhere.example")]
        assert codes(make_case(), ana, to=to) == []

    def test_tell_a_forgotten_file_and_a_machine(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox, sender="noreply@home.example")
        assert codes(case, ana, body="See the attachment.") == [
            ("no_reply", "noreply@home.example"),
            ("attachment_missing", ""),
        ]

    def test_come_before_anything_is_sent(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox, Reply_To="elsewhere@elsewhere.example")
        found = propose(case, reader=ana)
        assert [one.email for one in found.recipients.to] == ["elsewhere@elsewhere.example"]
        assert [one.code.value for one in found.warnings] == ["new_domain"]
        assert found.subject == f"Re: Heating is cold [{case.case_number}]"
        assert found.quoted.startswith("On ")
        assert not OutboundMessage.objects.filter(author=ana).exists()


class TestOnceItIsSent:
    @pytest.fixture(autouse=True)
    def folder(self, state_folder: Path) -> None:
        """Mail goes into a folder."""

    def test_it_stands_in_the_conversation(self, mailbox: Mailbox, ana: User) -> None:
        out = reply(received(mailbox, Cc="zoe@home.example"), ana, bcc=[Address("", "b@c.example")], html="<p>Hi</p>")
        sender.send_due(now=later(minutes=6))
        out.refresh_from_db()
        email = out.email
        assert email
        assert (email.author, email.automatic, email.direction) == (ana, "person", "outbound")
        assert [one["email"] for one in (*email.to, *email.cc, *email.bcc)] == [
            "tina@home.example",
            "zoe@home.example",
            "b@c.example",
        ]
        assert (email.html, email.visible_text, email.quoted_text) == ("<p>Hi</p>", out.body, out.quoted)
        assert email.text == f"{out.body}\n\n{out.quoted}"

    def test_the_customer_has_been_answered(self, mailbox: Mailbox, ana: User) -> None:
        PolicyFactory.create()
        case = received(mailbox)
        reply(case, ana)
        assert Case.objects.get(pk=case.pk).first_response_at is None  # not before it is gone
        sender.send_due(now=later(minutes=6))
        case.refresh_from_db()
        assert case.first_response_at
        assert case.first_response_at >= later(minutes=6)
        assert case.clocks.get(kind="first_response").state == "met"
        sent = TimelineEvent.objects.get(kind="message_sent")
        assert (sent.actor_kind, sent.actor_reference) == ("user", str(ana.pk))
        assert (sent.data["by_us"], sent.data["purpose"]) == (True, "reply")
        assert sent.cause_id == TimelineEvent.objects.get(kind="outbound_sent", data__purpose="reply").pk

    def test_a_new_case_is_in_progress(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        reply(case, ana)
        sender.send_due(now=later(minutes=6))
        case.refresh_from_db()
        assert case.status == "in_progress"

    def test_a_case_in_another_status_stays_there(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        change_status(case.pk, "awaiting_vendor", at=later(minutes=1), actor=Actor.user(ana))
        reply(case, ana)
        sender.send_due(now=later(minutes=6))
        case.refresh_from_db()
        assert case.status == "awaiting_vendor"

    def test_the_case_becomes_what_its_writer_said(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        reply(case, ana, then_status="awaiting_customer")
        sender.send_due(now=later(minutes=6))
        case.refresh_from_db()
        assert case.status == "awaiting_customer"
        moved = TimelineEvent.objects.get(kind="case_status_changed")
        assert (moved.actor_kind, moved.actor_reference, moved.changes["status"]) == (
            "user",
            str(ana.pk),
            ["new", "awaiting_customer"],
        )

    def test_a_note_says_why_the_case_did_not(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        change_status(case.pk, "closed", at=later(minutes=1), actor=Actor.user(ana))
        out = reply(case, ana, then_status="awaiting_vendor")
        sender.send_due(now=later(minutes=6))
        out.refresh_from_db()
        case.refresh_from_db()
        assert (out.state, case.status) == ("sent", "closed")
        note = Note.objects.get(case=case)
        assert "Awaiting Vendor" in note.body
        assert note.author is None

    def test_a_contractors_mail_moves_the_case_only_where_its_writer_said(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        reply(case, ana, to=[Address("", "pat@pipes.example")], then_status="awaiting_vendor")
        sender.send_due(now=later(minutes=6))
        case.refresh_from_db()
        assert (case.status, case.first_response_at) == ("awaiting_vendor", None)

    def test_it_follows_its_case_into_another(self, mailbox: Mailbox, ana: User) -> None:
        case, other = received(mailbox), make_case()
        reply(case, ana)
        merge_cases(case.pk, into=other.pk, at=later(minutes=5), actor=Actor.user(ana))
        sender.send_due(now=later(minutes=6))
        other.refresh_from_db()
        assert other.first_response_at
        assert TimelineEvent.objects.get(kind="message_sent").case_id == other.pk

    def test_mail_of_a_deleted_case_waits_for_its_return(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        OutboundMessage.objects.all().delete()
        reply(case, ana)
        delete_case(case.pk, at=later(minutes=5), actor=Actor.user(ana))
        assert sender.send_due(now=later(minutes=6)) == 0
        restore_case(case.pk, at=later(minutes=7), actor=SYSTEM)
        assert sender.send_due(now=later(minutes=8)) == 1

    def test_a_case_deleted_meanwhile_is_left_alone(self, mailbox: Mailbox, ana: User) -> None:
        from mail_ingest.services import mark_sent

        case = received(mailbox)
        out = reply(case, ana, then_status="resolved")
        delete_case(case.pk, at=later(minutes=5), actor=Actor.user(ana))
        mark_sent(out.pk, at=later(minutes=6))
        out.refresh_from_db()
        assert (out.state, Note.objects.count()) == ("sent", 0)


class TestAnOldState:
    def test_of_the_conversation_is_refused_with_a_reply(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        seen = conversation.state_of(case.pk)
        received(mailbox, number=2, at=later(minutes=1), answers="mail1@home.example", text="It is warm again.")
        with pytest.raises(ConversationMoved) as refusal:
            reply(case, ana, seen=seen)
        assert refusal.value.seen == seen
        reply(case, ana, seen=conversation.state_of(case.pk))

    def test_is_one_before_a_note_and_before_a_colleagues_reply(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        seen = conversation.state_of(case.pk)
        add_note(case.pk, "Call her.", at=later(minutes=1), actor=SYSTEM)
        with pytest.raises(ConversationMoved):
            reply(case, ana, seen=seen)
        seen = conversation.state_of(case.pk)
        out = reply(case, UserFactory.create())
        with pytest.raises(ConversationMoved):
            write_note(case.pk, "Done.", at=later(minutes=6), actor=Actor.user(ana), seen=seen)
        cancel(out.pk, at=later(minutes=5), actor=Actor.user(out.author))  # type: ignore[arg-type] # it has one
        assert write_note(case.pk, "Done.", at=later(minutes=6), actor=Actor.user(ana), seen=seen).author == ana

    def test_is_not_one_before_a_reply_is_sent_nor_before_automatic_mail(
        self, mailbox: Mailbox, ana: User, state_folder: Path
    ) -> None:
        case = received(mailbox)
        reply(case, ana)
        seen = conversation.state_of(case.pk)
        sender.send_due(now=later(minutes=6))
        event = TimelineEvent.objects.filter(case=case).latest("id")
        queue_automatic(
            case=case, event=event, recipient="tina@home.example", purpose="template", subject="x", body="y",
            at=later(minutes=7), actor=SYSTEM,
        )  # fmt: skip
        sender.send_due(now=later(minutes=8))
        assert reply(case, ana, at=later(minutes=9), seen=seen).state == "waiting"

    def test_can_be_told_by_its_tag(self) -> None:
        state = conversation.ConversationState(17, 4, 2)
        assert state.tag() == '"c17.4.2"'
        assert conversation.ConversationState.parse(state.tag("0a1b")) == state
        assert conversation.ConversationState.parse('"v3.117"') is None


class TestTakingBack:
    def test_gives_the_words_back_to_their_writer(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        out = reply(case, ana, body="First words.", bcc=[Address("", "b@c.example")])
        save_draft(case.pk, "reply", Words(body="Begun since."), at=later(minutes=5), actor=Actor.user(ana))
        assert cancel(out.pk, at=later(minutes=5), actor=Actor.user(ana)).state == "cancelled"
        draft = Draft.objects.get(case=case, author=ana)
        assert draft.body == "First words.\n\nBegun since."
        assert (draft.thread, draft.to, draft.bcc) == (out.thread, out.to, out.bcc)
        assert (
            claim_next(now=later(days=1)) is None
            or not OutboundMessage.objects.filter(pk=out.pk, state="sending").exists()
        )

    def test_keeps_the_formatting_of_both(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        out = reply(case, ana, body="", html="<p>First</p>")
        save_draft(case.pk, "reply", Words(body="a < b"), at=later(minutes=5), actor=Actor.user(ana))
        cancel(out.pk, at=later(minutes=5), actor=Actor.user(ana))
        assert Draft.objects.get().html == "<p>First</p>\na &lt; b<br>\n"

    def test_is_for_its_writer_and_for_supervisors(self, mailbox: Mailbox, ana: User, supervisor: User) -> None:
        case = received(mailbox)
        out = reply(case, ana)
        with pytest.raises(NotYours):
            cancel(out.pk, at=later(minutes=5), actor=Actor.user(UserFactory.create()))
        cancel(out.pk, at=later(minutes=5), actor=Actor.user(supervisor))
        again = cancel(out.pk, at=later(minutes=6), actor=Actor.user(ana))
        assert again.state == "cancelled"
        assert Draft.objects.get().author == ana
        assert TimelineEvent.objects.filter(kind="outbound_cancelled").count() == 1

    def test_of_automatic_mail_writes_no_draft(self, mailbox: Mailbox, supervisor: User) -> None:
        case = make_case()
        event = TimelineEvent.objects.filter(case=case).latest("id")
        out = queue_automatic(
            case=case, event=event, recipient="t@home.example", purpose="template", subject="x", body="y", at=NOON,
            actor=SYSTEM,
        )  # fmt: skip
        cancel(out.pk, at=NOON, actor=Actor.user(supervisor))
        assert Draft.objects.count() == 0

    def test_comes_too_late_once_it_is_being_sent(self, mailbox: Mailbox, ana: User) -> None:
        case = received(mailbox)
        OutboundMessage.objects.all().delete()
        out = reply(case, ana)
        claim_next(now=later(minutes=6))
        with pytest.raises(TooLate) as refusal:
            cancel(out.pk, at=later(minutes=6), actor=Actor.user(ana))
        assert refusal.value.facts["state"] == "sending"

    def test_knows_no_mail_that_is_not_there(self, mailbox: Mailbox, ana: User) -> None:
        with pytest.raises(OutboundGone):
            cancel(1, at=NOON, actor=Actor.user(ana))
        case = received(mailbox)
        out = reply(case, ana)
        delete_case(case.pk, at=later(minutes=5), actor=Actor.user(ana))
        with pytest.raises(OutboundGone):
            cancel(out.pk, at=NOON, actor=Actor.user(ana))


class TestSendingAgain:
    def test_is_for_what_failed_or_may_have_been_sent(self, mailbox: Mailbox, ana: User, state_folder: Path) -> None:
        case = received(mailbox)
        OutboundMessage.objects.all().delete()
        failed, doubtful = reply(case, ana), reply(case, ana)
        mark_failed(failed.pk, error="550 no", at=later(minutes=6), for_good=True)
        claim_next(now=later(minutes=6))
        mark_maybe_sent(doubtful.pk, error="silence", at=later(minutes=6))
        doubtful.refresh_from_db()
        assert doubtful.state == "maybe_sent"
        for out in (failed, doubtful):
            again = retry(out.pk, at=later(minutes=7), actor=Actor.user(ana))
            assert (again.state, again.attempts, again.reason, again.message_id) == ("waiting", 0, "", out.message_id)
        assert sender.send_due(now=later(minutes=8)) == 2

    def test_is_for_nothing_else(self, mailbox: Mailbox, ana: User) -> None:
        out = reply(received(mailbox), ana)
        with pytest.raises(TooLate):
            retry(out.pk, at=later(minutes=7), actor=Actor.user(ana))
        with pytest.raises(NotYours):
            retry(out.pk, at=later(minutes=7), actor=Actor.user(UserFactory.create()))


class TestANote:
    def test_never_leaves_the_house(self, mailbox: Mailbox, ana: User, state_folder: Path) -> None:
        case = received(mailbox)
        OutboundMessage.objects.all().delete()
        save_draft(case.pk, "note", Words(body="Half"), at=NOON, actor=Actor.user(ana))
        note = write_note(case.pk, "Call her.", at=NOON, actor=Actor.user(ana))
        assert (note.body, Draft.objects.count()) == ("Call her.", 0)
        assert OutboundMessage.objects.count() == 0
        assert locked(case.pk).first_response_at is None
