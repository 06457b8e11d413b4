"""Rules over HTTP. Everybody of the house reads them; administrators write them, through the configuration service."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import CharField, Count, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.permissions import ConfiguresToWrite
from accounts.requests import actor_of
from cases.models import ConfigVersion
from handyconnect.api import etags
from handyconnect.api.views import Pages, Resource
from handyconnect.refusals import NotFound
from workflows import services
from workflows.filters import RuleFilter, RunFilter, StatisticsFilter
from workflows.models import RuleRun, RunOutcome, WorkflowRule
from workflows.serializers import (
    DEFAULTS,
    RuleBodySerializer,
    RuleChangesSerializer,
    RuleSerializer,
    RuleStatisticsSerializer,
    RunSerializer,
)

JSON_FIELDS = ("conditions", "actions", "trigger_options")


def with_version(rules: QuerySet[WorkflowRule]) -> QuerySet[WorkflowRule]:
    """Adds `version`, the number of the rule's last saved state."""
    versions = ConfigVersion.objects.filter(
        subject_type="workflowrule", subject_id=Cast(OuterRef("pk"), CharField(max_length=60))
    )
    return rules.annotate(version=Coalesce(Subquery(versions.order_by("-number").values("number")[:1]), 0))


class Rules(Resource[WorkflowRule]):
    """What happens by itself."""

    queryset = WorkflowRule.objects.all()
    serializer_class = RuleSerializer
    filterset_class = RuleFilter
    permission_classes = (ConfiguresToWrite,)
    ordering = "rank,id"
    ordering_fields = ("rank", "name", "slug", "trigger")
    etag_actions = frozenset({"retrieve", "update", "partial_update", "destroy"})

    def get_queryset(self) -> QuerySet[WorkflowRule]:
        return with_version(WorkflowRule.objects.all())

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Rules in the order in which they run."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([rule_row(rule) for rule in found])

    @extend_schema(request=RuleBodySerializer, responses={201: RuleSerializer})
    @idempotent
    def create(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Adds a rule. What is wrong with it is named by its place, such as `conditions.all[0].value`."""
        self.refuse_parameters(request)
        body = self.body(RuleBodySerializer, request)
        rule = WorkflowRule(**{**DEFAULTS, "slug": _slug_of(body["name"]), **body})
        try:
            services.save_rule(rule, at=timezone.now(), actor=actor_of(request))
        except ValidationError as error:
            raise by_place(error) from error
        response = self._whole(request, rule.pk, status=status.HTTP_201_CREATED)
        response.headers["Location"] = request.build_absolute_uri(reverse("rule", args=[rule.pk]))
        return response

    def retrieve(self, request: Request, rule_id: int, **_kwargs: Any) -> Response:
        """One rule."""
        self.refuse_parameters(request)
        return self._whole(request, rule_id)

    @extend_schema(request=RuleBodySerializer)
    def update(self, request: Request, rule_id: int, **_kwargs: Any) -> Response:
        """Replaces the rule: a field that is left out goes back to its default. `slug` is kept then."""
        return self._edit(request, rule_id, {**DEFAULTS, **self.body(RuleBodySerializer, request)})

    @extend_schema(request=RuleChangesSerializer)
    def partial_update(self, request: Request, rule_id: int, **_kwargs: Any) -> Response:
        """Changes what is given, and nothing else."""
        return self._edit(request, rule_id, self.body(RuleChangesSerializer, request))

    def destroy(self, request: Request, rule_id: int, **_kwargs: Any) -> Response:
        """Deletes the rule and its runs. What it did stays in the timelines."""
        self.refuse_parameters(request)
        rule = self._found(rule_id)
        services.remove_rule(
            rule_id,
            at=timezone.now(),
            actor=actor_of(request),
            expected_version=self.expected_version(request, rule),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _edit(self, request: Request, rule_id: int, values: Mapping[str, Any]) -> Response:
        self.refuse_parameters(request)
        rule = self._found(rule_id)
        try:
            services.edit_rule(
                rule_id,
                values,
                at=timezone.now(),
                actor=actor_of(request),
                expected_version=self.expected_version(request, rule),
            )
        except ValidationError as error:
            raise by_place(error) from error
        return self._whole(request, rule_id)

    def _found(self, rule_id: int) -> WorkflowRule:
        rule = self.get_queryset().filter(pk=rule_id).first()
        if rule is None:
            raise services.RuleGone(rule_id)
        return rule

    def _whole(self, request: Request, rule_id: int, *, status: int = 200) -> Response:
        data = rule_row(self._found(rule_id))
        return self.answer(request, data, tag=etags.etag(version=data["version"], event_id=None), status=status)


class Runs(Resource[RuleRun]):
    """What rules did, and why. Runs on deleted cases are not shown."""

    queryset = RuleRun.objects.filter(case__deleted_at=None).select_related("rule")
    serializer_class = RunSerializer
    filterset_class = RunFilter
    ordering = "-ran_at,-id"
    ordering_fields = ("ran_at", "id")
    etag_actions = frozenset({"retrieve"})

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Runs, newest first."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([run_row(run) for run in found])

    def retrieve(self, request: Request, run_id: int, **_kwargs: Any) -> Response:
        """One run."""
        self.refuse_parameters(request)
        run = self.get_queryset().filter(pk=run_id).first()
        if run is None:
            raise NotFound(_("There is no run %(id)s.") % {"id": run_id})
        data = run_row(run)
        return self.answer(request, data, tag=etags.of_content(data))


class Statistics(Pages[WorkflowRule]):
    """How often each rule ran."""

    queryset = WorkflowRule.objects.all()
    serializer_class = RuleStatisticsSerializer
    filterset_class = StatisticsFilter
    ordering = "rank,id"
    ordering_fields = ("rank", "name", "slug")

    @extend_schema(operation_id="workflows_statistics_list", responses=RuleStatisticsSerializer(many=True))
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """Each rule with the number of its runs, in the order in which they run."""
        matched = ~Q(runs__outcome=RunOutcome.NOT_MATCHED)
        rows = self.get_queryset().annotate(
            run_count=Count("runs"),
            matched_count=Count("runs", filter=matched),
            failed_count=Count("runs", filter=Q(runs__outcome=RunOutcome.FAILED)),
            stopped_count=Count("runs", filter=Q(runs__outcome=RunOutcome.TOO_DEEP)),
            last_run_at=Max("runs__ran_at"),
            last_matched_at=Max("runs__ran_at", filter=matched),
        )
        found = self.paginate_queryset(self.filter_queryset(rows)) or []
        return self.get_paginated_response([_statistics_row(rule) for rule in found])


def rule_row(rule: Any) -> dict[str, Any]:
    """A rule. Read it `with_version`."""
    return {
        "id": rule.pk,
        "slug": rule.slug,
        "name": rule.name,
        "description": rule.description,
        "rank": rule.rank,
        "is_active": rule.is_active,
        "trigger": rule.trigger,
        "trigger_options": rule.trigger_options,
        "conditions": rule.conditions,
        "actions": rule.actions,
        "stop": rule.stop,
        "version": rule.version,
    }


def run_row(run: RuleRun) -> dict[str, Any]:
    """A run. Read it with `rule`."""
    return {
        "id": run.pk,
        "rule": run.rule.slug,
        "rule_id": run.rule_id,
        "case_id": run.case_id,
        "event_id": run.event_id,
        "occurrence": run.occurrence,
        "outcome": run.outcome,
        "why": run.why,
        "receipts": run.receipts,
        "ran_at": run.ran_at,
    }


def _statistics_row(rule: Any) -> dict[str, Any]:
    return {
        "rule_id": rule.pk,
        "rule": rule.slug,
        "name": rule.name,
        "is_active": rule.is_active,
        "runs": rule.run_count,
        "matched": rule.matched_count,
        "failed": rule.failed_count,
        "stopped": rule.stopped_count,
        "last_run_at": rule.last_run_at,
        "last_matched_at": rule.last_matched_at,
    }


def by_place(error: ValidationError) -> serializers.ValidationError:
    """The errors of a rule, each under the place in it that is wrong: `conditions.all[0].value`, `actions[2].do`."""
    found: dict[str, list[serializers.ErrorDetail]] = {}
    for field, errors in error.error_dict.items():
        for one in errors:
            for text in one.messages:
                place, message = _placed(field, text)
                found.setdefault(place, []).append(serializers.ErrorDetail(message, code=one.code or "invalid"))
    return serializers.ValidationError(found)


def _placed(field: str, text: str) -> tuple[str, str]:
    """Messages about the JSON of a rule begin with the place that they are about."""
    place, found, message = text.partition(": ")
    if not found or field not in JSON_FIELDS:
        return field, text
    if place.startswith(field):
        return place, message
    return (f"{field}.{place}", message) if place.isidentifier() else (field, text)


def _slug_of(name: str) -> str:
    return slugify(name)[:60].strip("-_")
