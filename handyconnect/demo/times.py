"""When things happened in the demo: on working days, at office hours, before a given now."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

OFFICE = ZoneInfo("Europe/Berlin")
OPENS = time(9, 0)
CLOSES = time(17, 0)
FRIDAY = 4
_DAYS = re.compile(r"^(\d+) days (\d\d):(\d\d)$")
_MINUTES = re.compile(r"^(\d+) minutes$")


def sent_at(when: str, *, now: datetime) -> datetime:
    """The moment, in UTC, of "12 days 09:14" (twelve working days ago, at the office's time) or "35 minutes" (ago).

    ValueError for anything else.
    """
    if found := _MINUTES.match(when):
        return (now - timedelta(minutes=int(found[1]))).astimezone(UTC).replace(microsecond=0)
    if not (found := _DAYS.match(when)):
        raise ValueError(f'neither "12 days 09:14" nor "35 minutes": {when!r}')
    day = now.astimezone(OFFICE).date()
    for _ in range(int(found[1])):
        day -= timedelta(days=1)
        while day.weekday() > FRIDAY:
            day -= timedelta(days=1)
    return datetime.combine(day, time(int(found[2]), int(found[3])), OFFICE).astimezone(UTC)


def office_time_after(start: datetime, *, minutes: int) -> datetime:
    """The moment, in UTC, after so many minutes of office time (Monday to Friday, 9 to 17), counted from the start."""
    at = start.astimezone(OFFICE)
    left = timedelta(minutes=minutes)
    while True:
        opens = datetime.combine(at.date(), OPENS, OFFICE)
        closes = datetime.combine(at.date(), CLOSES, OFFICE)
        if at.weekday() <= FRIDAY and at < closes:
            begins = max(at, opens)
            if begins + left <= closes:
                return (begins + left).astimezone(UTC)
            left -= closes - begins
        at = datetime.combine(at.date() + timedelta(days=1), OPENS, OFFICE)
