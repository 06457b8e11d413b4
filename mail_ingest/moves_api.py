"""Putting mail where it belongs, over HTTP."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of
from cases.api.merges import AnyCase
from cases.api.serializers import CaseSerializer
from cases.api.views import Cases
from handyconnect.api.fields import Flag, StrictBody, Text
from handyconnect.api.views import Resource
from mail_ingest.models import InboundMessage
from mail_ingest.representation import message_row
from mail_ingest.serializers import MessageRowSerializer
from mail_ingest.services import moves

MAX_MESSAGES = 500
TITLE_LENGTH = 300


class MoveSerializer(StrictBody):
    """Which case: `case_id` or `case_number`. Within it: `thread_id`, or its newest conversation."""

    case_id = AnyCase(required=False)
    case_number = AnyCase(required=False)
    thread_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"case_id", "case_number"} & set(attrs)) != 1:
            raise serializers.ValidationError({"case_id": [_("Give either case_id or case_number.")]}, code="required")
        return attrs


class SplitSerializer(StrictBody):
    """Messages by their numbers in the intake ledger; `and_later` takes along what follows them in their conversations."""

    message_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), allow_empty=False, max_length=MAX_MESSAGES
    )
    and_later = Flag(default=False)
    case_title = Text(max_length=TITLE_LENGTH, required=False, allow_blank=True)


class MessageMoves(Resource[InboundMessage]):
    """Messages that a colleague puts where they belong."""

    queryset = InboundMessage.objects.filter(case__deleted_at=None).select_related("mailbox", "email")
    serializer_class = MessageRowSerializer

    @extend_schema(request=MoveSerializer, responses=MessageRowSerializer)
    @idempotent
    def move(self, request: Request, message_id: int, **_kwargs: Any) -> Response:
        """Moves a message into a conversation of another case or, within its own, into another or a new one.

        Answers to it follow it. A message that is still being filed is a 409.
        """
        self.refuse_parameters(request)
        inbound = self.get_queryset().filter(pk=message_id).first()
        if inbound is None:
            raise moves.EmailGone(message_id)
        body = self.body(MoveSerializer, request)
        if inbound.email_id is None:
            raise moves.NotFiledYet(_("This message has not been read yet, so there is nothing to move."))
        moves.move_message(
            inbound.email_id,
            to_case=(body.get("case_id") or body["case_number"]).pk,
            to_thread=body.get("thread_id"),
            at=timezone.now(),
            actor=actor_of(request),
        )
        return Response(message_row(self.get_queryset().get(pk=message_id)))


class CaseSplits(Cases):
    """A case of which a part is a matter of its own."""

    etag_actions = frozenset()

    @extend_schema(request=SplitSerializer, responses={201: CaseSerializer})
    @idempotent
    def split(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Opens a new case with some messages of this one. Its customer is who wrote the first of them; tasks stay."""
        self.refuse_parameters(request)
        case, body = self.get_object(), self.body(SplitSerializer, request)
        rows = InboundMessage.objects.filter(pk__in=body["message_ids"], case=case, email__isnull=False)
        emails = dict(rows.values_list("pk", "email"))
        if unknown := [str(pk) for pk in body["message_ids"] if pk not in emails]:
            detail = _("These messages are not in this case: %(ids)s.") % {"ids": ", ".join(unknown)}
            raise serializers.ValidationError({"message_ids": [detail]}, code="unknown")
        new = moves.split_case(
            case.pk,
            list(emails.values()),
            title=body.get("case_title", ""),
            and_later=body["and_later"],
            at=timezone.now(),
            actor=actor_of(request),
        )
        response = self._whole(request, new.pk, status=status.HTTP_201_CREATED)
        response.headers["Location"] = request.build_absolute_uri(reverse("case", args=[new.pk]))
        return response
