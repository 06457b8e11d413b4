"""The OpenAPI document: what the views cannot say by themselves."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_array_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from handyconnect.api.errors import CONTENT_TYPE
from handyconnect.api.filters import ParsedFilter

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag of what you read. When somebody has edited it since, the answer is 412.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag that you have. When nothing has changed since, the answer is 304.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x21-\x7e]+$"},
    OpenApiParameter.HEADER,
    description="Any text of your own. A repeat with the same key and body gets the same answer and does nothing.",
)

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. A conflict may add what helps, for example `allowed`, the moves that are allowed now.",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:handyconnect:problem:validation_error"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail", "attr"],
                "properties": {
                    "code": {"type": "string", "example": "required"},
                    "detail": {"type": "string"},
                    "attr": {
                        "type": "string",
                        "nullable": True,
                        "description": "The field or parameter, with dots for nested ones.",
                        "example": "customer_info.email",
                    },
                },
            },
        },
    },
    "additionalProperties": True,
}


class Schema(AutoSchema):
    """Adds the headers that an endpoint honours: a view says so in `etag_actions`, `@idempotent` marks itself."""

    def get_override_parameters(self) -> list[Any]:
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        found: list[Any] = list(super().get_override_parameters())
        if getattr(handler, "is_idempotent", False):
            found.append(IDEMPOTENCY_KEY)
        if getattr(self.view, "action", None) in getattr(self.view, "etag_actions", ()):
            found.append(IF_NONE_MATCH if self.method == "GET" else IF_MATCH)
        return found

    def get_filter_backends(self) -> list[Any]:
        """Also for counts and the like, which filter as lists do: a view names them in `filtered_actions`."""
        if getattr(self.view, "action", None) in getattr(self.view, "filtered_actions", ()):
            return list(getattr(self.view, "filter_backends", ()))
        return list(super().get_filter_backends())


class StrictFiltersExtension(DjangoFilterExtension):  # type: ignore[no-untyped-call] # its registry is untyped
    """The parameters of StrictFilters."""

    target_class = "handyconnect.api.filters.StrictFilters"
    priority = 1

    def resolve_filter_field(
        self, auto_schema: AutoSchema, model: Any, filterset_class: Any, field_name: str, filter_field: Any
    ) -> list[dict[str, Any]]:
        if not isinstance(filter_field, ParsedFilter):
            found: list[dict[str, Any]] = super().resolve_filter_field(  # type: ignore[no-untyped-call] # untyped there
                auto_schema, model, filterset_class, field_name, filter_field
            )
            return found
        parameter: dict[str, Any] = {"in": "query", "name": field_name, "schema": dict(filter_field.schema)}
        if filter_field.many:
            parameter |= {"schema": build_array_type(dict(filter_field.schema)), "style": "form", "explode": False}
        if description := str(filter_field.extra.get("help_text") or (type(filter_field).__doc__ or "").split("\n")[0]):
            parameter["description"] = description
        return [parameter]


def add_problems(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: every operation may answer with a problem."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    answer: Mapping[str, Any] = {
        "description": "A problem: what is wrong, and where.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("default", answer)
    return result
