import uuid
from datetime import datetime
from uuid import UUID

import uuid_utils.compat
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.choices import OPEN_STATUSES, CasePriority, CaseSentiment, CaseSLAStatus, CaseStatus, CaseType, LinkKind
from cases.constraints import one_of
from cases.lifecycle import TRANSITIONS
from cases.models.category import Category
from cases.models.customer import Customer
from cases.querysets import CaseQuerySet


def new_case_id() -> UUID:
    """A version 7 UUID (RFC 9562): unique without a lock, and in order of creation."""
    return uuid.UUID(int=uuid_utils.compat.uuid7().int)


class Tag(models.Model):
    name = models.CharField(_("name"), max_length=60, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Case(models.Model):
    """A customer's matter, from the first mail to its close.

    Status moves along `cases.lifecycle.TRANSITIONS`; only services change a row. `provenance` says for each label who
    set it: {"priority": {"by": "person" | "model" | "offline" | "rule" | "mail", "at": …, "confidence": …}}.
    """

    Status = CaseStatus
    Priority = CasePriority
    Sentiment = CaseSentiment
    Type = CaseType
    SLAStatus = CaseSLAStatus

    OPEN_STATUSES = OPEN_STATUSES

    id = models.UUIDField(primary_key=True, default=new_case_id, editable=False)
    case_number = models.CharField(_("number"), max_length=20, unique=True, editable=False)
    title = models.CharField(_("title"), max_length=300)
    description = models.TextField(_("description"), blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.NEW)
    case_type = models.CharField(_("type"), max_length=20, choices=Type, default=Type.GENERAL)
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, blank=True, related_name="cases", verbose_name=_("category")
    )
    priority = models.CharField(_("priority"), max_length=20, choices=Priority, default=Priority.MEDIUM)
    sentiment = models.CharField(_("sentiment"), max_length=20, choices=Sentiment, default=Sentiment.NEUTRAL)
    language = models.CharField(_("language"), max_length=8, blank=True)
    summary = models.TextField(_("summary"), blank=True)
    action_required = models.CharField(_("action required"), max_length=300, blank=True)
    provenance = models.JSONField(_("who set what"), default=dict, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    tags = models.ManyToManyField(Tag, related_name="cases", blank=True, verbose_name=_("tags"))

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="cases", verbose_name=_("customer"))
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="assigned_cases",
        verbose_name=_("assigned to"),
    )
    assigned_team = models.ForeignKey(
        "accounts.Team", on_delete=models.PROTECT, null=True, blank=True, related_name="cases", verbose_name=_("team")
    )
    escalation_level = models.PositiveSmallIntegerField(_("escalation level"), default=0)

    sla_status = models.CharField(_("SLA"), max_length=20, choices=SLAStatus, default=SLAStatus.NOT_APPLICABLE)
    sla_due_date = models.DateTimeField(_("due"), null=True, blank=True)

    received_at = models.DateTimeField(_("received"), help_text=_("When the customer's first message reached us."))
    created_at = models.DateTimeField(_("created"))
    updated_at = models.DateTimeField(_("updated"))
    status_changed_at = models.DateTimeField(_("in this status since"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    first_response_at = models.DateTimeField(_("first response"), null=True, blank=True)
    last_activity_at = models.DateTimeField(_("last message"))
    reopen_count = models.PositiveSmallIntegerField(_("reopened"), default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
        help_text=_("Empty when a mail opened the case."),
    )
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("updated by"),
        help_text=_("Empty when the last change was made by a mail, a rule or the system."),
    )
    version = models.PositiveIntegerField(
        _("version"), default=1, help_text=_("Counts people's edits; a write with an older version is refused.")
    )
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="merged_cases",
        verbose_name=_("merged into"),
    )
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        constraints = [
            one_of("status", CaseStatus, name="case_status_known"),
            one_of("case_type", CaseType, name="case_type_known"),
            one_of("priority", CasePriority, name="case_priority_known"),
            one_of("sentiment", CaseSentiment, name="case_sentiment_known"),
            one_of("sla_status", CaseSLAStatus, name="case_sla_status_known"),
            models.CheckConstraint(name="case_has_title", condition=~Q(title="")),
            models.CheckConstraint(
                name="case_resolved_after_received",
                condition=Q(resolved_at=None) | Q(resolved_at__gte=F("received_at")),
            ),
            models.CheckConstraint(
                name="case_resolved_has_time",
                condition=~Q(status="resolved") | Q(resolved_at__isnull=False),
            ),
            models.CheckConstraint(
                name="case_merged_has_target",
                condition=Q(status="merged", merged_into__isnull=False) | (~Q(status="merged") & Q(merged_into=None)),
            ),
            models.CheckConstraint(name="case_not_merged_into_itself", condition=~Q(merged_into=F("id"))),
        ]
        indexes = [
            models.Index(  # the default list: cases that exist, newest first, by cursor
                name="case_newest", fields=["-created_at", "-id"], condition=Q(deleted_at=None)
            ),
            models.Index(  # an agent's queue: open cases of one person
                name="case_queue",
                fields=["assigned_to", "-created_at"],
                condition=Q(deleted_at=None, status__in=["new", "in_progress", "awaiting_customer", "awaiting_vendor"]),
            ),
            models.Index(  # a team's queue, and what nobody has taken yet
                name="case_team_queue",
                fields=["assigned_team", "-created_at"],
                condition=Q(deleted_at=None, status__in=["new", "in_progress", "awaiting_customer", "awaiting_vendor"]),
            ),
            models.Index(  # the rule of silence: who has waited longest in a status
                name="case_silence", fields=["status", "last_activity_at"], condition=Q(deleted_at=None)
            ),
            models.Index(  # what is due next
                name="case_due", fields=["sla_due_date"], condition=Q(deleted_at=None, sla_due_date__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_number} {self.title}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN_STATUSES

    @property
    def allowed_moves(self) -> list[str]:
        """The statuses that this case can be given now, in the order of the lifecycle."""
        return [status for status in self.Status.values if status in TRANSITIONS[self.status]]

    def can_become(self, status: str) -> bool:
        return status in TRANSITIONS[self.status]

    def silent_since(self) -> datetime:
        """The later of the last message and the last move."""
        return max(self.last_activity_at, self.status_changed_at)


class CaseNumber(models.Model):
    """A counter: each row is a number that was handed out once and is never handed out again.

    Its id comes from the database's own sequence, which waits for no other transaction.
    """

    issued_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.pk)


class CaseLink(models.Model):
    """Two cases that have to do with each other."""

    Kind = LinkKind

    source = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="links_out")
    target = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="links_in")
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.RELATED)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("link between cases")
        verbose_name_plural = _("links between cases")
        constraints = [
            models.UniqueConstraint(name="case_link_once", fields=["source", "target", "kind"]),
            models.CheckConstraint(name="case_link_to_another", condition=~Q(source=F("target"))),
            one_of("kind", LinkKind, name="case_link_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.kind} {self.target_id}"
