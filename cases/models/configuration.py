from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models.timeline import TimelineEvent


class ConfigVersion(models.Model):
    """One saved state of a policy, calendar, rule, template, category, team or mailbox."""

    subject_type = models.CharField(_("what"), max_length=60)
    subject_id = models.CharField(_("id"), max_length=60)
    number = models.PositiveIntegerField(_("version"))
    state = models.JSONField(_("state"))
    event = models.OneToOneField(TimelineEvent, on_delete=models.PROTECT, related_name="config_version")

    class Meta:
        verbose_name = _("configuration version")
        verbose_name_plural = _("configuration versions")
        constraints = [
            models.UniqueConstraint(name="config_version_once", fields=["subject_type", "subject_id", "number"])
        ]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id} v{self.number}"
