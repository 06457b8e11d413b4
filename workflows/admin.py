"""Rules, what is wrong with them by field, and every run with its reasons."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.actors import ActorKind
from accounts.admin_base import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    MultipleChoicesDropdownFilter,
    ReadOnlyAdmin,
    as_link,
    coloured,
)
from cases import history
from cases.admin_base import ConfigurationAdmin, JSONArea
from workflows.catalogue import catalogue
from workflows.models import RuleRun, WorkflowRule

OUTCOME_COLOURS = {"done": "success", "failed": "danger", "too_deep": "warning"}
AREAS = {"conditions": 14, "actions": 10, "trigger_options": 3}


@admin.register(WorkflowRule)
class RuleAdmin(ConfigurationAdmin[WorkflowRule]):
    list_display = ("name", "trigger", "rank", "run_count", "is_active")
    list_filter = (("is_active", BooleanRadioFilter), ("trigger", ChoicesDropdownFilter))
    search_fields = ("name", "slug", "description")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("vocabulary",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "is_active", "rank", "stop")}),
        (_("When"), {"fields": ("trigger", "trigger_options")}),
        (_("If"), {"fields": ("conditions",)}),
        (_("Then"), {"fields": ("actions",)}),
        (_("What rules can ask and do"), {"fields": ("vocabulary",), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowRule]:
        return super().get_queryset(request).annotate(times=Count("runs"))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if db_field.name in AREAS:
            kwargs["widget"] = JSONArea(rows=AREAS[db_field.name])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("runs"), ordering="times")
    def run_count(self, rule: WorkflowRule) -> Any:
        return getattr(rule, "times", 0)

    @admin.display(description=_("words"))
    def vocabulary(self, _rule: WorkflowRule) -> SafeString:
        from workflows.actions import described  # noqa: PLC0415 - actions call services, which load models

        context = {"fields": catalogue().as_list(), "actions": described()}
        return render_to_string("admin/parts/rule_words.html", context)


@admin.register(RuleRun)
class RuleRunAdmin(ReadOnlyAdmin[RuleRun]):
    list_display = ("ran_at", "rule", "case_link", "outcome_badge", "what_was_done")
    list_select_related = ("rule", "case")
    list_filter = (("outcome", MultipleChoicesDropdownFilter), ("rule", AutocompleteSelectFilter))
    search_fields = ("=case__case_number",)
    search_help_text = _("A case number")
    ordering = ("-ran_at", "-id")
    fields = ("rule", "case_link", "caused_by", "occurrence", "ran_at", "outcome_badge", "reasons", "deeds")

    @admin.display(description=_("case"))
    def case_link(self, run: RuleRun) -> Any:
        return as_link(run.case, text=run.case.case_number if run.case else "")

    @admin.display(description=_("because of"))
    def caused_by(self, run: RuleRun) -> Any:
        return as_link(run.event, text=history.label_of(run.event.kind) if run.event else "")

    @coloured(_("outcome"), ordering="outcome", colours=OUTCOME_COLOURS)
    def outcome_badge(self, run: RuleRun) -> tuple[str, str]:
        return run.outcome, run.get_outcome_display()

    @admin.display(description=_("done"))
    def what_was_done(self, run: RuleRun) -> str:
        return " ".join(str(receipt.get("detail") or receipt.get("error") or "") for receipt in _dicts(run.receipts))

    @admin.display(description=_("why"))
    def reasons(self, run: RuleRun) -> SafeString:
        fields = catalogue()
        rows = [
            {
                **result,
                "label": fields[result["field"]].label if result.get("field") in fields else result.get("field"),
                "words": str(result.get("op", "")).replace("_", " "),
            }
            for result in _dicts(run.why)
        ]
        return render_to_string("admin/parts/run_reasons.html", {"rows": rows})

    @admin.display(description=_("done"))
    def deeds(self, run: RuleRun) -> SafeString:
        return render_to_string("admin/parts/run_deeds.html", {"receipts": _dicts(run.receipts)})


def _dicts(listed: object) -> list[dict[str, Any]]:
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _rule_names(ids: Iterable[str]) -> Mapping[str, str]:
    return {str(pk): name for pk, name in WorkflowRule.objects.filter(pk__in=list(ids)).values_list("pk", "name")}


history.register_namer(ActorKind.RULE, _rule_names)
