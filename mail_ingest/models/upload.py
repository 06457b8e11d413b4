from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models import Case


class Upload(models.Model):
    """A file that a colleague has put on the server to send it along with a reply. Unused ones are deleted after a while."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="uploads", verbose_name=_("case"))
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("uploaded by")
    )
    filename = models.CharField(_("file name"), max_length=300)
    content_type = models.CharField(_("type"), max_length=200)
    size_bytes = models.PositiveIntegerField(_("size (bytes)"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    content = models.BinaryField()
    created_at = models.DateTimeField(_("uploaded"))

    class Meta:
        verbose_name = _("uploaded file")
        verbose_name_plural = _("uploaded files")
        indexes = [models.Index(name="upload_age", fields=["created_at"])]  # the nightly clean-up

    def __str__(self) -> str:
        return self.filename
