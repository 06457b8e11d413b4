"""Pages by cursor: `{next, previous, results}`, stable while rows are added or removed.

A cursor names the values of the last row seen, so a page starts right behind that row wherever it stands by now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_KEYS = 3
PARAMETERS = ("cursor", "limit", "ordering", "count")

_signer = signing.Signer(salt="handyconnect.cursor")


@dataclass(frozen=True)
class Order:
    """A way to sort that is not simply a column: `expression` is computed under the name `column` for each row.

    Rows without a value come last, whichever way they are sorted.
    """

    name: str
    column: str
    expression: Combinable | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One column of the order that was asked for."""

    order: Order
    descending: bool

    @property
    def column(self) -> str:
        return self.order.column

    def expression(self, *, backwards: bool) -> Any:
        descending = self.descending != backwards
        if not self.order.nullable:
            return f"-{self.column}" if descending else self.column
        # Read backwards, the rows without a value come first.
        field = F(self.column)
        if backwards:
            return field.desc(nulls_first=True) if descending else field.asc(nulls_first=True)
        return field.desc(nulls_last=True) if descending else field.asc(nulls_last=True)

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.column}__isnull": True}) if value is None else Q(**{self.column: value})

    def behind(self, value: Any, *, backwards: bool) -> Q | None:
        """The rows whose value comes after `value`; None where no row can."""
        if value is None:
            return Q(**{f"{self.column}__isnull": False}) if backwards else None
        lookup = "lt" if self.descending != backwards else "gt"
        found = Q(**{f"{self.column}__{lookup}": value})
        if self.order.nullable and not backwards:
            found |= Q(**{f"{self.column}__isnull": True})
        return found

    def not_before(self, value: Any, *, backwards: bool) -> Q | None:
        """What the database can seek by: the same as `behind`, and the rows with the same value."""
        if value is None or self.order.nullable:
            return None
        lookup = "lte" if self.descending != backwards else "gte"
        return Q(**{f"{self.column}__{lookup}": value})


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: behind (or, backwards, before) the row that had these values in this order."""

    ordering: str
    values: tuple[Any, ...]
    backwards: bool

    def text(self) -> str:
        plain = [_plain(value) for value in self.values]
        return _signer.sign_object([self.ordering, plain, int(self.backwards)], compress=True)


class CursorPages(BasePagination):
    """Settings of a view: `ordering_fields` (column names or `Order`), and `ordering`, the default such as "-id".

    Parameters: `cursor`, `limit` (1 to 200, by default 50), `ordering` (names from the allow-list, `-` for descending,
    at most three by comma), `count=true`. Each bad value is a 400 that names its parameter.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        self.limit = _limit(request)
        self.keys, self.ordering = _keys(request, queryset, view)
        self.cursor = _cursor(request, self.ordering, self.keys, queryset)
        self.count = queryset.count() if _flag(request, "count") else None
        backwards = self.cursor is not None and self.cursor.backwards
        rows = queryset.annotate(**self._computed())
        if self.cursor:
            rows = rows.filter(_behind(self.keys, self.cursor))
        rows = rows.order_by(*(key.expression(backwards=backwards) for key in self.keys))
        found = list(rows[: self.limit + 1])
        more = len(found) > self.limit
        self.page = found[: self.limit]
        if backwards:
            self.page.reverse()
        self.has_next = backwards or more
        self.has_previous = more if backwards else self.cursor is not None
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        body: dict[str, Any] = {"next": self._link(forward=True), "previous": self._link(forward=False)}
        if self.count is not None:
            body["count"] = self.count
        return Response({**body, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        count = {"type": "integer", "description": "All rows that match. Only with `count=true`."}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "count": count, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        names = [order.name for order in _allowed(view, getattr(view, "queryset", None))]
        both = [sign + name for name in names for sign in ("", "-")]
        return [
            _parameter("cursor", {"type": "string"}, "Where the page starts, out of `next` or `previous`."),
            _parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
                "How many rows a page has.",
            ),
            _parameter(
                "ordering",
                {"type": "array", "items": {"type": "string", "enum": both}, "maxItems": MAX_KEYS},
                "How rows are sorted; `-` means descending. Rows without a value come last.",
                style="form",
                explode=False,
            ),
            _parameter("count", {"type": "boolean", "default": False}, "Adds `count`, the number of all rows."),
        ]

    def _computed(self) -> dict[str, Combinable]:
        return {key.column: key.order.expression for key in self.keys if key.order.expression is not None}

    def _link(self, *, forward: bool) -> str | None:
        address = remove_query_param(self.request.build_absolute_uri(), "cursor")
        if not self.page or not (self.has_next if forward else self.has_previous):
            return None
        row = self.page[-1] if forward else self.page[0]
        values = tuple(_value(row, key.column) for key in self.keys)
        cursor = Cursor(self.ordering, values, backwards=not forward)
        return str(replace_query_param(address, "cursor", cursor.text()))


def link_behind(address: str, *, ordering: str, values: tuple[Any, ...]) -> str:
    """The address of the page of `address` that starts behind the row with these values in this default ordering."""
    return str(replace_query_param(address, "cursor", Cursor(ordering, values, backwards=False).text()))


def _parameter(name: str, schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema, **more}


def _refuse(parameter: str, detail: str) -> serializers.ValidationError:
    return serializers.ValidationError({parameter: [detail]})


def _limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):  # noqa: PLR2004
        raise _refuse("limit", _("Give a whole number from 1 to %(limit)d.") % {"limit": MAX_LIMIT})
    return int(text)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise _refuse(name, _("Give true or false."))
    return text == "true"


