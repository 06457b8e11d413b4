"""Addresses of files, and how they are handed out."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from handyconnect.refusals import NotFound
from mail_ingest.downloads import download
from mail_ingest.models import Attachment
from mail_ingest.representation import AttachmentLink


class AttachmentGone(NotFound):
    """There is no such file, or its content was refused when the mail came."""

    code = "attachment_not_found"


class AnyAccept(BaseContentNegotiation):
    """For downloads: whatever the caller accepts, there is only the one thing."""

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, _request: Request, renderers: Any, _format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def file_link(request: Request) -> AttachmentLink:
    """Makes the address of a mail's file: of what came in by its number in the ledger, of what we sent by its own."""

    def link(inbound_id: int | None, email_id: int, rank: int) -> str:
        if inbound_id is None:
            return request.build_absolute_uri(reverse("email-attachment", args=[email_id, rank]))
        return request.build_absolute_uri(reverse("message-attachment", args=[inbound_id, rank]))

    return link


def file_of(email_id: int | None, rank: int) -> HttpResponse:
    """One file of a message, to download and nothing else. Raises AttachmentGone."""
    file = Attachment.objects.filter(email=email_id, rank=rank).first() if email_id else None
    if file is None:
        raise AttachmentGone(_("This message has no file %(rank)s.") % {"rank": rank})
    if file.refused:
        raise AttachmentGone(_("This file was not kept: %(reason)s") % {"reason": file.refused})
    return download(bytes(file.content), filename=file.filename, declared_type=file.content_type, sha256=file.sha256)
