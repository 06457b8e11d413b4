from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from sla.models import SLAClock


class ClockQuerySet(models.QuerySet["SLAClock"]):
    def open(self) -> Self:
        return self.filter(state__in=["running", "paused"])

    def due_for_check(self, now: datetime) -> Self:
        return self.filter(next_check_at__lte=now).order_by("next_check_at")
