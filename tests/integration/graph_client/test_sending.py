"""Sending: what was certainly sent, certainly not, and what nobody knows."""

import base64
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from mail_ingest.sources.graph import sending
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    MaybeSent,
    MessageGone,
    NotSent,
    Throttled,
)
from mail_ingest.sources.graph.explanations import explain
from mail_ingest.sources.graph.retry import Policy
from tests.integration.graph_client.helpers import PATIENT, USER, Watch, account_of
from tests.mails import mail
from tests.standins.graph import Fault, GraphStandIn, Mailbox


class TestSending:
    def raw(self) -> bytes:
        return mail(sender=f"Support <{USER}>", to="tina@home.example", message_id="reply-1@desk.example")

    def test_a_mime_mail_goes_as_it_is(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        sending.send_mime(graph, USER, self.raw())
        (sent,) = standin.sent
        assert sent.raw == self.raw()
        assert sending.sent_copy(graph, USER, "<reply-1@desk.example>") == box.messages("sentitems")[0].id
        assert sending.sent_copy(graph, USER, "<other@desk.example>") == ""

    @pytest.mark.parametrize(
        "fault",
        [Fault(status=504), Fault(status=502), Fault(status=500), Fault(how="drop"), Fault(how="html", status=502)],
    )
    @pytest.mark.parametrize("after", [True, False])
    def test_nobody_knows_after_a_lost_answer_and_it_is_not_repeated(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, fault: Fault, *, after: bool
    ) -> None:
        standin.faults.add(replace(fault, path="sendMail", after=after))
        with pytest.raises(MaybeSent):
            sending.send_mime(graph, USER, self.raw())
        assert len(standin.seen("POST", "sendMail")) == 1
        assert len(standin.sent) == int(after)
        assert bool(sending.sent_copy(graph, USER, "<reply-1@desk.example>")) is after

    def test_it_is_repeated_while_it_is_certainly_not_taken(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch
    ) -> None:
        standin.faults.throttle(1, retry_after="2.5", path="sendMail")
        standin.faults.add(Fault(status=503, code="MailboxInfoStale", path="sendMail"))
        standin.revoke_tokens()
        sending.send_mime(graph, USER, self.raw())
        assert len(standin.sent) == 1
        assert watch.slept == [2.5, 2]

    def test_it_comes_later_when_it_is_throttled_to_the_end(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        standin.faults.throttle(None, retry_after="1", path="sendMail")
        with pytest.raises(Throttled):
            sending.send_mime(graph, USER, self.raw())
        assert standin.sent == []

    @pytest.mark.parametrize(
        ("fault", "lasting"),
        [(Fault(status=400, code="ErrorInvalidRecipients"), True), (Fault(status=403, code="ErrorAccessDenied"), True)],
    )
    def test_a_refused_mail_is_certainly_not_sent(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, fault: Fault, *, lasting: bool
    ) -> None:
        standin.faults.add(replace(fault, path="sendMail"))
        with pytest.raises(NotSent) as caught:
            sending.send_mime(graph, USER, self.raw())
        assert caught.value.lasting is lasting

    def test_a_mail_is_certainly_not_sent_where_nobody_listens(self, standin: GraphStandIn, watch: Watch) -> None:
        with GraphStandIn() as gone:
            account = account_of(standin, base_url=gone.url)
        with Graph(account, policy=Policy(tries=2), pace=watch.pace) as graph, pytest.raises(NotSent) as caught:
            sending.send_mime(graph, USER, self.raw())
        assert not caught.value.lasting

    def test_a_mail_is_certainly_not_sent_without_a_token(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        standin.faults.expire_secret()
        with pytest.raises(NotSent) as caught:
            sending.send_mime(graph, USER, self.raw())
        assert "secret has expired" in explain(caught.value)

    def test_a_silent_server_leaves_it_open(
        self, standin: GraphStandIn, box: Mailbox, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mail_ingest.sources.graph.client.READ_SECONDS", 0.05)
        standin.faults.add(Fault(how="hang", path="sendMail", after=True, seconds=5))
        with Graph(account_of(standin), policy=PATIENT, pace=watch.pace) as graph, pytest.raises(MaybeSent):
            sending.send_mime(graph, USER, self.raw())
        assert len(standin.sent) == 1

    def test_a_large_mail_goes_with_all_its_files(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        plan, picture = bytes(range(256)) * 20_000, b"\x89PNG" * 1000
        message = message_from_bytes(self.raw(), policy=policy.default)
        message.add_related(
            picture, "image", "png", cid="<logo@desk.example>", disposition="inline", filename="logo.png"
        )
        message.add_attachment(plan, "application", "pdf", filename="Plän.pdf")
        message.add_attachment(message_from_bytes(mail(), policy=policy.default), filename="question.eml")
        sending.send_mime(graph, USER, message.as_bytes())
        (sent,) = standin.sent
        arrived = message_from_bytes(sent.raw, policy=policy.default)
        assert arrived["Message-ID"] == "<reply-1@desk.example>"
        files = {part.get_filename(): part for part in arrived.walk() if part.get_filename()}
        assert set(files) == {"logo.png", "Plän.pdf", "question.eml"}
        assert files["Plän.pdf"].get_content() == plan
        assert files["logo.png"].get_content() == picture
        assert files["logo.png"]["Content-ID"] == "<logo@desk.example>"
        assert "the heating in my flat" in arrived.as_string()

    def test_a_large_mail_leaves_no_draft_when_it_cannot_be_sent(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        standin.faults.answer(403, None, code="ErrorAccessDenied", path="createUploadSession")
        with pytest.raises(NotSent):
            sending.send_mime(graph, USER, mail(attachment=("plan.pdf", b"x" * 4_000_000)))
        assert standin.sent == []
        assert box.messages("drafts") == []

    def test_a_text_too_large_for_one_request_is_not_tried(self, standin: GraphStandIn, graph: Graph) -> None:
        with pytest.raises(NotSent):
            sending.send_mime(graph, USER, mail("x" * 4_000_000))
        assert standin.requests == []


class TestReply:
    def test_it_carries_threading_headers_recipients_and_files(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        question = box.add(mail(message_id="question@home.example"))
        large = bytes(range(256)) * 36_000  # 9.2 MB: three pieces
        fields = {
            "body": {"contentType": "HTML", "content": "<p>We are on it.</p>"},
            "ccRecipients": [{"emailAddress": {"address": "paul@home.example", "name": "Paul"}}],
        }
        files = [
            sending.Attachment("note.txt", "text/plain", b"small"),
            sending.Attachment("film.bin", "application/octet-stream", large),
        ]
        sent_id = sending.reply(graph, USER, question.id, fields=fields, attachments=files)
        (sent,) = standin.sent
        answer = message_from_bytes(sent.raw)
        assert answer["In-Reply-To"] == "<question@home.example>"
        assert answer["Subject"] == "RE: Heating is cold"
        assert "tina@home.example" in answer["To"]
        assert "paul@home.example" in answer["Cc"]
        parts = {part.get_filename(): part.get_payload(decode=True) for part in answer.walk() if part.get_filename()}
        assert parts == {"note.txt": b"small", "film.bin": large}
        assert len(standin.seen("PUT", "/uploads/")) == 3
        assert all("authorization" not in request.headers for request in standin.seen("PUT", "/uploads/"))
        assert sending.is_sent(graph, USER, sent_id) is True
        assert box.messages("drafts") == []

    def test_it_can_be_a_mime_mail(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        question = box.add(mail(message_id="question@home.example"))
        raw = mail(
            sender=USER, to="tina@home.example", message_id="signed-1@desk.example", answers="question@home.example"
        )
        sending.reply(graph, USER, question.id, raw=raw)
        assert message_from_bytes(standin.sent[0].raw)["Message-ID"] == "<signed-1@desk.example>"

    def test_it_leaves_no_draft_when_it_cannot_be_sent(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        question = box.add(mail())
        standin.faults.add(Fault(status=400, code="ErrorInvalidRecipients", path="/send$"))
        with pytest.raises(NotSent):
            sending.reply(graph, USER, question.id)
        assert box.messages("drafts") == []

    def test_it_may_have_been_sent_and_the_draft_can_tell(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        question = box.add(mail())
        draft_id = sending.create_reply(graph, USER, question.id)
        assert sending.is_sent(graph, USER, draft_id) is False
        standin.faults.add(Fault(status=504, path="/send$", after=True))
        with pytest.raises(MaybeSent):
            sending.send_draft(graph, USER, draft_id)
        assert sending.is_sent(graph, USER, draft_id) is True
        assert sending.is_sent(graph, USER, "AAkAgone") is None

    def test_it_is_not_sent_when_the_question_is_gone(self, box: Mailbox, graph: Graph) -> None:
        question = box.add(mail())
        box.delete(question)
        with pytest.raises(NotSent) as caught:
            sending.reply(graph, USER, question.id)
        assert isinstance(caught.value.cause, MessageGone)

    def test_its_headers_have_to_be_x_headers(self, box: Mailbox, graph: Graph) -> None:
        headers = {"internetMessageHeaders": [{"name": "In-Reply-To", "value": "<a@b.example>"}]}
        with pytest.raises(NotSent, match="InvalidInternetMessageHeader"):
            sending.create_draft(graph, USER, message=headers)

    @pytest.mark.parametrize("after", [True, False])
    def test_a_lost_piece_of_a_large_file_is_sent_once(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, *, after: bool
    ) -> None:
        draft_id = sending.create_draft(graph, USER, message={"subject": "Film"})
        content = bytes(range(256)) * 36_000
        standin.faults.add(Fault(status=504, method="PUT", path="uploads", after=after))
        sending.attach(graph, USER, draft_id, sending.Attachment("film.bin", "application/octet-stream", content))
        draft = box.find(draft_id)
        assert draft is not None
        (extra,) = draft.extra_attachments
        assert base64.b64decode(str(extra["contentBytes"])) == content
