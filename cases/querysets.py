from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

from cases.choices import OPEN_STATUSES

if TYPE_CHECKING:
    from accounts.models import User
    from cases.models import Case, TimelineEvent


class CaseQuerySet(models.QuerySet["Case"]):
    def existing(self) -> Self:
        """Without the deleted ones."""
        return self.filter(deleted_at=None)

    def open(self) -> Self:
        return self.existing().filter(status__in=OPEN_STATUSES)

    def visible_to(self, user: "User") -> Self:
        """The cases that this person may read: all for staff, none for people who only have tasks."""
        return self.existing() if user.may_read else self.none()

    def assigned_to_person(self, user: "User") -> Self:
        return self.filter(assigned_to=user)

    def silent_since(self, moment: datetime) -> Self:
        """No message and no move since `moment`."""
        return self.filter(last_activity_at__lte=moment, status_changed_at__lte=moment)

    def with_people(self) -> Self:
        """Whatever a list row shows of other tables, in one query."""
        return self.select_related(
            "customer", "assigned_to", "assigned_team", "category", "created_by", "updated_by"
        ).prefetch_related("tags")


class TimelineQuerySet(models.QuerySet["TimelineEvent"]):
    def sealed(self) -> Self:
        return self.filter(position__isnull=False)

    def unsealed(self) -> Self:
        return self.filter(position=None)

    def after(self, position: int) -> Self:
        """Sealed events behind `position`, in order."""
        return self.filter(position__gt=position).order_by("position")

    def newest_first(self) -> Self:
        return self.order_by("-id")
