"""How far each folder of a mailbox has been read. Bookkeeping: what was found is in the ledger, and only that is a fact."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from handyconnect.encryption import EncryptedTextField
from mail_ingest.models.mailbox import Mailbox


class FolderRole(models.TextChoices):
    INBOX = "inbox", _("Inbox")
    SENT = "sent", _("Sent items")


class SourceFolder(models.Model):
    """One folder of a mailbox, and where its reading stands.

    `position` is the source's own: Graph `{"link": …}`, IMAP `{"uidvalidity": …, "uid": …}`. It is stored only together
    with, or after, the messages that it covers, so that a kill in between reads some of them again and loses none. An
    empty position reads the whole folder; what is known already changes nothing.
    """

    Role = FolderRole

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="folders", verbose_name=_("mailbox"))
    role = models.CharField(_("role"), max_length=20, choices=FolderRole)
    since = models.DateTimeField(
        _("takes mail from"),
        null=True,
        blank=True,
        help_text=_("Set when it is first read. What was received before is old mail: only a backfill reads it."),
    )
    position = models.JSONField(_("read up to"), default=dict, blank=True)
    resyncing = models.BooleanField(
        _("resyncing"),
        default=False,
        help_text=_("The position was lost: all is read again, nothing of it is new mail to be answered."),
    )
    leased_until = models.DateTimeField(_("being read until"), null=True, blank=True)
    next_round_at = models.DateTimeField(_("next round"), null=True, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    stuck_on = models.CharField(
        _("stuck on"), max_length=500, blank=True, help_text=_("The message at which the last round broke off.")
    )
    round_at = models.DateTimeField(_("last round"), null=True, blank=True)
    reconciled_at = models.DateTimeField(_("last compared"), null=True, blank=True)
    push_detail = models.TextField(
        _("why Microsoft 365 does not call us"),
        blank=True,
        help_text=_("It only takes longer then until mail is here: the folder is read every minute all the same."),
    )
    push_claimed_until = models.DateTimeField(_("subscription being seen to until"), null=True, blank=True)

    class Meta:
        verbose_name = _("folder of a mailbox")
        verbose_name_plural = _("folders of mailboxes")
        constraints = [
            models.UniqueConstraint(name="source_folder_once", fields=["mailbox", "role"]),
            one_of("role", FolderRole, name="source_folder_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id}: {self.role}"


class GraphSubscription(models.Model):
    """A promise of Microsoft's to call us when a message arrives. Polling goes on regardless."""

    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.CASCADE, related_name="subscriptions", verbose_name=_("mailbox")
    )
    role = models.CharField(_("role"), max_length=20, choices=FolderRole)
    subscription_id = models.CharField(_("id"), max_length=200, unique=True)
    client_state = EncryptedTextField(_("client state"), help_text=_("What a genuine notification has to carry."))
    expires_at = models.DateTimeField(_("expires"))
    created_at = models.DateTimeField(_("made"))
    last_notice_at = models.DateTimeField(_("last notification"), null=True, blank=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = [models.UniqueConstraint(name="subscription_once", fields=["mailbox", "role"])]

    def __str__(self) -> str:
        return self.subscription_id


class GraphNotice(models.Model):
    """A notification, kept before it is answered. Duplicates are one row until it has been seen to."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="notices", verbose_name=_("mailbox"))
    role = models.CharField(_("role"), max_length=20, choices=FolderRole)
    message_id = models.CharField(_("message"), max_length=500, blank=True, help_text=_("Empty for a lifecycle one."))
    lifecycle = models.CharField(_("lifecycle event"), max_length=60, blank=True)
    received_at = models.DateTimeField(_("received"))
    next_try_at = models.DateTimeField(
        _("next try"), null=True, blank=True, help_text=_("While a worker sees to it, nobody else does.")
    )
    handled_at = models.DateTimeField(_("seen to"), null=True, blank=True)

    class Meta:
        verbose_name = _("notification from Microsoft 365")
        verbose_name_plural = _("notifications from Microsoft 365")
        constraints = [
            models.UniqueConstraint(
                name="notice_once_while_open",
                fields=["mailbox", "role", "message_id", "lifecycle"],
                condition=Q(handled_at=None),
            ),
        ]
        indexes = [
            models.Index(
                name="notice_open", fields=["received_at"], condition=Q(handled_at=None)
            ),  # what to see to next
            models.Index(name="notice_done", fields=["handled_at"]),  # the nightly clean-up
        ]

    def __str__(self) -> str:
        return self.lifecycle or self.message_id


class BackfillState(models.TextChoices):
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")


class Backfill(models.Model):
    """Somebody asked for the old mail of a mailbox. It is read in pieces, filed, and answered by nobody."""

    State = BackfillState

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="backfills", verbose_name=_("mailbox"))
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    state = models.CharField(_("state"), max_length=20, choices=BackfillState, default=BackfillState.RUNNING)
    position = models.JSONField(_("read up to"), default=dict, blank=True)
    found = models.PositiveIntegerField(_("found"), default=0)
    stored = models.PositiveIntegerField(_("new"), default=0)
    detail = models.TextField(_("what is wrong"), blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("asked for by")
    )
    created_at = models.DateTimeField(_("asked for"))
    next_step_at = models.DateTimeField(_("next step"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("backfill")
        verbose_name_plural = _("backfills")
        constraints = [
            one_of("state", BackfillState, name="backfill_state_known"),
            models.CheckConstraint(name="backfill_has_a_span", condition=Q(until__gt=F("since"))),
            models.UniqueConstraint(name="backfill_one_at_a_time", fields=["mailbox"], condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d} – {self.until:%Y-%m-%d}"  # noqa: RUF001 - a span is written with an en dash
