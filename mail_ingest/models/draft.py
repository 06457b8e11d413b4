from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case
from mail_ingest.models.thread import EmailThread
from mail_ingest.models.upload import Upload


class DraftKind(models.TextChoices):
    REPLY = "reply", _("Reply")
    NOTE = "note", _("Internal note")


class Draft(models.Model):
    """What a colleague is writing on a case, kept on the server and visible to the others. Unfinished words are no fact."""

    Kind = DraftKind

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="drafts", verbose_name=_("case"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts", verbose_name=_("author")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=DraftKind, default=DraftKind.REPLY)
    thread = models.ForeignKey(
        EmailThread, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("conversation")
    )
    to = models.JSONField(_("to"), default=list)
    cc = models.JSONField(_("cc"), default=list)
    bcc = models.JSONField(_("bcc"), default=list)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    body = models.TextField(_("text"), blank=True)
    html = models.TextField(_("HTML"), blank=True)
    uploads = models.ManyToManyField(Upload, blank=True, related_name="+", verbose_name=_("files"))
    seen_state = models.CharField(
        _("written against"), max_length=60, blank=True, help_text=_("The ETag of the conversation when it was begun.")
    )
    created_at = models.DateTimeField(_("begun"))
    updated_at = models.DateTimeField(_("last changed"))

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        constraints = [
            models.UniqueConstraint(name="draft_once", fields=["case", "author", "kind"]),
            one_of("kind", DraftKind, name="draft_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.author_id}: {self.body[:60]}"
