"""Arithmetic of reports. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

MINUTE = timedelta(minutes=1)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which that share (0 to 1) of the ordered values lies, interpolated; None where there are none.

    The definition of PostgreSQL's percentile_cont and of NumPy's default.
    """
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def share_of(part: int, whole: int) -> float | None:
    """A share from 0 to 1 with four digits; None where there is nothing to have a share in."""
    return round(part / whole, 4) if whole else None


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, over `count` times: percentiles in minutes, as a wall clock shows them."""

    count: int
    p50_minutes: float | None
    p90_minutes: float | None
    p95_minutes: float | None

    @classmethod
    def between(cls, pairs: Iterable[tuple[datetime, datetime | None]]) -> Self:
        """From when to when, for each time. What ends before it begins took no time; what has no end is left out."""
        minutes = sorted(max((end - start) / MINUTE, 0.0) for start, end in pairs if end is not None)
        return cls(len(minutes), *(_rounded(percentile(minutes, share)) for share in (0.5, 0.9, 0.95)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
