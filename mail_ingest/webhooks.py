"""Where Microsoft 365 calls us. It is no part of the API that people use: whoever calls shows a secret in each notice."""

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from cases.tasks import ask
from mail_ingest import tasks
from mail_ingest.services import graph_notices
from mail_ingest.sources.graph.notifications import MAX_BODY_BYTES, BadNotification

log = structlog.get_logger(__name__)

MAX_TOKEN_CHARS = 2048
TRY_AGAIN_SECONDS = 10


@csrf_exempt
@require_POST
def graph_notifications(request: HttpRequest) -> HttpResponse:
    """A change notification collection, or the question whether this address is ours.

    202 once everything genuine in it is stored, 503 when it could not be stored (Microsoft sends it again). What is not
    genuine is dropped and answered alike. The question is answered with its own words, which are never HTML.
    Source: the Graph documentation, "Receive change notifications through webhooks".
    """
    if (token := request.GET.get("validationToken")) is not None:
        return _said(200, token) if len(token) <= MAX_TOKEN_CHARS else _said(400, "The token is too long.")
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        return _said(413, "The body is too large.")
    try:
        mailbox_ids = graph_notices.keep(body, at=timezone.now())
    except BadNotification as error:
        return _said(400, f"This is no collection of notifications: {error}.")
    except (DatabaseError, InterfaceError):
        log.warning("notifications_not_kept", exc_info=True)
        return _said(503, "It could not be stored.", **{"Retry-After": str(TRY_AGAIN_SECONDS)})
    for mailbox_id in sorted(mailbox_ids):
        ask(tasks.see_to_notices, mailbox_id)
    return _said(202, "")


def _said(status: int, text: str, **headers: str) -> HttpResponse:
    safe = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers={**safe, **headers})
