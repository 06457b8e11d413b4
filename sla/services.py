"""Clocks: started, paused, resumed and stopped with their case; swept when a deadline comes near.

What happens to a clock because its case moved is told by the case's own event. What a clock does by itself (at risk,
breached, escalation due) or ends with (met) is a fact of its own.
"""

from datetime import datetime, timedelta
from itertools import zip_longest

import structlog
from django.db import connection, transaction

from accounts.actors import Actor
from cases import facts
from cases.models import Case
from sla import clock_math
from sla.calendars import InvalidCalendar, Unreachable, WorkingCalendar
from sla.clock_math import Explanation, Pause, Run
from sla.models import ClockKind, ClockSegment, ClockState, SLAClock, SLAPolicy

log = structlog.get_logger(__name__)

BATCH = 100
INSTANT = timedelta(microseconds=1)
SYSTEM = Actor.system("sla")


def start_clocks(case: Case, at: datetime, _actor: Actor) -> None:
    """Initialiser of `cases.lifecycle`: start the promises of the first policy in use, from when the mail was received."""
    policy = SLAPolicy.objects.filter(is_active=True).select_related("calendar").first()
    clocks: list[SLAClock] = []
    if policy:
        terms = _terms(policy)
        drafts = [_draft(case, policy, terms, kind, cycle=1, started_at=case.received_at) for kind in ClockKind]
        clocks = SLAClock.objects.bulk_create(clock for clock in drafts if clock)
        ClockSegment.objects.bulk_create(ClockSegment(clock=clock, started_at=clock.started_at) for clock in clocks)
    _show(case, clocks, at=at)


def follow_status(case: Case, old: str, at: datetime, actor: Actor) -> None:
    """Mover of `cases.lifecycle`: pause, resume, stop or start again what the new status asks for.

    A merge ends no promise: the clocks of a merged case stand still, neither met nor missed, until it is taken back.
    """
    clocks = list(case.clocks.open().select_for_update())
    finished = {Case.Status.RESOLVED, Case.Status.CLOSED}
    if case.status == Case.Status.MERGED:
        for clock in clocks:
            if clock.state == ClockState.RUNNING:
                _pause(clock, at=at, because=case.status)
    elif case.status in finished:
        for clock in clocks:
            _stop(clock, at=at, actor=actor, fulfilled=clock.kind == ClockKind.RESOLUTION)
    elif old in finished:
        _start_again(case, at=at)
    else:
        for clock in clocks:
            pauses = clock.kind == ClockKind.RESOLUTION and case.status in clock.terms["pause_statuses"]
            if pauses and clock.state == ClockState.RUNNING:
                _pause(clock, at=at, because=case.status)
            elif not pauses and clock.state == ClockState.PAUSED:
                _resume(clock, at=at)
    show_on_case(case, at=at)


def follow_priority(case: Case, at: datetime, _actor: Actor) -> None:
    """Relabeler of `cases.lifecycle`: another priority is another promise, counted from the same start."""
    for clock in case.clocks.open().select_for_update():
        target = clock.terms["targets"].get(case.priority)
        if target:
            clock.target_minutes = target[f"{clock.kind}_minutes"]
            _set_deadlines(clock)
            clock.save()
    show_on_case(case, at=at)


@transaction.atomic
def note_first_response(case: Case, *, at: datetime, actor: Actor) -> None:
    """A person has answered: the first-response clock stops. Repeating it does nothing."""
    clock = case.clocks.open().select_for_update().filter(kind=ClockKind.FIRST_RESPONSE).first()
    if clock:
        _stop(clock, at=at, actor=actor, fulfilled=True)
        show_on_case(case, at=at)


def sweep_clocks(*, now: datetime) -> int:
    """Tell of every deadline that has come near or passed; the number of clocks looked at.

    Its cost follows what is due, not what is open. Safe to repeat, to kill and to run twice at once: each clock is held
    by one sweeper, and what was told is noted in the transaction that tells it.
    """
    seen = 0
    while batch := _sweep_batch(now):
        seen += batch
    return seen


def show_on_case(case: Case, *, at: datetime) -> None:
    """Keep the case's own `sla_status` and `sla_due_date`: those of its nearest open clock, or how the last one ended.

    For a merged case nothing is promised any more.
    """
    _show(case, list(SLAClock.objects.filter(case=case).order_by("cycle", "id")), at=at)


