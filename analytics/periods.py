"""Stretches of days in somebody's time zone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"})


class Interval(StrEnum):
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of `days` days of a period; a week that the period cuts has fewer than seven. `starts_on` is its name."""

    starts_on: date
    first: date
    days: int


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included, as they begin and end in `zone`."""

    first: date
    last: date
    zone: ZoneInfo

    @classmethod
    def last_days(cls, days: int, *, now: datetime, zone: ZoneInfo) -> Self:
        """So many days, of which today is the last."""
        today = now.astimezone(zone).date()
        return cls(today - (days - 1) * DAY, today, zone)

    @property
    def start(self) -> datetime:
        """The first instant in it."""
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first instant behind it."""
        return self._midnight(self.last + DAY)

    @property
    def is_utc(self) -> bool:
        """Whether its days are the days of the roll-ups."""
        return self.zone.key in _UTC_NAMES

    def dates(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            yield self.first + number * DAY

    def buckets(self, interval: Interval) -> list[Bucket]:
        """Its days, or its weeks, which begin on Monday."""
        found: dict[date, list[date]] = {}
        for day in self.dates():
            starts_on = day - day.weekday() * DAY if interval is Interval.WEEK else day
            found.setdefault(starts_on, []).append(day)
        return [Bucket(starts_on, days[0], len(days)) for starts_on, days in found.items()]

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)
