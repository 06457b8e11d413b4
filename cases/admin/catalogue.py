"""What cases are filed under, and whose they are: categories, tags, customers."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import BooleanRadioFilter, ChoicesDropdownFilter, RoleAdmin, actor_of, as_link, may_steer
from cases.admin_base import ConfigurationAdmin
from cases.models import Case, Category, Customer, Tag
from cases.services import update_customer

SHOWN_CASES = 20


@admin.register(Category)
class CategoryAdmin(ConfigurationAdmin[Category]):
    """A tree of two levels: each main category with those below it."""

    list_display = ("branch", "slug", "open_cases", "is_active")
    list_select_related = ("parent",)
    list_filter = (("is_active", BooleanRadioFilter),)
    search_fields = ("name", "slug", "parent__name")
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}
    fields = ("name", "slug", "parent", "is_active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        is_open = Q(cases__deleted_at=None, cases__status__in=Case.OPEN_STATUSES)
        return (
            super()
            .get_queryset(request)
            .select_related("parent")
            .annotate(open_case_count=Count("cases", filter=is_open))
        )

    def get_ordering(self, request: HttpRequest) -> Any:
        return (Coalesce("parent__name", "name"), Coalesce("parent_id", 0), "name")

    @admin.display(description=gettext_lazy("category"))
    def branch(self, category: Category) -> str:
        if category.parent:
            return format_html('<span class="hc-branch">{}</span>', category.name)
        return category.name

    @admin.display(description=gettext_lazy("open cases"))
    def open_cases(self, category: Category) -> Any:
        return getattr(category, "open_case_count", 0)


@admin.register(Tag)
class TagAdmin(ConfigurationAdmin[Tag]):
    list_display = ("name",)
    search_fields = ("name",)


@admin.register(Customer)
class CustomerAdmin(RoleAdmin[Customer]):
    """Customers come with their cases; what is known of them is edited here. Their address identifies them and stays."""

    list_display = ("label", "customer_type", "phone", "property_id", "property_address", "created_at")
    list_filter = (("customer_type", ChoicesDropdownFilter),)
    search_fields = ("email", "name", "property_id", "property_address")
    search_help_text = gettext_lazy("E-mail, name or property")
    ordering = ("-created_at", "-id")
    fieldsets = (
        (None, {"fields": ("email", "name", "phone", "customer_type")}),
        (
            gettext_lazy("Property"),
            {"fields": ("property_id", "property_address", ("property_number", "block_number"))},
        ),
        (gettext_lazy("Cases"), {"fields": ("recent_cases", "created_at")}),
    )
    readonly_fields = ("email", "recent_cases", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_steer(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        update_customer(obj.pk, values, at=timezone.now(), actor=actor_of(request))

    @admin.display(description=gettext_lazy("customer"), ordering="email")
    def label(self, customer: Customer) -> str:
        return str(customer)

    @admin.display(description=gettext_lazy("newest cases"))
    def recent_cases(self, customer: Customer) -> str:
        cases = customer.cases.filter(deleted_at=None).order_by("-created_at")[:SHOWN_CASES]
        rows = [(as_link(case), case.get_status_display()) for case in cases]
        return format_html_join("", "<p>{} · {}</p>", rows) if rows else _("None")
