"""Tasks: what has to be done, by whom, inside the house or by a contractor."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from cases.models import Case
from tasks.querysets import TaskQuerySet


class TaskStatus(models.TextChoices):
    NEW = "new", _("New")
    IN_PROGRESS = "in_progress", _("In Progress")
    RESOLVED = "resolved", _("Resolved")
    CLOSED = "closed", _("Closed")


class TaskKind(models.TextChoices):
    INTERNAL = "internal", _("Internal")
    CONTRACTOR = "contractor", _("Contractor")


# From each status, the ones that may be set next.
TRANSITIONS: dict[str, frozenset[str]] = {
    "new": frozenset({"in_progress", "resolved", "closed"}),
    "in_progress": frozenset({"new", "resolved", "closed"}),
    "resolved": frozenset({"in_progress", "closed"}),
    "closed": frozenset({"in_progress"}),
}


class Contractor(models.Model):
    """A firm or craftsman from outside, in the directory that tasks are given to."""

    name = models.CharField(_("name"), max_length=200)
    company = models.CharField(_("company"), max_length=200, blank=True)
    trade = models.CharField(_("trade"), max_length=100, blank=True, help_text=_("For example plumber, electrician."))
    email = models.EmailField(_("e-mail"), max_length=320, unique=True)
    phone = models.CharField(_("phone"), max_length=60, blank=True)
    is_active = models.BooleanField(_("gets work"), default=True)

    class Meta:
        verbose_name = _("contractor")
        verbose_name_plural = _("contractors")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.trade})" if self.trade else self.name


class Task(models.Model):
    """One thing to do: New → In Progress → Resolved → Closed. It belongs to a case or stands alone.

    `email_id` and `thread_id` remember the mail that it came from; they are values, not references.
    """

    Status = TaskStatus
    Kind = TaskKind

    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("case")
    )
    email_id = models.BigIntegerField(_("mail"), null=True, blank=True)
    thread_id = models.BigIntegerField(_("thread"), null=True, blank=True)
    subject = models.CharField(_("subject"), max_length=300)
    content = models.TextField(_("content"), blank=True)
    sender = models.CharField(_("sender"), max_length=200, blank=True)
    sender_email = models.EmailField(_("sender's e-mail"), max_length=320, blank=True)
    kind = models.CharField(_("kind"), max_length=20, choices=TaskKind, default=TaskKind.INTERNAL)
    trade = models.CharField(_("trade"), max_length=100, blank=True)
    contractor = models.ForeignKey(
        Contractor, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("contractor")
    )
    priority = models.CharField(_("priority"), max_length=20, choices=Case.Priority, default=Case.Priority.MEDIUM)
    category = models.CharField(_("category"), max_length=60, blank=True, help_text=_("A category's slug."))
    status = models.CharField(_("status"), max_length=20, choices=TaskStatus, default=TaskStatus.NEW)
    sentiment = models.CharField(_("sentiment"), max_length=20, choices=Case.Sentiment, default=Case.Sentiment.NEUTRAL)
    summary = models.TextField(_("summary"), blank=True)
    action_required = models.CharField(_("action required"), max_length=300, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tasks",
        verbose_name=_("assigned to"),
    )
    is_required = models.BooleanField(
        _("required"), default=False, help_text=_("The case cannot be resolved while this task is open.")
    )
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    updated_at = models.DateTimeField(_("updated"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
        help_text=_("Empty when triage or a rule added the task."),
    )
    version = models.PositiveIntegerField(_("version"), default=1)

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [
            one_of("status", TaskStatus, name="task_status_known"),
            one_of("kind", TaskKind, name="task_kind_known"),
            one_of("priority", Case.Priority, name="task_priority_known"),
            one_of("sentiment", Case.Sentiment, name="task_sentiment_known"),
            models.CheckConstraint(name="task_has_subject", condition=~Q(subject="")),
            models.CheckConstraint(
                name="task_resolved_after_created",
                condition=Q(resolved_at=None) | Q(resolved_at__gte=F("created_at")),
            ),
            models.CheckConstraint(
                name="task_done_has_time",
                condition=Q(status__in=["new", "in_progress"], resolved_at=None)
                | Q(status__in=["resolved", "closed"], resolved_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(  # a person's list of things to do
                name="task_queue", fields=["assigned_to", "-created_at"], condition=Q(status__in=["new", "in_progress"])
            ),
            models.Index(name="task_newest", fields=["-created_at", "-id"]),  # the default list, by cursor
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_open(self) -> bool:
        return self.status in {TaskStatus.NEW, TaskStatus.IN_PROGRESS}

    @property
    def allowed_moves(self) -> list[str]:
        return [status for status in TaskStatus.values if status in TRANSITIONS[self.status]]

    def can_become(self, status: str) -> bool:
        return status in TRANSITIONS[self.status]


class ChecklistItem(models.Model):
    """One step of a task."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="checklist", verbose_name=_("task"))
    rank = models.PositiveSmallIntegerField(_("order"))
    text = models.CharField(_("step"), max_length=300)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["rank", "id"]
        constraints = [models.UniqueConstraint(name="checklist_rank_once", fields=["task", "rank"])]

    def __str__(self) -> str:
        return self.text
