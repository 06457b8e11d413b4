"""Merging a case into another over HTTP, and taking that back."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of, person_of
from cases import numbers, services
from cases.api.serializers import CaseSerializer
from cases.api.views import Cases
from cases.models import Case
from handyconnect.api.fields import StrictBody

LONGEST = 60


@extend_schema_field({"type": "string", "example": "HC-1042", "description": "A case's id or its number."})
class AnyCase(serializers.Field[Case, Any, str, Any]):
    """A case that the caller may see, by its id or its number."""

    default_error_messages = {
        "invalid": gettext_lazy("Give a case's id or its number."),
        "unknown": gettext_lazy("There is no case “{name}”."),
    }

    def to_internal_value(self, data: Any) -> Case:
        if not isinstance(data, str) or not data.isprintable() or len(data) > LONGEST:
            self.fail("invalid")
        cases = Case.objects.visible_to(person_of(self.context["request"]))
        found = None
        if case_id := _as_id(data):
            found = cases.filter(pk=case_id).first()
        elif numbers.is_valid(data):
            found = cases.filter(case_number=data.strip().upper()).first()
        if found is None:
            self.fail("unknown", name=data)
        return found

    def to_representation(self, value: Case) -> str:
        return value.case_number


class MergeSerializer(StrictBody):
    into = AnyCase(help_text="The case that is left.")


class Merges(Cases):
    """Cases that are one matter."""

    etag_actions = frozenset({"merge", "unmerge"})

    @extend_schema(request=MergeSerializer, responses=CaseSerializer)
    @idempotent
    def merge(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Merges the case into another one, which gets its conversations, open tasks, notes and tags.

        The answer is the merged case; its number and its mail lead to the other one from now on. A case that is merged
        already, or into one that is, is a 409 that names where it went.
        """
        self.refuse_parameters(request)
        case, body = self.get_object(), self.body(MergeSerializer, request)
        services.merge_cases(
            case.pk,
            into=body["into"].pk,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return self._whole(request, case.pk)

    @extend_schema(request=None, responses=CaseSerializer)
    @idempotent
    def unmerge(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Takes a merge back: what the merge moved and is still there comes back, with the mail that joined it since."""
        self.refuse_parameters(request)
        case = self.get_object()
        self.body(StrictBody, request)
        services.unmerge_case(
            case.pk,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return self._whole(request, case.pk)


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
