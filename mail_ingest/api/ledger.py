"""The intake ledger over HTTP: every mail that came, its bytes and its files."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.permissions import Steers
from accounts.requests import actor_of
from handyconnect.api import etags
from handyconnect.api.fields import StrictBody
from handyconnect.api.views import Resource
from handyconnect.refusals import NotFound
from mail_ingest import services
from mail_ingest.api.links import AnyAccept, file_link, file_of
from mail_ingest.downloads import UNKNOWN, download
from mail_ingest.filters import MessageFilter
from mail_ingest.models import InboundMessage, InboundRaw
from mail_ingest.representation import message_row, whole_message
from mail_ingest.serializers import MessageRowSerializer, MessageSerializer

LONG_TEXTS = ("text", "html", "visible_text", "quoted_text", "headers")
BYTES = {(200, UNKNOWN): OpenApiTypes.BINARY}


class MessageGone(NotFound):
    code = "message_not_found"

    def __init__(self, inbound_id: int) -> None:
        super().__init__(_("There is no message %(id)s.") % {"id": inbound_id})


class Messages(Resource[InboundMessage]):
    """The intake ledger: every mail that came, whatever became of it. Mail of a deleted case is not shown."""

    queryset = InboundMessage.objects.filter(case__deleted_at=None).select_related("mailbox", "email")
    serializer_class = MessageSerializer
    filterset_class = MessageFilter
    ordering = "-received_at,-id"
    ordering_fields = ("received_at", "stored_at", "id")
    etag_actions = frozenset({"retrieve"})

    @extend_schema(responses=MessageRowSerializer(many=True))
    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Mails, newest first. A filter or a value that is not known is refused."""
        rows = self.filter_queryset(self.get_queryset().defer(*(f"email__{name}" for name in LONG_TEXTS)))
        return self.get_paginated_response([message_row(inbound) for inbound in self.paginate_queryset(rows) or []])

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One mail with all that was read out of it."""
        self.refuse_parameters(request)
        return self._whole(request, self._found())

    @extend_schema(request=None, responses=MessageSerializer)
    @idempotent
    def replay(self, request: Request, **_kwargs: Any) -> Response:
        """Sends a quarantined or ignored mail through the pipeline again. For supervisors."""
        self.refuse_parameters(request)
        self.body(StrictBody, request)
        services.replay(self._found().pk, at=timezone.now(), actor=actor_of(request))
        return self._whole(request, self._found())

    def get_permissions(self) -> Any:
        return [Steers()] if self.action == "replay" else super().get_permissions()

    def _found(self) -> InboundMessage:
        """The mail of the address. Raises MessageGone, also for a mail that the caller may not see."""
        inbound = self.get_queryset().filter(pk=self.kwargs["message_id"]).first()
        if inbound is None:
            raise MessageGone(self.kwargs["message_id"])
        return inbound

    def _whole(self, request: Request, inbound: InboundMessage) -> Response:
        raw_url = request.build_absolute_uri(reverse("message-raw", args=[inbound.pk]))
        data = whole_message(inbound, raw_url=raw_url, attachment_link=file_link(request))
        return self.answer(request, data, tag=etags.of_content(data))


class MessageFiles(Messages):
    """What a mail is made of, to download and nothing else."""

    content_negotiation_class = AnyAccept
    etag_actions = frozenset()

    @extend_schema(responses=BYTES)
    def raw(self, request: Request, **_kwargs: Any) -> HttpResponse:
        """The bytes exactly as they came."""
        self.refuse_parameters(request)
        inbound = self._found()
        raw = InboundRaw.objects.filter(pk=inbound.pk).first()
        if raw is None:
            raise MessageGone(inbound.pk)
        return download(
            bytes(raw.content), filename=f"message-{inbound.pk}.eml", declared_type=UNKNOWN, sha256=inbound.sha256
        )

    @extend_schema(responses=BYTES)
    def attachment(self, request: Request, rank: int, **_kwargs: Any) -> HttpResponse:
        """One file of a mail. It leaves with a type of a short list, or none."""
        self.refuse_parameters(request)
        return file_of(self._found().email_id, rank)
