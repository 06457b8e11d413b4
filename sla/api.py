"""Deadlines over HTTP: each clock with its reasons, the promises, the working hours, and the cases in danger."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests import person_of
from cases.api.representation import case_row
from cases.api.serializers import CaseRowSerializer
from cases.api.views import OfCase
from cases.filters import CaseFilter
from cases.models import Case
from cases.queues import QUEUES
from handyconnect.api import etags
from handyconnect.api.views import Pages, Resource
from handyconnect.refusals import NotFound
from sla.filters import CalendarFilter, PolicyFilter
from sla.models import BusinessCalendar, SLAClock, SLAPolicy
from sla.representation import calendar_row, policy_row, whole_clock
from sla.serializers import CalendarSerializer, CaseClocksSerializer, PolicySerializer


class ClocksOfCase(OfCase):
    """The deadlines of one case."""

    queryset = SLAClock.objects.select_related("policy").prefetch_related("segments")
    serializer_class = CaseClocksSerializer

    @extend_schema(responses=CaseClocksSerializer)
    def retrieve(self, request: Request, **_kwargs: Any) -> Response:
        """Every clock of the case, oldest first, each with its running times and a sentence that explains it."""
        self.refuse_parameters(request)
        case, now = self.case(), timezone.now()
        clocks = self.get_queryset().filter(case=case).order_by("cycle", "id")
        return Response(
            {
                "case_id": case.pk,
                "sla_status": case.sla_status,
                "sla_due_date": case.sla_due_date,
                "clocks": [whole_clock(clock, now=now) for clock in clocks],
            }
        )


class CasesInDanger(Pages[Case]):
    """The cases of one of the queues, the earliest deadline first. All filters of cases work here too."""

    queryset = Case.objects.all()
    serializer_class = CaseRowSerializer
    filterset_class = CaseFilter
    ordering = "sla_due_date,id"
    ordering_fields = ("sla_due_date", "created_at", "received_at")

    @extend_schema(operation_id="sla_at_risk_list", responses=CaseRowSerializer(many=True))
    def at_risk(self, request: Request) -> Response:
        """Open cases of which a deadline comes near."""
        return self._queue("at_risk", request)

    @extend_schema(operation_id="sla_breached_list", responses=CaseRowSerializer(many=True))
    def breached(self, request: Request) -> Response:
        """Open cases that have missed a deadline."""
        return self._queue("breached", request)

    def _queue(self, name: str, request: Request) -> Response:
        reader = person_of(request)
        cases = QUEUES[name].select(Case.objects.visible_to(reader), reader=reader, now=timezone.localtime())
        rows = self.filter_queryset(cases.with_people())
        return self.get_paginated_response([case_row(case) for case in self.paginate_queryset(rows) or []])


class Policies(Resource[SLAPolicy]):
    """What is promised, by priority."""

    queryset = SLAPolicy.objects.select_related("calendar")
    serializer_class = PolicySerializer
    filterset_class = PolicyFilter
    ordering = "rank,id"
    ordering_fields = ("rank", "name", "slug")
    etag_actions = frozenset({"retrieve"})

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Policies in the order in which they are asked."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([policy_row(policy) for policy in found])

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One policy."""
        self.refuse_parameters(request)
        policy = self.get_queryset().filter(slug=self.kwargs["slug"]).first()
        if policy is None:
            raise NotFound(_("There is no SLA policy %(slug)s.") % {"slug": self.kwargs["slug"]})
        data = policy_row(policy)
        return self.answer(request, data, tag=etags.of_content(data))


class Calendars(Resource[BusinessCalendar]):
    """When work is done."""

    queryset = BusinessCalendar.objects.prefetch_related("holidays")
    serializer_class = CalendarSerializer
    filterset_class = CalendarFilter
    ordering = "name"
    ordering_fields = ("name", "slug")
    etag_actions = frozenset({"retrieve"})

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Calendars by name, each with its holidays."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([calendar_row(calendar) for calendar in found])

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """One calendar."""
        self.refuse_parameters(request)
        calendar = self.get_queryset().filter(slug=self.kwargs["slug"]).first()
        if calendar is None:
            raise NotFound(_("There is no calendar %(slug)s.") % {"slug": self.kwargs["slug"]})
        data = calendar_row(calendar)
        return self.answer(request, data, tag=etags.of_content(data))
