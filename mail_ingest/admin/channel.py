"""Conversations and their messages."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    ReadOnlyAdmin,
    as_json,
    as_link,
    coloured,
)
from mail_ingest.admin.conversation import messages_of_thread, readable, shown
from mail_ingest.admin.moves import MOVE, SPLIT
from mail_ingest.models import EmailMessage, EmailThread


@admin.register(EmailThread)
class ThreadAdmin(ReadOnlyAdmin[EmailThread]):
    list_display = ("updated_at", "subject_shown", "case_link", "mailbox", "status", "message_count")
    list_display_links = ("updated_at", "subject_shown")
    list_select_related = ("case", "mailbox")
    list_filter = (("mailbox", AutocompleteSelectFilter), ("status", ChoicesDropdownFilter))
    search_fields = ("subject", "=case__case_number")
    search_help_text = _("Subject or case number")
    ordering = ("-updated_at", "-id")
    fields = ("subject_shown", "case_link", "mailbox", "status", ("created_at", "updated_at"), "conversation")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmailThread]:
        emails = EmailMessage.objects.filter(thread=OuterRef("pk")).order_by().values("thread")
        return super().get_queryset(request).annotate(mails=Subquery(emails.annotate(n=Count("pk")).values("n")))

    @admin.display(description=_("subject"), ordering="subject")
    def subject_shown(self, thread: EmailThread) -> str:
        return thread.subject or "–"  # noqa: RUF001 - an en dash stands for nothing

    @admin.display(description=_("case"))
    def case_link(self, thread: EmailThread) -> Any:
        return as_link(thread.case, text=thread.case.case_number if thread.case else "")

    @admin.display(description=_("messages"))
    def message_count(self, thread: EmailThread) -> Any:
        return getattr(thread, "mails", None) or 0

    @admin.display(description=_("conversation"))
    def conversation(self, thread: EmailThread) -> SafeString:
        return render_to_string("parts/conversation.html", {"data": {"messages": shown(messages_of_thread(thread))}})


@admin.register(EmailMessage)
class MessageAdmin(ReadOnlyAdmin[EmailMessage]):
    list_display = (
        "received_at",
        "subject_shown",
        "sender",
        "direction",
        "automatic_badge",
        "case_link",
        "threaded_by",
    )
    list_display_links = ("received_at", "subject_shown")
    list_select_related = ("thread__case",)
    list_filter = (("direction", ChoicesDropdownFilter), ("automatic", ChoicesDropdownFilter))
    acts = (MOVE, SPLIT)
    search_fields = ("subject", "from_email", "=message_id")
    search_help_text = _("Subject, sender or Message-ID")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("subject_shown", "thread_link", "case_link", ("direction", "automatic_badge"), "mail")}),
        (
            _("How it found its place"),
            {"fields": ("threaded_by", "automatic_rule", "message_id", ("sent_at", "received_at"))},
        ),
        (_("Headers"), {"fields": ("headers_shown",), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmailMessage]:
        return super().get_queryset(request).defer("html", "text")

    @admin.display(description=_("subject"), ordering="subject")
    def subject_shown(self, message: EmailMessage) -> str:
        return message.subject or "–"  # noqa: RUF001 - an en dash stands for nothing

    @admin.display(description=_("from"))
    def sender(self, message: EmailMessage) -> str:
        return message.sender

    @coloured(
        _("written by"),
        ordering="automatic",
        colours={"auto_reply": "warning", "bounce": "danger", "list": "info", "own": "primary"},
    )
    def automatic_badge(self, message: EmailMessage) -> tuple[str, str]:
        return message.automatic, message.get_automatic_display()

    @admin.display(description=_("case"))
    def case_link(self, message: EmailMessage) -> Any:
        case = message.thread.case
        return as_link(case, text=case.case_number if case else "")

    @admin.display(description=_("conversation"))
    def thread_link(self, message: EmailMessage) -> Any:
        return as_link(message.thread)

    @admin.display(description=_("mail"))
    def mail(self, message: EmailMessage) -> SafeString:
        messages = shown(readable(EmailMessage.objects.filter(pk=message.pk)))
        return render_to_string("parts/conversation.html", {"data": {"messages": messages}})

    @admin.display(description=_("headers"))
    def headers_shown(self, message: EmailMessage) -> SafeString:
        return as_json(message.headers)
