"""Addresses of files, and how they are handed out."""

from typing import Any

from django.urls import reverse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from mail_ingest.representation import AttachmentLink


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
