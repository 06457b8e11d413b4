"""The case list and the page of one case. Whatever changes a case here is a call of its services."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import (
    Act,
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    MultipleChoicesDropdownFilter,
    RoleAdmin,
    actor_of,
    coloured,
    may_steer,
    per_item,
    person_of,
    reasons,
)
from cases import numbers, panels, services
from cases.admin import forms as own
from cases.admin.merging import MergeForm
from cases.choices import CaseStatus
from cases.models import Case
from cases.queues import QUEUES
from cases.services import CaseDraft, CustomerInfo
from handyconnect.refusals import Refusal

PRIORITY_COLOURS = {"critical": "danger", "urgent": "danger", "high": "warning", "medium": "info"}
STATUS_COLOURS = {"new": "primary", "in_progress": "info", "resolved": "success"}
SLA_COLOURS = {"breached": "danger", "at_risk": "warning", "on_time": "success", "met": "success"}


class QueueFilter(DropdownFilter):
    """The named lists of `cases.queues`. Without a choice: every case that is not deleted."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [*((queue.name, queue.label) for queue in QUEUES.values()), ("deleted", gettext_lazy("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if name == "deleted":
            return queryset.filter(deleted_at__isnull=False)
        existing = queryset.filter(deleted_at=None)
        if name in QUEUES:
            return existing.filter(QUEUES[name].where(person_of(request), timezone.localtime()))
        return existing


