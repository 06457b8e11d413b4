"""Fields of request bodies that the whole API shares. Whatever a database could choke on is refused here."""

import math
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

MAX_DEPTH = 10
MAX_JSON_CHARACTERS = 50_000


class StrictBody(serializers.Serializer[Any]):
    """A request body in which a field that is not known is a 400 that names it."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = {
                str(name): [
                    serializers.ErrorDetail(
                        _("Unknown field. Known are: %(known)s.") % {"known": ", ".join(sorted(writable))},
                        code="unknown_field",
                    )
                ]
                for name in data
                if name not in writable
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text, not a number or a list that happens to look like one. Long texts need a bound: `max_length`."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, and nothing that only looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


@extend_schema_field({"type": "object", "additionalProperties": True})
class JSONObject(serializers.DictField):
    """A JSON object of any content that every database can keep."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        if problem := json_problem(found):
            raise serializers.ValidationError(problem)
        return dict(found)


def json_problem(value: Any) -> str:
    """Why this JSON value cannot be stored; empty when it can."""
    if _characters(value, depth=0) > MAX_JSON_CHARACTERS:
        return _("Too large.")
    return _problem(value, depth=0)


def _problem(value: Any, *, depth: int) -> str:
    if depth > MAX_DEPTH:
        return _("Nested too deeply.")
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        return _("Null characters and halves of surrogate pairs are not allowed.")
    if isinstance(value, float) and not math.isfinite(value):
        return _("Numbers have to be finite.")
    parts: list[Any] = []
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    return next((found for part in parts if (found := _problem(part, depth=depth + 1))), "")


def _characters(value: Any, *, depth: int) -> int:
    if depth > MAX_DEPTH:
        return 0
    if isinstance(value, Mapping):
        return sum(_characters(part, depth=depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return sum(_characters(part, depth=depth + 1) for part in value)
    return len(str(value)) + 2
