"""Working-time arithmetic: when something is due, and how much working time lies between two instants.

Pure: no database, no clock, no models. Instants go in as aware datetimes (any zone) and come out in UTC; arithmetic is
exact to the microsecond.

Conventions, held everywhere:

* Working time is half-open. The opening instant is working, the closing instant is not (`is_working`).
* A due date is the *earliest* instant at which the wanted working time has passed. Work that fills a day to the minute
  is therefore due at the closing instant, not at the next opening; nothing at all is due at its start.
* Hours are wall-clock times of the calendar's zone. A time that a clock change skips means the same distance after the
  change (02:30 becomes 03:30); a time that happens twice means the first of the two. What such a shift leaves empty or
  overlapping is dropped or counted once, so that no instant counts twice and no day reaches into the next.
* An exception replaces the hours of its date, also on a holiday; a holiday has no hours.

A due date costs the same however far away it is: the working time before any date is a formula (whole weeks, plus the
running sum of what holidays, exceptions and clock changes add or take away), and the date itself is found by bisection.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import Any, Self
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from sla.calendar_data import (
    DAYS,
    InvalidCalendar,
    Minutes,
    read_date,
    read_dates,
    read_list,
    read_week,
    read_zone,
    shown,
    without,
    words,
)

__all__ = ["DAYS", "InvalidCalendar", "Unreachable", "WorkingCalendar"]

Intervals = Sequence[tuple[str, str]]
Segment = tuple[datetime, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_FIRST_DAY = date(1969, 12, 29).toordinal()  # a Monday, so that whole weeks can be counted from it
_LAST_DAY = date(2200, 12, 31).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = 60_000_000
_DAY_US = 24 * 60 * _MINUTE_US
_LABELS = {"slug", "name", "note"}  # a stored or exported calendar may carry them; they mean nothing here


class Unreachable(ValueError):
    """There is not enough working time, or the date lies outside the years 1970 to 2200."""


@dataclass(frozen=True)
class WorkingCalendar:
    """The hours in which a team works. Equal calendars are interchangeable; treat the mappings as read-only.

    `hours` has the keys mon to sun (a missing day is closed) and wall-clock intervals as "HH:MM" pairs, of which "24:00"
    may be an end. `exceptions` replace the hours of single dates. Raises InvalidCalendar.
    """

    time_zone: str
    hours: Mapping[str, Intervals]
    holidays: frozenset[date] = frozenset()
    exceptions: Mapping[date, Intervals] = field(default_factory=dict)
    _key: tuple[str, tuple[Minutes, ...], frozenset[date], tuple[tuple[date, Minutes], ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        zone = read_zone(self.time_zone)
        week = read_week(self.hours)
        holidays = frozenset(read_date(day, f"holidays[{index}]") for index, day in enumerate(read_list(self.holidays)))
        replaced = read_dates(self.exceptions, "exceptions")
        set_once = object.__setattr__
        set_once(self, "hours", {day: words(intervals) for day, intervals in zip(DAYS, week, strict=True)})
        set_once(self, "holidays", holidays)
        set_once(self, "exceptions", {day: words(intervals) for day, intervals in sorted(replaced.items())})
        set_once(self, "_key", (zone.key, tuple(week), holidays, tuple(sorted(replaced.items()))))

    def __hash__(self) -> int:
        return hash(self._key)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Read a calendar from JSON: `{time_zone, hours, holidays?, exceptions?, breaks?}`; `tz` is also understood.

        `breaks` are taken out of the hours of their date: `{"2026-01-02": [["10:00", "11:30"]]}`. Raises
        InvalidCalendar, also for a key that does not exist: a misspelt "holiday" must not quietly mean none.
        """
        if not isinstance(data, Mapping):
            raise InvalidCalendar("calendar", _("must be an object"))
        known = {"time_zone", "tz", "hours", "holidays", "exceptions", "breaks"} | _LABELS
        for name in data:
            if name not in known:
                raise InvalidCalendar(shown(name), _("is not part of a calendar"))
        zone_field = "tz" if "tz" in data and "time_zone" not in data else "time_zone"
        for name in (zone_field, "hours"):
            if name not in data:
                raise InvalidCalendar(name, _("is missing"))
        read_zone(data[zone_field], zone_field)
        holidays, exceptions = data.get("holidays"), data.get("exceptions")
        calendar = cls(
            data[zone_field],
            data["hours"],
            frozenset() if holidays is None else holidays,
            {} if exceptions is None else exceptions,
        )
        breaks = {} if data.get("breaks") is None else read_dates(data["breaks"], "breaks")
        if not breaks:
            return calendar
        shortened = {day: words(without(calendar._plan.minutes(day.toordinal()), breaks[day])) for day in breaks}
        return cls(calendar.time_zone, calendar.hours, calendar.holidays, {**calendar.exceptions, **shortened})

    @classmethod
    def always(cls, time_zone: str = "UTC") -> Self:
        """Around the clock, every day."""
        return cls(time_zone, dict.fromkeys(DAYS, (("00:00", "24:00"),)))

    def as_dict(self) -> dict[str, Any]:
        """The calendar as JSON that `parse` reads back to an equal one."""
        return {
            "time_zone": self.time_zone,
            "hours": {day: [list(interval) for interval in self.hours[day]] for day in DAYS if self.hours[day]},
            "holidays": sorted(day.isoformat() for day in self.holidays),
            "exceptions": {
                day.isoformat(): [list(interval) for interval in intervals]
                for day, intervals in self.exceptions.items()
            },
        }

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def due_at(self, start: datetime, minutes: int) -> datetime:
        """The earliest instant at which `minutes` of working time have passed since `start`, in UTC.

        Raises Unreachable, and ValueError for a naive start or negative minutes.
        """
        return self.due_after(start, timedelta(minutes=minutes))

    def due_after(self, start: datetime, working: timedelta) -> datetime:
        """The same as `due_at`, for any length of working time."""
        wanted = working // _MICROSECOND
        if wanted < 0:
            raise ValueError("working time cannot be negative")
        if not self._plan.has_hours:
            raise Unreachable(_("This calendar has no working time."))
        start_us = _microseconds(start)
        return _instant(self._plan.reach(start_us, wanted))

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """The working time from `start` to `end`, exactly; zero when `end` is not after `start`."""
        start_us, end_us = _microseconds(start), _microseconds(end)
        if end_us <= start_us:
            return timedelta(0)
        return timedelta(microseconds=self._plan.elapsed(end_us) - self._plan.elapsed(start_us))

    def working_seconds(self, start: datetime, end: datetime) -> int:
        """`working_time` in whole seconds, rounded down."""
        return self.working_time(start, end) // timedelta(seconds=1)

    def working_minutes(self, start: datetime, end: datetime) -> int:
        """`working_time` in whole minutes, rounded down."""
        return self.working_time(start, end) // timedelta(minutes=1)

    def segments(self, start: datetime, end: datetime) -> list[Segment]:
        """The stretches of working time between two instants, in UTC, in order; those that touch are one."""
        start_us, end_us = _microseconds(start), _microseconds(end)
        if end_us <= start_us:
            return []
        plan = self._plan
        found: list[list[int]] = []
        for day in range(plan.day_of(start_us), plan.day_of(end_us) + 1):
            for opens, closes in plan.opening_times(day):
                left, right = max(opens, start_us), min(closes, end_us)
                if left >= right:
                    continue
                if found and found[-1][1] == left:
                    found[-1][1] = right
                else:
                    found.append([left, right])
        return [(_instant(left), _instant(right)) for left, right in found]

    def is_working(self, at: datetime) -> bool:
        """Whether work is done at this instant: yes at opening, no at closing."""
        at_us = _microseconds(at)
        return any(opens <= at_us < closes for opens, closes in self._plan.opening_times(self._plan.day_of(at_us)))

    def next_opening(self, at: datetime) -> datetime:
        """The first working instant from `at` on; `at` itself, in UTC, when work is being done. Raises Unreachable."""
        if self.is_working(at):
            return at.astimezone(UTC)
        # One microsecond of work ends one microsecond after the opening.
        return self.due_after(at, _MICROSECOND) - _MICROSECOND

    @cached_property
    def _plan(self) -> "_Plan":
        return _plan_for(*self._key)


