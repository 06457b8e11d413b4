from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case
from mail_ingest.models.mailbox import Mailbox
from mail_ingest.models.source import FolderRole
from mail_ingest.models.thread import EmailMessage
from mail_ingest.querysets import InboundQuerySet


class InboundState(models.TextChoices):
    RECEIVED = "received", _("Received")
    THREADED = "threaded", _("Threaded")
    ANALYSED = "analysed", _("Analysed")
    FILED = "filed", _("Filed")
    IGNORED = "ignored", _("Ignored")
    QUARANTINED = "quarantined", _("Quarantined")


class InboundOrigin(models.TextChoices):
    LIVE = "live", _("Live")
    BACKFILL = "backfill", _("Backfill")
    IMPORT = "import", _("Import")
    RESYNC = "resync", _("Resync")


class PutAway(models.TextChoices):
    """What is still to be done in the mailbox itself. Always the last thing: a mail is stored and filed before it moves."""

    NOTHING = "nothing", _("Nothing to do")
    DUE = "due", _("To be moved or marked")
    DONE = "done", _("Moved or marked")
    GIVEN_UP = "given_up", _("Could not be moved or marked")


class InboundMessage(models.Model):
    """The intake ledger: one row for each mail that a source has ever shown us, with exactly one outcome.

    RECEIVED → THREADED → ANALYSED → FILED; or IGNORED; or QUARANTINED, from where a replay starts again at RECEIVED.
    The raw bytes are stored before anything else is done with them, in `InboundRaw`.
    """

    State = InboundState
    Origin = InboundOrigin
    PutAway = PutAway
    PENDING = (InboundState.RECEIVED, InboundState.THREADED, InboundState.ANALYSED)

    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="inbound", verbose_name=_("mailbox"))
    source_id = models.CharField(
        _("source id"), max_length=500, help_text=_("What the source calls it; for a folder the hash of the bytes.")
    )
    role = models.CharField(_("found in"), max_length=20, choices=FolderRole, default=FolderRole.INBOX)
    message_id = models.CharField(_("Message-ID"), max_length=998, blank=True)
    content_key = models.CharField(
        _("content key"),
        max_length=64,
        help_text=_(
            "Message-ID and content as one hash: how a mail is known again when the source calls it otherwise."
        ),
    )
    sha256 = models.CharField(
        _("SHA-256"), max_length=64, blank=True, help_text=_("Empty while its source has not handed it over.")
    )
    size_bytes = models.PositiveIntegerField(_("size (bytes)"))
    origin = models.CharField(_("origin"), max_length=20, choices=InboundOrigin, default=InboundOrigin.LIVE)
    answerable = models.BooleanField(
        _("may be answered"),
        default=True,
        help_text=_("Off for imported, backfilled and old mail: it is never answered."),
    )
    state = models.CharField(_("state"), max_length=20, choices=InboundState, default=InboundState.RECEIVED)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    received_at = models.DateTimeField(_("received"))
    stored_at = models.DateTimeField(_("stored"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    put_away = models.CharField(_("in the mailbox"), max_length=20, choices=PutAway, default=PutAway.NOTHING)
    put_away_tries = models.PositiveSmallIntegerField(_("tries to move or mark"), default=0)
    put_away_next_at = models.DateTimeField(_("next try to move or mark"), null=True, blank=True)
    put_away_detail = models.CharField(_("why it was not moved or marked"), max_length=300, blank=True)
    email = models.OneToOneField(
        EmailMessage, on_delete=models.PROTECT, null=True, blank=True, related_name="inbound", verbose_name=_("message")
    )
    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, blank=True, related_name="inbound", verbose_name=_("case")
    )

    objects = InboundQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbound message")
        verbose_name_plural = _("intake ledger")
        constraints = [
            models.UniqueConstraint(name="inbound_once", fields=["mailbox", "source_id"]),
            models.UniqueConstraint(name="inbound_content_once", fields=["mailbox", "role", "content_key"]),
            one_of("role", FolderRole, name="inbound_role_known"),
            one_of("put_away", PutAway, name="inbound_put_away_known"),
            one_of("state", InboundState, name="inbound_state_known"),
            one_of("origin", InboundOrigin, name="inbound_origin_known"),
            models.CheckConstraint(
                name="inbound_filed_has_case",
                condition=~Q(state="filed") | Q(case__isnull=False, email__isnull=False, finished_at__isnull=False),
            ),
            models.CheckConstraint(
                name="inbound_put_aside_has_reason", condition=~Q(state__in=["ignored", "quarantined"]) | ~Q(reason="")
            ),
        ]
        indexes = [
            models.Index(  # the sweeper: mail that is not finished, oldest first
                name="inbound_pending",
                fields=["stored_at"],
                condition=Q(state__in=["received", "threaded", "analysed"]),
            ),
            models.Index(  # what is still to be moved or marked in its mailbox
                name="inbound_put_away", fields=["put_away_next_at"], condition=Q(put_away="due")
            ),
            models.Index(  # what its source has still to hand over
                name="inbound_missed", fields=["mailbox", "next_try_at"], condition=Q(sha256="")
            ),
            models.Index(name="inbound_newest", fields=["-received_at", "-id"]),  # the ledger's default list, by cursor
            models.Index(name="inbound_message_id", fields=["message_id"]),  # has this mail come before, by another way
        ]

    def __str__(self) -> str:
        return self.message_id or self.source_id


class SourceAlias(models.Model):
    """Another id under which the source shows a mail that is in the ledger: after a resync, a move, a new UIDVALIDITY."""

    inbound = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="aliases")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="+")
    source_id = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(name="source_alias_once", fields=["mailbox", "source_id"])]

    def __str__(self) -> str:
        return self.source_id


class InboundRaw(models.Model):
    """The bytes of a mail, exactly as they came."""

    inbound = models.OneToOneField(InboundMessage, on_delete=models.CASCADE, primary_key=True, related_name="raw")
    content = models.BinaryField()

    def __str__(self) -> str:
        return str(self.inbound_id)
