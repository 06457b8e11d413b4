"""When a process that died is started again, and when that is given up. Pure: the clock comes from the caller."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """Each death within the window doubles the wait before the next start; too many of them end it."""

    window_seconds: float = 60.0
    most_deaths: int = 5
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 10.0

    def delay_seconds(self, deaths: Sequence[float], *, now: float) -> float | None:
        """Seconds to wait after the latest of `deaths` (moments on the clock of `now`); None when it is time to give up."""
        recent = sum(1 for died_at in deaths if now - died_at <= self.window_seconds)
        if recent >= self.most_deaths:
            return None
        if recent == 0:
            return 0.0
        return min(self.first_delay_seconds * 2.0 ** (recent - 1), self.longest_delay_seconds)
