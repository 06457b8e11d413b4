"""The base of every endpoint. A view translates: request in, one service call, answer out.

Who acts: `accounts.requests.actor_of(request)` for services, `person_of(request)` for the signed-in user.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from django.db import models
from django.utils import timezone
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from handyconnect.api import etags
from handyconnect.api.filters import StrictFilters, refuse_unknown
from handyconnect.api.pagination import CursorPages, Order
from handyconnect.api.time_zones import activate_zone_of

M = TypeVar("M", bound=models.Model)


class Endpoint(viewsets.ViewSetMixin):
    """What all views share: the reader's time zone, no caching by others, strict bodies.

    `contractor_actions` names the actions that outside contractors may use; `open_actions` those that everybody who is
    signed in may use, whatever their role, because they touch only what is the caller's own.
    """

    contractor_actions: frozenset[str] = frozenset()
    open_actions: frozenset[str] = frozenset()
    extra_parameters: Sequence[str] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc] # of APIView, beside which this stands
        activate_zone_of(request.user)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc] # see above
        timezone.deactivate()
        answer.headers.setdefault("Cache-Control", "private, no-cache")
        return answer

    def body(self, kind: type[serializers.BaseSerializer[Any]], request: Request, **options: Any) -> dict[str, Any]:
        """The validated body. Raises a 400 that names every field that is wrong, missing or unknown."""
        serializer = kind(data=request.data, context={"request": request, "view": self}, **options)
        serializer.is_valid(raise_exception=True)
        found: dict[str, Any] = serializer.validated_data
        return found

    def refuse_parameters(self, request: Request, *, known: Sequence[str] = ()) -> None:
        """For endpoints that are no lists: any query parameter that is not in `known` is a 400."""
        refuse_unknown(request, known=known)


class Pages(Endpoint, viewsets.GenericViewSet[M]):
    """Lists by cursor with strict filters. Set `queryset`, `serializer_class`, `filterset_class`, `ordering_fields`.

    `filtered_actions` filter as lists do, and have no pages (counts); `etag_actions` honour ETags, which the OpenAPI
    document then says.
    """

    pagination_class = CursorPages
    filter_backends = (StrictFilters,)
    filtered_actions: frozenset[str] = frozenset()
    etag_actions: frozenset[str] = frozenset()
    ordering: str = "-pk"
    ordering_fields: Sequence[str | Order] = ()

    def page(self, rows: models.QuerySet[Any], **context: Any) -> Response:
        """One page of rows that are filtered already, each through the view's serializer."""
        found = self.paginate_queryset(rows)
        serializer = self.get_serializer(found, many=True, context={**self.get_serializer_context(), **context})
        return self.get_paginated_response(serializer.data)


class ReadOnlyResource(Pages[M], mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """`GET` of a list and of one."""


class Resource(ReadOnlyResource[M]):
    """Reads, and writes that a view defines itself (`create`, `update`, `partial_update`, `destroy`) by calling services."""

    def expected_version(self, request: Request, row: Any) -> int | None:
        """The version that `If-Match` demands of the row, for a service's `expected_version`."""
        return etags.expected_version(request, lambda: int(row.version))

    def unchanged(self, request: Request, tag: str) -> Response | None:
        """The 304 for a conditional GET that already has this state; None for every other request."""
        if request.method in {"GET", "HEAD"} and etags.is_unchanged(request, tag):
            return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
        return None

    def answer(self, request: Request, data: Any, *, tag: str, status: int = HTTPStatus.OK) -> Response:
        """One resource with its ETag, or the 304 of `unchanged`."""
        return self.unchanged(request, tag) or Response(data, status=status, headers={"ETag": tag})
