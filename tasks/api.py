"""The tasks of the house over HTTP. Contractors see and move the tasks that are theirs."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Case as Choose
from django.db.models import Count, IntegerField, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of, person_of
from cases.api.views import OfCase
from cases.models import Case
from handyconnect.api.pagination import Order
from handyconnect.api.views import Resource
from tasks import services
from tasks.filters import OPEN, TaskFilter, TaskSearchFilter
from tasks.models import Task
from tasks.querysets import TaskQuerySet
from tasks.representation import etag_of, task_row, whole_task, with_newest_event
from tasks.serializers import (
    BIGGEST,
    DEFAULTS,
    TaskAssignmentSerializer,
    TaskBodySerializer,
    TaskChangesSerializer,
    TaskReplacementSerializer,
    TaskRowSerializer,
    TaskSerializer,
    TaskStatsSerializer,
    TaskStatusSerializer,
)
from tasks.services import TaskDraft, TaskGone

RANK = Choose(
    *(When(priority=priority, then=Value(rank)) for rank, priority in enumerate(Case.Priority.values, start=1)),
    output_field=IntegerField(),
)
STATS_BY: dict[str, type[Any]] = {"status": Task.Status, "priority": Case.Priority, "kind": Task.Kind}


class Tasks(Resource[Task]):
    """What has to be done, inside a case or standing alone."""

    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    ordering = "-created_at"
    ordering_fields = ("created_at", "updated_at", "due_at", "status", Order("priority", "priority_rank", RANK))
    lookup_url_kwarg = "task_id"
    filtered_actions = frozenset({"stats"})
    etag_actions = frozenset({"retrieve", "update", "partial_update", "destroy", "status", "assign"})
    contractor_actions = frozenset({"list", "retrieve", "stats", "status"})

    def get_queryset(self) -> TaskQuerySet:
        return Task.objects.visible_to(person_of(self.request)).with_people().select_related("created_by")

    def get_object(self) -> Task:
        """The task of the address. Raises TaskGone, also for a task that the caller may not see."""
        task_id = self.kwargs["task_id"]
        task = self.get_queryset().filter(pk=task_id).first() if task_id <= BIGGEST else None
        if task is None:
            raise TaskGone(task_id)
        return task

    @extend_schema(responses=TaskRowSerializer(many=True))
    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Tasks, newest first. A filter or a value that is not known is refused."""
        rows = self.filter_queryset(self.get_queryset())
        return self.get_paginated_response([task_row(task) for task in self.paginate_queryset(rows) or []])

    @extend_schema(request=TaskBodySerializer, responses={201: TaskSerializer})
    @idempotent
    def create(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Adds a task, to a case or standing alone."""
        body = self.body(TaskBodySerializer, request)
        case = body.pop("case_id", None)
        values = {**body, "case": case, "category": _slug(body.get("category"))}
        task = services.create_task(TaskDraft(**values), at=timezone.now(), actor=actor_of(request))
        response = self._whole(request, task.pk, status=status.HTTP_201_CREATED)
        response.headers["Location"] = request.build_absolute_uri(reverse("task", args=[task.pk]))
        return response

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One task with its steps."""
        self.refuse_parameters(request)
        return self._whole(request, self.kwargs["task_id"])

    @extend_schema(request=TaskReplacementSerializer)
    def update(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Replaces what people edit: a field that is left out goes back to its default. `status` is kept then."""
        task, body = self.get_object(), self.body(TaskReplacementSerializer, request)
        return self._edit(request, task, {**DEFAULTS, **body})

    @extend_schema(request=TaskChangesSerializer)
    def partial_update(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Changes what is given, and nothing else."""
        task, body = self.get_object(), self.body(TaskChangesSerializer, request)
        return self._edit(request, task, body)

    def destroy(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Removes the task. What it was stays in the timeline."""
        task = self.get_object()
        services.delete_task(
            task.pk,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, task),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=TaskStatusSerializer)
    def status(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Moves the task. A move that the lifecycle does not have is a 409 that names the allowed ones."""
        task, body = self.get_object(), self.body(TaskStatusSerializer, request)
        services.change_task_status(
            task.pk,
            body["status"],
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, task),
        )
        return self._whole(request, task.pk)

    @extend_schema(request=TaskAssignmentSerializer)
    def assign(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Gives the task to a person, or (null) to nobody."""
        task, body = self.get_object(), self.body(TaskAssignmentSerializer, request)
        services.assign_task(
            task.pk,
            body["assigned_to"],
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, task),
        )
        return self._whole(request, task.pk)

    @extend_schema(responses=TaskStatsSerializer)
    def stats(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """How many tasks there are of each kind, among those that the filters leave."""
        rows = self.filter_queryset(Task.objects.visible_to(person_of(request))).order_by()
        is_open = Q(status__in=OPEN)
        counts: dict[str, Any] = {
            "total": Count("pk"),
            "open": Count("pk", filter=is_open),
            "unassigned": Count("pk", filter=is_open & Q(assigned_to=None)),
            "overdue": Count("pk", filter=is_open & Q(due_at__lt=timezone.now())),
        }
        for name, choices in STATS_BY.items():
            counts |= {f"{name}:{value}": Count("pk", filter=Q(**{name: value})) for value in choices.values}
        found = rows.aggregate(**counts)
        return Response(
            {name: found[name] for name in ("total", "open", "unassigned", "overdue")}
            | {
                f"by_{name}": {value: found[f"{name}:{value}"] for value in choices.values}
                for name, choices in STATS_BY.items()
            }
        )

    def _edit(self, request: Request, task: Task, body: Mapping[str, Any]) -> Response:
        """Edit, assign and move in one transaction: all of it or nothing."""
        values = {name: value for name, value in body.items() if name not in {"assigned_to", "status"}}
        if "category" in values:
            values["category"] = _slug(values["category"])
        expected_version = self.expected_version(request, task)
        at, actor = timezone.now(), actor_of(request)
        with transaction.atomic():
            services.update_task(task.pk, values, at=at, actor=actor, expected_version=expected_version)
            if "assigned_to" in body:
                services.assign_task(task.pk, body["assigned_to"], at=at, actor=actor)
            if "status" in body:
                services.change_task_status(task.pk, body["status"], at=at, actor=actor)
        return self._whole(request, task.pk)

    def _whole(self, request: Request, task_id: int, *, status: int = 200) -> Response:
        rows: QuerySet[Task] = self.get_queryset()
        task = with_newest_event(rows).filter(pk=task_id).first() if task_id <= BIGGEST else None
        if task is None:
            raise TaskGone(task_id)
        tag = etag_of(task)
        return self.unchanged(request, tag) or self.answer(request, whole_task(task), tag=tag, status=status)


class TaskSearch(Tasks):
    """Tasks by words."""

    filterset_class = TaskSearchFilter

    @extend_schema(operation_id="tasks_search", responses=TaskRowSerializer(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tasks in which every word of `q` stands: in subject, content, summary, or the sender's name or address."""
        if "q" not in request.query_params:
            raise serializers.ValidationError({"q": [_("Say what to search for.")]}, code="required")
        return super().list(request, *args, **kwargs)


class TasksOfCase(OfCase):
    """The tasks of one case."""

    queryset = Task.objects.with_people().select_related("created_by")
    serializer_class = TaskRowSerializer
    filterset_class = TaskFilter
    ordering = "created_at"
    ordering_fields = Tasks.ordering_fields

    def list(self, request: Request, **_kwargs: Any) -> Response:
        """The tasks of the case, oldest first."""
        rows = self.filter_queryset(self.get_queryset().filter(case=self.case()))
        return self.get_paginated_response([task_row(task) for task in self.paginate_queryset(rows) or []])


def _slug(category: Any) -> str:
    return str(category.slug) if category else ""
