from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.models.case import Case
from cases.querysets import TimelineQuerySet

MAX_DEPTH = 5


class TimelineEvent(models.Model):
    """One thing that happened: the timeline, the audit log and the outbox are all readings of this table.

    A row is written in the transaction of the change that it tells of, and never again changed: the database refuses
    UPDATE and DELETE (see `cases.append_only`), except the seal, `position` and `hash`, which is given once, after
    commit. Nothing personal stands here: it is in `EventDetail`, whose salted digest is `detail_digest`.
    """

    kind = models.CharField(_("what happened"), max_length=60)
    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, blank=True, related_name="timeline", verbose_name=_("case")
    )
    subject_type = models.CharField(_("to what"), max_length=60, help_text=_("For example case, task, message, rule."))
    subject_id = models.CharField(_("id"), max_length=60)
    actor_kind = models.CharField(_("by"), max_length=20)
    actor_reference = models.CharField(_("who"), max_length=100)
    occurred_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    changes = models.JSONField(_("changes"), default=dict, help_text=_("Field → [old, new]."))
    data = models.JSONField(_("facts"), default=dict)
    detail_digest = models.CharField(max_length=64, blank=True)
    cause = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="effects", verbose_name=_("caused by")
    )
    depth = models.PositiveSmallIntegerField(_("depth"), default=0)
    position = models.BigIntegerField(_("position"), null=True, unique=True)
    hash = models.CharField(_("hash"), max_length=64, blank=True)

    objects = TimelineQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("timeline")
        constraints = [
            models.CheckConstraint(
                name="event_sealed_whole",
                condition=Q(position=None, hash="") | (Q(position__gte=1) & ~Q(hash="")),
            ),
            models.CheckConstraint(name="event_depth_bounded", condition=Q(depth__lte=MAX_DEPTH)),
            models.CheckConstraint(name="event_not_its_own_cause", condition=~Q(cause=F("id"))),
        ]
        indexes = [
            models.Index(name="event_case", fields=["case", "-id"]),  # a case's timeline and its ETag
            models.Index(
                name="event_unsealed", fields=["id"], condition=Q(position=None)
            ),  # what the sealer takes next
            models.Index(name="event_subject", fields=["subject_type", "subject_id"]),  # the audit trail of one thing
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_type} {self.subject_id}"


class EventDetail(models.Model):
    """What is personal in an event. Erasing a person sets `body` to null; the digest in the event stays true."""

    event = models.OneToOneField(TimelineEvent, on_delete=models.PROTECT, primary_key=True, related_name="detail")
    salt = models.CharField(max_length=32)
    body = models.JSONField(null=True)

    def __str__(self) -> str:
        return str(self.event_id)


class LogHead(models.Model):
    """The last sealed position and its hash: one row, whose lock makes the sealer single."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(name="log_head_single", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.position)


class ListenerCursor(models.Model):
    """How far one listener has come in the log. Moved in the transaction of the listener's own effect."""

    name = models.CharField(_("listener"), max_length=60, primary_key=True)
    position = models.BigIntegerField(_("finished up to"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)

    class Meta:
        verbose_name = _("listener")
        verbose_name_plural = _("listeners")

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"


class ListenerFailure(models.Model):
    """An event that a listener could not handle: tried a few times, then set aside for a person to look at."""

    listener = models.CharField(_("listener"), max_length=60)
    event = models.ForeignKey(TimelineEvent, on_delete=models.PROTECT, related_name="failures", verbose_name=_("event"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"))
    failed_at = models.DateTimeField(_("last failed"))
    set_aside_at = models.DateTimeField(_("set aside"), null=True, blank=True)
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)

    class Meta:
        verbose_name = _("event set aside")
        verbose_name_plural = _("events set aside")
        constraints = [models.UniqueConstraint(name="listener_failure_once", fields=["listener", "event"])]

    def __str__(self) -> str:
        return f"{self.listener}: {self.event_id}"
