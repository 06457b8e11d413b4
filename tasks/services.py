"""Every change of a task: one transaction, one event. A task's events also stand in the timeline of its case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actors import Actor
from accounts.models import User
from cases import facts
from cases.lifecycle import Objection
from cases.models import Case
from handyconnect.refusals import Conflict, NotFound, Stale
from tasks.models import ChecklistItem, Contractor, Task

SUBJECT_LENGTH = 300
PERSONAL = frozenset({"subject", "content", "summary", "action_required", "sender", "sender_email"})


class TaskGone(NotFound):
    code = "task_not_found"

    def __init__(self, task_id: int) -> None:
        super().__init__(f"There is no task {task_id}.")


class TaskMoveNotAllowed(Conflict):
    """The lifecycle of tasks does not have this move. `allowed` names the ones that it has."""

    code = "transition_not_allowed"

    def __init__(self, *, old: str, new: str, allowed: list[str]) -> None:
        moves = ", ".join(allowed)
        super().__init__(f"A task that is {old} cannot become {new}. Allowed now: {moves}.", allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """What a new task starts with. Texts that are too long for their column are cut."""

    subject: str
    case: Case | None = None
    content: str = ""
    kind: str = Task.Kind.INTERNAL
    trade: str = ""
    contractor: Contractor | None = None
    priority: str = Case.Priority.MEDIUM
    category: str = ""
    sentiment: str = Case.Sentiment.NEUTRAL
    summary: str = ""
    action_required: str = ""
    sender: str = ""
    sender_email: str = ""
    email_id: int | None = None
    thread_id: int | None = None
    assigned_to: User | None = None
    is_required: bool = False
    due_at: datetime | None = None
    checklist: Sequence[str] = ()


@transaction.atomic(savepoint=False)
def create_task(draft: TaskDraft, *, at: datetime, actor: Actor) -> Task:
    """Add a task, to a case or standing alone."""
    task = Task.objects.create(
        case=draft.case,
        subject=draft.subject.strip()[:SUBJECT_LENGTH],
        content=draft.content,
        kind=draft.kind,
        trade=draft.trade[:100],
        contractor=draft.contractor,
        priority=draft.priority,
        category=draft.category[:60],
        sentiment=draft.sentiment,
        summary=draft.summary,
        action_required=draft.action_required[:300],
        sender=draft.sender[:200],
        sender_email=draft.sender_email[:320],
        email_id=draft.email_id,
        thread_id=draft.thread_id,
        assigned_to=draft.assigned_to,
        is_required=draft.is_required,
        due_at=draft.due_at,
        created_at=at,
        updated_at=at,
        created_by_id=actor.user_id,
    )
    ChecklistItem.objects.bulk_create(
        ChecklistItem(task=task, rank=rank, text=text[:300]) for rank, text in enumerate(draft.checklist, start=1)
    )
    facts.task_created.emit(
        case=draft.case,
        subject=task,
        actor=actor,
        at=at,
        data={"kind": task.kind, "priority": task.priority, "assigned_to": _username(task.assigned_to)},
        personal={"subject": task.subject, "content": task.content},
    )
    return task


@transaction.atomic
def update_task(
    task_id: int, values: Mapping[str, Any], *, at: datetime, actor: Actor, expected_version: int | None = None
) -> Task:
    """Edit a task's own fields. Raises TaskGone and Stale."""
    task = _locked(task_id, expected_version=expected_version)
    changes = _changes(task, values)
    if changes:
        _save(task, list(changes), at=at, actor=actor)
        _tell(facts.task_updated, task, changes, at=at, actor=actor)
    return task


@transaction.atomic
def change_task_status(
    task_id: int, status: str, *, at: datetime, actor: Actor, expected_version: int | None = None
) -> Task:
    """Move a task along its lifecycle. Repeating the current status does nothing. Raises TaskMoveNotAllowed."""
    task = _locked(task_id, expected_version=expected_version)
    old = task.status
    if old == status:
        return task
    if not task.can_become(status):
        raise TaskMoveNotAllowed(old=old, new=status, allowed=task.allowed_moves)
    task.status = status
    if task.is_open:
        task.resolved_at = None
    elif task.resolved_at is None:
        task.resolved_at = max(at, task.created_at)
    _save(task, ["status", "resolved_at"], at=at, actor=actor)
    _tell(facts.task_status_changed, task, {"status": [old, status]}, at=at, actor=actor)
    return task


