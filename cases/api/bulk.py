"""One change for many cases, with an outcome for each: one that cannot be changed does not keep the others from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.requests import person_of
from cases.api.serializers import MAX_BULK
from cases.filters import CaseFilter
from cases.models import Case
from cases.services import CaseGone
from handyconnect.api.filters import NOBODY, filtered
from handyconnect.refusals import Refusal

CHUNK = 50


def chosen(body: Mapping[str, Any], request: Request) -> list[UUID]:
    """The cases that a bulk body means, each once. Raises a 400 for a filter that cannot be, or that means too many."""
    if "case_ids" in body:
        return list(dict.fromkeys(body["case_ids"]))
    return _matching(body["filter"], request)


def for_each(case_ids: Sequence[UUID], change: Callable[[UUID], object], *, visible: set[UUID]) -> dict[str, Any]:
    """Change each case that is visible. Chunks are committed together, so that nobody waits long for a lock."""
    updated: list[UUID] = []
    failed: list[dict[str, Any]] = []
    for start in range(0, len(case_ids), CHUNK):
        with transaction.atomic():
            for case_id in case_ids[start : start + CHUNK]:
                try:
                    if case_id not in visible:
                        raise CaseGone(case_id)
                    with transaction.atomic():
                        change(case_id)
                except Refusal as refusal:
                    failed.append({"case_id": case_id, "code": refusal.code, "detail": refusal.detail})
                else:
                    updated.append(case_id)
    return {"updated": updated, "failed": failed}


def visible_among(case_ids: Sequence[UUID], request: Request) -> set[UUID]:
    """Those of these cases that the caller may see."""
    person = person_of(request)
    found: set[UUID] = set()
    for start in range(0, len(case_ids), 500):
        rows = Case.objects.visible_to(person).filter(pk__in=case_ids[start : start + 500])
        found |= set(rows.values_list("pk", flat=True))
    return found


def _matching(parameters: Mapping[str, Any], request: Request) -> list[UUID]:
    unknown = sorted(set(parameters) - set(CaseFilter.base_filters))
    if unknown or not parameters:
        known = ", ".join(CaseFilter.base_filters)
        detail = _("Give at least one of: %(known)s.") % {"known": known}
        raise serializers.ValidationError({"filter": {name: [detail] for name in unknown} or [detail]})
    texts = {name: _text(value) for name, value in parameters.items()}
    rows = Case.objects.visible_to(person_of(request))
    try:
        found = filtered(CaseFilter(data=texts, queryset=rows, request=request))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"filter": error.detail}) from error
    case_ids = list(found.order_by("pk").values_list("pk", flat=True)[: MAX_BULK + 1])
    if len(case_ids) > MAX_BULK:
        raise serializers.ValidationError(
            {"filter": [_("More than %(count)d cases match. Narrow it down.") % {"count": MAX_BULK}]}, code="too_many"
        )
    return case_ids


def _text(value: Any) -> str:
    """A filter's value as it would stand in an address."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return NOBODY if value is None else str(value)
