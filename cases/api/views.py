from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Case as Choose
from django.db.models import Count, IntegerField, Q, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.permissions import Steers
from accounts.requests import actor_of, person_of
from cases import numbers, services
from cases.api import bulk, edits
from cases.api.representation import (
    TIMELINE_ORDERING,
    case_row,
    etag_of,
    events,
    note_row,
    whole_case,
    with_newest_event,
)
from cases.api.serializers import (
    AssignmentSerializer,
    BulkAssignmentSerializer,
    BulkResultSerializer,
    BulkStatusSerializer,
    CaseBodySerializer,
    CaseChangesSerializer,
    CaseReplacementSerializer,
    CaseRowSerializer,
    CaseSerializer,
    CaseStatsSerializer,
    CategorySerializer,
    EventSerializer,
    NoteBodySerializer,
    NoteSerializer,
    StatusSerializer,
)
from cases.filters import CaseFilter, CaseSearchFilter, CategoryListFilter, NoteFilter, TimelineFilter
from cases.models import Case, Category, Note, TimelineEvent
from cases.querysets import CaseQuerySet
from handyconnect.api.pagination import Order, link_behind
from handyconnect.api.views import Pages, ReadOnlyResource, Resource

RANK = Choose(
    *(When(priority=priority, then=Value(rank)) for rank, priority in enumerate(Case.Priority.values, start=1)),
    output_field=IntegerField(),
)
STATS_BY: dict[str, type[Any]] = {
    "status": Case.Status,
    "priority": Case.Priority,
    "case_type": Case.Type,
    "sentiment": Case.Sentiment,
    "sla_status": Case.SLAStatus,
}


