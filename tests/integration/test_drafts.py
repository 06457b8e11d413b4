"""Unfinished words and files, kept on the server."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.actors import Actor
from accounts.models import User
from cases.models import TimelineEvent
from cases.services import CaseGone, delete_case, merge_cases
from handyconnect.refusals import Invalid
from mail_ingest import sender
from mail_ingest.models import Attachment, Draft, Mailbox, OutboundMessage, Upload
from mail_ingest.services import (
    DraftStale,
    ReplyDraft,
    UploadGone,
    UploadInUse,
    Words,
    cancel,
    discard_draft,
    discard_upload,
    forget_uploads,
    keep_upload,
    queue_reply,
    save_draft,
    uploads,
)
from mail_ingest.services.drafts import tag_of
from tests.factories import NOON, SYSTEM, MailboxFactory, UserFactory, later, make_case

pytestmark = pytest.mark.django_db

PLAN = b"%PDF-1.7 plan"


@pytest.fixture(autouse=True)
def mailbox() -> Mailbox:
    return MailboxFactory.create(address="support@house.example")


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


def kept(case: Any, by: User, *, name: str = "plan.pdf", content: bytes = PLAN, at: Any = NOON) -> Upload:
    return keep_upload(case.pk, filename=name, content=content, declared_type="text/html", at=at, actor=Actor.user(by))


class TestADraft:
    def test_is_one_for_each_case_person_and_kind(self, ana: User) -> None:
        case, actor = make_case(), Actor.user(ana)
        first, created = save_draft(case.pk, "reply", Words(body="H"), at=NOON, actor=actor)
        again, renewed = save_draft(case.pk, "reply", Words(body="Hello"), at=later(minutes=1), actor=actor)
        save_draft(case.pk, "note", Words(body="n"), at=NOON, actor=actor)
        save_draft(case.pk, "reply", Words(body="b"), at=NOON, actor=Actor.user(UserFactory.create()))
        assert (created, renewed, first.pk) == (True, False, again.pk)
        assert (Draft.objects.count(), again.body, again.created_at, again.updated_at) == (
            3,
            "Hello",
            NOON,
            later(minutes=1),
        )

    def test_is_no_fact(self, ana: User) -> None:
        case = make_case()
        before = TimelineEvent.objects.count()
        save_draft(case.pk, "reply", Words(body="H"), at=NOON, actor=Actor.user(ana))
        discard_draft(case.pk, "reply", actor=Actor.user(ana))
        discard_draft(case.pk, "reply", actor=Actor.user(ana))
        assert (TimelineEvent.objects.count(), Draft.objects.count()) == (before, 0)

    def test_of_another_window_is_not_overwritten(self, ana: User) -> None:
        case, actor = make_case(), Actor.user(ana)
        first, _created = save_draft(case.pk, "reply", Words(body="H"), at=NOON, actor=actor)
        read = tag_of(first)
        save_draft(case.pk, "reply", Words(body="Hello"), at=later(minutes=1), actor=actor, expected=read)
        with pytest.raises(DraftStale):
            save_draft(case.pk, "reply", Words(body="Hi"), at=later(minutes=2), actor=actor, expected=read)
        assert Draft.objects.get().body == "Hello"
        with pytest.raises(DraftStale):  # there is none of this kind
            save_draft(case.pk, "note", Words(body="Hi"), at=later(minutes=2), actor=actor, expected=read)

    def test_needs_its_case_its_conversation_and_its_files(self, ana: User) -> None:
        case, actor = make_case(), Actor.user(ana)
        with pytest.raises(Invalid) as refusal:
            save_draft(case.pk, "reply", Words(thread_id=9), at=NOON, actor=actor)
        assert refusal.value.field == "thread_id"
        foreign = kept(case, UserFactory.create())
        with pytest.raises(Invalid) as refusal:
            save_draft(case.pk, "reply", Words(upload_ids=[foreign.pk]), at=NOON, actor=actor)
        assert refusal.value.field == "attachments"
        delete_case(case.pk, at=NOON, actor=actor)
        with pytest.raises(CaseGone):
            save_draft(case.pk, "reply", Words(), at=NOON, actor=actor)

    def test_is_gone_when_it_is_sent(self, ana: User) -> None:
        case, actor = make_case(), Actor.user(ana)
        save_draft(case.pk, "reply", Words(body="H"), at=NOON, actor=actor)
        save_draft(case.pk, "note", Words(body="n"), at=NOON, actor=actor)
        queue_reply(case.pk, ReplyDraft(body="H"), at=NOON, actor=actor)
        assert Draft.objects.get().kind == "note"


class TestAFile:
    def test_is_kept_under_a_name_that_harms_nobody(self, ana: User) -> None:
        upload = kept(make_case(), ana, name="../..\\evil\x00\u202efdp.pdf")
        assert upload.filename == "_.._evilfdp.pdf"
        assert (upload.content_type, upload.size_bytes) == ("application/pdf", len(PLAN))
        assert upload.sha256 == hashlib.sha256(PLAN).hexdigest()

    def test_without_a_telling_name_is_what_the_browser_said(self, ana: User) -> None:
        assert kept(make_case(), ana, name="plan").content_type == "text/html"
        odd = keep_upload(
            make_case().pk, filename="x", content=b"1", declared_type="no type", at=NOON, actor=Actor.user(ana)
        )
        assert odd.content_type == "application/octet-stream"

    def test_has_a_bounded_size_alone_and_with_the_others(
        self, ana: User, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.MAX_ATTACHMENT_BYTES = 100
        monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 150)
        case = make_case()
        for content in (b"", b"x" * 101):
            with pytest.raises(Invalid) as refusal:
                kept(case, ana, content=content)
            assert refusal.value.field == "file"
        kept(case, ana, content=b"x" * 100)
        with pytest.raises(Invalid):
            kept(case, ana, content=b"x" * 51)
        kept(case, ana, content=b"x" * 50)
        kept(case, UserFactory.create(), content=b"x" * 100)  # everybody has their own room
        monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 140)
        ids = list(Upload.objects.filter(uploaded_by=ana).values_list("pk", flat=True))
        with pytest.raises(Invalid) as refusal:
            queue_reply(case.pk, ReplyDraft(body="x", upload_ids=ids), at=NOON, actor=Actor.user(ana))
        assert refusal.value.field == "attachments"

    def test_goes_with_the_reply_into_the_conversation(self, ana: User, state_folder: Path) -> None:
        case = make_case(email="tina@home.example")
        ids = [kept(case, ana).pk, kept(case, ana, name="b.txt", content=b"b").pk]
        outbound, _warned = queue_reply(case.pk, ReplyDraft(upload_ids=ids), at=NOON, actor=Actor.user(ana))
        sender.send_due(now=later(minutes=1))
        outbound.refresh_from_db()
        files = Attachment.objects.filter(email=outbound.email)
        assert [(file.rank, file.filename, bytes(file.content)) for file in files] == [
            (1, "plan.pdf", PLAN),
            (2, "b.txt", b"b"),
        ]
        assert files[0].sha256 == hashlib.sha256(PLAN).hexdigest()

    def test_comes_back_with_a_mail_that_is_taken_back(self, ana: User) -> None:
        case, actor = make_case(email="tina@home.example"), Actor.user(ana)
        upload = kept(case, ana)
        outbound, _warned = queue_reply(case.pk, ReplyDraft(body="x", upload_ids=[upload.pk]), at=NOON, actor=actor)
        with pytest.raises(UploadInUse):
            discard_upload(case, upload.pk, actor=actor)
        cancel(outbound.pk, at=NOON, actor=actor)
        assert list(Draft.objects.get().uploads.all()) == [upload]

    def test_follows_its_case_into_another(self, ana: User) -> None:
        case, other = make_case(), make_case(email="otto@home.example")
        upload = kept(case, ana)
        merge_cases(case.pk, into=other.pk, at=NOON, actor=SYSTEM)
        outbound, _warned = queue_reply(
            other.pk, ReplyDraft(body="x", upload_ids=[upload.pk]), at=NOON, actor=Actor.user(ana)
        )
        assert list(outbound.uploads.all()) == [upload]

    def test_is_taken_away_by_its_owner_alone(self, ana: User) -> None:
        case = make_case()
        upload = kept(case, ana)
        with pytest.raises(UploadGone):
            discard_upload(case, upload.pk, actor=Actor.user(UserFactory.create()))
        discard_upload(case, upload.pk, actor=Actor.user(ana))
        assert Upload.objects.count() == 0

    def test_that_nobody_needs_is_forgotten(self, ana: User, state_folder: Path) -> None:
        case, actor = make_case(email="tina@home.example"), Actor.user(ana)
        names = ("lost.txt", "drafted.txt", "waiting.txt", "sent.txt", "fresh.txt")
        files = {
            name: kept(case, ana, name=name, at=NOON + timedelta(days=7 * (name == "fresh.txt"))) for name in names
        }
        queue_reply(case.pk, ReplyDraft(body="x", upload_ids=[files["sent.txt"].pk]), at=NOON, actor=actor)
        sender.send_due(now=later(minutes=1))
        late = later(days=30)
        queue_reply(
            case.pk, ReplyDraft(body="x", upload_ids=[files["waiting.txt"].pk], send_at=late), at=NOON, actor=actor
        )
        save_draft(case.pk, "reply", Words(upload_ids=[files["drafted.txt"].pk]), at=NOON, actor=actor)
        assert forget_uploads(before=later(days=1)) == 2
        assert {upload.filename for upload in Upload.objects.all()} == {"drafted.txt", "waiting.txt", "fresh.txt"}
        assert Attachment.objects.filter(email__outbound__state="sent").count() == 1
        assert OutboundMessage.objects.filter(state="sent").count() == 1
        assert forget_uploads(before=later(days=1)) == 0