def _show(case: Case, clocks: list[SLAClock], *, at: datetime) -> None:
    """The same for a case whose clocks, all of them and in order, are at hand."""
    running = sorted((c for c in clocks if c.state == ClockState.RUNNING and c.due_at), key=lambda c: c.due_at or at)
    paused = [clock for clock in clocks if clock.state == ClockState.PAUSED]
    ended = [clock for clock in clocks if clock.state in {ClockState.MET, ClockState.MISSED}]
    due: datetime | None = None
    if case.status == Case.Status.MERGED:
        status: str = Case.SLAStatus.NOT_APPLICABLE
    elif running:
        nearest = running[0]
        due = nearest.due_at
        status = _shown_status(nearest, at)
    elif paused:
        status = Case.SLAStatus.PAUSED
    elif ended:
        status = Case.SLAStatus.MET if ended[-1].state == ClockState.MET else Case.SLAStatus.BREACHED
    else:
        status = Case.SLAStatus.NOT_APPLICABLE
    case.sla_status, case.sla_due_date = status, due
    Case.objects.filter(pk=case.pk).update(sla_status=status, sla_due_date=due)


def explain_clock(clock: SLAClock, *, now: datetime) -> Explanation:
    """Why the clock shows what it shows, as of `now`. Reads `clock.segments`; raises Unreachable."""
    calendar = _calendar(clock)
    segments = list(clock.segments.all())
    runs = [Run(segment.started_at, segment.ended_at) for segment in segments]
    reading = clock_math.read(
        calendar,
        started_at=clock.started_at,
        runs=runs,
        target_minutes=clock.target_minutes,
        at_risk_percent=clock.terms["at_risk_percent"],
        now=now,
        stopped_at=clock.stopped_at,
    )
    pauses = [
        Pause(segment.ended_at, later.started_at if later else None, segment.ended_by)
        for segment, later in zip_longest(segments, segments[1:])
        if segment.ended_at and not (later is None and clock.stopped_at)
    ]
    return clock_math.explain(calendar, reading, calendar_name=clock.terms["calendar"]["name"], pauses=pauses)


def _shown_status(clock: SLAClock, at: datetime) -> str:
    if clock.due_at and at > clock.due_at:
        return Case.SLAStatus.BREACHED
    if clock.at_risk_at and at >= clock.at_risk_at:
        return Case.SLAStatus.AT_RISK
    return Case.SLAStatus.ON_TIME


def _terms(policy: SLAPolicy) -> dict[str, object]:
    """What a clock keeps of its policy, so that later edits do not rewrite what was promised."""
    return {
        "policy": policy.slug,
        "targets": policy.targets,
        "at_risk_percent": policy.at_risk_percent,
        "escalate_percent": policy.escalate_percent,
        "pause_statuses": policy.pause_statuses,
        "calendar": {"name": policy.calendar.name, **policy.calendar.as_data()},
    }


def _calendar(clock: SLAClock) -> WorkingCalendar:
    return WorkingCalendar.parse(clock.terms["calendar"])


def _draft(
    case: Case,
    policy: SLAPolicy,
    terms: dict[str, object],
    kind: ClockKind,
    *,
    cycle: int,
    started_at: datetime,
) -> SLAClock | None:
    """A clock that is still to be stored, with its first segment at `started_at`; None where nothing is promised.

    A calendar without working time makes no promise, and must not keep a mail from being filed.
    """
    target_minutes = policy.target_minutes(priority=case.priority, kind=kind)
    if target_minutes is None:
        return None
    clock = SLAClock(
        case=case,
        kind=kind,
        cycle=cycle,
        policy=policy,
        terms=terms,
        target_minutes=target_minutes,
        started_at=started_at,
    )
    try:
        _set_deadlines(clock, runs=[Run(started_at)])
    except (InvalidCalendar, Unreachable) as error:
        log.warning("clock_not_started", policy=policy.slug, reason=str(error))
        return None
    return clock


def _start_again(case: Case, *, at: datetime) -> None:
    """A reopened case has its whole resolution time again, from now."""
    last = case.clocks.filter(kind=ClockKind.RESOLUTION).select_related("policy__calendar").order_by("-cycle").first()
    clock = last and _draft(
        case, last.policy, _terms(last.policy), ClockKind.RESOLUTION, cycle=last.cycle + 1, started_at=at
    )
    if clock:
        clock.save()
        ClockSegment.objects.create(clock=clock, started_at=at)


def _set_deadlines(clock: SLAClock, *, runs: list[Run] | None = None) -> None:
    """Count when the clock is at risk, escalates and is due, from its running times, and when to look at it next."""
    if runs is None:
        runs = [Run(segment.started_at, segment.ended_at) for segment in clock.segments.all()]
    calendar = _calendar(clock)
    target = timedelta(minutes=clock.target_minutes)
    clock.due_at = clock_math.reached_at(calendar, runs, target)
    clock.at_risk_at = clock_math.reached_at(calendar, runs, target * clock.terms["at_risk_percent"] / 100)
    clock.escalate_at = (
        clock_math.reached_at(calendar, runs, target * clock.terms["escalate_percent"] / 100)
        if clock.kind == ClockKind.RESOLUTION
        else None
    )
    _set_next_check(clock)


