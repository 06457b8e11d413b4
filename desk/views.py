"""The desk's first screens: where a person starts, and one case. The server makes the pages, which work without a script."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.admin_base import actor_of, person_of
from cases.models import Case
from cases.queues import QUEUES, due_next
from cases.services import note_password_change
from desk.page import case_page
from desk.replies import composer
from mail_ingest.models import Mailbox
from tasks.models import Task

SHOWN = 8


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What the person has to do, a few rows of each."""
    reader, now = person_of(request), timezone.localtime()
    cases = Case.objects.visible_to(reader).select_related("customer", "assigned_to")
    lists: list[dict[str, Any]] = []
    if reader.may_read:
        for name in ("mine", "unassigned"):
            found = QUEUES[name].select(cases, reader=reader, now=now).order_by("-created_at", "-id")
            lists.append({"name": name, "title": QUEUES[name].label, "cases": _few(found), "count": found.count()})
    context = {
        "lists": lists,
        "due": _few(due_next(cases, now=now)) if reader.may_read else [],
        "tasks": list(Task.objects.visible_to(reader).open().filter(assigned_to=reader).with_people()[:SHOWN]),
        "mailboxes": list(Mailbox.objects.filter(is_active=True)) if reader.may_read else [],
        "state_folder": settings.VAR if settings.EMBEDDED and reader.may_steer else None,
        "now": now,
    }
    return render(request, "desk/home.html", context)


@login_required
@require_safe
def case(request: HttpRequest, number: str) -> HttpResponse:
    """One case. The number may be typed in small letters."""
    reader, now = person_of(request), timezone.localtime()
    visible = Case.objects.visible_to(reader).select_related("customer", "assigned_to", "assigned_team", "category")
    found = visible.select_related("merged_into").filter(case_number=number.upper()).first()
    if found is None:
        raise Http404
    if number != found.case_number:
        return redirect("desk:case", found.case_number)
    return case_page(request, found, now=now, composer=composer(found, reader, now=now))


class PasswordView(PasswordChangeView):
    """A person's own password. That it was changed stands in the log, as when somebody else changes it."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("desk:home")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        person = person_of(self.request)
        note_password_change(person, at=timezone.now(), actor=actor_of(self.request))
        messages.success(self.request, _("Your password is changed."))
        return response


def _few(cases: Any) -> list[Case]:
    return list(cases[:SHOWN])