class Cases(Resource[Case]):
    """The cases of the house."""

    queryset = Case.objects.all()
    serializer_class = CaseSerializer
    filterset_class = CaseFilter
    ordering = "-created_at"
    ordering_fields = (
        "created_at",
        "updated_at",
        "received_at",
        "last_activity_at",
        "sla_due_date",
        "case_number",
        "status",
        Order("priority", "priority_rank", RANK),
        "escalation_level",
    )
    lookup_url_kwarg = "case_id"
    filtered_actions = frozenset({"stats"})
    etag_actions = frozenset({"retrieve", "update", "partial_update", "destroy", "status", "assign"})

    def get_queryset(self) -> CaseQuerySet:
        return Case.objects.visible_to(person_of(self.request))

    @extend_schema(responses=CaseRowSerializer(many=True))
    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Cases, newest first. A filter or a value that is not known is refused."""
        rows = self.filter_queryset(self.get_queryset().with_people())
        return self.get_paginated_response([case_row(case) for case in self.paginate_queryset(rows) or []])

    @extend_schema(request=CaseBodySerializer, responses={201: CaseSerializer})
    @idempotent
    def create(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Opens a case. Its clocks start, rules run and the people concerned are told."""
        body = self.body(CaseBodySerializer, request)
        case = services.create_case(edits.draft(body), at=timezone.now(), actor=actor_of(request))
        response = self._whole(request, case.pk, status=status.HTTP_201_CREATED)
        response.headers["Location"] = request.build_absolute_uri(reverse("case", args=[case.pk]))
        return response

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One case with all its parts."""
        self.refuse_parameters(request)
        return self._whole(request, self.kwargs["case_id"])

    @extend_schema(request=CaseReplacementSerializer)
    def update(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Replaces what people edit: a field that is left out goes back to its default. `status` is kept then."""
        return self._edit(request, CaseReplacementSerializer, edits.replace)

    @extend_schema(request=CaseChangesSerializer)
    def partial_update(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Changes what is given, and nothing else."""
        return self._edit(request, CaseChangesSerializer, edits.change)

    def destroy(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Takes the case out of every list. A supervisor can restore it."""
        case = self.get_object()
        services.delete_case(
            case.pk,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=StatusSerializer)
    def status(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Moves the case. A move that the lifecycle does not have is a 409 that names the allowed ones."""
        case, body = self.get_object(), self.body(StatusSerializer, request)
        services.change_status(
            case.pk,
            body["status"],
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return self._whole(request, case.pk)

    @extend_schema(request=AssignmentSerializer)
    def assign(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Gives the case to a person, a team, or (null) to nobody."""
        case, body = self.get_object(), self.body(AssignmentSerializer, request)
        services.assign_case(
            case.pk,
            **body,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return self._whole(request, case.pk)

    @extend_schema(request=None)
    def restore(self, request: Request, case_id: UUID) -> Response:
        """Brings a deleted case back. For supervisors."""
        services.restore_case(case_id, at=timezone.now(), actor=actor_of(request))
        return self._whole(request, case_id)

    def by_number(self, request: Request, case_number: str) -> Response:
        """The case with this number, in any case of letters; after a merge, the case that it went into."""
        self.refuse_parameters(request)
        case = None
        if numbers.is_valid(case_number):
            case = self.get_queryset().filter(case_number=case_number.strip().upper()).first()
        seen = set()
        while case and case.merged_into_id and case.pk not in seen:
            seen.add(case.pk)
            case = self.get_queryset().filter(pk=case.merged_into_id).first()
        if case is None:
            raise NotFound(_("There is no case with this number."))
        response = self._whole(request, case.pk)
        response.headers["Content-Location"] = reverse("case", args=[case.pk])
        return response

    @extend_schema(responses=CaseStatsSerializer)
    def stats(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """How many cases there are of each kind, among those that the filters leave."""
        rows = self.filter_queryset(self.get_queryset()).order_by()
        is_open = Q(status__in=Case.OPEN_STATUSES)
        counts: dict[str, Any] = {
            "total": Count("pk"),
            "open": Count("pk", filter=is_open),
            "unassigned": Count("pk", filter=is_open & Q(assigned_to=None)),
            "overdue": Count("pk", filter=is_open & Q(sla_due_date__lt=timezone.now())),
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

    def get_permissions(self) -> Any:
        return [Steers()] if self.action == "restore" else super().get_permissions()

    def _edit(
        self, request: Request, kind: type[serializers.BaseSerializer[Any]], edit: Callable[..., Case]
    ) -> Response:
        case, body = self.get_object(), self.body(kind, request)
        edit(
            case,
            body,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, case),
        )
        return self._whole(request, case.pk)

    def _whole(self, request: Request, case_id: UUID, *, status: int = 200) -> Response:
        case = with_newest_event(self.get_queryset().with_people()).filter(pk=case_id).first()
        if case is None:
            raise services.CaseGone(case_id)
        tag = etag_of(case)
        if unchanged := self.unchanged(request, tag):
            return unchanged

        def older(event_id: int) -> str:
            address = request.build_absolute_uri(reverse("case-timeline", args=[case.pk]))
            return link_behind(address, ordering=TIMELINE_ORDERING, values=(event_id,))

        return self.answer(request, whole_case(case, timeline_link=older), tag=tag, status=status)


class CaseSearch(Cases):
    """Cases by words."""

    filterset_class = CaseSearchFilter

    @extend_schema(operation_id="cases_search", responses=CaseRowSerializer(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cases in which every word of `q` stands: in number, title, description, or the customer's name or address."""
        if "q" not in request.query_params:
            raise serializers.ValidationError({"q": [_("Say what to search for.")]}, code="required")
        return super().list(request, *args, **kwargs)


class CasesInBulk(Pages[Case]):
    """One change for many cases."""

    queryset = Case.objects.all()
    serializer_class = BulkResultSerializer
    pagination_class = None  # type: ignore[assignment] # not in pages

    @extend_schema(request=BulkStatusSerializer, responses=BulkResultSerializer)
    def status(self, request: Request) -> Response:
        """Moves many cases; each one's outcome is in the answer."""
        body = self.body(BulkStatusSerializer, request)
        at, actor = timezone.now(), actor_of(request)
        return self._each(
            request, body, lambda case_id: services.change_status(case_id, body["status"], at=at, actor=actor)
        )

    @extend_schema(request=BulkAssignmentSerializer, responses=BulkResultSerializer)
    def assign(self, request: Request) -> Response:
        """Gives many cases to a person or a team; each one's outcome is in the answer."""
        body = self.body(BulkAssignmentSerializer, request)
        at, actor = timezone.now(), actor_of(request)
        wanted = {name: body[name] for name in ("assigned_to", "assigned_team") if name in body}
        return self._each(request, body, lambda case_id: services.assign_case(case_id, **wanted, at=at, actor=actor))

    def _each(self, request: Request, body: dict[str, Any], change: Callable[[UUID], object]) -> Response:
        self.refuse_parameters(request)
        case_ids = bulk.chosen(body, request)
        return Response(bulk.for_each(case_ids, change, visible=bulk.visible_among(case_ids, request)))


class OfCase(Pages[Any]):
    """What belongs to one case: nothing for those who cannot see it."""

    def case(self) -> Case:
        """The case of the address. Raises CaseGone, also for a case that the caller may not see."""
        case_id = self.kwargs["case_id"]
        case = Case.objects.visible_to(person_of(self.request)).filter(pk=case_id).first()
        if case is None:
            raise services.CaseGone(case_id)
        return case


class Timeline(OfCase):
    """What happened to a case."""

    queryset = TimelineEvent.objects.select_related("detail")
    serializer_class = EventSerializer
    filterset_class = TimelineFilter
    ordering = TIMELINE_ORDERING
    ordering_fields = ("id", "occurred_at")

    @extend_schema(operation_id="cases_timeline_list")
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """Everything that happened to the case, newest first."""
        rows = self.filter_queryset(self.get_queryset().filter(case=self.case()))
        return self.get_paginated_response(events(self.paginate_queryset(rows) or []))


class Notes(OfCase):
    """What colleagues tell each other on a case."""

    queryset = Note.objects.select_related("author")
    serializer_class = NoteSerializer
    filterset_class = NoteFilter
    ordering = "created_at"
    ordering_fields = ("created_at",)

    def list(self, request: Request, **_kwargs: Any) -> Response:
        """Internal notes, oldest first."""
        rows = self.filter_queryset(self.get_queryset().filter(case=self.case()))
        return self.get_paginated_response([note_row(note) for note in self.paginate_queryset(rows) or []])

    @extend_schema(request=NoteBodySerializer, responses={201: NoteSerializer})
    @idempotent
    def create(self, request: Request, **_kwargs: Any) -> Response:
        """Writes an internal note. It is never sent to a customer."""
        case, body = self.case(), self.body(NoteBodySerializer, request)
        note = services.add_note(case.pk, body["body"], at=timezone.now(), actor=actor_of(request))
        return Response(note_row(note), status=status.HTTP_201_CREATED)


class Categories(ReadOnlyResource[Category]):
    """What cases are about: a tree of two levels."""

    queryset = Category.objects.select_related("parent")
    serializer_class = CategorySerializer
    filterset_class = CategoryListFilter
    ordering = "name"
    ordering_fields = ("name", "slug")
    lookup_field = "slug"
