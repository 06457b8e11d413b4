"""The words that people are told things in, and who was told what."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import AllValuesCheckboxFilter, ChoicesDropdownFilter, ReadOnlyAdmin, as_link, plain_text
from cases import history
from cases.admin_base import ConfigurationAdmin
from notifications.models import ACKNOWLEDGMENT, Notification, NotificationTemplate
from notifications.wording import FIT_FOR_CUSTOMERS, PLACEHOLDERS, render, render_subject

SAMPLE = {
    "case_number": "HC-10016",
    "case_title": "The heating is cold",
    "customer_name": "Tina Tenant",
    "assignee_name": "Ana Agent",
    "team_name": "Property management",
    "actor_name": "Sam Supervisor",
    "priority": "High",
    "status": "In Progress",
    "due_at": "4 Mar 2026 17:00 CET",
    "link": "https://desk.example/cases/HC-10016",
    "reason": "due Wed 17:00: received Tue 16:30, 3 h of 4 h used",
    "task_subject": "Send a plumber",
}


@admin.register(NotificationTemplate)
class TemplateAdmin(ConfigurationAdmin[NotificationTemplate]):
    list_display = ("key", "channel", "language", "subject")
    list_filter = (("channel", ChoicesDropdownFilter), ("language", AllValuesCheckboxFilter))
    search_fields = ("key", "subject", "body")
    readonly_fields = ("preview", "placeholders")
    fieldsets = (
        (None, {"fields": ("key", "channel", "language", "subject", "body")}),
        (_("Preview, with made-up values, as last saved"), {"fields": ("preview",)}),
        (_("Placeholders"), {"fields": ("placeholders",)}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "body":
            field.widget.attrs["rows"] = 14
        return field

    @admin.display(description=_("how it reads"))
    def preview(self, template: NotificationTemplate) -> SafeString:
        words = {"subject": render_subject(template.subject, SAMPLE), "body": render(template.body, SAMPLE)}
        return render_to_string("admin/parts/template_preview.html", words)

    @admin.display(description=_("what can be filled in"))
    def placeholders(self, template: NotificationTemplate) -> SafeString:
        offered = [
            (name, words)
            for name, words in PLACEHOLDERS.items()
            if template.key != ACKNOWLEDGMENT or name in FIT_FOR_CUSTOMERS
        ]
        return render_to_string("admin/parts/placeholders.html", {"offered": offered})


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin[Notification]):
    list_display = ("title", "recipient", "channel", "kind", "case_link", "created_at", "read_at")
    list_select_related = ("recipient", "case")
    list_filter = (("channel", ChoicesDropdownFilter),)
    search_fields = ("recipient__username", "=case__case_number")
    search_help_text = _("User name or case number")
    ordering = ("-id",)
    fields = (
        "title",
        "body_text",
        "recipient",
        "channel",
        "kind",
        "case_link",
        "mail",
        "caused_by",
        "created_at",
        "read_at",
    )

    body_text = plain_text("body", _("text"))

    @admin.display(description=_("case"))
    def case_link(self, notification: Notification) -> Any:
        return as_link(notification.case, text=notification.case.case_number if notification.case else "")

    @admin.display(description=_("mail"))
    def mail(self, notification: Notification) -> Any:
        return as_link(notification.outbound)

    @admin.display(description=_("caused by"))
    def caused_by(self, notification: Notification) -> Any:
        return as_link(notification.event, text=history.label_of(notification.event.kind))
