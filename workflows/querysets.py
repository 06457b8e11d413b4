from collections.abc import Collection
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from workflows.models import WorkflowRule


class RuleQuerySet(models.QuerySet["WorkflowRule"]):
    def on(self) -> Self:
        return self.filter(is_active=True)

    def hearing(self, triggers: Collection[str]) -> Self:
        """The rules that one of these triggers fires, in the order in which they run."""
        return self.on().filter(trigger__in=triggers).order_by("rank", "id")
