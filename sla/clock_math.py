"""The arithmetic of one SLA clock over a calendar, and the sentence in which it explains itself.

Pure: no database, no clock; instants are aware datetimes. A clock has a ledger of running stretches (`Run`). Between two
of them it is paused. Only working time within runs counts against the target, so a pause moves the due date by the
working time it covers, and a pause over a weekend moves it by nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from sla.calendars import WorkingCalendar

_ZERO = timedelta(0)


@dataclass(frozen=True)
class Run:
    """A stretch in which the clock ran; `ended_at` is None while it still does."""

    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Pause:
    """A stretch in which the clock stood. `reason` is the case status that paused it, or ""."""

    started_at: datetime
    ended_at: datetime | None = None
    reason: str = ""


class State(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Reading:
    """What a clock shows at one moment. Durations are working time, except `paused`, which is what a wall clock shows.

    `due_at` and `at_risk_at` are None while the clock is paused short of them: nobody knows when it will go on.
    `projected_due_at` says when it would be due if it went on at the moment of reading. Of a stopped clock they are what
    they would have been, had it gone on. `at_risk_at` is likewise the instant at which the warning share of the target
    is used. `remaining` is negative after the target.
    """

    state: State
    started_at: datetime
    read_at: datetime
    target: timedelta
    used: timedelta
    paused: timedelta
    due_at: datetime | None
    projected_due_at: datetime
    at_risk_at: datetime | None

    @property
    def remaining(self) -> timedelta:
        return self.target - self.used

    @property
    def is_breached(self) -> bool:
        """Whether more working time was used than the target allows: to the instant is still in time."""
        return self.used > self.target

    @property
    def used_minutes(self) -> int:
        """Whole minutes, rounded down."""
        return self.used // timedelta(minutes=1)

    @property
    def remaining_minutes(self) -> int:
        """Whole minutes, rounded towards the past: 30 seconds left are 0 minutes, 30 seconds over are -1."""
        return self.remaining // timedelta(minutes=1)

    @property
    def used_percent(self) -> float:
        """The share of the target that is used; may exceed 100. A target of nothing is used up at once."""
        return self.used / self.target * 100 if self.target else 100.0


def runs_from_pauses(
    started_at: datetime, pauses: Iterable[Pause], *, stopped_at: datetime | None = None
) -> tuple[Run, ...]:
    """The ledger of a clock that started, was paused and perhaps stopped; pauses may overlap and come in any order.

    A pause without an end lasts for ever. Stretches of no length are left out.
    """
    runs: list[Run] = []
    cursor: datetime | None = started_at
    for pause in sorted(pauses, key=lambda pause: pause.started_at):
        if cursor is None or (stopped_at is not None and pause.started_at >= stopped_at):
            break
        if pause.started_at > cursor:
            runs.append(Run(cursor, pause.started_at))
        cursor = max(cursor, pause.ended_at) if pause.ended_at is not None else None
    if cursor is not None and (stopped_at is None or cursor < stopped_at):
        runs.append(Run(cursor, stopped_at))
    return tuple(runs)


def pauses_between(runs: Sequence[Run], *, started_at: datetime) -> tuple[Pause, ...]:
    """The pauses that a ledger leaves, without reasons; the last one has no end if no run goes on."""
    pauses: list[Pause] = []
    cursor = started_at
    for run in runs:
        if run.started_at > cursor:
            pauses.append(Pause(cursor, run.started_at))
        if run.ended_at is None:
            return tuple(pauses)
        cursor = run.ended_at
    return (*pauses, Pause(cursor))


def used(calendar: WorkingCalendar, runs: Iterable[Run], *, now: datetime) -> timedelta:
    """The working time that the runs have used until `now`; what lies after it does not count."""
    return sum((calendar.working_time(run.started_at, _until(run, now)) for run in runs), start=_ZERO)


def reached_at(calendar: WorkingCalendar, runs: Iterable[Run], wanted: timedelta) -> datetime | None:
    """The earliest instant at which the runs have used `wanted` working time; the last one if it goes on, goes on.

    None when they all end before. Raises Unreachable.
    """
    left = wanted
    for run in runs:
        within = None if run.ended_at is None else calendar.working_time(run.started_at, run.ended_at)
        if within is None or within >= left:
            return calendar.due_after(run.started_at, left)
        left -= within
    return None


def read(
    calendar: WorkingCalendar,
    *,
    started_at: datetime,
    runs: Sequence[Run],
    target_minutes: int,
    at_risk_percent: int,
    now: datetime,
    stopped_at: datetime | None = None,
) -> Reading:
    """Read a clock at `now` (at `stopped_at`, if it was stopped by then), also at a moment long past.

    `runs` are in order and do not overlap, as the ledger keeps them. Raises Unreachable when the calendar cannot reach
    the target before the year 2201.
    """
    stopped = stopped_at is not None and stopped_at <= now
    at = stopped_at if stopped_at is not None and stopped else now
    runs = _as_of(runs, at)
    target = timedelta(minutes=target_minutes)
    spent = used(calendar, runs, now=at)
    running = any(run.ended_at is None for run in runs)

    # A clock that stopped is read as if it had gone on, so that one can say when it would have been due.
    def reached(wanted: timedelta) -> datetime | None:
        reached = reached_at(calendar, runs, wanted)
        return calendar.due_after(at, wanted - spent) if reached is None and stopped else reached

    due_at = reached(target)
    return Reading(
        state=State.STOPPED if stopped else State.RUNNING if running else State.PAUSED,
        started_at=started_at.astimezone(UTC),
        read_at=at.astimezone(UTC),
        target=target,
        used=spent,
        paused=_wall_time(pauses_between(runs, started_at=started_at), now=at),
        due_at=due_at,
        projected_due_at=due_at if due_at is not None else calendar.due_after(at, target - spent),
        at_risk_at=reached(target * at_risk_percent / 100),
    )


@dataclass(frozen=True)
class Explanation:
    """A reading in words: `parts` by name in the order of the sentence, and what they were made from."""

    reading: Reading
    calendar_name: str
    time_zone: str
    parts: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """For people: "due Thu 14:10: received Tue 16:30, 3 h 20 min of 4 h used, …"."""
        head, *rest = self.parts.values()
        return _("%(due)s: %(reasons)s") % {"due": head, "reasons": _(", ").join(rest)}

    def as_dict(self) -> dict[str, Any]:
        """As JSON; working time and pauses in seconds."""
        reading = self.reading
        return {
            "sentence": self.sentence,
            "parts": dict(self.parts),
            "state": reading.state.value,
            "started_at": reading.started_at.isoformat(),
            "due_at": reading.due_at and reading.due_at.isoformat(),
            "projected_due_at": reading.projected_due_at.isoformat(),
            "at_risk_at": reading.at_risk_at and reading.at_risk_at.isoformat(),
            "target_minutes": reading.target // timedelta(minutes=1),
            "used_seconds": reading.used // timedelta(seconds=1),
            "remaining_seconds": reading.remaining // timedelta(seconds=1),
            "paused_seconds": reading.paused // timedelta(seconds=1),
            "is_breached": reading.is_breached,
            "calendar": self.calendar_name,
            "time_zone": self.time_zone,
        }


def explain(
    calendar: WorkingCalendar,
    reading: Reading,
    *,
    calendar_name: str,
    pauses: Iterable[Pause] = (),
) -> Explanation:
    """Say in a sentence, in the language in force and the calendar's time zone, why a clock shows what it shows.

    `pauses` (from the ledger, with their reasons) give the reasons; without them the paused time has none.
    """

    def shown(at: datetime) -> str:
        return moment(at, calendar=calendar, seen_from=reading.read_at)

    parts = {"due": _due_words(reading, shown), "received": _("received %(at)s") % {"at": shown(reading.started_at)}}
    parts["used"] = _("%(used)s of %(target)s used") % {
        "used": working_duration(reading.used),
        "target": working_duration(reading.target),
    }
    if reading.is_breached:
        parts["over"] = _("%(over)s over") % {"over": working_duration(-reading.remaining)}
    if paused := _paused_words(reading, list(pauses)):
        parts["paused"] = paused
    parts["calendar"] = _("calendar %(name)s") % {"name": calendar_name}
    return Explanation(reading=reading, calendar_name=calendar_name, time_zone=calendar.time_zone, parts=parts)


def working_duration(duration: timedelta) -> str:
    """Working time in hours and minutes: "3 h 20 min". Never in days: a working day is not 24 hours."""
    return _duration(duration, with_days=False)


def wall_duration(duration: timedelta) -> str:
    """Time as a wall clock shows it, in days, hours and minutes: "1 d 2 h"."""
    return _duration(duration, with_days=True)


def moment(at: datetime, *, calendar: WorkingCalendar, seen_from: datetime) -> str:
    """An instant in the calendar's zone, as short as is clear: "Thu 14:10", or with its date from four days away on."""
    local, reader = at.astimezone(calendar.zone), seen_from.astimezone(calendar.zone)
    if abs((local.date() - reader.date()).days) <= 3:  # noqa: PLR2004 (beyond, past and future share weekdays)
        return format_date(local, pgettext("moment within days, as a Django date format", "D H:i"))
    if local.year == reader.year:
        return format_date(local, pgettext("moment within a year, as a Django date format", "D j M H:i"))
    return format_date(local, pgettext("moment in another year, as a Django date format", "D j M Y H:i"))