def _set_status(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    services.change_status(
        case.pk, values["status"], at=timezone.now(), actor=actor_of(request), expected_version=values["version"]
    )
    return _("The status is now %(status)s.") % {"status": Case.Status(values["status"]).label}


def _assign(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    services.assign_case(
        case.pk,
        assigned_to=values["assigned_to"],
        assigned_team=values["assigned_team"],
        at=timezone.now(),
        actor=actor_of(request),
        expected_version=values["version"],
    )
    return _("Assigned to %(person)s.") % {"person": values["assigned_to"] or values["assigned_team"] or _("nobody")}


def _label(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    labels = {name: values[name] for name in ("priority", "case_type", "category")}
    services.update_case(
        case.pk, labels, at=timezone.now(), actor=actor_of(request), expected_version=values["version"]
    )
    return _("Saved.")


def _note(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    services.add_note(case.pk, values["body"], at=timezone.now(), actor=actor_of(request))
    return _("The note was added.")


def _escalate(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    escalated = services.escalate_case(case.pk, at=timezone.now(), actor=actor_of(request), reason=values["reason"])
    return _("Escalated to level %(level)d.") % {"level": escalated.escalation_level}


def _merge(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    merged = services.merge_cases(
        case.pk,
        into=values["into"].pk,
        at=timezone.now(),
        actor=actor_of(request),
        expected_version=values["version"],
    )
    words = {"number": merged.case_number, "into": values["into"].case_number}
    return _("%(number)s was merged into %(into)s. It can be taken back from here.") % words


def _unmerge(request: HttpRequest, case: Case, _values: dict[str, Any]) -> str:
    freed = services.unmerge_case(case.pk, at=timezone.now(), actor=actor_of(request))
    return _("The merge was taken back. The status is %(status)s again.") % {"status": freed.get_status_display()}


def _delete(request: HttpRequest, case: Case, _values: dict[str, Any]) -> str:
    services.delete_case(case.pk, at=timezone.now(), actor=actor_of(request))
    return _("The case was deleted. It can be restored from here.")


def _restore(request: HttpRequest, case: Case, _values: dict[str, Any]) -> str:
    services.restore_case(case.pk, at=timezone.now(), actor=actor_of(request))
    return _("The case was restored.")


def _exists(case: Case) -> bool:
    return case.deleted_at is None


def _is_merged(case: Case) -> bool:
    return _exists(case) and case.merged_into_id is not None


def _can_merge(case: Case) -> bool:
    return _exists(case) and case.merged_into_id is None


def _moves(case: Case) -> bool:
    return _exists(case) and bool(case.allowed_moves)


@admin.register(Case)
class CaseAdmin(RoleAdmin[Case]):
    list_display = (
        "case",
        "status_badge",
        "priority_badge",
        "sla_badge",
        "due",
        "customer_name",
        "worker",
        "last_message",
    )
    list_display_links = ("case",)
    list_select_related = ("customer", "assigned_to", "assigned_team")
    list_filter = (
        QueueFilter,
        ("status", MultipleChoicesDropdownFilter),
        ("priority", MultipleChoicesDropdownFilter),
        ("case_type", ChoicesDropdownFilter),
        ("sla_status", ChoicesDropdownFilter),
        ("assigned_to", AutocompleteSelectFilter),
        ("assigned_team", AutocompleteSelectFilter),
        ("category", AutocompleteSelectFilter),
    )
    search_fields = ("title", "customer__email", "customer__name")
    search_help_text = gettext_lazy("Number, title, or the customer's name or e-mail")
    ordering = ("-created_at", "-id")
    actions = ("assign_to_me", "set_in_progress", "set_resolved", "set_closed", "escalate", "delete", "restore")
    acts: Sequence[Act[Case]] = (
        Act("status", gettext_lazy("Status"), _set_status, own.StatusForm, gettext_lazy("Set status"), offered=_moves),
        Act("assign", gettext_lazy("Assignment"), _assign, own.AssignForm, gettext_lazy("Assign"), offered=_exists),
        Act("label", gettext_lazy("Labels"), _label, own.LabelsForm, gettext_lazy("Save labels"), offered=_exists),
        Act("note", gettext_lazy("New note"), _note, own.NoteForm, gettext_lazy("Add note"), offered=_exists),
        Act("escalate", gettext_lazy("Escalate"), _escalate, own.ReasonForm, offered=_exists),
        Act("merge", gettext_lazy("Merge"), _merge, MergeForm, gettext_lazy("Merge into it"), offered=_can_merge),
        Act(
            "unmerge",
            gettext_lazy("Take the merge back"),
            _unmerge,
            asks=gettext_lazy("Make this a case of its own again, with all that it brought and the mail since?"),
            offered=_is_merged,
        ),
        Act(
            "delete",
            gettext_lazy("Delete"),
            _delete,
            button=gettext_lazy("Delete this case"),
            asks=gettext_lazy("Take this case out of every list? A supervisor can restore it."),
            offered=_exists,
        ),
        Act("restore", gettext_lazy("Restore"), _restore, offered=lambda case: not _exists(case)),
    )

    @classmethod
    def offer(cls, act: Act[Case]) -> None:
        """For upper apps: put their own small form on the page of a case."""
        first = [own_act for own_act in cls.acts if not own_act.asks]
        cls.acts = (*first, act, *(own_act for own_act in cls.acts if own_act.asks))

    # --- who may do what: services change cases, so there is no form to edit one

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_steer(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- the list

    @admin.display(description=gettext_lazy("case"), ordering="case_number")
    def case(self, case: Case) -> str:
        return format_html('<span class="hc-number">{}</span> {}', case.case_number, case.title)

    @coloured(gettext_lazy("status"), ordering="status", colours=STATUS_COLOURS)
    def status_badge(self, case: Case) -> tuple[str, str]:
        return case.status, case.get_status_display()

    @coloured(gettext_lazy("priority"), ordering="priority", colours=PRIORITY_COLOURS)
    def priority_badge(self, case: Case) -> tuple[str, str]:
        return case.priority, case.get_priority_display()

    @coloured(gettext_lazy("SLA"), ordering="sla_status", colours=SLA_COLOURS)
    def sla_badge(self, case: Case) -> tuple[str, str]:
        return case.sla_status, case.get_sla_status_display()

    @admin.display(description=gettext_lazy("due"), ordering="sla_due_date")
    def due(self, case: Case) -> Any:
        return case.sla_due_date

    @admin.display(description=gettext_lazy("customer"), ordering="customer__name")
    def customer_name(self, case: Case) -> str:
        return case.customer.name or case.customer.email

    @admin.display(description=gettext_lazy("assigned to"), ordering="assigned_to__first_name")
    def worker(self, case: Case) -> str:
        return " · ".join(str(whom) for whom in (case.assigned_to, case.assigned_team) if whom)

    @admin.display(description=gettext_lazy("last message"), ordering="last_activity_at")
    def last_message(self, case: Case) -> Any:
        return case.last_activity_at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Case], search_term: str
    ) -> tuple[QuerySet[Case], bool]:
        """A case number finds its case at once; anything else is looked for in titles and customers."""
        if numbers.is_valid(search_term):
            return queryset.filter(case_number=search_term.strip().upper()), False
        return super().get_search_results(request, queryset, search_term)

    # --- actions on many

    @admin.action(description=gettext_lazy("Assign to me"), permissions=["steer"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        me, at = person_of(request), timezone.now()
        per_item(
            self,
            request,
            queryset,
            lambda case: services.assign_case(case.pk, assigned_to=me, at=at, actor=actor_of(request)),
        )

    @admin.action(description=gettext_lazy("Set status: In Progress"), permissions=["steer"])
    def set_in_progress(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        self._set_status_of(request, queryset, Case.Status.IN_PROGRESS)

    @admin.action(description=gettext_lazy("Set status: Resolved"), permissions=["steer"])
    def set_resolved(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        self._set_status_of(request, queryset, Case.Status.RESOLVED)

    @admin.action(description=gettext_lazy("Set status: Closed"), permissions=["steer"])
    def set_closed(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        self._set_status_of(request, queryset, Case.Status.CLOSED)

    @admin.action(description=gettext_lazy("Escalate"), permissions=["steer"])
    def escalate(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda case: services.escalate_case(case.pk, at=at, actor=actor))

    @admin.action(description=gettext_lazy("Delete (can be restored)"), permissions=["steer"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda case: services.delete_case(case.pk, at=at, actor=actor))

    @admin.action(description=gettext_lazy("Restore deleted"), permissions=["steer"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda case: services.restore_case(case.pk, at=at, actor=actor))

    def _set_status_of(self, request: HttpRequest, queryset: QuerySet[Case], status: CaseStatus) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda case: services.change_status(case.pk, status, at=at, actor=actor))

    # --- the page of one case, and of a new one

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        case = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, case):
            raise PermissionDenied
        if case is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return] # not in the stubs
        reader, now = person_of(request), timezone.localtime()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{case.case_number} {case.title}",
            "opts": self.opts,
            "original": case,
            "case": case,
            "colours": {
                "status": STATUS_COLOURS.get(case.status, ""),
                "priority": PRIORITY_COLOURS.get(case.priority, ""),
                "sla": SLA_COLOURS.get(case.sla_status, ""),
            },
            "acts": self.acts_for(request, case),
            "panels": panels.page(case, reader=reader, now=now),
            "in_admin": True,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/cases/case/page.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = own.NewCaseForm(request.POST or None)
        if form.is_valid():
            try:
                case = services.create_case(draft_of(form.cleaned_data), at=timezone.now(), actor=actor_of(request))
            except (Refusal, ValidationError) as error:
                for reason in reasons(error):
                    form.add_error(None, reason)
            else:
                self.message_user(request, _("The case %(case)s was opened.") % {"case": case}, messages.SUCCESS)
                return redirect(reverse("admin:cases_case_change", args=[quote(case.pk)]))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Open a case"),
            "opts": self.opts,
            "form": form,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/cases/case/new.html", context)


def draft_of(values: dict[str, Any]) -> CaseDraft:
    """What the form of a new case was filled in with, as the service takes it."""
    labels = {name: values[name] for name in ("priority", "case_type", "category") if values[name]}
    return CaseDraft(
        title=values["title"],
        description=values["description"],
        customer=CustomerInfo(**{name: values[name] for name in ("email", "name", "phone", "customer_type")}),
        labels=labels,
        assigned_to=values["assigned_to"],
        assigned_team=values["assigned_team"],
    )
