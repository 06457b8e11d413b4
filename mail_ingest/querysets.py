from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from mail_ingest.models import InboundMessage


class InboundQuerySet(models.QuerySet["InboundMessage"]):
    def pending(self) -> Self:
        """Stored, and not yet filed, ignored or quarantined."""
        return self.filter(state__in=["received", "threaded", "analysed"])

    def due(self, now: datetime) -> Self:
        """Pending, with its bytes at hand, and not waiting for a later try."""
        return self.pending().filter(Q(next_try_at=None) | Q(next_try_at__lte=now)).exclude(sha256="")

    def stored_before(self, moment: datetime) -> Self:
        return self.filter(stored_at__lt=moment)
