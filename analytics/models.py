"""Daily roll-ups: what happened on each day, counted from the event log."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of


class Metric(models.TextChoices):
    ARRIVED = "arrived", _("Arrived")
    RESOLVED = "resolved", _("Resolved")
    REOPENED = "reopened", _("Reopened")
    BREACHED = "breached", _("Breached")
    MESSAGES_IN = "messages_in", _("Messages in")
    MESSAGES_OUT = "messages_out", _("Messages out")


class DailyCount(models.Model):
    """How often something happened on one UTC day. Moved with the cursor of the listener that counts."""

    Metric = Metric

    day = models.DateField(_("day"))
    metric = models.CharField(_("what"), max_length=20, choices=Metric)
    count = models.PositiveIntegerField(_("count"), default=0)

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        constraints = [
            models.UniqueConstraint(name="daily_count_once", fields=["day", "metric"]),
            models.CheckConstraint(name="daily_count_not_negative", condition=Q(count__gte=0)),
            one_of("metric", Metric, name="daily_metric_known"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.metric} {self.count}"
