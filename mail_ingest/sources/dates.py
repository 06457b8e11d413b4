"""When a mail came, as it says itself."""

from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

HEADER_BYTES = 256 * 1024
FIRST_YEAR = 1990  # before that there was no such mail: a broken clock


def received_at(raw: bytes, *, now: datetime) -> datetime:
    """When the mail came: its topmost Received header, else its Date, else now. Never later than now."""
    headers = BytesHeaderParser().parsebytes(raw[:HEADER_BYTES])
    stamps = [str(value).rpartition(";")[2] for value in headers.get_all("Received", [])[:1]]
    stamps += [str(value) for value in headers.get_all("Date", [])[:1]]
    for stamp in stamps:
        try:
            moment = parsedate_to_datetime(stamp.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError, IndexError):
            continue
        if moment.year >= FIRST_YEAR:
            return min(moment, now)
    return now
