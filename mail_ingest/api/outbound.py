"""The queue of mail to send over HTTP: what became of each, and taking back or sending again."""

from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of
from handyconnect.api import etags
from handyconnect.api.fields import StrictBody
from handyconnect.api.views import Resource
from mail_ingest import services
from mail_ingest.filters import OutboundFilter
from mail_ingest.models import OutboundMessage, Upload
from mail_ingest.representation import outbound_row, whole_outbound
from mail_ingest.serializers import OutboundRowSerializer, OutboundSerializer

FILES = Prefetch("uploads", Upload.objects.defer("content").order_by("pk"))


class Outbound(Resource[OutboundMessage]):
    """The queue of mail to send, and what became of each."""

    queryset = OutboundMessage.objects.filter(case__deleted_at=None).select_related("mailbox", "author")
    serializer_class = OutboundSerializer
    filterset_class = OutboundFilter
    ordering = "-created_at,-id"
    ordering_fields = ("created_at", "send_after", "id")
    etag_actions = frozenset({"retrieve"})

    @extend_schema(responses=OutboundRowSerializer(many=True))
    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """What was sent, waits or was held back, newest first."""
        rows = self.filter_queryset(self.get_queryset().defer("body", "html", "quoted"))
        return self.get_paginated_response([outbound_row(one) for one in self.paginate_queryset(rows) or []])

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One mail with its text."""
        self.refuse_parameters(request)
        return self._whole(request)

    @extend_schema(responses={200: OutboundSerializer})
    def destroy(self, request: Request, **_kwargs: Any) -> Response:
        """Takes back a mail that waits: its text goes into its writer's draft. For its writer, and for supervisors.

        A mail that is being sent, or is gone, is a 409 that names its state. Repeating it does nothing.
        """
        self.refuse_parameters(request)
        services.cancel(self.kwargs["outbound_id"], at=timezone.now(), actor=actor_of(request))
        return self._whole(request)

    @extend_schema(request=None, responses=OutboundSerializer)
    @idempotent
    def retry(self, request: Request, **_kwargs: Any) -> Response:
        """Sends a mail again that has failed or may have been sent. For its writer, and for supervisors, who have looked."""
        self.refuse_parameters(request)
        self.body(StrictBody, request)
        services.retry(self.kwargs["outbound_id"], at=timezone.now(), actor=actor_of(request))
        return self._whole(request)

    def _whole(self, request: Request) -> Response:
        outbound = self.get_queryset().prefetch_related(FILES).filter(pk=self.kwargs["outbound_id"]).first()
        if outbound is None:
            raise services.OutboundGone(self.kwargs["outbound_id"])
        data = whole_outbound(outbound)
        return self.answer(request, data, tag=etags.of_content(data))
