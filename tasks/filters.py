from typing import Any

from django.db.models import Q
from django.utils import timezone

from cases.models import Case
from handyconnect.api.filters import (
    ChoicesFilter,
    ExactFilter,
    FlagFilter,
    MomentFilter,
    NumberFilter,
    PersonFilter,
    SearchFilter,
    StrictFilterSet,
    UUIDFilter,
)
from tasks.models import Task

OPEN = (Task.Status.NEW, Task.Status.IN_PROGRESS)


class OpenFilter(FlagFilter):
    """Whether it still has to be done."""

    def condition(self, value: Any) -> Q:
        return Q(status__in=OPEN) if value else ~Q(status__in=OPEN)


class OverdueFilter(FlagFilter):
    """Open, and its due date is past."""

    def condition(self, value: Any) -> Q:
        overdue = Q(status__in=OPEN, due_at__isnull=False, due_at__lt=timezone.now())
        return overdue if value else ~overdue


class TaskFilter(StrictFilterSet):
    status = ChoicesFilter(Task.Status)
    is_open = OpenFilter("status")
    kind = ChoicesFilter(Task.Kind)
    priority = ChoicesFilter(Case.Priority)
    sentiment = ChoicesFilter(Case.Sentiment)
    category = ExactFilter()
    trade = ExactFilter()
    case_id = UUIDFilter("case_id")
    thread_id = NumberFilter("thread_id")
    email_id = NumberFilter("email_id")
    contractor = NumberFilter("contractor_id")
    assigned_to = PersonFilter("assigned_to")
    created_by = PersonFilter("created_by")
    is_required = FlagFilter("is_required")
    overdue = OverdueFilter("due_at")
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")
    updated_after = MomentFilter("updated_at", "gte")
    updated_before = MomentFilter("updated_at", "lt")
    due_after = MomentFilter("due_at", "gte")
    due_before = MomentFilter("due_at", "lt")


class TaskSearchFilter(TaskFilter):
    q = SearchFilter(
        "subject",
        "content",
        "summary",
        "sender",
        "sender_email",
        help_text="Words that have to stand in the subject, the content, the summary, or the sender's name or address.",
    )
