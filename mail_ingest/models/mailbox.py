from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of


class MailboxKind(models.TextChoices):
    FOLDER = "folder", _("Folder of .eml files")


class MailboxHealth(models.TextChoices):
    UNKNOWN = "unknown", _("Not checked yet")
    GOOD = "good", _("Good")
    FAILING = "failing", _("Failing")


class Mailbox(models.Model):
    """A support address whose mail becomes cases."""

    Kind = MailboxKind
    Health = MailboxHealth

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=100)
    address = models.EmailField(
        _("address"), max_length=320, help_text=_("Mail from this address is our own and opens no case.")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=MailboxKind, default=MailboxKind.FOLDER)
    folder = models.CharField(
        _("folder"),
        max_length=500,
        blank=True,
        default="mail/inbox",
        help_text=_("Where .eml files are dropped, seen from the state folder. For a mailbox of the kind folder."),
    )
    is_active = models.BooleanField(_("read"), default=True)
    team = models.ForeignKey(
        "accounts.Team",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="mailboxes",
        verbose_name=_("team"),
        help_text=_("New cases from this mailbox start with this team."),
    )
    answer_within_hours = models.PositiveIntegerField(
        _("answer within (hours)"),
        default=24,
        help_text=_("Mail that was older than this when it came in is filed but answered by nobody."),
    )
    acknowledges = models.BooleanField(
        _("acknowledges"), default=True, help_text=_("Sends an acknowledgment for a new case.")
    )
    health = models.CharField(_("health"), max_length=20, choices=MailboxHealth, default=MailboxHealth.UNKNOWN)
    health_detail = models.TextField(_("what is wrong"), blank=True)
    checked_at = models.DateTimeField(_("last read"), null=True, blank=True)

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("address"), name="mailbox_address_once"),
            one_of("kind", MailboxKind, name="mailbox_kind_known"),
            one_of("health", MailboxHealth, name="mailbox_health_known"),
            models.CheckConstraint(name="mailbox_folder_given", condition=~Q(kind="folder") | ~Q(folder="")),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"
