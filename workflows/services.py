"""What is done with rules: saving them, and running those that wait for time to pass."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from pydantic import ValidationError

from accounts.actors import Actor
from cases.models import Case, ConfigVersion
from cases.querysets import CaseQuerySet
from cases.services import delete_configuration, save_configuration
from handyconnect.refusals import NotFound, Stale
from workflows.engine import run_on_silence
from workflows.models import RuleRun, Trigger, WorkflowRule
from workflows.silence import Silence

log = structlog.get_logger(__name__)

BATCH = 500


class RuleGone(NotFound):
    code = "rule_not_found"

    def __init__(self, rule_id: int) -> None:
        super().__init__(_("There is no rule %(id)s.") % {"id": rule_id})


class RuleStale(Stale):
    """Somebody else saved the rule since the caller read it."""

    def __init__(self, *, current: int) -> None:
        detail = _("The rule was changed since you read it. Read it again, then repeat your change.")
        super().__init__(detail, version=current)


def save_rule(rule: WorkflowRule, *, at: datetime, actor: Actor) -> WorkflowRule:
    """Check and save a rule, with a version and an event. Raises Django's ValidationError, which names the fields."""
    return save_configuration(rule, at=at, actor=actor)


def delete_rule(rule: WorkflowRule, *, at: datetime, actor: Actor) -> None:
    """Delete a rule and its runs. What it did stays in the timelines, and its versions stay."""
    delete_configuration(rule, at=at, actor=actor)


@transaction.atomic
def edit_rule(
    rule_id: int, values: Mapping[str, Any], *, at: datetime, actor: Actor, expected_version: int | None = None
) -> WorkflowRule:
    """Change these fields of a rule. Raises RuleGone, RuleStale, and Django's ValidationError as `save_rule` does."""
    rule = _locked(rule_id, expected_version=expected_version)
    for name, value in values.items():
        setattr(rule, name, value)
    return save_rule(rule, at=at, actor=actor)


@transaction.atomic
def remove_rule(rule_id: int, *, at: datetime, actor: Actor, expected_version: int | None = None) -> None:
    """Delete a rule as `delete_rule` does. Raises RuleGone and RuleStale."""
    delete_rule(_locked(rule_id, expected_version=expected_version), at=at, actor=actor)


def version_of(rule: WorkflowRule) -> int:
    """The number of its last saved state; 0 before the first."""
    versions = ConfigVersion.objects.filter(subject_type="workflowrule", subject_id=str(rule.pk))
    return versions.order_by("-number").values_list("number", flat=True).first() or 0


def run_time_rules(*, now: datetime) -> int:
    """Run each rule of silence on every case that has been silent for long enough; how many runs there were.

    Once for each silence: a case that moves, or gets a message, has to be silent for as long again. Safe to repeat, to
    kill, and to run twice at once: each case is its own transaction and its own lock.
    """
    count = 0
    for rule in WorkflowRule.objects.hearing([Trigger.SILENCE]):
        try:
            silence = Silence.read(rule.trigger_options)
        except ValidationError:
            log.exception("time_rule_unreadable", rule=rule.slug)
            continue
        for case_id in _silent_and_not_run(rule, silence, now=now):
            count += _run(rule, silence, case_id, now=now)
    return count


def _locked(rule_id: int, *, expected_version: int | None) -> WorkflowRule:
    """The rule's row, locked until the transaction ends."""
    rule = WorkflowRule.objects.select_for_update().filter(pk=rule_id).first()
    if rule is None:
        raise RuleGone(rule_id)
    if expected_version is not None and (current := version_of(rule)) != expected_version:
        raise RuleStale(current=current)
    return rule


def _run(rule: WorkflowRule, silence: Silence, case_id: UUID, *, now: datetime) -> bool:
    """Run one rule on one case; whether it ran. A case that makes it fail does not keep the others from theirs."""
    try:
        with transaction.atomic():
            locked = _silent(silence, now=now).select_for_update(skip_locked=True, of=("self",), no_key=True)
            case = locked.filter(pk=case_id).first()
            if case is None or _has_run(rule, case):
                return False
            return run_on_silence(rule, case, after_minutes=silence.after_minutes, now=now) is not None
    except Exception:
        log.exception("time_rule_failed", rule=rule.slug, case_id=str(case_id))
        return False


def _silent(silence: Silence, *, now: datetime) -> CaseQuerySet:
    return Case.objects.existing().filter(status=silence.status).silent_since(now - silence.length)


def _silent_and_not_run(rule: WorkflowRule, silence: Silence, *, now: datetime) -> Iterator[UUID]:
    """The cases to look at, a batch at a time: what the rule does to a case may take it out of the list."""
    last: UUID | None = None
    while True:
        cases = _silent(silence, now=now).order_by("pk").only("pk", "last_activity_at", "status_changed_at")
        batch = list((cases.filter(pk__gt=last) if last else cases)[:BATCH])
        yield from _not_run(rule, batch)
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


def _not_run(rule: WorkflowRule, cases: Sequence[Case]) -> list[UUID]:
    runs = RuleRun.objects.filter(rule=rule, event=None, case__in=[case.pk for case in cases])
    ran = set(runs.values_list("case_id", "occurrence"))
    return [case.pk for case in cases if (case.pk, case.silent_since().isoformat()) not in ran]


def _has_run(rule: WorkflowRule, case: Case) -> bool:
    """Whether this silence was answered: by this rule, or by an earlier one that said to stop there."""
    in_this_silence = RuleRun.objects.filter(event=None, case=case, occurrence=case.silent_since().isoformat())
    comes_first = Q(rule__rank__lt=rule.rank) | Q(rule__rank=rule.rank, rule__lt=rule.pk)
    stopped = in_this_silence.filter(comes_first, rule__stop=True)
    return in_this_silence.filter(rule=rule).exists() or stopped.exists()
