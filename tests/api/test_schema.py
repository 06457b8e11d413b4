"""The OpenAPI document."""

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

METHODS = {"get", "post", "put", "patch", "delete"}

REFERENCE = {
    "/api/cases": {"get", "post"},
    "/api/cases/{case_id}": {"get", "put", "patch", "delete"},
    "/api/cases/{case_id}/status": {"patch"},
    "/api/cases/{case_id}/assign": {"patch"},
    "/api/cases/{case_id}/tasks": {"get"},
    "/api/cases/{case_id}/timeline": {"get"},
    "/api/cases/number/{case_number}": {"get"},
    "/api/cases/search": {"get"},
    "/api/cases/stats": {"get"},
    "/api/cases/bulk/status": {"patch"},
    "/api/cases/bulk/assign": {"patch"},
    "/api/tasks": {"get", "post"},
    "/api/tasks/{task_id}": {"get", "put", "patch", "delete"},
    "/api/tasks/{task_id}/status": {"patch"},
    "/api/tasks/{task_id}/assign": {"patch"},
    "/api/tasks/search": {"get"},
    "/api/tasks/stats": {"get"},
}


@pytest.fixture(scope="module")
def document() -> Any:
    """The document, made once: without a warning, and valid."""
    out = io.StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=out)
    return yaml.safe_load(out.getvalue())


class TestTheDocument:
    def test_has_every_endpoint_of_the_reference(self, document: Any) -> None:
        for path, methods in REFERENCE.items():
            assert methods <= set(document["paths"][path]), path

    def test_says_of_every_operation_how_it_fails(self, document: Any) -> None:
        for path, operations in document["paths"].items():
            for method in METHODS & set(operations):
                assert "default" in operations[method]["responses"], (method, path)

    def test_names_the_headers_of_safe_writes(self, document: Any) -> None:
        paths = document["paths"]

        def headers(path: str, method: str) -> set[str]:
            return {item["name"] for item in paths[path][method].get("parameters", []) if item["in"] == "header"}

        assert headers("/api/cases", "post") == {"Idempotency-Key"}
        assert headers("/api/cases/{case_id}", "patch") == {"If-Match"}
        assert headers("/api/cases/{case_id}", "get") == {"If-None-Match"}
        assert headers("/api/tasks/{task_id}/status", "patch") == {"If-Match"}

    @pytest.mark.django_db
    def test_is_served(self) -> None:
        response = Client().get("/api/schema")
        assert response.status_code == 200
        assert response.content.startswith(b"openapi: 3.")


@pytest.mark.django_db
class TestTheDocs:
    def test_need_nothing_from_elsewhere(self, settings: Any) -> None:
        # In production the names of static files come out of `collectstatic`, which no test waits for.
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
        response = Client().get("/api/docs")
        assert response.status_code == 200
        assert b"https://" not in response.content.replace(b"https://testserver", b"")
