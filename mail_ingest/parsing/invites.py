"""Calendar invitations (RFC 5545, RFC 5546): what the first event of a text/calendar part says.

icalendar splits the lines and reads the values. Not so its time-zone definitions: it keeps those by name for the whole process, so that
one mail could move the times of another. Zones are taken by name (also Windows' names), and else worked out from the mail's own definition.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import islice

from icalendar import vDDDTypes, vUTCOffset
from icalendar.parser import Contentline

from mail_ingest.parsing import clean
from mail_ingest.parsing.mail import Calendar

MAX_CHARS = 256 * 1024
_MAX_LINES = 3_000
_MAX_ZONES = 20
_MAX_LINE_CHARS = 20_000
_MAX_TEXT_CHARS = 1_000
_MAX_NOTES_CHARS = 20_000
_FOLD = re.compile(r"\r?\n[ \t]")
_BROKEN = re.compile(r"[\r\n]+")
_MAILTO = re.compile(r"mailto:\s*", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z-]{1,30}")
_WANTED = {
    *(
        "BEGIN",
        "END",
        "METHOD",
        "SUMMARY",
        "DTSTART",
        "DTEND",
        "DURATION",
        "LOCATION",
        "ORGANIZER",
        "ATTENDEE",
        "STATUS",
    ),
    *("DESCRIPTION", "TZID", "TZOFFSETTO", "RRULE", "X-WR-TIMEZONE"),
}
_METHODS = {
    "REQUEST": "Invitation",
    "CANCEL": "Cancelled",
    "REPLY": "Answer",
    "COUNTER": "Another time proposed",
    "DECLINECOUNTER": "Proposed time declined",
    "PUBLISH": "Event",
    "ADD": "Further dates",
    "REFRESH": "Asks for the latest details",
}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEARLY_DAY = re.compile(r"(-?[1-5])(MO|TU|WE|TH|FR|SA|SU)\Z")


@dataclass(frozen=True, slots=True)
class Invite:
    """`calendar` is what to show of it, `text` the same in words, for a mail that has none."""

    calendar: Calendar
    text: str


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    value: str
    zone: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Change:
    """When a zone's offset changes: the nth weekday of a month each year, or once and for all."""

    starts: datetime
    offset: timedelta
    month: int = 0
    nth: int = 0
    weekday: int = 0

    def last_before(self, moment: datetime) -> datetime:
        """The last change at or before the local `moment`, else the earliest of all times."""
        if not self.month:
            return self.starts if self.starts <= moment else datetime.min  # noqa: DTZ901 # local time
        for year in (moment.year, moment.year - 1):
            days = [week[self.weekday] for week in calendar.monthcalendar(max(year, 1), self.month)]
            days = [day for day in days if day]
            day = days[max(self.nth - 1, 0) if self.nth > 0 else self.nth] if abs(self.nth) <= len(days) else days[-1]
            at = self.starts.replace(year=max(year, 1), month=self.month, day=day)
            if at <= moment:
                return at
        return datetime.min  # noqa: DTZ901 # local time


def read(text: str, *, method: str = "") -> Invite | None:
    """The first event or task in it, None if there is none. `method` is what the part's Content-Type says. Never raises.

    Times without a zone, or with one that nobody can tell, are taken for UTC.
    """
    if len(text) > MAX_CHARS:
        return None
    lines = list(islice(_lines(text), _MAX_LINES))
    top = {line.name: line for line in reversed(lines)}
    event = _event(lines)
    if not event:
        return None
    zones = _zones(lines)
    fallback = top["X-WR-TIMEZONE"].value if "X-WR-TIMEZONE" in top else ""
    first: dict[str, _Line] = {line.name: line for line in reversed(event)}
    start = _moment(first.get("DTSTART"), zones, fallback)
    end = _moment(first.get("DTEND"), zones, fallback)
    all_day = start is not None and not isinstance(start, datetime)
    if start is not None and (end is None or isinstance(end, datetime) == all_day):
        end = _after(start, first.get("DURATION"))
    begins, ends = _utc(start), _utc(end)
    method = (top["METHOD"].value if "METHOD" in top else method).upper()[:30]
    answers = [line for line in event if line.name == "ATTENDEE"]
    status = answers[0].answer if method == "REPLY" and answers else _text(first.get("STATUS"))
    found = Calendar(
        method=method if _WORD.fullmatch(method) else "",
        summary=_text(first.get("SUMMARY")),
        start=begins,
        end=ends if begins and ends and ends >= begins else None,
        all_day=all_day,
        location=_text(first.get("LOCATION")),
        organizer=_MAILTO.sub("", _text(first.get("ORGANIZER"))),
        status=status.upper()[:30] if _WORD.fullmatch(status) else "",
    )
    notes = clean.body(first["DESCRIPTION"].value)[:_MAX_NOTES_CHARS].strip() if "DESCRIPTION" in first else ""
    return Invite(found, "\n".join(_words(found, start, end)) + (f"\n\n{notes}" if notes else ""))


def _lines(text: str) -> Iterator[_Line]:
    for row in _BROKEN.split(_FOLD.sub("", text)):
        name = row[:40].partition(":")[0].partition(";")[0].strip().upper()
        if name not in _WANTED or len(row) > _MAX_LINE_CHARS:
            continue
        try:
            _, params, value = Contentline(row.strip()).parts()  # type: ignore[no-untyped-call] # so it is
        except ValueError:
            continue
        yield _Line(
            name,
            str(value).strip(),
            zone=str(params.get("TZID", ""))[:200],
            answer=str(params.get("PARTSTAT", ""))[:30],
        )


