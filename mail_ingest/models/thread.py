from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case
from mail_ingest.models.mailbox import Mailbox


class ThreadStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    RESOLVED = "resolved", _("Resolved")
    ARCHIVED = "archived", _("Archived")


class Direction(models.TextChoices):
    INBOUND = "inbound", _("Inbound")
    OUTBOUND = "outbound", _("Outbound")


class AutomaticKind(models.TextChoices):
    PERSON = "person", _("Written by a person")
    AUTO_REPLY = "auto_reply", _("Automatic reply")
    BOUNCE = "bounce", _("Bounce")
    LIST = "list", _("Mailing list")
    OWN = "own", _("Sent by us")


class EmailThread(models.Model):
    """A conversation by mail. It belongs to a case from the moment its first message is filed."""

    Status = ThreadStatus

    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="threads", verbose_name=_("mailbox"))
    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, blank=True, related_name="threads", verbose_name=_("case")
    )
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    status = models.CharField(_("status"), max_length=20, choices=ThreadStatus, default=ThreadStatus.ACTIVE)
    created_at = models.DateTimeField(_("created"))
    updated_at = models.DateTimeField(_("updated"))

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        constraints = [one_of("status", ThreadStatus, name="thread_status_known")]
        indexes = [models.Index(name="thread_newest", fields=["-updated_at", "-id"])]  # the default list, by cursor

    def __str__(self) -> str:
        return self.subject or str(self.pk)


class EmailMessage(models.Model):
    """One mail of a conversation, in or out, as people read it. The bytes themselves are in `InboundRaw`."""

    Direction = Direction
    Automatic = AutomaticKind

    thread = models.ForeignKey(
        EmailThread, on_delete=models.PROTECT, related_name="emails", verbose_name=_("conversation")
    )
    direction = models.CharField(_("direction"), max_length=20, choices=Direction)
    automatic = models.CharField(_("written by"), max_length=20, choices=AutomaticKind, default=AutomaticKind.PERSON)
    automatic_rule = models.CharField(_("told by"), max_length=200, blank=True)
    message_id = models.CharField(_("Message-ID"), max_length=998, blank=True)
    in_reply_to = models.JSONField(_("In-Reply-To"), default=list)
    references = models.JSONField(_("References"), default=list)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    from_name = models.CharField(_("from"), max_length=320, blank=True)
    from_email = models.CharField(_("from (address)"), max_length=320, blank=True)
    to = models.JSONField(_("to"), default=list, help_text=_("A list of {name, email}."))
    cc = models.JSONField(_("cc"), default=list)
    bcc = models.JSONField(_("bcc"), default=list, help_text=_("Only of mail that we sent."))
    reply_to = models.JSONField(_("Reply-To"), default=list)
    headers = models.JSONField(_("headers"), default=list, help_text=_("A list of [name, value], in order."))
    text = models.TextField(_("plain text"), blank=True)
    html = models.TextField(_("HTML, sanitised"), blank=True)
    visible_text = models.TextField(_("the reply itself"), blank=True)
    quoted_text = models.TextField(_("quoted part and signature"), blank=True)
    threaded_by = models.CharField(_("joined because"), max_length=60, blank=True)
    threaded_detail = models.CharField(_("joined by"), max_length=998, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
        help_text=_("The colleague who wrote it here."),
    )
    calendar = models.JSONField(_("invitation"), null=True, blank=True)
    protection = models.CharField(_("signed or encrypted"), max_length=40, blank=True)
    report = models.JSONField(_("delivery report"), null=True, blank=True)
    sent_at = models.DateTimeField(_("date header"), null=True, blank=True)
    received_at = models.DateTimeField(_("received"))
    created_at = models.DateTimeField(_("stored"))

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["received_at", "id"]
        constraints = [
            one_of("direction", Direction, name="email_direction_known"),
            one_of("automatic", AutomaticKind, name="email_automatic_known"),
        ]
        indexes = [
            models.Index(  # threading: which conversation knows this Message-ID
                name="email_message_id", fields=["message_id"], condition=~Q(message_id="")
            ),
            models.Index(name="email_sender", fields=["from_email"]),  # has this address ever written, and where
            models.Index(name="email_thread_order", fields=["thread", "received_at"]),  # a conversation, in order
        ]

    def __str__(self) -> str:
        return self.subject or str(self.pk)

    @property
    def sender(self) -> str:
        """The sender as people write it."""
        return f"{self.from_name} <{self.from_email}>" if self.from_name else self.from_email


class Attachment(models.Model):
    """A file that came with a mail. Its content is empty when it was refused for its size, which `refused` says."""

    email = models.ForeignKey(
        EmailMessage, on_delete=models.CASCADE, related_name="attachments", verbose_name=_("message")
    )
    rank = models.PositiveSmallIntegerField(_("order"))
    filename = models.CharField(_("file name"), max_length=300)
    content_type = models.CharField(_("type"), max_length=200)
    content_id = models.CharField(_("content id"), max_length=300, blank=True)
    is_inline = models.BooleanField(_("inside the text"), default=False)
    size_bytes = models.PositiveIntegerField(_("size (bytes)"))
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    content = models.BinaryField(blank=True)
    refused = models.CharField(_("refused because"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["rank"]
        constraints = [models.UniqueConstraint(name="attachment_rank_once", fields=["email", "rank"])]

    def __str__(self) -> str:
        return self.filename
