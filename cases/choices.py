"""The words of the house: stored in snake_case, shown with a label. Reachable as `Case.Status` and so on."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class CaseStatus(models.TextChoices):
    NEW = "new", _("New")
    IN_PROGRESS = "in_progress", _("In Progress")
    AWAITING_CUSTOMER = "awaiting_customer", _("Awaiting Customer")
    AWAITING_VENDOR = "awaiting_vendor", _("Awaiting Vendor")
    RESOLVED = "resolved", _("Resolved")
    CLOSED = "closed", _("Closed")
    MERGED = "merged", _("Merged")


class CasePriority(models.TextChoices):
    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    URGENT = "urgent", _("Urgent")
    CRITICAL = "critical", _("Critical")


class CaseSentiment(models.TextChoices):
    POSITIVE = "positive", _("Positive")
    NEUTRAL = "neutral", _("Neutral")
    NEGATIVE = "negative", _("Negative")
    FRUSTRATED = "frustrated", _("Frustrated")


class CaseType(models.TextChoices):
    COMPLAINT = "complaint", _("Complaint")
    REQUEST = "request", _("Request")
    QUERY = "query", _("Query")
    FEEDBACK = "feedback", _("Feedback")
    SUGGESTION = "suggestion", _("Suggestion")
    MAINTENANCE = "maintenance", _("Maintenance")
    BILLING = "billing", _("Billing")
    SECURITY = "security", _("Security")
    GENERAL = "general", _("General")


class CaseSLAStatus(models.TextChoices):
    ON_TIME = "on_time", _("On Time")
    AT_RISK = "at_risk", _("At Risk")
    BREACHED = "breached", _("Breached")
    MET = "met", _("Met")
    PAUSED = "paused", _("Paused")
    NOT_APPLICABLE = "not_applicable", _("Not Applicable")


class CustomerType(models.TextChoices):
    TENANT = "tenant", _("Tenant")
    OWNER = "owner", _("Owner")
    CONTRACTOR = "contractor", _("Contractor")
    VISITOR = "visitor", _("Visitor")
    VENDOR = "vendor", _("Vendor")
    OTHER = "other", _("Other")


class LinkKind(models.TextChoices):
    RELATED = "related", _("Related to")
    DUPLICATE = "duplicate", _("Duplicate of")
    PARENT = "parent", _("Part of")


OPEN_STATUSES = (CaseStatus.NEW, CaseStatus.IN_PROGRESS, CaseStatus.AWAITING_CUSTOMER, CaseStatus.AWAITING_VENDOR)