def _event(lines: list[_Line]) -> list[_Line]:
    """The lines of the first event, without those of the alarms in it."""
    event: list[_Line] = []
    inside: list[str] = []
    for line in lines:
        kind = line.value.upper()
        if line.name == "BEGIN":
            inside.append(kind)
        elif line.name == "END":
            if kind in inside:
                del inside[len(inside) - 1 - inside[::-1].index(kind) :]
            if event and kind in {"VEVENT", "VTODO"}:
                break
        elif inside and inside[-1] in {"VEVENT", "VTODO"}:
            event.append(line)
    return event


def _zones(lines: list[_Line]) -> dict[str, list[_Change]]:
    """What the mail itself says of its zones."""
    zones: dict[str, list[_Change]] = {}
    name, row = "", dict[str, str]()
    for line in lines:
        kind = line.value.upper()
        if line.name == "BEGIN":
            row = {}
            name = "" if kind == "VTIMEZONE" else name
        elif line.name == "TZID":
            name = line.value
        elif line.name == "END" and kind in {"STANDARD", "DAYLIGHT"} and len(zones) < _MAX_ZONES:
            change = _change(row)
            if name and change:
                zones.setdefault(name, []).append(change)
        row[line.name] = line.value
    return zones


def _change(row: dict[str, str]) -> _Change | None:
    starts = _value(row.get("DTSTART", ""))
    try:
        offset = vUTCOffset.from_ical(row.get("TZOFFSETTO", ""))  # type: ignore[no-untyped-call] # so it is
    except ValueError:
        return None
    if not isinstance(starts, datetime) or not isinstance(offset, timedelta):
        return None
    rule = dict(part.partition("=")[::2] for part in row.get("RRULE", "").upper().split(";"))
    day = _YEARLY_DAY.match(rule.get("BYDAY", ""))
    month = rule.get("BYMONTH", "")
    if rule.get("FREQ") != "YEARLY" or not day or month not in {str(number) for number in range(1, 13)}:
        return _Change(starts.replace(tzinfo=None), offset)
    return _Change(starts.replace(tzinfo=None), offset, int(month), int(day.group(1)), _DAYS.index(day.group(2)))


def _value(text: str, zone: str | None = None) -> object:
    try:
        return vDDDTypes.from_ical(text[:100], zone)  # type: ignore[no-untyped-call] # so it is
    except (ValueError, OverflowError, TypeError, KeyError, OSError):
        return None


def _moment(line: _Line | None, zones: dict[str, list[_Change]], fallback: str) -> datetime | date | None:
    if line is None:
        return None
    found = _value(line.value)
    if not isinstance(found, datetime):
        return found if isinstance(found, date) else None
    if found.tzinfo is not None:
        return found
    zone = line.zone or fallback
    if zone.startswith("/"):  # /vendor/Area/City, RFC 5545, 3.2.19
        zone = "/".join(zone.split("/")[-2:])
    known = _value(line.value, zone) if zone else None
    if isinstance(known, datetime) and known.tzinfo is not None:
        return known
    return found.replace(tzinfo=_own_zone(zones.get(zone, []), found))


def _own_zone(changes: list[_Change], moment: datetime) -> tzinfo:
    """The zone as its own definition has it at this local time. Offsets are less than a day: icalendar refuses others."""
    return timezone(max(changes, key=lambda change: change.last_before(moment)).offset) if changes else UTC


def _after(start: datetime | date, line: _Line | None) -> datetime | date | None:
    """The end of an event that names its length, or no end: then a day is a day, and a moment a moment (RFC 5545, 3.6.1)."""
    length = _value(line.value) if line else None
    if not isinstance(length, timedelta):
        length = timedelta(0) if isinstance(start, datetime) else timedelta(days=1)
    try:
        return start + length
    except OverflowError:
        return None


def _utc(moment: datetime | date | None) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _text(line: _Line | None) -> str:
    return clean.line(line.value, limit_chars=_MAX_TEXT_CHARS) if line else ""


def _words(found: Calendar, start: datetime | date | None, end: datetime | date | None) -> Iterator[str]:
    kind = _METHODS.get(found.method, "Event")
    if found.method == "REPLY" and found.status:
        kind = f"{kind} ({found.status.lower()})"
    yield f"{kind}: {found.summary}".rstrip(": ")
    if start is not None:
        yield f"When: {_when(start, end)}"
    if found.location:
        yield f"Where: {found.location}"
    if found.organizer:
        yield f"Organizer: {found.organizer}"


def _when(start: datetime | date, end: datetime | date | None) -> str:
    if not isinstance(start, datetime):
        last = end - timedelta(days=1) if end is not None and end > start else start
        return f"{start:%Y-%m-%d}" + (f" to {last:%Y-%m-%d}" if last > start else "")
    zone = getattr(start.tzinfo, "key", "") or f"{start:%Z}"
    if not isinstance(end, datetime) or end <= start:
        return f"{start:%Y-%m-%d %H:%M} ({zone})"
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {until} ({zone})"
