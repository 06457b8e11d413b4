"""Reading a calendar out of JSON: each part is checked, and what is wrong is refused by name. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Minutes = tuple[tuple[int, int], ...]
"""The open intervals of one date: minutes since its midnight, in order, apart."""

_WALL_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|(24):(00)", re.ASCII)


class InvalidCalendar(ValueError):
    """A calendar that says something impossible. `field` is where, as in `hours.mon[0]`; `reason` is for people."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_zone(name: object, where: str = "time_zone") -> ZoneInfo:
    try:
        return ZoneInfo(name)  # type: ignore[arg-type]  # whatever JSON held; a wrong type is caught below
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise InvalidCalendar(where, _("'%(name)s' is not a time zone") % {"name": shown(name)}) from None


def read_week(hours: object) -> list[Minutes]:
    if not isinstance(hours, Mapping):
        raise InvalidCalendar("hours", _("must be an object with the days mon to sun"))
    for day in hours:
        if day not in DAYS:
            raise InvalidCalendar(f"hours.{shown(day)}", _("is not a day; use mon, tue, wed, thu, fri, sat or sun"))
    return [read_minutes(hours.get(day, ()), f"hours.{day}") for day in DAYS]


def read_dates(data: object, where: str) -> dict[date, Minutes]:
    if not isinstance(data, Mapping):
        raise InvalidCalendar(where, _("must be an object with dates as keys"))
    return {
        read_date(day, f"{where}.{shown(day)}"): read_minutes(intervals, f"{where}.{shown(day)}")
        for day, intervals in data.items()
    }


def read_list(data: object) -> Collection[object]:
    if isinstance(data, str | Mapping) or not isinstance(data, Collection):
        raise InvalidCalendar("holidays", _("must be a list of dates"))
    return data


def read_date(value: object, where: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]  # whatever JSON held; a wrong type is caught below
    except (ValueError, TypeError):
        raise InvalidCalendar(where, _("must be a date such as 2026-12-25")) from None


def read_minutes(intervals: object, where: str) -> Minutes:
    if isinstance(intervals, str | Mapping) or not isinstance(intervals, Sequence):
        raise InvalidCalendar(where, _('must be a list of pairs such as ["09:00", "17:00"]'))
    found: list[tuple[int, int]] = []
    for index, pair in enumerate(intervals):
        here = f"{where}[{index}]"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:  # noqa: PLR2004 (a pair)
            raise InvalidCalendar(here, _('must be a pair such as ["09:00", "17:00"]'))
        opens, closes = (_read_minute(value, here) for value in pair)
        if opens >= closes:
            raise InvalidCalendar(here, _("must end after it begins; split what crosses midnight at 24:00"))
        if any(opens < other_closes and other_opens < closes for other_opens, other_closes in found):
            raise InvalidCalendar(here, _("overlaps another interval of the same day"))
        found.append((opens, closes))
    return tuple(sorted(found))


def _read_minute(value: object, where: str) -> int:
    match = _WALL_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidCalendar(
            where, _("'%(value)s' is not a time of day between 00:00 and 24:00") % {"value": shown(value)}
        )
    return int(match[1] or match[3]) * 60 + int(match[2] or match[4])


def without(minutes: Minutes, breaks: Minutes) -> Minutes:
    """What is left of a day's intervals when its breaks are taken out."""
    for starts, ends in breaks:
        pieces = [
            piece
            for opens, closes in minutes
            for piece in ((opens, min(closes, starts)), (max(opens, ends), closes))
            if piece[0] < piece[1]
        ]
        minutes = tuple(pieces)
    return minutes


def words(minutes: Iterable[tuple[int, int]]) -> tuple[tuple[str, str], ...]:
    return tuple((_word(opens), _word(closes)) for opens, closes in minutes)


def _word(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def shown(value: object) -> str:
    """Somebody's input, fit to be said back to them: short, and nothing that no file or database takes."""
    return str(value)[:40].encode("ascii", "backslashreplace").decode().replace("\0", "\\0")
