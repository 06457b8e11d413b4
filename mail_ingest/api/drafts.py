"""What colleagues are writing on a case, over HTTP: everybody reads, each writes their own."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests import actor_of, person_of
from cases.api.views import OfCase
from mail_ingest import services
from mail_ingest.api.bodies import DraftBodySerializer, DraftSerializer
from mail_ingest.api.outbound import FILES
from mail_ingest.filters import DraftFilter
from mail_ingest.models import Draft
from mail_ingest.representation import draft_row
from mail_ingest.services.drafts import tag_of

KIND = OpenApiParameter("kind", enum=Draft.Kind.values, description="Which of the two drafts, by default the reply.")


class Drafts(OfCase):
    """What colleagues are writing."""

    queryset = Draft.objects.select_related("author").prefetch_related(FILES)
    serializer_class = DraftSerializer
    filterset_class = DraftFilter
    ordering = "-updated_at"
    ordering_fields = ("updated_at", "created_at")

    @extend_schema(operation_id="cases_drafts_list")
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """All drafts on the case, the one that was written at last first."""
        rows = self.filter_queryset(self.get_queryset().filter(case=self.case()))
        return self.get_paginated_response([draft_row(draft) for draft in self.paginate_queryset(rows) or []])


class OwnDraft(OfCase):
    """What I am writing: one reply and one note on each case."""

    queryset = Draft.objects.select_related("author").prefetch_related(FILES)
    serializer_class = DraftSerializer
    pagination_class = None  # type: ignore[assignment] # one thing, no pages
    etag_actions = frozenset({"update"})

    @extend_schema(
        operation_id="cases_draft_update",
        request=DraftBodySerializer,
        responses={200: DraftSerializer, 201: DraftSerializer},
    )
    def update(self, request: Request, **_kwargs: Any) -> Response:
        """Keeps what I am writing, whole. With `If-Match`, a draft that I have changed elsewhere since is a 412."""
        self.refuse_parameters(request)
        case, body = self.case(), self.body(DraftBodySerializer, request)
        words = services.Words(
            body=body.get("body", ""),
            html=body.get("html", ""),
            subject=body.get("subject", ""),
            to=body.get("to", ()),
            cc=body.get("cc", ()),
            bcc=body.get("bcc", ()),
            thread_id=body.get("thread_id"),
            upload_ids=body.get("attachments", ()),
            seen_state=body.get("seen_state", ""),
        )
        header = request.headers.get("If-Match", "*").strip()
        saved, created = services.save_draft(
            case.pk,
            body["kind"],
            words,
            at=timezone.now(),
            actor=actor_of(request),
            expected=None if header == "*" else header,
        )
        draft = self.get_queryset().get(pk=saved.pk)
        code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        return Response(draft_row(draft), status=code, headers={"ETag": tag_of(draft)})

    @extend_schema(operation_id="cases_draft_retrieve", parameters=[KIND], responses=DraftSerializer)
    def retrieve(self, request: Request, **_kwargs: Any) -> Response:
        """What I am writing; a 404 while that is nothing."""
        case, kind = self.case(), self._kind(request)
        draft = self.get_queryset().filter(case=case, author=person_of(request), kind=kind).first()
        if draft is None:
            raise services.DraftGone(_("You have no draft of this kind on this case."))
        return Response(draft_row(draft), headers={"ETag": tag_of(draft)})

    @extend_schema(operation_id="cases_draft_destroy", parameters=[KIND])
    def destroy(self, request: Request, **_kwargs: Any) -> Response:
        """Throws my draft away. One that is gone already is no error."""
        services.discard_draft(self.case().pk, self._kind(request), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _kind(self, request: Request) -> str:
        self.refuse_parameters(request, known=("kind",))
        kind = request.query_params.get("kind", Draft.Kind.REPLY)
        if kind not in Draft.Kind.values:
            raise serializers.ValidationError({"kind": [_("Give reply or note.")]})
        return str(kind)
