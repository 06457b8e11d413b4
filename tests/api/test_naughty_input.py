"""Texts that break other systems are kept as they are or refused with a reason, and never an error on our side."""

import json
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from cases.models import Case
from tests.factories import make_case, make_task

pytestmark = pytest.mark.django_db

NASTY = [
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff tail",
    "\u202e gnirts",
    "\x1b[31m",
    "'; DROP TABLE cases_case; --",
    "%s %d %n {0} ${jndi:ldap://x}",
    "é" * 500,
    "\r\nBcc: a@b.example",
    "\u2028",
    "🏠" * 100,
]
UNSTORABLE = {text for text in NASTY if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)}


def send(client: APIClient, method: str, url: str, body: Any) -> Any:
    # With escapes: halves of surrogate pairs reach the server as they may over a wire.
    content = json.dumps(body)  # ASCII
    return client.generic(method.upper(), url, content, content_type="application/json")


def nested(name: str, text: str) -> dict[str, Any]:
    case: dict[str, Any] = {"case_title": "x", "customer_info": {"email": "a@b.example"}}
    outer, _, inner = name.partition(".")
    if inner:
        case[outer] = {**case.get(outer, {}), inner: text}
    else:
        case[outer] = text
    return case


FREE_TEXTS = (
    "description",
    "summary",
    "customer_info.name",
    "customer_info.phone",
    "customer_info.property_address",
    "case_metadata.note",
)
FIELDS = (
    *FREE_TEXTS,
    "case_title",
    "case_type",
    "category",
    "priority",
    "language",
    "action_required",
    "assigned_to",
    "assigned_team",
    "customer_info.email",
    "customer_info.customer_type",
)


class TestTextFields:
    @pytest.mark.parametrize("text", ["a\x00b", "\ud800 head", "tail \udfff"])
    def test_of_a_case_refuse_what_no_database_keeps(self, agent_client: APIClient, text: str) -> None:
        for field in FIELDS:
            response = send(agent_client, "post", "/api/cases", nested(field, text))
            assert response.status_code == 400, field
            assert {error["attr"] for error in response.json()["errors"]} <= {field, field.split(".")[0]}

    def test_of_a_case_keep_the_rest_as_it_is(self, agent_client: APIClient) -> None:
        for text in sorted(set(NASTY) - UNSTORABLE):
            body = {
                "case_title": "x",
                "description": text,
                "summary": text,
                "customer_info": {"email": "a@b.example", "name": text[:50]},
                "case_metadata": {"note": text, text: "key"},
            }
            response = send(agent_client, "post", "/api/cases", body)
            assert response.status_code == 201, response.content
            found = response.json()
            assert (found["description"], found["case_metadata"]["note"]) == (text, text)

    @pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
    def test_of_all_else_keep_or_refuse(self, agent_client: APIClient, text: str) -> None:
        case, task = make_case(), make_task()
        attempts = [
            ("patch", f"/api/cases/{case.pk}", {"case_metadata": {text: 1, "tags": [text[:60]]}}),
            ("patch", f"/api/cases/{case.pk}", {text: text}),
            ("patch", f"/api/cases/{case.pk}/status", {"status": text}),
            ("patch", f"/api/cases/{case.pk}/assign", {"assigned_to": text, "assigned_team": text}),
            ("post", f"/api/cases/{case.pk}/notes", {"body": text}),
            ("patch", "/api/cases/bulk/status", {"filter": {"assigned_to": text, "tag": text}, "status": "closed"}),
            ("patch", "/api/cases/bulk/status", {"case_ids": [text], "status": "closed"}),
            ("patch", f"/api/tasks/{task.pk}", {"subject": text[:300], "content": text, "trade": text[:100]}),
            ("post", "/api/tasks", {"subject": "x", "checklist": [text[:300]], "sender_email": text}),
        ]
        for method, url, body in attempts:
            response = send(agent_client, method, url, body)
            assert response.status_code < 500, (url, body, response.content)
            if text in UNSTORABLE:
                assert response.status_code == 400, (url, body, response.content)

    def test_keep_every_string_of_the_big_list(self, agent_client: APIClient, corpora: Path) -> None:
        strings = json.loads((corpora / "naughty_strings" / "blns.json").read_text(encoding="utf-8"))
        case = make_case()
        for half in (strings[::2], strings[1::2]):
            body = {"description": "".join(half), "case_metadata": {"notes": half}}
            response = send(agent_client, "patch", f"/api/cases/{case.pk}", body)
            assert response.status_code == 200, response.content
            case.refresh_from_db()
            assert (case.description, case.metadata["notes"]) == ("".join(half), half)


class TestParameters:
    @pytest.mark.parametrize("text", ["\x00", "\udfff", "' OR 1=1 --", "🏠" * 100], ids=range(4))
    def test_are_answered_or_refused(self, agent_client: APIClient, text: str) -> None:
        make_case()
        printable = text.encode("utf-8", "surrogatepass")
        for url in ("/api/cases", "/api/cases/search", "/api/tasks/search", "/api/users"):
            for name in ("q", "status", "tag", "customer_email", "assigned_to", "created_after", "cursor", "ordering"):
                response = agent_client.get(url, {name: printable})
                assert response.status_code in {200, 400}, (url, name, response.content)


class TestMetadata:
    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b'{"case_metadata": {"x": 1e999}}', 400),
            (b'{"case_metadata": {"x": -1e999}}', 400),
            (b'{"case_metadata": {"x": 123456789012345678901234567890}}', 200),
            (b'{"case_metadata": {"x": ' + b"[" * 20 + b"]" * 20 + b"}}", 400),
            (b'{"case_metadata": {"x": "' + b"y" * 60_000 + b'"}}', 400),
            (b'{"case_metadata": {"x": ["\\u0000"]}}', 400),
            (b'{"case_metadata": {"": ""}}', 200),
        ],
    )
    def test_is_what_every_database_can_keep(self, agent_client: APIClient, content: Any, status: int) -> None:
        case = make_case()
        response = agent_client.generic("PATCH", f"/api/cases/{case.pk}", content, content_type="application/json")
        assert response.status_code == status, response.content
        assert Case.objects.get(pk=case.pk).version == (2 if status == 200 else 1)
