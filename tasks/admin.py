"""Tasks, moved by their services, and the directory of contractors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import (
    Act,
    ActForm,
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    MultipleChoicesDropdownFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_of,
    as_link,
    coloured,
    per_item,
    person_of,
    plain_text,
)
from accounts.models import User
from cases import panels
from cases.admin.cases import PRIORITY_COLOURS, CaseAdmin
from cases.admin.forms import workers
from cases.admin_base import ConfigurationAdmin
from cases.models import Case
from tasks import services
from tasks.models import ChecklistItem, Contractor, Task, TaskStatus
from tasks.services import TaskDraft

STATUS_COLOURS = {"new": "primary", "in_progress": "info", "resolved": "success"}


class StatusForm(ActForm):
    status = forms.ChoiceField(label=gettext_lazy("Status"))

    def __init__(self, *args: Any, row: Task, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        moves = cast("forms.ChoiceField", self.fields["status"])
        moves.choices = [(move, Task.Status(move).label) for move in row.allowed_moves]


class AssignForm(ActForm):
    assigned_to = forms.ModelChoiceField(
        User.objects.none(), label=gettext_lazy("Person"), required=False, empty_label=gettext_lazy("Nobody")
    )

    def __init__(self, *args: Any, row: Task, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        person = cast("forms.ModelChoiceField[User]", self.fields["assigned_to"])
        person.queryset, person.initial = doers(), row.assigned_to_id


class NewTaskForm(forms.Form):
    subject = forms.CharField(label=gettext_lazy("Subject"), max_length=300)
    assigned_to = forms.ModelChoiceField(
        User.objects.none(), label=gettext_lazy("Person"), required=False, empty_label=gettext_lazy("Nobody")
    )
    contractor = forms.ModelChoiceField(
        Contractor.objects.none(), label=gettext_lazy("Contractor"), required=False, empty_label=gettext_lazy("None")
    )
    is_required = forms.BooleanField(label=gettext_lazy("The case cannot be resolved without it"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[User]", self.fields["assigned_to"]).queryset = doers()
        contractors = Contractor.objects.filter(is_active=True)
        cast("forms.ModelChoiceField[Contractor]", self.fields["contractor"]).queryset = contractors


def doers() -> Any:
    """The people whom a task can be given to: whoever works on cases, and contractors with an account."""
    return (workers() | User.objects.active().filter(role=User.Role.CONTRACTOR)).order_by("first_name", "username")


def _set_status(request: HttpRequest, task: Task, values: dict[str, Any]) -> str:
    services.change_task_status(task.pk, values["status"], at=timezone.now(), actor=actor_of(request))
    return _("The status is now %(status)s.") % {"status": Task.Status(values["status"]).label}


def _assign(request: HttpRequest, task: Task, values: dict[str, Any]) -> str:
    services.assign_task(task.pk, values["assigned_to"], at=timezone.now(), actor=actor_of(request))
    return _("Assigned to %(person)s.") % {"person": values["assigned_to"] or _("nobody")}


def _delete(request: HttpRequest, task: Task, _values: dict[str, Any]) -> str:
    services.delete_task(task.pk, at=timezone.now(), actor=actor_of(request))
    return _("The task was deleted. What it was stays in the timeline.")


def _add(request: HttpRequest, case: Case, values: dict[str, Any]) -> str:
    contractor = values["contractor"]
    services.create_task(
        TaskDraft(
            subject=values["subject"],
            case=case,
            kind=Task.Kind.CONTRACTOR if contractor else Task.Kind.INTERNAL,
            contractor=contractor,
            trade=contractor.trade if contractor else "",
            priority=case.priority,
            assigned_to=values["assigned_to"],
            is_required=values["is_required"],
        ),
        at=timezone.now(),
        actor=actor_of(request),
    )
    return _("The task was added.")


CaseAdmin.offer(
    Act(
        "task", gettext_lazy("New task"), _add, NewTaskForm, gettext_lazy("Add task"), offered=lambda case: case.is_open
    )
)


class StepsInline(ReadOnlyInline):
    model = ChecklistItem
    fields = ("rank", "text", "done_at")
    show_change_link = False


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin[Task]):
    list_display = (
        "subject",
        "case_link",
        "status_badge",
        "priority_badge",
        "kind",
        "assigned_to",
        "contractor",
        "due_at",
        "created_at",
    )
    list_select_related = ("case", "assigned_to", "contractor")
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        ("priority", MultipleChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("is_required", BooleanRadioFilter),
        ("assigned_to", AutocompleteSelectFilter),
        ("contractor", AutocompleteSelectFilter),
    )
    search_fields = ("subject", "case__case_number")
    search_help_text = gettext_lazy("Subject or case number")
    ordering = ("-created_at", "-id")
    actions = ("assign_to_me", "set_in_progress", "set_resolved", "set_closed")
    inlines = (StepsInline,)
    acts = (
        Act("status", gettext_lazy("Status"), _set_status, StatusForm, gettext_lazy("Set status")),
        Act("assign", gettext_lazy("Assignment"), _assign, AssignForm, gettext_lazy("Assign")),
        Act(
            "delete",
            gettext_lazy("Delete"),
            _delete,
            button=gettext_lazy("Delete this task"),
            asks=gettext_lazy("Delete this task? It cannot be brought back."),
        ),
    )
    fieldsets = (
        (
            None,
            {"fields": ("subject", "case_link", ("status_badge", "priority_badge"), ("kind", "trade"), "is_required")},
        ),
        (gettext_lazy("People"), {"fields": (("assigned_to", "contractor"), ("sender", "sender_email"))}),
        (
            gettext_lazy("What to do"),
            {
                "fields": (
                    "action_required",
                    "summary_text",
                    "content_text",
                    "category",
                )
            },
        ),
        (gettext_lazy("Times"), {"fields": (("due_at", "resolved_at"), ("created_at", "updated_at"), "created_by")}),
    )

    summary_text = plain_text("summary", gettext_lazy("summary"))
    content_text = plain_text("content", gettext_lazy("content"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).filter(case__deleted_at=None)

    @admin.display(description=gettext_lazy("case"), ordering="case__case_number")
    def case_link(self, task: Task) -> Any:
        return as_link(task.case, text=task.case.case_number if task.case else "")

    @coloured(gettext_lazy("status"), ordering="status", colours=STATUS_COLOURS)
    def status_badge(self, task: Task) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @coloured(gettext_lazy("priority"), ordering="priority", colours=PRIORITY_COLOURS)
    def priority_badge(self, task: Task) -> tuple[str, str]:
        return task.priority, task.get_priority_display()

    @admin.action(description=gettext_lazy("Assign to me"), permissions=["steer"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        me, at, actor = person_of(request), timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda task: services.assign_task(task.pk, me, at=at, actor=actor))

    @admin.action(description=gettext_lazy("Set status: In Progress"), permissions=["steer"])
    def set_in_progress(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set_status_of(request, queryset, Task.Status.IN_PROGRESS)

    @admin.action(description=gettext_lazy("Set status: Resolved"), permissions=["steer"])
    def set_resolved(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set_status_of(request, queryset, Task.Status.RESOLVED)

    @admin.action(description=gettext_lazy("Set status: Closed"), permissions=["steer"])
    def set_closed(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set_status_of(request, queryset, Task.Status.CLOSED)

    def _set_status_of(self, request: HttpRequest, queryset: QuerySet[Task], status: TaskStatus) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda task: services.change_task_status(task.pk, status, at=at, actor=actor))


@admin.register(Contractor)
class ContractorAdmin(ConfigurationAdmin[Contractor]):
    list_display = ("name", "company", "trade", "email", "phone", "open_tasks", "is_active")
    list_filter = (("is_active", BooleanRadioFilter),)
    search_fields = ("name", "company", "trade", "email")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contractor]:
        open_tasks = Count("tasks", filter=Q(tasks__status__in=["new", "in_progress"]))
        return super().get_queryset(request).annotate(open_task_count=open_tasks)

    @admin.display(description=gettext_lazy("open tasks"), ordering="open_task_count")
    def open_tasks(self, contractor: Contractor) -> Any:
        return getattr(contractor, "open_task_count", 0)


def _tasks(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    return {"tasks": list(Task.objects.of_case(case.pk).with_people().order_by("id"))}


panels.register(panels.Panel("tasks", gettext_lazy("Tasks"), "parts/tasks.html", _tasks, place="side", rank=30))
