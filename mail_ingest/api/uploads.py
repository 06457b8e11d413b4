"""Files for a reply over HTTP: put on the server first, named in the reply then."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests import actor_of, person_of
from cases.api.views import OfCase
from handyconnect.api.errors import Refused
from mail_ingest import services
from mail_ingest.api.links import AnyAccept
from mail_ingest.downloads import UNKNOWN, download
from mail_ingest.filters import UploadFilter
from mail_ingest.models import Upload
from mail_ingest.representation import upload_row
from mail_ingest.serializers import UploadSerializer
from mail_ingest.services.uploads import of_person

FORM_BYTES = 64 * 1024  # what a form may hold around its file


class FileForm(MultiPartParser):
    """multipart/form-data, of a bounded size."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> "DataAndFiles[Any, Any]":
        request = (parser_context or {}).get("request")
        length = request.META.get("CONTENT_LENGTH") or "0" if request else "0"
        if not str(length).isdigit() or int(length) > settings.MAX_ATTACHMENT_BYTES + FORM_BYTES:
            raise too_large()
        return super().parse(stream, media_type, parser_context)


class RawFile(BaseParser):
    """The bytes of a file and nothing else; its name is in the address. A body like that of a form that holds it."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, SimpleUploadedFile]:
        name = (parser_context or {})["request"].query_params.get("filename", "")
        if not name.strip():
            raise serializers.ValidationError({"filename": [_("Say what the file is called: ?filename=plan.pdf")]})
        content = bytes(stream.read(settings.MAX_ATTACHMENT_BYTES + 1))
        if len(content) > settings.MAX_ATTACHMENT_BYTES:
            raise too_large()
        return {"file": SimpleUploadedFile(name, content, media_type or UNKNOWN)}


class Uploads(OfCase):
    """My files on this case that wait to be sent along."""

    queryset = Upload.objects.defer("content")
    serializer_class = UploadSerializer
    filterset_class = UploadFilter
    parser_classes = (FileForm, RawFile)
    ordering = "id"
    ordering_fields = ("id", "created_at")

    @extend_schema(operation_id="cases_uploads_list")
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """My files, oldest first."""
        rows = self.filter_queryset(of_person(self.case().pk, person_of(request).pk))
        return self.get_paginated_response([upload_row(upload) for upload in self.paginate_queryset(rows) or []])

    @extend_schema(
        operation_id="cases_uploads_create",
        parameters=[OpenApiParameter("filename", description="The file's name, when the body is the file itself.")],
        request={
            "multipart/form-data": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            },
            UNKNOWN: OpenApiTypes.BINARY,
        },
        responses={201: UploadSerializer},
    )
    def create(self, request: Request, **_kwargs: Any) -> Response:
        """Puts a file on the server: `file` of a form, or the body itself with its `filename` in the address."""
        self.refuse_parameters(request, known=("filename",))
        case = self.case()
        file = self._file(request)
        upload = services.keep_upload(
            case.pk,
            filename=self._name_of(request, file),
            content=file.read(),
            declared_type=file.content_type or "",
            at=timezone.now(),
            actor=actor_of(request),
        )
        return Response(upload_row(upload), status=status.HTTP_201_CREATED)

    def _name_of(self, request: Request, file: "UploadedFile[Any]") -> str:
        """As it was given: Django cuts what looks like a folder off."""
        return request.query_params.get("filename") or file.name or ""

    def _file(self, request: Request) -> "UploadedFile[Any]":
        """The one file of the body. Raises a 400 for anything else, and a 413 for one that is too large."""
        data = request.data
        file = data.get("file") if isinstance(data, Mapping) else None
        if not isinstance(file, UploadedFile) or set(data) != {"file"}:
            raise serializers.ValidationError({"file": [_("Send one file, in the field “file”.")]})
        if (file.size or 0) > settings.MAX_ATTACHMENT_BYTES:
            raise too_large()
        return file


class UploadFiles(OfCase):
    """One of my files."""

    queryset = Upload.objects.all()
    serializer_class = UploadSerializer
    pagination_class = None  # type: ignore[assignment] # one thing, no pages
    content_negotiation_class = AnyAccept

    @extend_schema(operation_id="cases_uploads_retrieve", responses={(200, UNKNOWN): OpenApiTypes.BINARY})
    def retrieve(self, request: Request, upload_id: int, **_kwargs: Any) -> HttpResponse:
        """The file, to download."""
        self.refuse_parameters(request)
        upload = of_person(self.case().pk, person_of(request).pk).filter(pk=upload_id).first()
        if upload is None:
            raise services.UploadGone(upload_id)
        return download(
            bytes(upload.content), filename=upload.filename, declared_type=upload.content_type, sha256=upload.sha256
        )

    @extend_schema(operation_id="cases_uploads_destroy")
    def destroy(self, request: Request, upload_id: int, **_kwargs: Any) -> Response:
        """Takes the file away, unless a mail that is not sent yet carries it."""
        self.refuse_parameters(request)
        services.discard_upload(self.case(), upload_id, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def too_large() -> Refused:
    detail = _("The file is too large: at most %(most)d MB.") % {"most": settings.MAX_ATTACHMENT_BYTES // 1024**2}
    return Refused(detail, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, code="too_large", attr="file")
