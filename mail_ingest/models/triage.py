from django.db import models
from django.utils.translation import gettext_lazy as _

from mail_ingest.models.thread import EmailMessage


class TriageResult(models.Model):
    """What one reader, a model or the offline classifier, made of one message. Never changed afterwards."""

    email = models.ForeignKey(EmailMessage, on_delete=models.CASCADE, related_name="triage", verbose_name=_("message"))
    source = models.CharField(_("reader"), max_length=20, help_text=_("For example offline."))
    reader_version = models.CharField(_("version"), max_length=60)
    labels = models.JSONField(_("labels"))
    confidence = models.JSONField(_("confidence"), help_text=_("Label → 0 to 1."))
    tokens_in = models.PositiveIntegerField(_("tokens in"), default=0)
    tokens_out = models.PositiveIntegerField(_("tokens out"), default=0)
    cost_microusd = models.PositiveBigIntegerField(_("cost (millionths of a US dollar)"), default=0)
    latency_ms = models.PositiveIntegerField(_("latency (ms)"), default=0)
    created_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("triage result")
        verbose_name_plural = _("triage results")
        constraints = [
            models.UniqueConstraint(name="triage_once_per_reader", fields=["email", "source", "reader_version"])
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.email_id}"
