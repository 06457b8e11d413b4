"""Running rules: which rules hear an event, whether they hold, what they did, and what is told of it.

Everything happens in one transaction with the listener's cursor (for rules of time, with the case's lock), so a run is
either there, with its receipts and its effects, or it never was; a run that is there is not made again. What a rule does
carries the event that caused it and is one deeper: that is how a chain of rules is followed, and stopped at MAX_DEPTH.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.actors import Actor, ActorKind
from cases.facts import case_silent, rule_ran, rule_stopped
from cases.models import Case, TimelineEvent
from cases.models.timeline import MAX_DEPTH
from handyconnect.refusals import Refusal
from notifications.events import may_go_out
from workflows import actions
from workflows.actions import Occasion, Receipt
from workflows.catalogue import catalogue
from workflows.conditions import InvalidConditions, Outcome, Tree, evaluate, parse
from workflows.facts import Situation, readable_cases
from workflows.models import RuleRun, RunOutcome, Trigger, WorkflowRule

log = structlog.get_logger(__name__)

KINDS = frozenset(Trigger.values) - {Trigger.SILENCE}
"""The kinds of event that rules can hear."""

MAX_TOLD = 300  # characters of a fact that are kept with a run: why a rule matched does not need the whole mail


def handle(event: TimelineEvent, now: datetime) -> None:
    """Run every rule that hears this event, in order, each once, until one that matches says to stop.

    Safe to repeat: a rule that has a run for this event is left alone.
    """
    handle_all([event], now)


def handle_all(events: Sequence[TimelineEvent], now: datetime) -> None:
    """The same for many events in order. A case is read once, and again after a rule has acted on it."""
    hearing: dict[str, list[WorkflowRule]] = {}
    for rule in WorkflowRule.objects.hearing({event.kind for event in events}):
        hearing.setdefault(rule.trigger, []).append(rule)
    heard = [(event, event.case_id) for event in events if event.case_id and event.kind in hearing]
    earlier: dict[int, dict[int, str]] = {}
    runs = RuleRun.objects.filter(event__in=[event for event, _case_id in heard])
    for event_id, rule_id, outcome in runs.values_list("event_id", "rule_id", "outcome"):
        if event_id is not None:
            earlier.setdefault(event_id, {})[rule_id] = outcome
    not_matched: list[RuleRun] = []
    cases: dict[UUID, Case | None] = dict(readable_cases().in_bulk({case_id for _event, case_id in heard}))
    for event, case_id in heard:
        situation = Situation(case_id=case_id, kind=event.kind, occurred_at=event.occurred_at, event=event, cases=cases)
        if situation.case is not None:
            not_matched += _run_all(hearing[event.kind], event, situation, earlier.get(event.pk, {}), now=now)
    RuleRun.objects.bulk_create(not_matched)


def _run_all(
    rules: Sequence[WorkflowRule],
    event: TimelineEvent,
    situation: Situation,
    earlier: Mapping[int, str],
    *,
    now: datetime,
) -> list[RuleRun]:
    """Run the rules of one event; the runs of those that did not match, still to be stored."""
    not_matched: list[RuleRun] = []
    for rule in rules:
        outcome = earlier.get(rule.pk)
        if outcome is None:
            run = RuleRun(rule=rule, event=event, case_id=event.case_id, ran_at=now)
            outcome = _run_once(run, event, situation, now=now)
            if outcome == RunOutcome.NOT_MATCHED:
                not_matched.append(run)
        if rule.stop and outcome != RunOutcome.NOT_MATCHED:
            break
    return not_matched


def run_on_silence(rule: WorkflowRule, case: Case, *, after_minutes: int, now: datetime) -> RuleRun | None:
    """Run a rule of time on a case that has been silent for long enough; None when its conditions do not hold.

    The caller holds the case's lock. There is no event yet that the rule could answer, so the silence becomes one: what
    the rule does is caused by it, and is unique for it, like whatever follows from any other event. No row is written for
    conditions that do not hold: they may hold tomorrow, in the same silence.
    """
    situation = Situation(case_id=case.pk, kind=case_silent.name, occurred_at=now)
    since = case.silent_since().isoformat()
    run = RuleRun(rule=rule, case=case, occurrence=since, ran_at=now)
    if not _judge(run, situation):
        return None
    run.outcome = RunOutcome.DONE
    run.save(force_insert=True)  # before anything is done: two sweeps at once stop here
    event = case_silent.emit(
        case=case,
        actor=Actor.system("time rules"),
        at=now,
        data={"since": since, "after_minutes": after_minutes, "status": case.status, "rule": rule.slug},
    )
    _act(run, event, case_id=case.pk, now=now)
    return run


def _run_once(run: RuleRun, event: TimelineEvent, situation: Situation, *, now: datetime) -> RunOutcome:
    if not _judge(run, situation):
        run.outcome = RunOutcome.NOT_MATCHED
        return RunOutcome.NOT_MATCHED
    if reason := _loops(run, event):
        run.outcome = RunOutcome.TOO_DEEP
        run.receipts = [_failed("", reason, _("Stopped: rules have set this rule off again and again."))]
        is_told = _in_chain(run.rule, event).filter(outcome=RunOutcome.TOO_DEEP).exists()
        run.save(force_insert=True)
        if not is_told:
            _tell_of_loop(run, event, reason=reason, now=now)
        return RunOutcome.TOO_DEEP
    run.outcome = RunOutcome.DONE
    run.save(force_insert=True)  # before anything is done: whoever else runs this rule on this event stops here
    _act(run, event, case_id=situation.case_id, now=now)
    situation.forget_case()
    return RunOutcome(run.outcome)


def _judge(run: RuleRun, situation: Situation) -> bool:
    """Whether the rule's conditions hold, noting why. Conditions that cannot be read count as held, to be told of."""
    try:
        tree = _tree(json.dumps(run.rule.conditions, sort_keys=True))
    except InvalidConditions as invalid:
        run.receipts = [{"do": "", "did": False, "error": "invalid_conditions", "detail": str(invalid)}]
        return True
    held = [evaluate(tree, facts) for facts in situation.facts(tree.fields)]
    outcome = next((one for one in held if one.matched), held[0])
    run.why = _kept(outcome)
    return outcome.matched


