"""A case's whole conversation over HTTP, and what people add to it."""

from typing import Any

from django.db.models import BigIntegerField, DateTimeField, ExpressionWrapper, F, Prefetch, QuerySet, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of, person_of
from cases.api.views import OfCase
from cases.models import Case, Note
from handyconnect.api import etags
from handyconnect.api.pagination import PARAMETERS, Order
from mail_ingest import conversation, services
from mail_ingest.api.bodies import (
    ConversationRowSerializer,
    MessageBodySerializer,
    ProposalSerializer,
    WrittenSerializer,
)
from mail_ingest.api.links import file_link
from mail_ingest.api.merged import Merged
from mail_ingest.api.outbound import FILES
from mail_ingest.conversation import ConversationState
from mail_ingest.models import Attachment, Draft, EmailMessage, OutboundMessage
from mail_ingest.recipients import Warned
from mail_ingest.representation import address_row, conversation_row, warning_row

State = OutboundMessage.State
SHOWN_STATES = (State.WAITING, State.SENDING, State.MAYBE_SENT, State.FAILED)
# What was written at the same moment stands in this order.
MAIL, NOTE, OUTBOUND = 0, 1, 2
PER_RANK = 10**17  # more rows than any table has, and three times as many fit into 64 bits
MAX_NEW = 50