def _allowed(view: APIView | None, queryset: models.QuerySet[Any] | None) -> list[Order]:
    named: Sequence[str | Order] = getattr(view, "ordering_fields", ())
    return [item if isinstance(item, Order) else _plain_order(item, queryset) for item in named]


def _plain_order(name: str, queryset: models.QuerySet[Any] | None) -> Order:
    nullable = False
    if queryset is not None:
        try:
            nullable = bool(getattr(queryset.model._meta.get_field(name), "null", False))  # noqa: SLF001 - public in Django
        except FieldDoesNotExist:
            nullable = True
    return Order(name, name, nullable=nullable)


def _keys(request: Request, queryset: models.QuerySet[Any], view: APIView | None) -> tuple[list[Key], str]:
    asked = request.query_params.get("ordering")
    text = asked if asked is not None else str(getattr(view, "ordering", "-pk"))
    allowed = {order.name: order for order in _allowed(view, queryset)}
    names = text.split(",")
    keys = []
    for name in names:
        bare = name.removeprefix("-")
        if asked is None and bare not in allowed:  # the view's own default needs no permission
            allowed[bare] = _plain_order(bare, queryset) if bare != "pk" else Order("pk", "pk")
        if bare not in allowed:
            offered = ", ".join(allowed) or _("nothing")
            raise _refuse(
                "ordering",
                _("Cannot sort by “%(name)s”. Offered: %(offered)s.") % {"name": bare, "offered": offered},
            )
        keys.append(Key(allowed[bare], name.startswith("-")))
    if len(keys) > MAX_KEYS or len({key.column for key in keys}) < len(keys):
        raise _refuse("ordering", _("Name at most %(count)d different columns.") % {"count": MAX_KEYS})
    if keys[-1].column not in {"pk", "id"}:
        keys.append(Key(Order("pk", "pk"), keys[-1].descending))  # no two rows stand at the same place
    return keys, text


def _cursor(request: Request, ordering: str, keys: list[Key], queryset: models.QuerySet[Any]) -> Cursor | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        made_for, plain, backwards = _signer.unsign_object(text)
        if made_for != ordering:
            raise _refuse("cursor", _("This cursor belongs to another ordering."))
        values = tuple(_parsed(value, key, queryset) for value, key in zip(plain, keys, strict=True))
    except (signing.BadSignature, ValueError, TypeError, ValidationError) as error:
        raise _refuse("cursor", _("Not a cursor. Take it out of `next` or `previous`.")) from error
    return Cursor(ordering, values, bool(backwards))


def _behind(keys: list[Key], cursor: Cursor) -> Q:
    """Lexicographic order: behind in the first column, or equal there and behind in the second, and so on."""
    found = Q(pk__in=[])
    same = Q()
    for key, value in zip(keys, cursor.values, strict=True):
        if (behind := key.behind(value, backwards=cursor.backwards)) is not None:
            found |= same & behind
        same &= key.equal(value)
    bound = keys[0].not_before(cursor.values[0], backwards=cursor.backwards)
    return found if bound is None else bound & found


def _value(row: Any, column: str) -> Any:
    return row[column] if isinstance(row, dict) else getattr(row, column)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, models.Model):
        return _plain(value.pk)
    return value


def _parsed(value: Any, key: Key, queryset: models.QuerySet[Any]) -> Any:
    if value is None:
        return None
    meta = queryset.model._meta  # noqa: SLF001 - Django's public name for it
    if key.order.expression is not None:
        field = getattr(key.order.expression, "output_field", None)
    else:
        field = meta.pk if key.column == "pk" else meta.get_field(key.column)
    return field.to_python(value) if field is not None and hasattr(field, "to_python") else value
