"""What conditions can ask about: kinds of fields, the operators of each kind, and a catalogue of fields. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise


class Kind(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    BOOL = "bool"
    DATETIME = "datetime"
    LIST = "list"
    REFERENCE = "reference"


PRESENCE = ("is_set", "is_empty")
EQUAL = ("is", "is_not")
MEMBER = ("in", "not_in")
ORDER = ("gt", "gte", "lt", "lte")
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: (*EQUAL, *MEMBER, "contains", "not_contains", "starts_with", "matches_any_word", *PRESENCE),
    Kind.CHOICE: (*EQUAL, *MEMBER, *PRESENCE),
    Kind.NUMBER: (*EQUAL, *MEMBER, *ORDER, *PRESENCE),
    Kind.BOOL: (*EQUAL, *PRESENCE),
    Kind.DATETIME: (*ORDER, *PRESENCE),
    Kind.LIST: ("has_any", "has_all", "has_none", "contains", "not_contains", *PRESENCE),
    Kind.REFERENCE: (*EQUAL, *MEMBER, *PRESENCE),
}
TAKES_LIST = frozenset({*MEMBER, "matches_any_word", "has_any", "has_all", "has_none"})
"""The operators whose value is a list; all others but those of presence take one value."""


@dataclass(frozen=True)
class Field:
    """Something a condition can ask about. `choices` are stored value and label; only a choice field has them."""

    name: str
    kind: Kind
    label: str | Promise
    choices: tuple[tuple[str, str | Promise], ...] = ()


class Catalogue(Mapping[str, Field]):
    """The fields that conditions may name, in the order in which people are offered them."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = {field.name: field for field in fields}

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def as_list(self) -> list[dict[str, Any]]:
        """The catalogue as JSON, for whoever builds conditions on a screen."""
        return [
            {
                "name": field.name,
                "kind": field.kind.value,
                "label": str(field.label),
                "operators": list(OPERATORS[field.kind]),
                "choices": [{"value": value, "label": str(label)} for value, label in field.choices],
            }
            for field in self.values()
        ]