def _set_next_check(clock: SLAClock) -> None:
    """The next moment at which there is something to tell that has not been told."""
    moments = [
        moment
        for moment, told_at in (
            (clock.escalate_at, clock.escalated_told_at),
            (clock.at_risk_at, clock.at_risk_told_at),
            (clock.due_at and clock.due_at + INSTANT, clock.breached_told_at),  # to the instant is still in time
        )
        if moment and not told_at
    ]
    clock.next_check_at = min(moments, default=None) if clock.state == ClockState.RUNNING else None


def _end_run(clock: SLAClock, *, at: datetime, because: str) -> None:
    segment = clock.segments.filter(ended_at=None).first()
    if segment:
        segment.ended_at = max(at, segment.started_at)
        segment.ended_by = because
        segment.save(update_fields=["ended_at", "ended_by"])


def _pause(clock: SLAClock, *, at: datetime, because: str) -> None:
    _end_run(clock, at=at, because=because)
    clock.state = ClockState.PAUSED
    _set_deadlines(clock)
    clock.save()


def _resume(clock: SLAClock, *, at: datetime) -> None:
    ClockSegment.objects.create(clock=clock, started_at=max(at, clock.started_at))
    clock.state = ClockState.RUNNING
    _set_deadlines(clock)
    clock.save()


def _stop(clock: SLAClock, *, at: datetime, actor: Actor, fulfilled: bool) -> None:
    """Stop a clock for good: met or missed by the time it has used; cancelled when its promise was never called on."""
    stopped_at = max(at, clock.started_at)
    _end_run(clock, at=stopped_at, because="stopped")
    runs = [Run(segment.started_at, segment.ended_at) for segment in clock.segments.all()]
    late = clock_math.used(_calendar(clock), runs, now=stopped_at) > timedelta(minutes=clock.target_minutes)
    clock.stopped_at = stopped_at
    clock.state = ClockState.MISSED if late else ClockState.MET if fulfilled else ClockState.CANCELLED
    clock.next_check_at = None
    if late and not clock.breached_told_at:
        _tell_breach(clock, clock.case, now=stopped_at, actor=actor)
    clock.save()
    if clock.state == ClockState.MET:
        facts.sla_met.emit(case=clock.case, subject=clock, actor=actor, at=stopped_at, data=_told(clock, stopped_at))


@transaction.atomic
def _sweep_batch(now: datetime) -> int:
    due = SLAClock.objects.due_for_check(now).select_related("case")
    if connection.features.has_select_for_update_skip_locked:
        # Everybody else locks the case and then its clocks. Here nothing is waited for: a case that is just being moved
        # is left to the next sweep.
        due = due.select_for_update(skip_locked=True, of=("self", "case"), no_key=True)
    clocks = list(due[:BATCH])
    for clock in clocks:
        _tell_what_is_due(clock, now=now)
        _set_next_check(clock)
        clock.save()
        show_on_case(clock.case, at=now)
    return len(clocks)


def _tell_what_is_due(clock: SLAClock, *, now: datetime) -> None:
    """In the order in which it should have been told; each event occurred when it should have, and says when noticed."""
    case = clock.case
    if case.deleted_at:
        clock.escalated_told_at = clock.at_risk_told_at = clock.breached_told_at = now
        return
    if clock.escalate_at and clock.escalate_at <= now and not clock.escalated_told_at:
        clock.escalated_told_at = now
        facts.sla_escalated.emit(case=case, subject=clock, actor=SYSTEM, at=clock.escalate_at, data=_told(clock, now))
    if clock.at_risk_at and clock.at_risk_at <= now and not clock.at_risk_told_at:
        clock.at_risk_told_at = now
        facts.sla_at_risk.emit(case=case, subject=clock, actor=SYSTEM, at=clock.at_risk_at, data=_told(clock, now))
    if clock.due_at and clock.due_at < now and not clock.breached_told_at:
        _tell_breach(clock, case, now=now, actor=SYSTEM)


def _tell_breach(clock: SLAClock, case: Case, *, now: datetime, actor: Actor) -> None:
    clock.breached_told_at = now
    facts.sla_breached.emit(case=case, subject=clock, actor=actor, at=clock.due_at or now, data=_told(clock, now))


def _told(clock: SLAClock, now: datetime) -> dict[str, object]:
    return {"clock": clock.kind, "cycle": clock.cycle, "due_at": clock.due_at, "noticed_at": now}
