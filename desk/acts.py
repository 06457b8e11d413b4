"""What a person does to a case at the desk: each a form that calls one service, and leads back to where it came from."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.admin_base import actor_of, person_of, reasons
from cases import services as case_services
from cases.models import Case
from desk.forms import MergeForm, MoveForm, SplitForm
from handyconnect.refusals import Refusal
from mail_ingest.models import EmailMessage
from mail_ingest.services.moves import move_message, split_case

Do = Callable[..., "tuple[str, str | None]"]
"""Calls a service; what to tell the person, and where to go on if not where they came from."""


def case_to_work_on(request: HttpRequest, number: str) -> Case:
    """The case of the address. Raises Http404, and PermissionDenied for whoever only looks."""
    reader = person_of(request)
    case = Case.objects.visible_to(reader).filter(case_number=number.upper()).first()
    if case is None:
        raise Http404
    if not reader.may_write:
        raise PermissionDenied
    return case


def act(form_class: type[forms.Form]) -> Callable[[Do], Callable[..., HttpResponse]]:
    """A view that takes a filled-in form to one service call. What the form or the service refuses is told in words."""

    def decorate(do: Do) -> Callable[..., HttpResponse]:
        @login_required
        @require_POST
        @wraps(do)
        def view(request: HttpRequest, number: str, **which: Any) -> HttpResponse:
            case = case_to_work_on(request, number)
            form = form_class(request.POST)
            there: str | None = None
            if not form.is_valid():
                tell(request, form)
            else:
                try:
                    told, there = do(request, case, form.cleaned_data, **which)
                except (Refusal, ValidationError) as error:
                    for reason in reasons(error):
                        messages.error(request, reason)
                else:
                    messages.success(request, told)
            return redirect(there or way_back(request, case))

        return view

    return decorate


def tell(request: HttpRequest, form: forms.Form) -> None:
    """What is wrong with a form, for a page that does not show the form again."""
    for problems in form.errors.values():
        for problem in problems:
            messages.error(request, str(problem))


def way_back(request: HttpRequest, case: Case) -> str:
    """The page that the form stood on: the case's at the desk, or its page in the back office."""
    came_from = request.POST.get("next", "")
    if came_from.startswith("/") and url_has_allowed_host_and_scheme(came_from, allowed_hosts=None):
        return came_from
    return page_of(case)


def page_of(case: Case) -> str:
    return reverse("desk:case", args=[case.case_number])


@act(MoveForm)
def move(request: HttpRequest, case: Case, values: dict[str, Any], email_id: int) -> tuple[str, str | None]:
    """A message that landed in the wrong case."""
    target: Case = values["to_case"]
    move_message(_own(case, email_id), to_case=target.pk, at=timezone.now(), actor=actor_of(request))
    return _("The message is now in %(case)s.") % {"case": target.case_number}, None


@act(SplitForm)
def split(request: HttpRequest, case: Case, values: dict[str, Any], email_id: int) -> tuple[str, str | None]:
    """Something new that was written into an old conversation."""
    new = split_case(
        case.pk,
        [_own(case, email_id)],
        at=timezone.now(),
        actor=actor_of(request),
        and_later=values["and_later"],
    )
    told = _("%(new)s was opened for it. It is linked with %(case)s.")
    return told % {"new": new.case_number, "case": case.case_number}, page_of(new)


@act(MergeForm)
def merge(request: HttpRequest, case: Case, values: dict[str, Any]) -> tuple[str, str | None]:
    """Two cases about the same matter."""
    target: Case = values["into"]
    case_services.merge_cases(case.pk, into=target.pk, at=timezone.now(), actor=actor_of(request))
    told = _("%(case)s was merged into this one. It can be taken back from the page of %(case)s.")
    return told % {"case": case.case_number}, page_of(target)


@act(forms.Form)
def unmerge(request: HttpRequest, case: Case, _values: dict[str, Any]) -> tuple[str, str | None]:
    case_services.unmerge_case(case.pk, at=timezone.now(), actor=actor_of(request))
    return _("The merge was taken back."), None


def _own(case: Case, email_id: int) -> int:
    """The message, if it is the case's. Raises Http404."""
    if not EmailMessage.objects.filter(pk=email_id, thread__case=case).exists():
        raise Http404
    return email_id
