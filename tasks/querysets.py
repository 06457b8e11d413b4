from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.models import User
    from tasks.models import Task


class TaskQuerySet(models.QuerySet["Task"]):
    def open(self) -> Self:
        return self.filter(status__in=["new", "in_progress"])

    def required(self) -> Self:
        return self.filter(is_required=True)

    def of_case(self, case_id: "UUID") -> Self:
        return self.filter(case_id=case_id)

    def visible_to(self, user: "User") -> Self:
        """All for staff; a contractor sees the tasks that are assigned to them. Tasks of deleted cases are gone."""
        visible = self.filter(case__deleted_at=None)
        return visible if user.may_read else visible.filter(assigned_to=user)

    def with_people(self) -> Self:
        return self.select_related("assigned_to", "contractor", "case")
