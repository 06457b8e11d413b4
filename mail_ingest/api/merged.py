"""Rows of several tables in one order: what pages by cursor ask of a query, over more than one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from django.db.models import Model, Q, QuerySet


class Merged:
    """Queries whose rows all have the columns that are sorted by. Each is sorted and cut by the database, then they are merged.

    Sorted only by columns without empty values, by name.
    """

    def __init__(self, parts: Sequence[QuerySet[Any]], ordering: Sequence[str] = ()) -> None:
        self.parts = parts
        self.ordering = ordering

    @property
    def model(self) -> type[Model]:
        return self.parts[0].model

    def annotate(self, **_computed: Any) -> Self:
        """The columns that are sorted by are there already."""
        return self

    def filter(self, condition: Q) -> Self:
        return type(self)([part.filter(condition) for part in self.parts], self.ordering)

    def order_by(self, *columns: str) -> Self:
        return type(self)([part.order_by(*columns) for part in self.parts], columns)

    def count(self) -> int:
        return sum(part.count() for part in self.parts)

    def __getitem__(self, cut: slice) -> Iterator[Any]:
        rows = [row for part in self.parts for row in part[: cut.stop]]
        for column in reversed(self.ordering):
            rows.sort(key=_value_of(column.removeprefix("-")), reverse=column.startswith("-"))
        return iter(rows[: cut.stop])


def _value_of(column: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row, column)