@lru_cache(maxsize=512)
def _tree(conditions: str) -> Tree:
    return parse(json.loads(conditions), catalogue())


def _act(run: RuleRun, event: TimelineEvent, *, case_id: UUID, now: datetime) -> None:
    """Do what the rule says, keep a receipt for each action, and tell the case's timeline of all of it in one event."""
    rule = run.rule
    actor = Actor.rule(rule.pk, cause_id=event.pk, depth=event.depth + 1)
    occasion = Occasion(rule=rule, event=event, case_id=case_id, at=now, actor=actor)
    if not run.receipts:  # there is one already when the conditions could not be read
        run.receipts = [_receipt(item, occasion) for item in rule.actions]
    run.outcome = RunOutcome.FAILED if any("error" in receipt for receipt in run.receipts) else RunOutcome.DONE
    run.save(update_fields=["outcome", "receipts"])
    rule_ran.emit(
        case=event.case,
        subject=rule,
        actor=actor,
        at=now,
        data={
            "rule": rule.slug,
            "name": rule.name,
            "run": run.pk,
            "outcome": run.outcome,
            "receipts": run.receipts,
        },
        personal={"why": run.why},
    )


def _receipt(item: Mapping[str, Any], occasion: Occasion) -> Receipt:
    """Do one action. One that fails is undone as a whole, says why, and keeps none of the others from being done."""
    name = item.get("do")
    try:
        action, params = actions.read(item)
        if action.outward and not may_go_out(occasion.event):
            detail = _("Skipped: old or automatic mail led here, and nothing leaves the house because of it.")
            return {"do": name, "did": False, "skipped": "not_answerable", "detail": detail}
        with transaction.atomic():
            return {"do": name, **action.run(occasion, params)}
    except OperationalError:
        raise  # the database itself: nothing is wrong with the rule, and the whole event is tried again
    except Refusal as refusal:
        return _failed(name, refusal.code, refusal.detail)
    except (actions.UnknownAction, actions.InvalidParams) as invalid:
        return _failed(name, "invalid_action", str(invalid))
    except Exception as error:
        log.exception("action_failed", rule=occasion.rule.slug, action=name, event_id=occasion.event.pk)
        return _failed(name, "error", _("Something went wrong (%(error)s).") % {"error": type(error).__name__})


def _failed(name: object, code: str, detail: str) -> Receipt:
    return {"do": name, "did": False, "error": code, "detail": detail}


def _loops(run: RuleRun, event: TimelineEvent) -> str:
    """Why a rule may not run on what rules have done: too deep, or too often; empty when it may.

    Depth alone does not end a loop soon: two rules that hear each other's doing are four runs at the second step and
    eight at the third. So a rule acts at most MAX_DEPTH times on a case because of one and the same beginning.
    """
    if event.depth >= MAX_DEPTH:
        return "too_deep"
    acted = event.depth and _in_chain(run.rule, event).exclude(
        outcome__in=[RunOutcome.NOT_MATCHED, RunOutcome.TOO_DEEP]
    )
    return "too_often" if acted and acted.count() >= MAX_DEPTH else ""


def _in_chain(rule: WorkflowRule, event: TimelineEvent) -> QuerySet[RuleRun]:
    """The runs of this rule on this case that go back to the same beginning as this event."""
    *_later, beginning = _causes(event)
    begun_there = Q()
    for depth in range(MAX_DEPTH + 1):
        begun_there |= Q(**{"event" + "__cause" * depth: beginning})
    return RuleRun.objects.filter(begun_there, rule=rule, case=event.case_id)


def _causes(event: TimelineEvent) -> list[TimelineEvent]:
    """The event, the one that led a rule to it, and so on back to the one that no rule has made."""
    chain = [event]
    while chain[-1].depth and chain[-1].cause:
        chain.append(chain[-1].cause)
    return chain


def _tell_of_loop(run: RuleRun, event: TimelineEvent, *, reason: str, now: datetime) -> None:
    """A rule that rules have set off again and again is stopped; the case says so once, with the chain of rules."""
    rule = run.rule
    made_by = [int(step.actor_reference) for step in reversed(_causes(event)) if step.actor_kind == ActorKind.RULE]
    slugs = dict(WorkflowRule.objects.filter(pk__in=made_by).values_list("pk", "slug"))
    rule_stopped.emit(
        case=event.case,
        subject=rule,
        actor=Actor.rule(rule.pk, cause_id=event.pk, depth=min(event.depth + 1, MAX_DEPTH)),
        at=now,
        data={
            "rule": rule.slug,
            "name": rule.name,
            "run": run.pk,
            "reason": reason,
            "depth": event.depth,
            "chain": [slugs.get(pk, str(pk)) for pk in made_by],
        },
        personal={"why": run.why},
    )
    log.warning("rule_stopped", rule=rule.slug, event_id=event.pk, reason=reason)


def _kept(outcome: Outcome) -> list[dict[str, Any]]:
    why = outcome.as_dict()["why"]
    return [{**told, "fact": _shortened(told["fact"])} for told in why]


def _shortened(fact: Any) -> Any:
    if isinstance(fact, str) and len(fact) > MAX_TOLD:
        return f"{fact[:MAX_TOLD]}…"
    return fact
