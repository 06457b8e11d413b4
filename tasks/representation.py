"""How tasks look from outside."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce

from cases.models import TimelineEvent
from handyconnect.api import etags
from tasks.models import Task


def with_newest_event(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Adds `newest_event_id`: the last event about the task itself."""
    about = (
        TimelineEvent.objects.filter(subject_type="task", subject_id=Cast(OuterRef("pk"), CharField(max_length=60)))
        .order_by("-id")
        .values("id")[:1]
    )
    return tasks.annotate(newest_event_id=Coalesce(Subquery(about), 0))


def etag_of(task: Any) -> str:
    """The ETag of a task that was read `with_newest_event`."""
    return etags.etag(version=task.version, event_id=task.newest_event_id)


def task_row(task: Task) -> dict[str, Any]:
    """A task in a list. Read it `with_people`."""
    return {
        "id": task.pk,
        "case_id": task.case_id,
        "case_number": task.case.case_number if task.case else None,
        "email_id": task.email_id,
        "thread_id": task.thread_id,
        "subject": task.subject,
        "content": task.content,
        "sender": task.sender,
        "sender_email": task.sender_email,
        "kind": task.kind,
        "trade": task.trade,
        "contractor": task.contractor_id,
        "priority": task.priority,
        "category": task.category or None,
        "status": task.status,
        "assigned_to": task.assigned_to.username if task.assigned_to else None,
        "is_required": task.is_required,
        "due_at": task.due_at,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "resolved_at": task.resolved_at,
        "created_by": task.created_by.username if task.created_by else None,
        "summary": task.summary,
        "sentiment": task.sentiment,
        "action_required": task.action_required,
    }


def whole_task(task: Task) -> dict[str, Any]:
    """One task with its steps."""
    steps = [{"rank": step.rank, "text": step.text, "done_at": step.done_at} for step in task.checklist.all()]
    return {**task_row(task), "allowed_moves": task.allowed_moves, "checklist": steps}


def task_ids_of_cases(case_ids: Sequence[UUID]) -> dict[UUID, list[int]]:
    """The part of a case's representation that tasks own: their ids, oldest first."""
    found: dict[UUID, list[int]] = {}
    for case_id, task_id in Task.objects.filter(case__in=case_ids).order_by("id").values_list("case_id", "pk"):
        if case_id is not None:
            found.setdefault(case_id, []).append(task_id)
    return found