class Conversation(OfCase):
    """What was said in a case, by whom, and what is about to be said."""

    queryset = EmailMessage.objects.none()
    serializer_class = ConversationRowSerializer
    ordering = "at,place"
    ordering_fields = (
        Order("at", "at", ExpressionWrapper(F("at"), output_field=DateTimeField())),
        Order("place", "place", ExpressionWrapper(F("place"), output_field=BigIntegerField())),
    )
    etag_actions = frozenset({"list", "create"})

    @extend_schema(operation_id="cases_messages_list", responses=ConversationRowSerializer(many=True))
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """The whole conversation, oldest first: mails in and out, internal notes, and what waits to be sent.

        Its ETag says how far the conversation is: give it as `If-Match` with a reply.
        """
        self.refuse_parameters(request, known=PARAMETERS)
        case = self.case()
        state = conversation.state_of(case.pk)
        whole: Any = Merged([mails(case), notes(case), unsent(case)])
        found: list[Any] = self.paginate_queryset(whole) or []
        link = file_link(request)
        response = self.get_paginated_response([conversation_row(item, link) for item in found])
        tag = state.tag(etags.of_content(response.data).strip('"'))
        if etags.is_unchanged(request, tag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return response

    @extend_schema(
        operation_id="cases_messages_create", request=MessageBodySerializer, responses={201: WrittenSerializer}
    )
    @idempotent
    def create(self, request: Request, **_kwargs: Any) -> Response:
        """Writes a reply, which waits a moment and is sent then, or an internal note, which never leaves the house.

        With the `If-Match` of the conversation, a reply that was written against an older state is a 412, and `new` is what came
        since. `warnings` say what looks like a slip: the mail can be taken back until `send_after`.
        """
        case = self.case()
        seen = seen_state(request)
        body = self.body(MessageBodySerializer, request)
        at, actor = timezone.now(), actor_of(request)
        try:
            if body["kind"] == Draft.Kind.NOTE:
                written: Note | OutboundMessage = services.write_note(
                    case.pk, body["body"], at=at, actor=actor, seen=seen
                )
                warnings: list[Warned] = []
            else:
                written, warnings = services.queue_reply(case.pk, draft_of(body), at=at, actor=actor, seen=seen)
        except services.ConversationMoved as moved:
            moved.facts["new"] = since(case, moved.seen, request)
            moved.facts["etag"] = conversation.state_of(case.pk).tag()
            raise
        data = conversation_row(written, file_link(request))
        answer = Response(data | {"warnings": [warning_row(one) for one in warnings]}, status=status.HTTP_201_CREATED)
        answer.headers["ETag"] = conversation.state_of(case.pk).tag()
        if isinstance(written, OutboundMessage):
            answer.headers["Location"] = request.build_absolute_uri(reverse("outbound-message", args=[written.pk]))
        return answer


class ReplyProposals(OfCase):
    """What a reply starts with."""

    queryset = EmailMessage.objects.none()
    serializer_class = ProposalSerializer
    pagination_class = None  # type: ignore[assignment] # one thing, no pages

    @extend_schema(
        operation_id="cases_messages_recipients",
        parameters=[OpenApiParameter("thread_id", OpenApiTypes.INT, description="Left out: the newest conversation.")],
        responses=ProposalSerializer,
    )
    def recipients(self, request: Request, **_kwargs: Any) -> Response:
        """Whom a reply would go to, what would stand around it, and what looks odd about that."""
        self.refuse_parameters(request, known=("thread_id",))
        found = services.propose(self.case(), thread_id=_thread_id(request), reader=person_of(request))
        return Response(
            {
                "thread_id": found.thread.pk if found.thread else None,
                "to": [address_row(one) for one in found.recipients.to],
                "cc": [address_row(one) for one in found.recipients.cc],
                "subject": found.subject,
                "signature": found.signature,
                "quoted": found.quoted,
                "warnings": [warning_row(one) for one in found.warnings],
            }
        )


def mails(case: Case) -> QuerySet[EmailMessage]:
    files = Prefetch("attachments", Attachment.objects.defer("content"))
    rows = conversation.mails_of(case.pk).defer("html", "headers").select_related("inbound", "outbound", "author")
    return _placed(rows, "received_at", MAIL).prefetch_related(files)


def notes(case: Case) -> QuerySet[Note]:
    return _placed(Note.objects.filter(case=case).select_related("author"), "created_at", NOTE)


def unsent(case: Case) -> QuerySet[OutboundMessage]:
    """What waits, is on its way, or did not go. Mail to colleagues is no part of the conversation."""
    rows = OutboundMessage.objects.filter(case=case, state__in=SHOWN_STATES)
    rows = rows.exclude(purpose=OutboundMessage.Purpose.NOTIFICATION).select_related("mailbox", "author")
    return _placed(rows, "created_at", OUTBOUND).prefetch_related(FILES)


def since(case: Case, seen: ConversationState, request: Request) -> list[dict[str, Any]]:
    """What came after that state, oldest first, at most the newest MAX_NEW."""
    fresh = Merged(
        [
            mails(case).filter(pk__gt=seen.mail, outbound=None),
            notes(case).filter(pk__gt=seen.note),
            unsent(case).filter(pk__gt=seen.reply, author__isnull=False),
            mails(case).filter(outbound__pk__gt=seen.reply, outbound__author__isnull=False),
        ]
    )
    newest = [*fresh.order_by("-at", "-place")[0:MAX_NEW]]
    return [conversation_row(item, file_link(request)) for item in reversed(newest)]


def seen_state(request: Request) -> ConversationState | None:
    """What `If-Match` says was read; None when it says nothing. Raises a 400 for what is no ETag of a conversation."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    state = ConversationState.parse(header)
    if state is None:
        raise serializers.ValidationError(
            {"If-Match": [_('Not the ETag of a conversation. It looks like "c17.4.2-0a1b", with the quotes.')]}
        )
    return state


def draft_of(body: dict[str, Any]) -> services.ReplyDraft:
    """What a body says, as the service wants it."""
    return services.ReplyDraft(
        body=body.get("body", ""),
        html=body.get("html", ""),
        to=body.get("to"),
        cc=body.get("cc"),
        bcc=body.get("bcc") or (),
        subject=body.get("subject", ""),
        thread_id=body.get("thread_id"),
        upload_ids=body.get("attachments", ()),
        then_status=body.get("status") or "",
        send_at=body.get("send_at"),
    )


def _placed(rows: QuerySet[Any], moment: str, rank: int) -> QuerySet[Any]:
    """With the columns that the conversation is sorted by: when, and what stands first of the same moment."""
    place = ExpressionWrapper(F("pk") + Value(rank * PER_RANK), output_field=BigIntegerField())
    placed: QuerySet[Any] = rows.annotate(at=F(moment), place=place)
    return placed


def _thread_id(request: Request) -> int | None:
    text = request.query_params.get("thread_id")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19):  # noqa: PLR2004 - a number of 64 bits
        raise serializers.ValidationError({"thread_id": [_("Give a number.")]})
    return int(text)
