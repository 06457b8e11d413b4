from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Team
from cases.facts import FACTS
from cases.models import Case, Category, Customer, Tag
from handyconnect.api.filters import (
    ChoicesFilter,
    ExactFilter,
    FlagFilter,
    MomentFilter,
    NumberFilter,
    PersonFilter,
    SearchFilter,
    SlugFilter,
    StrictFilterSet,
)


class TagFilter(ExactFilter):
    """Cases with one of these tags, by comma."""

    def condition(self, value: list[str]) -> Q:
        # A join would show a case once for each of its tags.
        through = Case.tags.through.objects.filter(tag__in=Tag.objects.filter(name__in=value))
        return Q(pk__in=through.values("case_id"))


class CategoryFilter(SlugFilter):
    """Categories by slug, comma-separated; a main category stands for its parts too; `none` is without one."""

    def condition(self, value: list[str]) -> Q:
        return super().condition(value) | Q(category__parent__slug__in=value)


class OpenFilter(FlagFilter):
    """Whether somebody still has to do something: not resolved, closed or merged."""

    def condition(self, value: Any) -> Q:
        is_open = Q(status__in=Case.OPEN_STATUSES)
        return is_open if value else ~is_open


class OverdueFilter(FlagFilter):
    """Open, and its due date is past."""

    def condition(self, value: Any) -> Q:
        overdue = Q(status__in=Case.OPEN_STATUSES, sla_due_date__isnull=False, sla_due_date__lt=timezone.now())
        return overdue if value else ~overdue


class EmailFilter(ExactFilter):
    """E-mail addresses of customers, by comma."""

    def parse(self, text: str) -> str:
        return text.lower()


class CaseFilter(StrictFilterSet):
    status = ChoicesFilter(Case.Status)
    is_open = OpenFilter("status")
    case_type = ChoicesFilter(Case.Type)
    category = CategoryFilter(Category)
    priority = ChoicesFilter(Case.Priority)
    sentiment = ChoicesFilter(Case.Sentiment)
    sla_status = ChoicesFilter(Case.SLAStatus)
    overdue = OverdueFilter("sla_due_date")
    escalation_level = NumberFilter()
    assigned_to = PersonFilter("assigned_to")
    assigned_team = SlugFilter(Team)
    created_by = PersonFilter("created_by")
    tag = TagFilter("tags")
    customer_email = EmailFilter("customer__email")
    customer_type = ChoicesFilter(Customer.Type, "customer__customer_type")
    property_id = ExactFilter("customer__property_id")
    language = ExactFilter()
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")
    updated_after = MomentFilter("updated_at", "gte")
    updated_before = MomentFilter("updated_at", "lt")
    received_after = MomentFilter("received_at", "gte")
    received_before = MomentFilter("received_at", "lt")
    resolved_after = MomentFilter("resolved_at", "gte")
    resolved_before = MomentFilter("resolved_at", "lt")
    due_after = MomentFilter("sla_due_date", "gte")
    due_before = MomentFilter("sla_due_date", "lt")


class CaseSearchFilter(CaseFilter):
    q = SearchFilter(
        "case_number",
        "title",
        "description",
        "customer__name",
        "customer__email",
        help_text="Words that have to stand in the number, the title, the description, or the customer's name or address.",
    )


class TimelineFilter(StrictFilterSet):
    kind = ChoicesFilter(tuple(FACTS))
    actor = ChoicesFilter(("user", "rule", "mail", "system"), "actor_kind")
    occurred_after = MomentFilter("occurred_at", "gte")
    occurred_before = MomentFilter("occurred_at", "lt")


class NoteFilter(StrictFilterSet):
    author = PersonFilter("author")
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")


class CategoryListFilter(StrictFilterSet):
    is_active = FlagFilter("is_active")
    parent = SlugFilter(Category, "parent")