PAUSE_WORDS = {
    "awaiting_customer": gettext_lazy("while awaiting the customer"),
    "awaiting_vendor": gettext_lazy("while awaiting the vendor"),
    "resolved": gettext_lazy("while resolved"),
    "closed": gettext_lazy("while closed"),
    "merged": gettext_lazy("while merged into another case"),
}
"""How each status that may pause a clock reads in the sentence; other reasons are left out."""


def _due_words(reading: Reading, shown: Callable[[datetime], str]) -> str:
    if reading.due_at is None:
        return _("paused, due no earlier than %(at)s") % {"at": shown(reading.projected_due_at)}
    words = {"due": shown(reading.due_at), "read": shown(reading.read_at)}
    if reading.state is State.STOPPED:
        if reading.is_breached:
            return _("missed (done %(read)s, was due %(due)s)") % words
        return _("met (done %(read)s, was due %(due)s)") % words
    return (_("was due %(due)s") if reading.is_breached else _("due %(due)s")) % words


def _paused_words(reading: Reading, pauses: list[Pause]) -> str:
    """Each reason with the time it took: "paused 1 d 2 h while awaiting the customer and 3 h while …"."""
    if reading.paused < timedelta(minutes=1):
        return ""
    by_reason: dict[str, timedelta] = {}
    for pause in pauses:
        reason = pause.reason if pause.reason in PAUSE_WORDS else ""
        by_reason[reason] = by_reason.get(reason, _ZERO) + _wall_time([pause], now=reading.read_at)
    told = [
        (wall_duration(time) + (f" {PAUSE_WORDS[reason]}" if reason else ""))
        for reason, time in (by_reason or {"": reading.paused}).items()
        if time >= timedelta(minutes=1)
    ]
    return _("paused %(times)s") % {"times": _(" and ").join(told or [wall_duration(reading.paused)])}


def _as_of(runs: Iterable[Run], at: datetime) -> tuple[Run, ...]:
    """The ledger as it stood: what ended later was still running."""
    return tuple(
        Run(run.started_at) if run.ended_at is not None and run.ended_at > at else run
        for run in runs
        if run.started_at <= at
    )


def _until(run: Run, now: datetime) -> datetime:
    return now if run.ended_at is None else min(run.ended_at, now)


def _wall_time(pauses: Iterable[Pause], *, now: datetime) -> timedelta:
    lengths = (min(pause.ended_at or now, now) - pause.started_at for pause in pauses)
    return sum((max(length, _ZERO) for length in lengths), start=_ZERO)


def _duration(duration: timedelta, *, with_days: bool) -> str:
    minutes = duration // timedelta(minutes=1)
    days, minutes = divmod(minutes, 24 * 60) if with_days else (0, minutes)
    hours, minutes = divmod(minutes, 60)
    words = []
    if days:
        words.append(_("%(count)s d") % {"count": days})
    if hours:
        words.append(_("%(count)s h") % {"count": hours})
    if minutes or not words:
        words.append(_("%(count)s min") % {"count": minutes})
    return " ".join(words)
