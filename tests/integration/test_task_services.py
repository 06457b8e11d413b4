"""Every change of a task: one call, one event in the log and on its case's timeline."""

import pytest
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.models import User
from cases.models import TimelineEvent
from cases.services import change_status
from handyconnect.refusals import Stale
from tasks.models import TRANSITIONS, Task
from tasks.services import (
    TaskGone,
    TaskMoveNotAllowed,
    assign_task,
    change_task_status,
    delete_task,
    update_task,
)
from tests.factories import NOON, SYSTEM, ContractorFactory, later, make_case, make_task

pytestmark = pytest.mark.django_db


class TestCreateTask:
    def test_adds_a_task_with_its_steps(self, agent: User) -> None:
        task = make_task(case=make_case(), checklist=["Call", "Visit"], assigned_to=agent, actor=Actor.user(agent))
        assert [(item.rank, item.text) for item in task.checklist.all()] == [(1, "Call"), (2, "Visit")]
        event = TimelineEvent.objects.get(kind="task_created")
        assert (event.case_id, event.data["assigned_to"], task.created_by) == (task.case_id, "ana", agent)

    def test_may_stand_alone(self) -> None:
        task = make_task(subject="y" * 400)
        assert (task.case, len(task.subject)) == (None, 300)


class TestUpdateTask:
    def test_writes_old_and_new(self, agent: User) -> None:
        contractor = ContractorFactory.create()
        task = make_task()
        task = update_task(
            task.pk, {"contractor": contractor, "subject": "Send an electrician"}, at=NOON, actor=Actor.user(agent)
        )
        event = TimelineEvent.objects.get(kind="task_updated")
        assert event.changes == {"contractor": [None, contractor.pk]}
        assert event.detail.body == {"changes": {"subject": ["Send a plumber", "Send an electrician"]}}
        assert task.version == 2

    def test_is_silent_when_nothing_changes(self) -> None:
        task = make_task()
        update_task(task.pk, {"subject": "Send a plumber"}, at=NOON, actor=SYSTEM)
        assert not TimelineEvent.objects.filter(kind="task_updated").exists()

    def test_refuses_a_stale_version_and_a_task_that_is_gone(self) -> None:
        task = make_task()
        with pytest.raises(Stale):
            update_task(task.pk, {"content": "new"}, at=NOON, actor=SYSTEM, expected_version=7)
        delete_task(task.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(TaskGone):
            update_task(task.pk, {"content": "new"}, at=NOON, actor=SYSTEM)


class TestChangeTaskStatus:
    @pytest.mark.parametrize(
        ("old", "new"), [(old, new) for old, moves in TRANSITIONS.items() for new in sorted(moves)]
    )
    def test_makes_every_move_of_the_lifecycle(self, old: str, new: str) -> None:
        task = make_task()
        if old != "new":
            change_task_status(task.pk, old, at=NOON, actor=SYSTEM)
        task = change_task_status(task.pk, new, at=later(hours=1), actor=SYSTEM)
        assert (task.status, task.resolved_at is None) == (new, task.is_open)

    def test_refuses_a_move_that_the_lifecycle_does_not_have(self) -> None:
        task = make_task()
        change_task_status(task.pk, "closed", at=NOON, actor=SYSTEM)
        with pytest.raises(TaskMoveNotAllowed) as refusal:
            change_task_status(task.pk, "resolved", at=NOON, actor=SYSTEM)
        assert refusal.value.facts == {"allowed": ["in_progress"]}

    def test_is_silent_when_nothing_changes(self) -> None:
        task = make_task()
        change_task_status(task.pk, "new", at=NOON, actor=SYSTEM)
        assert not TimelineEvent.objects.filter(kind="task_status_changed").exists()


class TestAssignTask:
    def test_gives_and_takes(self, agent: User) -> None:
        task = make_task()
        assign_task(task.pk, agent, at=NOON, actor=SYSTEM)
        assign_task(task.pk, agent, at=NOON, actor=SYSTEM)
        assign_task(task.pk, None, at=NOON, actor=SYSTEM)
        changes = TimelineEvent.objects.filter(kind="task_assigned").order_by("id").values_list("changes", flat=True)
        assert list(changes) == [{"assigned_to": [None, "ana"]}, {"assigned_to": ["ana", None]}]


class TestRequiredTasks:
    def test_let_the_case_go_once_they_are_done(self) -> None:
        case = make_case()
        task = make_task(case=case, is_required=True)
        make_task(case=case)  # not required: stands in nobody's way
        change_task_status(task.pk, "resolved", at=NOON, actor=SYSTEM)
        assert change_status(case.pk, "resolved", at=NOON, actor=SYSTEM).status == "resolved"


class TestTheDatabase:
    @pytest.mark.parametrize("change", [{"status": "bananas"}, {"subject": ""}, {"status": "resolved"}])
    def test_refuses_a_state_that_cannot_be(self, change: dict[str, str]) -> None:
        task = make_task()
        with pytest.raises(IntegrityError), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**change)
