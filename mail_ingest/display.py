"""A mail as it was sent: its stored, sanitised HTML as a document of its own that runs nothing and loads nothing.

Shown inside a sandboxed frame. Pictures that came with the mail are in the document; those that wait on other people's
servers are loaded only when the reader asks (`?images=1`), because loading them tells the sender who read it, and when.
"""

import base64
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.http import HttpResponse
from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from handyconnect.api.views import Resource
from handyconnect.refusals import NotFound
from mail_ingest.api.links import AnyAccept, file_of
from mail_ingest.downloads import UNKNOWN
from mail_ingest.models import EmailMessage
from mail_ingest.parsing.display import PLACEHOLDER_CLASS, addresses_of_remote_pictures, show_html
from mail_ingest.serializers import MessageSerializer

MAX_INLINE_BYTES = 10 * 1024 * 1024
SAFE_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
# What the frame itself has to allow as well.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
PAPER = (
    "html{background:#fff;color:#1f2933;color-scheme:light}"
    "body{font:15px/1.5 system-ui,sans-serif;margin:0;padding:12px;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{border-left:2px solid #d0d5dd;margin:.5em 0;padding-left:.75em}"
    f".{PLACEHOLDER_CLASS}{{border:1px dashed #98a2b3;color:#475467;display:inline-block;font-size:12px;"
    "min-height:1em;min-width:1em;padding:2px 6px}"
)
_CONTENT_ID = re.compile(r'src="cid:([^"]{1,500})"', re.IGNORECASE)
_HOST = re.compile(r"^\s*(https?:)?//([^/?#\s]*@)?|[:/?#\s].*", re.IGNORECASE | re.DOTALL)


class EmailGone(NotFound):
    code = "email_not_found"


@dataclass(frozen=True, slots=True)
class RemotePictures:
    """The pictures of a mail that wait on other servers: how many, and on which, most first."""

    count: int
    hosts: Sequence[str]


def remote_pictures(stored: str) -> RemotePictures:
    """What the frame can be asked to load, of stored HTML. Pictures of one pixel are there to spy, and never loaded."""
    hosts = Counter(_HOST.sub("", address).lower() for address in addresses_of_remote_pictures(stored))
    return RemotePictures(hosts.total(), [host for host, _count in hosts.most_common()])


class EmailPages(Resource[EmailMessage]):
    """A mail of a conversation, in or out, for people to look at. Mail of a deleted case is not shown."""

    queryset = EmailMessage.objects.filter(thread__case__deleted_at=None)
    serializer_class = MessageSerializer
    content_negotiation_class = AnyAccept

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "images", enum=["0", "1"], description="1 also loads the pictures that wait on other servers."
            )
        ],
        responses={(200, "text/html"): OpenApiTypes.STR},
    )
    def html(self, request: Request, **_kwargs: Any) -> HttpResponse:
        """The mail's HTML, harmless, as a page of its own to be shown in a sandboxed frame."""
        self.refuse_parameters(request, known=("images",))
        email = self._found()
        if not email.html:
            raise EmailGone(_("This mail came as plain text only."))
        return page_of(email, remote_images=request.query_params.get("images") == "1")

    @extend_schema(responses={(200, UNKNOWN): OpenApiTypes.BINARY})
    def attachment(self, request: Request, rank: int, **_kwargs: Any) -> HttpResponse:
        """One file of a mail. It leaves with a type of a short list, or none."""
        self.refuse_parameters(request)
        return file_of(self._found().pk, rank)

    def _found(self) -> EmailMessage:
        by = {name: self.kwargs[key] for key, name in LOOKUPS.items() if key in self.kwargs}
        email = self.get_queryset().filter(**by).first()
        if email is None:
            raise EmailGone(_("There is no such mail."))
        return email


LOOKUPS = {"email_id": "pk", "message_id": "inbound"}


def page_of(email: EmailMessage, *, remote_images: bool) -> HttpResponse:
    """The answer that carries a mail's HTML: it may be framed by our own pages, and acts in no way."""
    pictures = inline_pictures(email)
    body = show_html(
        email.html, remote_images=remote_images, inline=lambda content_id: pictures.get(content_id.lower())
    )
    title = escape(email.subject or _("(no subject)"))
    response = HttpResponse(
        f'<!DOCTYPE html><html lang="{get_language()}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{PAPER}</style></head><body>{body}</body></html>"
    )
    sources = "data: http: https:" if remote_images else "data:"
    response.headers["Content-Security-Policy"] = (
        f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def inline_pictures(email: EmailMessage) -> dict[str, str]:
    """By content id in lower case, a `data:` address for each picture that the HTML shows, up to MAX_INLINE_BYTES."""
    wanted = {unquote(found).strip("<> ").lower() for found in _CONTENT_ID.findall(email.html)}
    if not wanted:
        return {}
    found: dict[str, str] = {}
    left = MAX_INLINE_BYTES
    files = email.attachments.filter(refused="", content_type__in=SAFE_PICTURES).exclude(content_id="").order_by("rank")
    sizes = [
        (rank, content_id.lower(), size)
        for rank, content_id, size in files.values_list("rank", "content_id", "size_bytes")
        if content_id.lower() in wanted
    ]
    for rank, content_id, size in sizes:
        if content_id in found or size > left:
            continue
        left -= size
        file = files.get(rank=rank)
        found[content_id] = f"data:{file.content_type};base64,{base64.b64encode(bytes(file.content)).decode('ascii')}"
    return found
