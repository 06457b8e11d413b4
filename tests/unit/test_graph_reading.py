"""What Graph's answers and notifications are taken to say. Bodies are those of the Graph documentation and of public threads."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mail_ingest.sources.graph.auth import Account
from mail_ingest.sources.graph.errors import (
    AccessDenied,
    BadAnswer,
    DeltaLost,
    LoginRefused,
    MailboxMissing,
    Misconfigured,
    NotSent,
    NotThere,
    Problem,
    Refused,
    Throttled,
    Unreachable,
    problem_in,
    refusal,
    scrub,
)
from mail_ingest.sources.graph.explanations import explain
from mail_ingest.sources.graph.items import moment, served, stamp
from mail_ingest.sources.graph.notifications import BadNotification, Notice, parse


@pytest.fixture(scope="session")
def docs(corpora: Path) -> Path:
    return corpora / "msgraph" / "docs"


@pytest.fixture(scope="session")
def recorded_errors(corpora: Path) -> dict[str, dict[str, Any]]:
    answers = json.loads((corpora / "msgraph" / "errors.json").read_text())["errors"]
    return {answer["id"]: answer for answer in answers}


def page(docs: Path, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((docs / name).read_text())
    return answer


class TestAccount:
    @pytest.mark.parametrize(
        "url",
        [
            "http://graph.example.com/v1.0",
            "ftp://127.0.0.1/",
            "https://user:pw@graph.example.com",
            "graph",
            "https://g.example/?a=b",
        ],
    )
    def test_it_refuses_an_address_to_which_a_token_must_not_travel(self, url: str) -> None:
        with pytest.raises(Misconfigured, match="MICROSOFT_GRAPH_URL"):
            Account(tenant="contoso.example", client_id="c", client_secret="s", base_url=url)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9400/v1.0/", "http://localhost:9400/v1.0", "http://[::1]:9400/v1.0"]
    )
    def test_it_takes_plain_http_on_this_machine(self, url: str) -> None:
        account = Account(
            tenant="contoso.example", client_id="c", client_secret="s", base_url=url, authority_url="http://127.0.0.1:1"
        )
        assert account.base_url == url.rstrip("/")

    @pytest.mark.parametrize(
        ("changed", "name"),
        [({"tenant": "a/b"}, "TENANT"), ({"client_id": " "}, "CLIENT_ID"), ({"client_secret": ""}, "CLIENT_SECRET")],
    )
    def test_it_names_what_is_missing(self, changed: dict[str, str], name: str) -> None:
        with pytest.raises(Misconfigured, match=name):
            Account(**{"tenant": "t", "client_id": "c", "client_secret": "s", **changed})

    def test_it_never_shows_its_secret(self) -> None:
        assert "hush" not in repr(Account(tenant="t", client_id="c", client_secret="hush"))

    def test_it_asks_for_a_token_of_the_cloud_it_talks_to(self) -> None:
        account = Account(tenant="t", client_id="c", client_secret="s", base_url="https://graph.microsoft.us/v1.0")
        assert account.scope == "https://graph.microsoft.us/.default"


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("401-malformed", AccessDenied),
            ("404-item", NotThere),
            ("410-syncstate", DeltaLost),
            ("token-invalid-client", LoginRefused),
        ],
    )
    def test_it_sorts_the_recorded_ones(
        self, recorded_errors: dict[str, Any], name: str, kind: type[Exception]
    ) -> None:
        answer = recorded_errors[name]
        assert type(refusal(answer["status"], problem_in(json.dumps(answer["body"]).encode()))) is kind

    @pytest.mark.parametrize("status", [400, 404, 410])
    @pytest.mark.parametrize("code", ["syncStateNotFound", "SyncStateNotFound", "SYNCSTATENOTFOUND", "resyncRequired"])
    def test_it_knows_a_lost_state_in_whatever_case(self, status: int, code: str) -> None:
        assert isinstance(refusal(status, Problem(code)), DeltaLost)

    @pytest.mark.parametrize("code", ["ErrorInvalidUser", "ResourceNotFound", "MailboxNotEnabledForRESTAPI"])
    def test_it_tells_a_missing_mailbox_from_a_missing_message(self, code: str) -> None:
        assert isinstance(refusal(404, Problem(code)), MailboxMissing)
        assert not isinstance(refusal(404, Problem("ErrorItemNotFound")), MailboxMissing)

    @pytest.mark.parametrize(
        "body", [b"", b"null", b"[]", b"{}", b'{"error": 7}', b'{"error": {"code": null}}', b"[" * 100_000, b"\xff"]
    )
    def test_it_reads_nothing_out_of_rubbish(self, body: bytes) -> None:
        assert problem_in(body) == Problem()

    def test_it_hides_what_looks_like_a_token(self) -> None:
        text = scrub(
            "no: eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln and Bearer abc123 and client_secret=hush&x=1 " + "x" * 999
        )
        assert "eyJ" not in text
        assert "abc123" not in text
        assert "hush" not in text
        assert len(text) == 300


class TestExplanations:
    @pytest.mark.parametrize(
        ("number", "says"),
        [
            ("90002", "MICROSOFT_TENANT_ID"),
            ("700016", "MICROSOFT_CLIENT_ID"),
            ("7000222", "expired"),
            ("7000215", "secret is wrong"),
            ("65001", "Grant admin consent"),
            ("7000112", "disabled"),
            ("53003", "conditional access"),
            ("99999", "AADSTS99999"),
        ],
    )
    def test_it_says_what_to_do_about_a_refused_login(self, number: str, says: str) -> None:
        assert says in explain(LoginRefused("…", status=401, code=f"AADSTS{number}"))

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (AccessDenied("Access to OData is disabled: [RAOP]", status=403), "application access policy"),
            (AccessDenied("Access is denied.", status=403, code="ErrorAccessDenied"), "grant it again"),
            (AccessDenied("expired", status=401), "consent may have been taken back"),
            (MailboxMissing("…", status=404, code="ErrorInvalidUser"), "no such mailbox"),
            (Throttled("…", retry_at=datetime(2026, 11, 22, 13, 5, tzinfo=UTC)), "after 2026-11-22 13:05 UTC"),
            (Unreachable("ConnectError"), "network, name resolution and proxy"),
            (Unreachable("", status=504), "status 504"),
            (BadAnswer("html"), "proxy"),
            (Misconfigured("MICROSOFT_TENANT_ID is missing."), "MICROSOFT_TENANT_ID"),
            (Refused("Subscription validation request failed.", status=400, code="ValidationError"), "BASE_URL"),
            (Refused("…", status=400, code="Odd<script>"), "(Oddscript)"),
            (NotSent(LoginRefused("…", code="AADSTS7000222")), "not sent. The client secret has expired"),
            (ZeroDivisionError(), "unexpected"),
        ],
    )
    def test_it_says_what_to_do_about_everything_else(self, error: Exception, says: str) -> None:
        assert says in explain(error)

    def test_it_never_repeats_what_the_server_wrote(self) -> None:
        assert "hush-hush" not in explain(Refused("hush-hush", status=400, code="X"))


class TestPages:
    def test_they_are_read_as_documented(self, docs: Path) -> None:
        first = served(page(docs, "concepts__delta-query-messages__03_frag.json"))
        assert [item.id for item in first.items] == ["AAMkADNkNAAASq35xAAA=", "AQMkADNkNAAAVRMKAAAAA=="]
        assert first.next_link.endswith("?$skiptoken=GwcBoTmPuoTQWfcsAbkYM")
        assert not first.delta_link

    def test_they_tell_removed_items_and_the_end_of_a_round(self, docs: Path) -> None:
        last = served(page(docs, "concepts__delta-query-messages__08_frag.json"))
        assert [item.removed for item in last.items] == ["deleted", ""]
        assert last.delta_link.endswith("?$deltatoken=GwcBoTmPuoGNlgXgF1nyUNMXY")

    def test_they_are_read_as_recorded(self, corpora: Path) -> None:
        message = json.loads((corpora / "msgraph" / "recorded_message.json").read_text())["message"]
        (item,) = served({"value": [message]}).items
        assert (
            item.internet_message_id
            == "<BE1P281MB163350892EAE8A5CAF69527EBDE72@BE1P281MB1633.DEUP281.PROD.OUTLOOK.COM>"
        )
        assert item.received_at == datetime(2025, 1, 20, 15, 13, 5, tzinfo=UTC)
        assert item.is_draft
        assert item.is_read

    def test_they_drop_what_has_no_usable_id(self) -> None:
        odd: list[Any] = [
            None,
            7,
            {},
            {"id": ""},
            {"id": 5},
            {"id": "x" * 2000},
            {"id": "good", "receivedDateTime": 5, "@removed": 1},
        ]
        found = served({"value": odd})
        assert [(item.id, item.removed, item.received_at) for item in found.items] == [("good", "deleted", None)]
        assert found.skipped == 6

    def test_they_have_to_be_pages(self) -> None:
        with pytest.raises(BadAnswer):
            served({"value": {}})

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
            ("2016-11-20T18:23:45.9356913Z", datetime(2016, 11, 20, 18, 23, 45, 935691, tzinfo=UTC)),
            ("2019-09-18T00:52:45.9696658+00:00", datetime(2019, 9, 18, 0, 52, 45, 969665, tzinfo=UTC)),
            ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
            ("datetime-value", None),
            ("0001-01-01T00:00:00+14:00", None),
            (None, None),
        ],
    )
    def test_they_give_moments_in_utc(self, text: str | None, at: datetime | None) -> None:
        assert moment(text) == at

    def test_they_ask_for_whole_seconds(self) -> None:
        assert stamp(datetime(2026, 3, 1, 8, 0, 0, 999999, tzinfo=UTC)) == "2026-03-01T08:00:00Z"


class TestNotifications:
    def test_they_are_read_as_documented(self, docs: Path) -> None:
        (notice,) = parse((docs / "concepts__webhooks__04_frag.json").read_bytes())
        assert notice.subscription_id == "{subscription_guid}"
        assert notice.change_type == "created"
        assert notice.message_id == "{long_id_string}"
        assert notice.is_from("secretClientValue")
        assert not notice.is_from("secretClientValuE")
        assert not notice.is_from("")

    @pytest.mark.parametrize(
        ("number", "event"), [("02", "subscriptionRemoved"), ("03", "missed"), ("04", "reauthorizationRequired")]
    )
    def test_they_tell_of_the_subscription_itself(self, docs: Path, number: str, event: str) -> None:
        body = (docs / f"concepts__webhooks-lifecycle__{number}_frag.json").read_bytes()
        (notice,) = parse(body)
        assert notice.lifecycle_event == event
        assert notice.message_id == ""

    @pytest.mark.parametrize(
        "resource",
        ["Users/u@t/Messages/AAk=", "users('u')/messages('AAk=')", "users/u/mailFolders('inbox')/messages/AAk="],
    )
    def test_they_name_the_message_in_the_resource_too(self, resource: str) -> None:
        (notice,) = parse(json.dumps({"value": [{"subscriptionId": "s", "resource": resource}]}).encode())
        assert notice.message_id == "AAk="

    def test_they_come_once_however_often_they_are_repeated(self) -> None:
        one = {"subscriptionId": "s", "resource": "users/u/messages/a"}
        assert len(parse(json.dumps({"value": [one, one, {**one, "resource": "users/u/messages/b"}]}).encode())) == 2

    def test_they_leave_out_what_is_none(self) -> None:
        odd: list[Any] = [
            None,
            "x",
            {},
            {"subscriptionId": 5},
            {"subscriptionId": "a\x00b"},
            {"subscriptionId": "s", "resourceData": []},
        ]
        assert parse(json.dumps({"value": odd}).encode()) == (Notice("s"),)

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b'{"value": 1}', b"\xff\xfe", b"[" * 200_000, json.dumps({"value": [{}] * 1001}).encode()],
    )
    def test_they_are_refused_when_they_are_no_collection(self, body: bytes) -> None:
        with pytest.raises(BadNotification):
            parse(body)

    def test_they_are_refused_when_they_are_too_large(self) -> None:
        with pytest.raises(BadNotification, match="bytes"):
            parse(b" " * (4 * 1024 * 1024 + 1))
