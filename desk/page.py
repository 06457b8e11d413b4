"""The page of one case: its panels, the composer, and what was sent a moment ago and can still be taken back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.admin_base import person_of
from accounts.models import User
from cases import panels
from cases.models import Case
from mail_ingest.models import OutboundMessage

UNDO_SHOWN = timedelta(minutes=2)


def case_page(
    request: HttpRequest,
    case: Case,
    *,
    now: datetime,
    composer: Mapping[str, Any] | None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    """One case to read, and for those who may to work on."""
    reader = person_of(request)
    context = {
        "case": case,
        "panels": panels.page(case, reader=reader, now=now),
        "admin_url": _admin_url(case, reader),
        "may_work": reader.may_write,
        "composer": composer,
        "leaving": _leaving(case, reader, now=now),
        "now": now,
    }
    return render(request, "desk/case.html", context, status=status)


def _leaving(case: Case, reader: User, *, now: datetime) -> OutboundMessage | None:
    """The person's own mail that goes in a moment."""
    waiting = OutboundMessage.objects.filter(
        case=case, author=reader, state=OutboundMessage.State.WAITING, send_after__range=(now, now + UNDO_SHOWN)
    )
    return waiting.order_by("-pk").first()


def _admin_url(case: Case, reader: User) -> str:
    """Where whoever steers works on the case; empty for all others."""
    return reverse("admin:cases_case_change", args=[case.pk]) if reader.is_staff and reader.may_steer else ""
