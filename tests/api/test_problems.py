"""Every error is `application/problem+json`, says what is wrong, and gives nothing away."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.db.models import ProtectedError
from django.test import Client, override_settings
from django.urls import path
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from handyconnect.api.errors import problem
from handyconnect.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal, Stale
from tests.factories import make_case

SECRET = "the password is swordfish"

RAISED: dict[str, Exception] = {
    "invalid": Invalid("Not that.", field="colour"),
    "not-found": NotFound("No such thing."),
    "not-allowed": NotAllowed("Not for you."),
    "conflict": Conflict("Not now.", allowed=["later"], status="spoofed"),
    "stale": Stale("Too late.", version=4),
    "refusal": Refusal("Just no."),
    "django": ValidationError({"name": [ValidationError("Too short.", code="short")], "__all__": ["Odd."]}),
    "django-list": ValidationError("Odd."),
    "protected": ProtectedError(SECRET, set()),
    "throttled": exceptions.Throttled(wait=12.2),
    "unexpected": RuntimeError(SECRET),
    "busy": OperationalError(f"database is locked: {SECRET}"),
    "nested": exceptions.ValidationError({"items": [{}, {"email": ["Wrong."]}]}),
}


class Raises(APIView):
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def get(self, _request: Request, what: str) -> Response:
        raise RAISED[what]


urlpatterns = [path("api/raise/<slug:what>", Raises.as_view())]


def answer(what: str) -> Any:
    client = APIClient(raise_request_exception=False)
    with override_settings(ROOT_URLCONF=__name__):
        response = client.get(f"/api/raise/{what}")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(response.json()) >= {"type", "title", "status", "detail", "errors"}
    assert response.json()["status"] == response.status_code
    return response


@pytest.mark.django_db
class TestRefusals:
    @pytest.mark.parametrize(
        ("what", "status", "code"),
        [
            ("invalid", 400, "invalid"),
            ("not-found", 404, "not_found"),
            ("not-allowed", 403, "not_allowed"),
            ("conflict", 409, "conflict"),
            ("stale", 412, "stale"),
            ("refusal", 422, "refused"),
            ("protected", 409, "in_use"),
            ("throttled", 429, "throttled"),
            ("unexpected", 500, "server_error"),
            ("busy", 503, "busy"),
        ],
    )
    def test_have_a_status_each(self, what: str, status: int, code: str) -> None:
        response = answer(what)
        assert response.status_code == status
        assert response.json()["type"] == f"urn:handyconnect:problem:{code}"
        assert response.json()["errors"][0]["code"] == code

    def test_name_the_field(self) -> None:
        assert answer("invalid").json()["errors"] == [{"code": "invalid", "detail": "Not that.", "attr": "colour"}]

    def test_carry_facts_which_never_replace_the_usual_members(self) -> None:
        body = answer("conflict").json()
        assert body["allowed"] == ["later"]
        assert body["status"] == 409

    def test_of_django_keep_their_codes_and_fields(self) -> None:
        assert answer("django").json()["errors"] == [
            {"code": "short", "detail": "Too short.", "attr": "name"},
            {"code": "invalid", "detail": "Odd.", "attr": None},
        ]
        assert answer("django-list").json()["errors"] == [{"code": "invalid", "detail": "Odd.", "attr": None}]

    def test_of_nested_fields_are_dotted(self) -> None:
        assert answer("nested").json()["errors"][0]["attr"] == "items.1.email"

    def test_say_when_to_come_back(self) -> None:
        assert answer("throttled").headers["Retry-After"] in {"12", "13"}
        assert answer("busy").headers["Retry-After"] == "2"

    @pytest.mark.parametrize("what", ["unexpected", "protected", "busy"])
    def test_give_nothing_away(self, what: str) -> None:
        text = answer(what).content.decode()
        assert "swordfish" not in text
        assert "Traceback" not in text
        assert "Error" not in text.replace("Internal Server Error", "")


@pytest.mark.django_db
class TestTheHouse:
    @pytest.mark.parametrize("url", ["/api", "/api/", "/api/nope", "/api/cases/x/y", "/api/nope/"])
    @pytest.mark.parametrize("method", ["get", "post", "delete"])
    @pytest.mark.parametrize("debug", [True, False])
    def test_answers_in_json_where_nothing_is(self, url: str, method: str, debug: bool) -> None:
        with override_settings(DEBUG=debug):
            response = getattr(Client(enforce_csrf_checks=True), method)(url, headers={"Accept": "text/html"})
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_names_the_methods_that_there_are(self, agent_client: APIClient) -> None:
        response = agent_client.delete("/api/cases")
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_answers_a_wish_for_html_in_json(self, agent_client: APIClient) -> None:
        response = agent_client.get("/api/cases", headers={"Accept": "text/html"})
        assert response.status_code == 406
        assert response.headers["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b'{"case_title": NaN}', 400),
            (b'{"case_title": "\xff"}', 400),
            (b"[" * 100_000, 400),
            (b'{"a":' * 100_000, 400),
            (b'{"case_title": ' + b"9" * 10_000 + b"}", 400),
            (b"[]", 400),
            (b"null", 400),
            (b'"x"', 400),
            (b"7", 400),
            (b'"' + b"x" * (5 * 1024 * 1024) + b'"', 413),
        ],
        ids=range(12),
    )
    def test_survives_every_body(self, agent_client: APIClient, content: Any, status: int) -> None:
        response = agent_client.generic("POST", "/api/cases", content, content_type="application/json")
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_takes_json_only(self, agent_client: APIClient) -> None:
        response = agent_client.generic("POST", "/api/cases", "a=1", content_type="application/x-www-form-urlencoded")
        assert response.status_code == 415

    def test_describes_what_can_be_done_where(self, agent_client: APIClient) -> None:
        case = make_case()
        for url in ("/api/cases", f"/api/cases/{case.pk}", "/api/cases/stats", "/api/cases/bulk/status", "/api/me"):
            assert agent_client.options(url).status_code == 200, url

    def test_lets_nobody_else_keep_its_answers(self, agent_client: APIClient) -> None:
        make_case()
        assert agent_client.get("/api/cases").headers["Cache-Control"] == "private, no-cache"


class TestProblem:
    def test_has_the_members_of_the_standard(self) -> None:
        assert problem(409, "Not now.", code="conflict", facts={"allowed": []}) == {
            "type": "urn:handyconnect:problem:conflict",
            "title": "Conflict",
            "status": 409,
            "detail": "Not now.",
            "errors": [{"code": "conflict", "detail": "Not now.", "attr": None}],
            "allowed": [],
        }
