from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case, TimelineEvent
from mail_ingest.models.mailbox import Mailbox
from mail_ingest.models.thread import EmailMessage, EmailThread
from mail_ingest.models.upload import Upload


class OutboundState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    MAYBE_SENT = "maybe_sent", _("May have been sent")
    FAILED = "failed", _("Failed")
    SUPPRESSED = "suppressed", _("Held back")
    CANCELLED = "cancelled", _("Cancelled")


class OutboundPurpose(models.TextChoices):
    ACKNOWLEDGMENT = "acknowledgment", _("Acknowledgment")
    REPLY = "reply", _("Reply")
    CONTRACTOR = "contractor", _("Mail to a contractor")
    TEMPLATE = "template", _("Templated mail to the customer")
    NOTIFICATION = "notification", _("Notification of a colleague")


class OutboundMessage(models.Model):
    """The queue of mail to send, and the record of what became of each.

    WAITING → SENDING → SENT; SENDING → MAYBE_SENT when a worker died between handing over and noting it (never sent
    again by itself); SUPPRESSED when the loop guard held it back, with the reason; FAILED after the last try, or when the
    server refused it for good; CANCELLED when somebody took it back while it waited. A person may send FAILED and MAYBE_SENT again.
    A mail that an event caused exists once for that event, recipient and purpose.
    """

    State = OutboundState
    Purpose = OutboundPurpose

    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="outbound", verbose_name=_("mailbox"))
    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, blank=True, related_name="outbound", verbose_name=_("case")
    )
    thread = models.ForeignKey(
        EmailThread,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outbound",
        verbose_name=_("conversation"),
    )
    email = models.OneToOneField(
        EmailMessage,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outbound",
        verbose_name=_("message"),
        help_text=_("The mail in its conversation, once it is sent."),
    )
    event = models.ForeignKey(
        TimelineEvent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outbound",
        verbose_name=_("caused by"),
    )
    purpose = models.CharField(_("purpose"), max_length=20, choices=OutboundPurpose)
    is_automatic = models.BooleanField(_("automatic"), default=True, help_text=_("Under the loop guard."))
    recipient = models.CharField(_("to (first)"), max_length=320)
    to = models.JSONField(_("to"), default=list, help_text=_("A list of {name, email}; empty: only the first."))
    cc = models.JSONField(_("cc"), default=list)
    bcc = models.JSONField(_("bcc"), default=list)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
        help_text=_("The colleague who wrote it. Empty for automatic mail."),
    )
    subject = models.CharField(_("subject"), max_length=998)
    body = models.TextField(_("text"))
    html = models.TextField(_("HTML"), blank=True)
    quoted = models.TextField(_("signature and quoted history"), blank=True)
    uploads = models.ManyToManyField(Upload, blank=True, related_name="outbound", verbose_name=_("files"))
    then_status = models.CharField(
        _("then set the status"), max_length=20, blank=True, help_text=_("The case's status once this is sent.")
    )
    message_id = models.CharField(_("Message-ID"), max_length=998, unique=True)
    in_reply_to = models.CharField(_("In-Reply-To"), max_length=998, blank=True)
    references = models.JSONField(_("References"), default=list)
    state = models.CharField(_("state"), max_length=20, choices=OutboundState, default=OutboundState.WAITING)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    send_after = models.DateTimeField(_("not before"))
    created_at = models.DateTimeField(_("created"))
    sending_since = models.DateTimeField(_("being sent since"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    bounced_at = models.DateTimeField(_("came back"), null=True, blank=True)
    bounces = models.JSONField(
        _("came back because"),
        default=list,
        help_text=_("A list of {recipient, reason, status, detail, is_permanent}."),
    )

    class Meta:
        verbose_name = _("outbound message")
        verbose_name_plural = _("outbound queue")
        constraints = [
            models.UniqueConstraint(
                name="outbound_once_per_event",
                fields=["event", "recipient", "purpose"],
                condition=Q(event__isnull=False),
            ),
            one_of("state", OutboundState, name="outbound_state_known"),
            one_of("purpose", OutboundPurpose, name="outbound_purpose_known"),
            models.CheckConstraint(
                name="outbound_unsent_has_reason",
                condition=~Q(state__in=["failed", "suppressed", "maybe_sent"]) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="outbound_sending_has_time", condition=~Q(state="sending") | Q(sending_since__isnull=False)
            ),
        ]
        indexes = [
            models.Index(  # the sender: what waits, in order
                name="outbound_waiting", fields=["send_after"], condition=Q(state="waiting")
            ),
            models.Index(  # the sweeper: what a dead worker left in the middle
                name="outbound_sending", fields=["sending_since"], condition=Q(state="sending")
            ),
            models.Index(  # the loop guard's rate caps
                name="outbound_rate", fields=["recipient", "-created_at"], condition=Q(is_automatic=True)
            ),
            models.Index(  # has a colleague ever written to this address
                name="outbound_written_to", fields=["recipient"], condition=Q(is_automatic=False)
            ),
            models.Index(  # the storm breaker: all automatic mail of the last minutes
                name="outbound_storm", fields=["-created_at"], condition=Q(is_automatic=True)
            ),
            models.Index(name="outbound_newest", fields=["-created_at", "-id"]),  # the default list, by cursor
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.recipient}"
