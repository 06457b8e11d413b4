from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.models.case import Case


class CaseMerge(models.Model):
    """One case was merged into another: what moved along, so that the merge can be taken back whole."""

    source = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="merges_out", verbose_name=_("merged case"))
    target = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="merges_in", verbose_name=_("merged into"))
    old_status = models.CharField(_("status before"), max_length=20)
    moved = models.JSONField(_("moved"), default=dict, help_text=_("Kind of thing → the ids that moved."))
    merged_at = models.DateTimeField(_("merged"))
    undone_at = models.DateTimeField(_("taken back"), null=True, blank=True)

    class Meta:
        verbose_name = _("merge of cases")
        verbose_name_plural = _("merges of cases")
        constraints = [
            models.UniqueConstraint(name="merge_standing_once", fields=["source"], condition=Q(undone_at=None)),
            models.CheckConstraint(name="merge_into_another", condition=~Q(source=F("target"))),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.target_id}"