@transaction.atomic
def assign_task(
    task_id: int, assigned_to: User | None, *, at: datetime, actor: Actor, expected_version: int | None = None
) -> Task:
    """Give a task to a person, or (None) to nobody."""
    task = _locked(task_id, expected_version=expected_version)
    changes = _changes(task, {"assigned_to": assigned_to})
    if changes:
        _save(task, ["assigned_to"], at=at, actor=actor)
        _tell(facts.task_assigned, task, changes, at=at, actor=actor)
    return task


@transaction.atomic
def delete_task(task_id: int, *, at: datetime, actor: Actor, expected_version: int | None = None) -> None:
    """Remove a task. What it was stays in the log."""
    task = _locked(task_id, expected_version=expected_version)
    facts.task_deleted.emit(
        case=task.case,
        subject=task,
        actor=actor,
        at=at,
        data={"status": task.status},
        personal={"subject": task.subject},
    )
    task.delete()


def open_required_tasks(case: Case, status: str) -> Objection | None:
    """The guard of `cases.lifecycle`: a case is not done while a task that it needs is open."""
    if status not in {Case.Status.RESOLVED, Case.Status.CLOSED}:
        return None
    waiting = list(Task.objects.of_case(case.pk).open().required().order_by("id")[:20])
    if not waiting:
        return None
    names = ", ".join(f"“{task.subject}”" for task in waiting[:3])
    detail = ngettext(
        "A required task is still open: %(names)s. Finish it first.",
        "%(count)d required tasks are still open: %(names)s. Finish them first.",
        len(waiting),
    ) % {"count": len(waiting), "names": names}
    return Objection("open_required_tasks", detail, tuple(str(task.pk) for task in waiting))


def move_open_tasks(source: Case, target: Case, _at: datetime) -> list[int]:
    """A merger of `cases.lifecycle`: what is still to be done follows a merged case; their ids. What is done stays."""
    ids = list(Task.objects.of_case(source.pk).open().order_by("id").values_list("pk", flat=True))
    Task.objects.filter(pk__in=ids).update(case=target)
    return ids


def move_tasks_back(ids: Sequence[int], source: Case, target: Case, _at: datetime) -> list[int]:
    """The other way: those of them that are still on `target`, done or not."""
    still = list(Task.objects.of_case(target.pk).filter(pk__in=ids).values_list("pk", flat=True))
    Task.objects.filter(pk__in=still).update(case=source)
    return still


def _locked(task_id: int, *, expected_version: int | None) -> Task:
    task = Task.objects.select_for_update(of=("self",)).select_related("case").filter(pk=task_id).first()
    if task is None:
        raise TaskGone(task_id)
    if expected_version is not None and expected_version != task.version:
        raise Stale(_("The task was edited since you read it. Read it again."), version=task.version)
    return task


def _changes(task: Task, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    changes = {}
    for name, new in values.items():
        old = getattr(task, name)
        if old != new:
            setattr(task, name, new)
            changes[name] = [_plain(old), _plain(new)]
    return changes


def _plain(value: Any) -> Any:
    if isinstance(value, User):
        return value.username
    return value.pk if hasattr(value, "pk") else value


def _username(user: User | None) -> str | None:
    return user.username if user else None


def _save(task: Task, columns: Sequence[str], *, at: datetime, actor: Actor) -> None:
    task.updated_at = max(at, task.updated_at)
    if actor.is_person:
        task.version += 1
    task.save(update_fields=[*columns, "updated_at", "version"])


def _tell(fact: facts.Fact, task: Task, changes: Mapping[str, Any], *, at: datetime, actor: Actor) -> None:
    fact.emit(
        case=task.case,
        subject=task,
        actor=actor,
        at=at,
        changes={name: pair for name, pair in changes.items() if name not in PERSONAL},
        personal={"changes": found} if (found := {n: p for n, p in changes.items() if n in PERSONAL}) else None,
    )