class _Plan:
    """A calendar made ready to count with: everything in days (ordinals) and microseconds since 1970 UTC."""

    def __init__(self, zone: ZoneInfo, week: tuple[Minutes, ...], replaced: Mapping[int, Minutes]) -> None:
        self.zone = zone
        self._week = week
        self._replaced = replaced
        nominal = [_length_us(minutes) for minutes in week]
        self._week_sums = [0, *accumulate(nominal)]
        self._changes = _change_days(zone.key)
        odd = {
            day: sum(closes - opens for opens, closes in self.opening_times(day)) - nominal[(day - _FIRST_DAY) % 7]
            for day in replaced.keys() | self._changes
            if day in replaced or week[(day - _FIRST_DAY) % 7]
        }
        self._odd_days = sorted(day for day, difference in odd.items() if difference)
        self._odd_sums = [0, *accumulate(odd[day] for day in self._odd_days)]
        self.has_hours = any(week) or any(replaced.values())

    def minutes(self, day: int) -> Minutes:
        """The wall-clock intervals of a date."""
        minutes = self._replaced.get(day)
        return self._week[(day - _FIRST_DAY) % 7] if minutes is None else minutes

    def opening_times(self, day: int) -> list[tuple[int, int]]:
        """The working intervals of a date as instants: in order, apart, and within that date."""
        minutes = self.minutes(day)
        if not minutes:
            return []
        midnight = self._wall(day, 0)
        if day not in self._changes:
            return [(midnight + opens * _MINUTE_US, midnight + closes * _MINUTE_US) for opens, closes in minutes]
        next_midnight = self._wall(day + 1, 0)
        merged: list[tuple[int, int]] = []
        for opens, closes in sorted((self._wall(day, opens), self._wall(day, closes)) for opens, closes in minutes):
            left = max(opens, merged[-1][1] if merged else midnight)
            right = min(closes, next_midnight)
            if left < right:
                merged.append((left, right))
        return merged

    def before(self, day: int) -> int:
        """The working time from the first day to the beginning of this one."""
        weeks, weekday = divmod(day - _FIRST_DAY, 7)
        return weeks * self._week_sums[7] + self._week_sums[weekday] + self._odd_sums[bisect_left(self._odd_days, day)]

    def elapsed(self, at_us: int) -> int:
        """The working time from the first day to this instant. Only differences of it mean something."""
        day = self.day_of(at_us)
        today = sum(min(closes, at_us) - opens for opens, closes in self.opening_times(day) if opens < at_us)
        return self.before(day) + today

    def reach(self, start_us: int, wanted: int) -> int:
        """The earliest instant at which `wanted` working time has passed since `start_us`."""
        first = self.day_of(start_us)
        if wanted == 0:
            return start_us
        total = self.elapsed(start_us) + wanted
        # The first date at whose end the total is reached; the total only grows, so it can be bisected.
        day = bisect_left(range(_LAST_DAY + 1), total, lo=first, key=lambda day: self.before(day + 1))
        left = total - self.before(day)
        for opens, closes in self.opening_times(day) if day <= _LAST_DAY else ():
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        raise Unreachable(_("There is not enough working time before the year 2201."))

    def day_of(self, at_us: int) -> int:
        """The date (in the calendar's zone) in which an instant counts."""
        # Before the conversion: a datetime near year 1 or 9999 cannot be shown in every zone.
        if not _FIRST_DAY < at_us // _DAY_US + _EPOCH_DAY < _LAST_DAY:
            raise Unreachable(_("Only the years 1970 to 2200 can be counted."))
        day = _instant(at_us).astimezone(self.zone).toordinal()
        # Clocks set back over midnight show yesterday's date again, although today has begun.
        return day + (at_us >= self._wall(day + 1, 0)) - (at_us < self._wall(day, 0))

    def _wall(self, day: int, minute: int) -> int:
        """The instant of a wall-clock time; `fold` is 0, which is the convention for skipped and repeated times."""
        days, minute = divmod(minute, 24 * 60)
        local = datetime.fromordinal(day + days) + timedelta(minutes=minute)
        offset = self.zone.utcoffset(local) or timedelta(0)
        return (day + days - _EPOCH_DAY) * _DAY_US + minute * _MINUTE_US - offset // _MICROSECOND


