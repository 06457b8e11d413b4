"""Filters of lists: an allow-list, several values by comma, `me`, dates. What is not understood is refused, never ignored.

A filter set lists its filters by the name of their parameter:

    class CaseFilter(StrictFilterSet):
        status = ChoicesFilter(Case.Status)
        assigned_to = PersonFilter("assigned_to")
        created_after = MomentFilter("created_at", "gte")
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django_filters import Filter, FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.request import Request

from handyconnect.api.pagination import PARAMETERS as PAGE_PARAMETERS

if TYPE_CHECKING:
    from rest_framework.views import APIView

MAX_VALUES = 100
NOBODY = "none"
MAX_BIGINT = 2**63 - 1


class StrictFilterSet(FilterSet):  # type: ignore[misc] # django-filter is untyped
    """Refuses a parameter that is given twice or without a value. Unknown ones are refused by StrictFilters."""

    base_filters: dict[str, Any]

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Request | None = None, **more: Any) -> None:
        # Only what is asked for is copied and made into a form: most requests use few of many filters.
        given = data if data is not None else ()
        self.base_filters = {name: one for name, one in type(self).base_filters.items() if name in given}
        super().__init__(data, queryset, request=request, **more)
        for name, one in self.filters.items():
            one.parameter = name

    def check_parameters(self) -> None:
        """Raises a 400 that names each filter without a value, or with more values than it can take."""
        given: Iterable[tuple[str, list[str]]] = self.data.lists() if isinstance(self.data, QueryDict) else ()
        errors: dict[str, list[str]] = {}
        for name, values in given:
            if name not in self.filters:
                continue
            if len(values) > 1:
                errors[name] = [_("Given more than once. Separate several values by a comma.")]
            elif not values[0].strip():
                errors[name] = [_("Give a value, or leave the parameter out.")]
        if errors:
            raise serializers.ValidationError(errors)


class StrictFilters(DjangoFilterBackend):  # type: ignore[misc] # django-filter is untyped
    """Applies a view's `filterset_class`, and refuses every parameter that neither it nor the pages know.

    A view names further parameters of its own in `extra_parameters`, and actions that filter but have no pages in
    `filtered_actions`.
    """

    filterset_base = StrictFilterSet

    def filter_queryset(
        self, request: Request, queryset: models.QuerySet[Any], view: "APIView"
    ) -> models.QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = set(type(filterset).base_filters) if filterset else set()
        if getattr(view, "action", None) not in getattr(view, "filtered_actions", ()):
            known |= set(PAGE_PARAMETERS)
        refuse_unknown(request, known=known | set(getattr(view, "extra_parameters", ())))
        if filterset is None:
            return queryset
        return filtered(filterset)


def filtered(filterset: FilterSet) -> models.QuerySet[Any]:
    """The rows that a filter set leaves. Raises a 400 that names each value that cannot be."""
    if isinstance(filterset, StrictFilterSet):
        filterset.check_parameters()
    if filterset.is_bound and not filterset.is_valid():
        raise serializers.ValidationError(
            {name: [str(text) for text in texts] for name, texts in filterset.errors.items()}
        )
    return cast("models.QuerySet[Any]", filterset.qs)


def refuse_unknown(request: Request, *, known: Iterable[str]) -> None:
    """Raises a 400 that names every query parameter which is not known, and every shared one that came twice."""
    offered = sorted(known)
    errors = {
        name: [
            serializers.ErrorDetail(
                _("Unknown parameter. Known are: %(known)s.") % {"known": ", ".join(offered) or _("none")},
                code="unknown_parameter",
            )
        ]
        for name in request.query_params
        if name not in offered
    }
    for name in PAGE_PARAMETERS:
        if name not in errors and len(request.query_params.getlist(name)) > 1:
            errors[name] = [serializers.ErrorDetail(_("Given more than once."), code="repeated")]
    if errors:
        raise serializers.ValidationError(errors)


class ParsedField(forms.Field):
    """A form field whose value is what `parse` makes of the text. Nothing given stays None."""

    def __init__(self, *, parse: Callable[[str], Any], **more: Any) -> None:
        super().__init__(**more)
        self.parse = parse

    def clean(self, value: Any) -> Any:
        if value is None:
            return None
        text = str(value)
        ProhibitNullCharactersValidator()(text)
        if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValidationError(_("This text cannot be used."))
        return self.parse(text.strip())


class ParsedFilter(Filter):  # type: ignore[misc] # django-filter is untyped
    """The base of the filters below: `parse` reads one value, `schema` describes it."""

    field_class = ParsedField
    schema: Mapping[str, Any] = {"type": "string"}
    many = False
    parameter = ""

    def __init__(
        self,
        field_name: str | None = None,
        lookup_expr: str | None = None,
        *,
        help_text: str | Promise = "",
        **more: Any,
    ) -> None:
        super().__init__(field_name, lookup_expr, parse=self._parse_all, help_text=help_text, **more)

    def parse(self, text: str) -> Any:
        return text

    def _parse_all(self, text: str) -> Any:
        if not self.many:
            return self.parse(text)
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise ValidationError(_("A value is missing before or after a comma."))
        if len(parts) > MAX_VALUES:
            raise ValidationError(_("At most %(count)d values."), params={"count": MAX_VALUES})
        return [self.parse(part) for part in parts]

    def filter(self, qs: models.QuerySet[Any], value: Any) -> models.QuerySet[Any]:
        if value is None:
            return qs
        return qs.filter(self.condition(value))

    def condition(self, value: Any) -> Q:
        lookup = "in" if self.many else self.lookup_expr
        return Q(**{f"{self._column}__{lookup}": value})

    @property
    def _column(self) -> str:
        return str(self.field_name or self.parameter)

    def refuse(self, detail: str) -> serializers.ValidationError:
        return serializers.ValidationError({self.parameter or self._column: [detail]})


class TextFilter(ParsedFilter):
    """Contains this text, in any case of letters."""

    def __init__(self, field_name: str | None = None, lookup_expr: str = "icontains", **more: Any) -> None:
        super().__init__(field_name, lookup_expr, **more)

    def parse(self, text: str) -> str:
        if len(text) > 200:  # noqa: PLR2004 - longer than anything that can be searched for
            raise ValidationError(_("At most 200 characters."))
        return text


class ExactFilter(ParsedFilter):
    """One of these texts, exactly; several by comma."""

    many = True


class ChoicesFilter(ParsedFilter):
    """One of the stored values of `choices`; several by comma."""

    many = True

    def __init__(
        self, choices: type[models.TextChoices] | Iterable[str], field_name: str | None = None, **more: Any
    ) -> None:
        self.values = list(choices.values) if isinstance(choices, type) else list(choices)
        self.schema = {"type": "string", "enum": self.values}
        super().__init__(field_name, "in", **more)

    def parse(self, text: str) -> str:
        if text not in self.values:
            raise ValidationError(
                _("“%(value)s” is not one of: %(values)s."),
                params={"value": text, "values": ", ".join(self.values)},
                code="invalid_choice",
            )
        return text


class FlagFilter(ParsedFilter):
    """true or false. With `lookup_expr="isnull"` and `exclude=True`: whether there is a value."""

    schema: Mapping[str, Any] = {"type": "boolean"}

    def parse(self, text: str) -> bool:
        if text.lower() not in {"true", "false"}:
            raise ValidationError(_("Give true or false."))
        return text.lower() == "true"

    def condition(self, value: Any) -> Q:
        return super().condition(value != self.exclude)


class NumberFilter(ParsedFilter):
    """Whole numbers; several by comma."""

    many = True
    schema: Mapping[str, Any] = {"type": "integer", "minimum": 0}

    def parse(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_BIGINT):  # noqa: PLR2004
            raise ValidationError(_("“%(value)s” is not a whole number."), params={"value": text[:50]})
        return int(text)


class UUIDFilter(ParsedFilter):
    """UUIDs; several by comma."""

    many = True
    schema: Mapping[str, Any] = {"type": "string", "format": "uuid"}

    def parse(self, text: str) -> UUID:
        try:
            return UUID(text)
        except ValueError as error:
            raise ValidationError(_("“%(value)s” is not a UUID."), params={"value": text[:50]}) from error


class MomentFilter(ParsedFilter):
    """A date (its first moment where the reader is) or a date with time; without an offset it is the reader's time."""

    schema: Mapping[str, Any] = {"type": "string", "example": "2026-03-04T09:30:00Z"}

    def parse(self, text: str) -> datetime:
        # An unescaped “+” in an address arrives as a space.
        text = re.sub(r" (?=\d\d:?\d\d$)", "+", text) if "T" in text else text
        try:
            moment = parse_datetime(text) if len(text) > 10 else None  # noqa: PLR2004 - the length of a date
            if moment is None and (day := parse_date(text)):
                moment = datetime.combine(day, time.min)
            if moment is not None:
                if timezone.is_naive(moment):
                    moment = timezone.make_aware(moment, timezone.get_current_timezone())
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError(
            _("“%(value)s” is not a date or time. Write it as 2026-03-04 or 2026-03-04T09:30:00Z."),
            params={"value": text[:50]},
        )


