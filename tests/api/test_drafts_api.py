"""Drafts and files over HTTP."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from cases.models import Case
from cases.services import delete_case
from mail_ingest.models import Draft, Upload
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, MailboxFactory, UserFactory, make_case

pytestmark = pytest.mark.django_db

PLAN = b"%PDF-1.7 plan"


@pytest.fixture
def case() -> Case:
    MailboxFactory.create(address="support@house.example")
    return make_case(email="tina@home.example")


@pytest.fixture
def url(case: Case) -> str:
    return f"/api/cases/{case.pk}"


def put(client: APIClient, url: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.put(f"{url}/draft", {"kind": "reply", **body}, headers=headers or {})


def send_file(client: APIClient, url: str, *, name: str = "plan.pdf", content: bytes = PLAN) -> Any:
    return client.post(f"{url}/uploads", {"file": SimpleUploadedFile(name, content)}, format="multipart")


class TestDrafts:
    def test_are_kept_and_seen_by_all(self, agent_client: APIClient, url: str, case: Case) -> None:
        response = put(
            agent_client, url, body="Hel", to=["tina@", {"name": "Z", "email": "z@z.example"}], subject="Hi "
        )
        assert response.status_code == 201
        again = put(agent_client, url, body="Hello", seen_state='"c1.0.0"')
        assert again.status_code == 200
        (draft,) = client_of(UserFactory.create()).get(f"{url}/drafts").json()["results"]
        assert draft == again.json()
        assert (draft["author"], draft["body"], draft["to"], draft["seen_state"]) == ("ana", "Hello", [], '"c1.0.0"')
        assert agent_client.get(f"{url}/draft").json() == draft
        assert agent_client.get(f"{url}/draft?kind=note").status_code == 404

    def test_keep_addresses_as_far_as_they_are_typed(self, agent_client: APIClient, url: str) -> None:
        body = put(agent_client, url, to=["tina@", ""], cc=[{"email": ""}]).json()
        assert body["to"] == [{"name": "", "email": "tina@"}, {"name": "", "email": ""}]
        assert body["cc"] == [{"name": "", "email": ""}]

    def test_of_another_window_are_not_overwritten(self, agent_client: APIClient, url: str) -> None:
        tag = put(agent_client, url, body="H").headers["ETag"]
        assert agent_client.get(f"{url}/draft").headers["ETag"] == tag
        assert put(agent_client, url, body="Hello", headers={"If-Match": tag}).status_code == 200
        assert put(agent_client, url, body="Hi", headers={"If-Match": tag}).status_code == 412
        assert Draft.objects.get().body == "Hello"

    def test_are_thrown_away(self, agent_client: APIClient, url: str) -> None:
        put(agent_client, url, body="H")
        put(agent_client, url, kind="note", body="n")
        assert agent_client.delete(f"{url}/draft").status_code == 204
        assert agent_client.delete(f"{url}/draft").status_code == 204
        assert Draft.objects.get().kind == "note"
        assert agent_client.delete(f"{url}/draft?kind=note").status_code == 204
        assert agent_client.delete(f"{url}/draft?kind=x").status_code == 400

    def test_are_gone_once_the_reply_is_written(self, agent_client: APIClient, url: str) -> None:
        put(agent_client, url, body="H")
        assert agent_client.post(f"{url}/messages", {"kind": "reply", "body": "H"}).status_code == 201
        assert Draft.objects.count() == 0

    @pytest.mark.parametrize(
        ("body", "attr"),
        [
            ({"kind": "sms"}, "kind"),
            ({"to": ["a\r\nb"]}, "to.0"),
            ({"to": [1]}, "to.0"),
            ({"thread_id": 99}, "thread_id"),
            ({"attachments": [99]}, "attachments"),
            ({"body": "\x00"}, "body"),
            ({"author": "bob"}, "author"),
        ],
    )
    def test_are_refused_by_the_field_that_is_wrong(
        self, agent_client: APIClient, url: str, body: dict[str, Any], attr: str
    ) -> None:
        response = put(agent_client, url, **body)
        assert response.status_code == 400
        assert [error["attr"] for error in response.json()["errors"]] == [attr]

    def test_need_no_more_queries_for_more_of_them(
        self, agent_client: APIClient, url: str, django_assert_num_queries: Any
    ) -> None:
        put(agent_client, url, body="H")
        with django_assert_num_queries(3):  # the case; drafts with their writers; their files
            agent_client.get(f"{url}/drafts")
        for _n in range(4):
            put(client_of(UserFactory.create()), url, body="H")
        with django_assert_num_queries(3):
            assert len(agent_client.get(f"{url}/drafts").json()["results"]) == 5

    def test_are_filtered(self, agent_client: APIClient, url: str) -> None:
        put(agent_client, url, body="H")
        put(agent_client, url, kind="note", body="n")
        put(client_of(UserFactory.create(username="bob")), url, body="H")
        assert len(agent_client.get(f"{url}/drafts?kind=reply").json()["results"]) == 2
        assert len(agent_client.get(f"{url}/drafts?author=me").json()["results"]) == 2
        assert agent_client.get(f"{url}/drafts?case=x").status_code == 400


class TestFiles:
    def test_are_put_there_and_sent_along(self, agent_client: APIClient, url: str) -> None:
        response = send_file(agent_client, url, name="Plan für Tina.pdf")
        assert response.status_code == 201
        row = response.json()
        assert (row["filename"], row["content_type"], row["size_bytes"]) == (
            "Plan für Tina.pdf",
            "application/pdf",
            len(PLAN),
        )
        assert agent_client.get(f"{url}/uploads").json()["results"] == [row]
        assert put(agent_client, url, attachments=[row["id"], row["id"]]).json()["files"] == [row]
        sent = agent_client.post(f"{url}/messages", {"kind": "reply", "attachments": [row["id"]]})
        assert sent.json()["outbound"]["files"] == [row]
        assert agent_client.delete(f"{url}/uploads/{row['id']}").status_code == 409

    def test_may_be_the_body_itself(self, agent_client: APIClient, url: str) -> None:
        call: dict[str, Any] = {"data": PLAN, "content_type": "application/pdf"}
        response = agent_client.post(f"{url}/uploads?filename=a%2Fb.pdf", **call)
        assert (response.status_code, response.json()["filename"]) == (201, "a_b.pdf")
        response = agent_client.post(f"{url}/uploads", **call)
        assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, "filename")

    def test_are_downloaded_and_never_run(self, agent_client: APIClient, url: str) -> None:
        row = send_file(agent_client, url, name="x.html", content=b"<script>alert(1)</script>").json()
        response = agent_client.get(f"{url}/uploads/{row['id']}")
        assert response.content == b"<script>alert(1)</script>"
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    def test_are_only_ones_own(self, agent_client: APIClient, url: str) -> None:
        row = send_file(agent_client, url).json()
        bob = client_of(UserFactory.create())
        assert bob.get(f"{url}/uploads").json()["results"] == []
        assert bob.get(f"{url}/uploads/{row['id']}").status_code == 404
        assert bob.delete(f"{url}/uploads/{row['id']}").status_code == 404
        assert agent_client.get(f"/api/cases/{make_case().pk}/uploads/{row['id']}").status_code == 404
        assert agent_client.delete(f"{url}/uploads/{row['id']}").status_code == 204
        assert Upload.objects.count() == 0

    def test_have_a_bounded_size(self, agent_client: APIClient, url: str, settings: Any) -> None:
        settings.MAX_ATTACHMENT_BYTES = 100
        assert send_file(agent_client, url, content=b"x" * 101).status_code == 413
        assert send_file(agent_client, url, content=b"x" * 200_000).status_code == 413
        raw = agent_client.post(f"{url}/uploads?filename=x", data=b"x" * 101, content_type="application/pdf")
        assert raw.status_code == 413
        assert send_file(agent_client, url, content=b"").status_code == 400
        assert send_file(agent_client, url, content=b"x" * 100).status_code == 201

    def test_come_one_by_one_in_a_form(self, agent_client: APIClient, url: str) -> None:
        for form in (
            {},
            {"file": "text"},
            {"other": SimpleUploadedFile("a", b"a")},
            {"file": SimpleUploadedFile("a", b"a"), "x": "y"},
        ):
            response = agent_client.post(f"{url}/uploads", form, format="multipart")
            assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, "file")

    def test_need_no_more_queries_for_more_of_them(
        self, agent_client: APIClient, url: str, django_assert_num_queries: Any
    ) -> None:
        send_file(agent_client, url)
        with django_assert_num_queries(3):  # the case; what was merged into it; the files
            agent_client.get(f"{url}/uploads")
        for _n in range(4):
            send_file(agent_client, url)
        with django_assert_num_queries(3):
            assert len(agent_client.get(f"{url}/uploads").json()["results"]) == 5


class TestWhoMay:
    def test_read_is_the_house_and_write_its_agents(self, url: str) -> None:
        reader = client_of(UserFactory.create(role=User.Role.READ_ONLY))
        contractor = client_of(UserFactory.create(role=User.Role.CONTRACTOR))
        for path in ("/drafts", "/uploads"):
            assert reader.get(url + path).status_code == 200
            assert contractor.get(url + path).status_code == 403
            assert APIClient().get(url + path).status_code == 401
        for client, code in ((reader, 403), (contractor, 403), (APIClient(), 401)):
            assert put(client, url, body="x").status_code == code
            assert send_file(client, url).status_code == code
            assert client.delete(f"{url}/draft").status_code == code

    def test_see_a_deleted_case_is_nobody(self, agent_client: APIClient, url: str, case: Case) -> None:
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        for path in ("/drafts", "/uploads", "/draft", "/uploads/1"):
            assert agent_client.get(url + path).status_code == 404
        assert put(agent_client, url, body="x").status_code == 404
        assert send_file(agent_client, url).status_code == 404
