"""The team's rules, and the record of every time that one ran."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case, TimelineEvent
from workflows.querysets import RuleQuerySet


class Trigger(models.TextChoices):
    CASE_CREATED = "case_created", _("A case is opened")
    CASE_UPDATED = "case_updated", _("A case is edited")
    CASE_STATUS_CHANGED = "case_status_changed", _("A case changes its status")
    CASE_ASSIGNED = "case_assigned", _("A case is assigned")
    MESSAGE_RECEIVED = "message_received", _("A message arrives")
    NOTE_ADDED = "note_added", _("A note is written")
    TASK_STATUS_CHANGED = "task_status_changed", _("A task changes its status")
    SLA_AT_RISK = "sla_at_risk", _("A deadline is at risk")
    SLA_BREACHED = "sla_breached", _("A deadline is missed")
    SLA_ESCALATED = "sla_escalated", _("A case is due for escalation")
    SILENCE = "silence", _("Nothing happens for a while")


class WorkflowRule(models.Model):
    """When `trigger` happens and `conditions` hold, do `actions`, in order.

    Conditions are a tree (`workflows.conditions`), actions a list of {"do": name, …} (`workflows.actions`). The trigger
    `silence` takes `trigger_options` {"status": …, "after_minutes": …}.
    """

    Trigger = Trigger

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    rank = models.PositiveSmallIntegerField(_("order"), default=100, help_text=_("Lower runs first."))
    is_active = models.BooleanField(_("on"), default=False)
    trigger = models.CharField(_("when"), max_length=40, choices=Trigger)
    trigger_options = models.JSONField(_("options of the trigger"), default=dict, blank=True)
    conditions = models.JSONField(
        _("if"),
        help_text=_('A tree, for example {"all": [{"field": "case.priority", "op": "in", "value": ["high"]}]}.'),
    )
    actions = models.JSONField(_("then"), help_text=_('A list, for example [{"do": "assign_least_loaded"}].'))
    stop = models.BooleanField(
        _("stop here"), default=False, help_text=_("When this rule matches, later rules do not run.")
    )

    objects = RuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["rank", "id"]
        constraints = [one_of("trigger", Trigger, name="rule_trigger_known")]
        indexes = [
            models.Index(  # the engine: which rules hear this event
                name="rule_by_trigger", fields=["trigger", "rank"], condition=Q(is_active=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from workflows.validation import problems  # noqa: PLC0415 - actions call services, which load models

        if found := problems(self):
            raise ValidationError(found)

    def as_config(self) -> dict[str, Any]:
        return {"conditions": self.conditions, "actions": self.actions}


class RunOutcome(models.TextChoices):
    NOT_MATCHED = "not_matched", _("Conditions did not hold")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    TOO_DEEP = "too_deep", _("Stopped: too many rules in a chain")


class RuleRun(models.Model):
    """One rule and one event (or, for rules of time, one case and one occurrence): at most one run."""

    Outcome = RunOutcome

    rule = models.ForeignKey(WorkflowRule, on_delete=models.CASCADE, related_name="runs", verbose_name=_("rule"))
    event = models.ForeignKey(
        TimelineEvent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rule_runs",
        verbose_name=_("event"),
    )
    case = models.ForeignKey(
        Case, on_delete=models.CASCADE, null=True, blank=True, related_name="rule_runs", verbose_name=_("case")
    )
    occurrence = models.CharField(
        _("occurrence"), max_length=60, blank=True, help_text=_("For rules of time: what counted from when.")
    )
    outcome = models.CharField(_("outcome"), max_length=20, choices=RunOutcome)
    why = models.JSONField(_("why"), default=list, help_text=_("Each condition, with the value as it stood."))
    receipts = models.JSONField(_("done"), default=list, help_text=_("Each action, and what it did."))
    ran_at = models.DateTimeField(_("ran"))

    class Meta:
        verbose_name = _("run of a rule")
        verbose_name_plural = _("runs of rules")
        constraints = [
            models.UniqueConstraint(
                name="run_once_per_event", fields=["rule", "event"], condition=Q(event__isnull=False)
            ),
            models.UniqueConstraint(
                name="run_once_per_occurrence", fields=["rule", "case", "occurrence"], condition=Q(event=None)
            ),
            one_of("outcome", RunOutcome, name="run_outcome_known"),
            models.CheckConstraint(
                name="run_has_one_cause",
                condition=Q(event__isnull=False, occurrence="")
                | (Q(event=None, case__isnull=False) & ~Q(occurrence="")),
            ),
        ]
        indexes = [
            models.Index(name="run_newest", fields=["-ran_at", "-id"]),  # the list of runs, by cursor
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.outcome}"
