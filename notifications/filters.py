from typing import Any

from django.db.models import Q

from handyconnect.api.filters import ExactFilter, FlagFilter, MomentFilter, StrictFilterSet, UUIDFilter


class UnreadFilter(FlagFilter):
    """Whether it has still to be read."""

    def condition(self, value: Any) -> Q:
        return Q(read_at__isnull=value)


class NotificationFilter(StrictFilterSet):
    unread = UnreadFilter("read_at")
    kind = ExactFilter()
    case_id = UUIDFilter("case_id")
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")