class PersonFilter(ParsedFilter):
    """Usernames by comma; `me` is the one who asks, `none` is nobody."""

    many = True
    schema: Mapping[str, Any] = {"type": "string", "example": "me"}

    def condition(self, value: list[str]) -> Q:
        names = set(value) - {NOBODY, "me"}
        people = (
            dict(get_user_model().objects.filter(username__in=names).values_list("username", "pk")) if names else {}
        )
        if missing := sorted(names - set(people)):
            raise self.refuse(_("There is nobody called %(names)s.") % {"names": ", ".join(missing)})
        ids = set(people.values())
        request = getattr(self.parent, "request", None)
        if "me" in value and request is not None:
            ids.add(request.user.pk)
        found = Q(**{f"{self._column}__in": ids})
        if NOBODY in value:
            found = found | Q(**{f"{self._column}__isnull": True}) if ids else Q(**{f"{self._column}__isnull": True})
        return found


class SlugFilter(ParsedFilter):
    """Slugs of another table's rows, by comma; `none` is without one. An unknown slug is refused.

    `rows` is asked for `slug_field` when the filter is used.
    """

    many = True

    def __init__(
        self, rows: type[models.Model], field_name: str | None = None, *, slug_field: str = "slug", **more: Any
    ) -> None:
        self.rows = rows
        self.slug_field = slug_field
        super().__init__(field_name, "in", **more)

    def condition(self, value: list[str]) -> Q:
        names = set(value) - {NOBODY}
        rows = self.rows._default_manager.filter(**{f"{self.slug_field}__in": names}) if names else None  # noqa: SLF001 - Django's public name
        known = dict(rows.values_list(self.slug_field, "pk")) if rows is not None else {}
        if missing := sorted(names - set(known)):
            raise self.refuse(_("There is no %(names)s.") % {"names": ", ".join(missing)})
        ids = set(known.values())
        found = Q(**{f"{self._column}__in": ids})
        if NOBODY in value:
            empty = Q(**{f"{self._column}__isnull": True})
            found = found | empty if ids else empty
        return found


class SearchFilter(ParsedFilter):
    """Every word stands in one of `columns`, in any case of letters."""

    def __init__(self, *columns: str, **more: Any) -> None:
        self.columns = columns
        super().__init__(columns[0], **more)

    def parse(self, text: str) -> list[str]:
        words = text.split()
        if len(text) > 200 or len(words) > 10:  # noqa: PLR2004 - more than anybody means
            raise ValidationError(_("At most 10 words and 200 characters."))
        return words

    def condition(self, value: list[str]) -> Q:
        found = Q()
        for word in value:
            anywhere = Q()
            for column in self.columns:
                anywhere |= Q(**{f"{column}__icontains": word})
            found &= anywhere
        return found
