"""Who is told of what, by which way, and in which words."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case, TimelineEvent
from mail_ingest.models import OutboundMessage
from notifications.querysets import NotificationQuerySet, TemplateQuerySet
from notifications.wording import FIT_FOR_CUSTOMERS, PLACEHOLDERS, problems

ACKNOWLEDGMENT = "acknowledgment"


class Channel(models.TextChoices):
    IN_APP = "in_app", _("In the desk")
    EMAIL = "email", _("E-mail")


class NotificationTemplate(models.Model):
    """The words of one kind of message, for one channel, in one language. `{{ placeholders }}` are filled in."""

    Channel = Channel

    key = models.SlugField(_("kind"), max_length=60, help_text=_("For example acknowledgment or assigned."))
    channel = models.CharField(_("channel"), max_length=20, choices=Channel)
    language = models.CharField(_("language"), max_length=8, help_text=_("Two letters, for example en."))
    subject = models.CharField(_("subject"), max_length=300)
    body = models.TextField(_("text"))

    objects = TemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        ordering = ["key", "channel", "language"]
        constraints = [
            models.UniqueConstraint(name="template_once", fields=["key", "channel", "language"]),
            one_of("channel", Channel, name="template_channel_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key} · {self.channel} · {self.language}"

    def clean(self) -> None:
        # An acknowledgment goes to whoever the sender claims to be, so it may say only what is ours to say.
        allowed = [name for name in PLACEHOLDERS if self.key != ACKNOWLEDGMENT or name in FIT_FOR_CUSTOMERS]
        errors = {name: problems(getattr(self, name), allowed=allowed) for name in ("subject", "body")}
        self.language = self.language.strip().lower().replace("_", "-")
        if found := {name: texts for name, texts in errors.items() if texts}:
            raise ValidationError(found)


class Notification(models.Model):
    """One person told of one event, by one way; at most once each."""

    Channel = Channel

    event = models.ForeignKey(
        TimelineEvent, on_delete=models.PROTECT, related_name="notifications", verbose_name=_("event")
    )
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", verbose_name=_("to")
    )
    channel = models.CharField(_("channel"), max_length=20, choices=Channel)
    kind = models.CharField(_("kind"), max_length=60)
    case = models.ForeignKey(
        Case, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications", verbose_name=_("case")
    )
    title = models.CharField(_("title"), max_length=300)
    body = models.TextField(_("text"), blank=True)
    outbound = models.OneToOneField(
        OutboundMessage,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notification",
        verbose_name=_("mail"),
    )
    created_at = models.DateTimeField(_("created"))
    read_at = models.DateTimeField(_("read"), null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(name="notification_once", fields=["event", "recipient", "channel"]),
            one_of("channel", Channel, name="notification_channel_known"),
        ]
        indexes = [
            models.Index(name="notification_newest", fields=["recipient", "-created_at", "-id"]),  # a person's bell
            models.Index(  # the number on the bell
                name="notification_unread", fields=["recipient"], condition=Q(read_at=None, channel="in_app")
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Preference(models.Model):
    """A person's wish to be told, or not, of one kind of thing by one way. Without a row: yes."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notification_preferences",
        verbose_name=_("person"),
    )
    kind = models.CharField(_("kind"), max_length=60)
    channel = models.CharField(_("channel"), max_length=20, choices=Channel)
    wanted = models.BooleanField(_("wanted"), default=True)

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        constraints = [
            models.UniqueConstraint(name="preference_once", fields=["user", "kind", "channel"]),
            one_of("channel", Channel, name="preference_channel_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.kind} {self.channel}"
