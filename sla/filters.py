from handyconnect.api.filters import FlagFilter, SlugFilter, StrictFilterSet
from sla.models import BusinessCalendar


class PolicyFilter(StrictFilterSet):
    is_active = FlagFilter("is_active")
    calendar = SlugFilter(BusinessCalendar)


class CalendarFilter(StrictFilterSet):
    """Calendars are few, and have no filters."""
