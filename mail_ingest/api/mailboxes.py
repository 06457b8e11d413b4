"""Mailboxes over HTTP, and how they do."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from handyconnect.api import etags
from handyconnect.api.views import Resource
from handyconnect.refusals import NotFound
from mail_ingest.counts import mail_counts
from mail_ingest.filters import MailboxFilter
from mail_ingest.models import Mailbox
from mail_ingest.representation import mailbox_row
from mail_ingest.serializers import MailboxSerializer
from mail_ingest.services import loop_guard

Rows = list[dict[str, Any]]  # `list` is a name of the view


class Mailboxes(Resource[Mailbox]):
    """The addresses whose mail becomes cases, and how they do."""

    queryset = Mailbox.objects.select_related("team")
    serializer_class = MailboxSerializer
    filterset_class = MailboxFilter
    ordering = "name"
    ordering_fields = ("name", "slug")
    etag_actions = frozenset({"retrieve"})

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Mailboxes by name."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._rows(found))

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One mailbox."""
        self.refuse_parameters(request)
        mailbox = self.get_queryset().filter(slug=self.kwargs["slug"]).first()
        if mailbox is None:
            raise NotFound(_("There is no mailbox %(slug)s.") % {"slug": self.kwargs["slug"]})
        (data,) = self._rows([mailbox])
        return self.answer(request, data, tag=etags.of_content(data))

    def _rows(self, mailboxes: Sequence[Mailbox]) -> Rows:
        now = timezone.now()
        counts, storm = mail_counts(now=now), loop_guard.storm(now=now)
        since = storm.since if storm else None
        return [mailbox_row(one, counts=counts.get(one.pk, {}), storm_since=since) for one in mailboxes]
