"""The reader's own time zone, for whatever shows or takes dates."""

import zoneinfo

from django.utils import timezone


def activate_zone_of(user: object) -> None:
    """From here on, dates are those of this user's zone. Somebody without one, or with one that is none, gets UTC."""
    name = getattr(user, "time_zone", "")
    try:
        timezone.activate(zoneinfo.ZoneInfo(name or "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        timezone.deactivate()
