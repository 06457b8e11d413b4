"""Conversations by mail over HTTP."""

from typing import Any

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from handyconnect.api import etags
from handyconnect.api.views import Resource
from handyconnect.refusals import NotFound
from mail_ingest.api.links import file_link
from mail_ingest.filters import ThreadFilter
from mail_ingest.known import own_addresses
from mail_ingest.models import Attachment, EmailMessage, EmailThread
from mail_ingest.representation import thread_row, whole_thread
from mail_ingest.serializers import ThreadRowSerializer, ThreadSerializer


class Threads(Resource[EmailThread]):
    """Conversations by mail. Those of a deleted case are not shown."""

    queryset = EmailThread.objects.filter(case__deleted_at=None).select_related(
        "mailbox", "case__category", "case__customer"
    )
    serializer_class = ThreadSerializer
    filterset_class = ThreadFilter
    ordering = "-updated_at,-id"
    ordering_fields = ("updated_at", "created_at", "id")
    etag_actions = frozenset({"retrieve"})

    @extend_schema(responses=ThreadRowSerializer(many=True))
    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Conversations, the one with the newest message first."""
        emails = EmailMessage.objects.only("thread_id", "from_email", "to", "cc", "received_at")
        rows = self.filter_queryset(self.get_queryset().prefetch_related(Prefetch("emails", emails)))
        own = own_addresses()
        return self.get_paginated_response([thread_row(one, own=own) for one in self.paginate_queryset(rows) or []])

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One conversation with its messages, oldest first."""
        self.refuse_parameters(request)
        emails = EmailMessage.objects.defer("html", "headers").select_related("inbound")
        files = Prefetch("emails__attachments", Attachment.objects.defer("content"))
        rows = self.get_queryset().prefetch_related(Prefetch("emails", emails), files)
        thread = rows.filter(pk=self.kwargs["thread_id"]).first()
        if thread is None:
            raise NotFound(_("There is no thread %(id)s.") % {"id": self.kwargs["thread_id"]})
        data = whole_thread(thread, own=own_addresses(), attachment_link=file_link(request))
        return self.answer(request, data, tag=etags.of_content(data))