@lru_cache(maxsize=256)
def _plan_for(
    time_zone: str,
    week: tuple[Minutes, ...],
    holidays: frozenset[date],
    exceptions: tuple[tuple[date, Minutes], ...],
) -> _Plan:
    replaced: dict[int, Minutes] = {day.toordinal(): () for day in holidays}
    replaced.update((day.toordinal(), minutes) for day, minutes in exceptions)
    inside = {day: minutes for day, minutes in replaced.items() if _FIRST_DAY <= day <= _LAST_DAY}
    return _Plan(ZoneInfo(time_zone), week, inside)


@lru_cache(maxsize=64)
def _change_days(time_zone: str) -> frozenset[int]:
    """The dates on which the zone's offset changes (about 10 ms, once for a zone).

    Looks once a week: no zone has changed twice within one and come back to where it was.
    """
    zone = ZoneInfo(time_zone)

    def offset(day: int) -> timedelta | None:
        return zone.utcoffset(datetime.fromordinal(day))

    weeks = [(day, offset(day)) for day in range(_FIRST_DAY, _LAST_DAY + 8, 7)]
    return frozenset(
        day
        for (monday, before), (next_monday, after) in pairwise(weeks)
        if before != after
        for day in range(monday, next_monday)
        if offset(day) != offset(day + 1)
    )


def _length_us(minutes: Minutes) -> int:
    return sum(closes - opens for opens, closes in minutes) * _MINUTE_US


def _microseconds(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a naive datetime is not an instant")
    return (at - _EPOCH) // _MICROSECOND


def _instant(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)
