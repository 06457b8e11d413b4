"""Mailboxes: what the chosen kind needs, how each does, and what can be done about it."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin_base import (
    Act,
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    ReadOnlyAdmin,
    actor_of,
    coloured,
)
from cases.admin_base import ConfigurationAdmin
from handyconnect.refusals import Conflict
from mail_ingest import services
from mail_ingest.admin.mailbox_forms import BackfillForm, MailboxForm
from mail_ingest.admin.mailbox_state import state_of_mailbox
from mail_ingest.admin.secrets import PREFIX, secrets_set
from mail_ingest.models import Backfill, GraphNotice, InboundMessage, Mailbox
from mail_ingest.services import rounds
from mail_ingest.services.backfill import request_backfill, stop_backfill
from mail_ingest.sources.base import SourceUnavailable
from mail_ingest.sources.opening import OPENERS, opened

HEALTH_COLOURS = {"good": "success", "failing": "danger", "unknown": "warning"}
BACKFILL_COLOURS = {"running": "info", "done": "success", "stopped": "danger"}

ON_DISK = "(kind == 'folder' || kind == 'maildir')"
IMAP = "kind == 'imap'"
OAUTH = "(kind == 'imap' && imap_login == 'oauth2')"
MICROSOFT = f"(kind == 'graph' || sends_by == 'graph' || {OAUTH})"
FILES_ELSEWHERE = "kind != 'folder'"
REMOTE = "(kind == 'imap' || kind == 'graph')"


def _check(_request: HttpRequest, mailbox: Mailbox, _values: dict[str, Any]) -> str:
    try:
        with opened(mailbox) as reader:
            diagnosis = reader.check()
    except SourceUnavailable as error:
        raise CheckFailed(error.detail) from error
    if not diagnosis.ok:
        raise CheckFailed(diagnosis.detail)
    return diagnosis.detail


def _read_now(_request: HttpRequest, mailbox: Mailbox, _values: dict[str, Any]) -> str:
    now = timezone.now()
    if mailbox.kind in OPENERS:
        for role in rounds.roles_of(mailbox):
            rounds.hurry(mailbox, role, now=now)
        return _("It is read within seconds. What it brings is in the ledger.")
    new = services.poll(mailbox, now=now)
    return ngettext("Read: %(count)d new mail.", "Read: %(count)d new mails.", new) % {"count": new}


def _backfill(request: HttpRequest, mailbox: Mailbox, values: dict[str, Any]) -> str:
    request_backfill(mailbox, since=values["since"], until=values["until"], at=timezone.now(), actor=actor_of(request))
    return _("The old mail is being read. How far it is stands here.")


def _stop(request: HttpRequest, backfill: Backfill, _values: dict[str, Any]) -> str:
    stop_backfill(backfill.pk, at=timezone.now(), actor=actor_of(request))
    return _("Stopped. What was read stays.")


class CheckFailed(Conflict):
    """The connection test found something that has to be changed first."""

    code = "check_failed"


@admin.register(Mailbox)
class MailboxAdmin(ConfigurationAdmin[Mailbox]):
    form = MailboxForm
    list_display = (
        "name",
        "address",
        "kind",
        "health_badge",
        "health_detail",
        "checked_at",
        "quarantined",
        "is_active",
    )
    list_filter = (("is_active", BooleanRadioFilter), ("health", ChoicesDropdownFilter))
    search_fields = ("name", "address", "slug")
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("team",)
    acts = (
        Act(
            "check",
            gettext_lazy("Test the connection"),
            _check,
            icon="network_check",
            offered=lambda mailbox: mailbox.kind in OPENERS,
        ),
        Act(
            "read",
            gettext_lazy("Read now"),
            _read_now,
            icon="sync",
            offered=lambda mailbox: mailbox.is_active,
        ),
        Act(
            "backfill",
            gettext_lazy("Backfill"),
            _backfill,
            BackfillForm,
            gettext_lazy("Read old mail"),
            icon="history",
            offered=lambda mailbox: mailbox.kind != Mailbox.Kind.FOLDER,
        ),
    )
    change_form_outer_before_template = "admin/mail_ingest/mailbox_state.html"
    fieldsets = (
        (None, {"fields": ("name", "slug", "address", "aliases", "team", "is_active")}),
        (
            gettext_lazy("Where its mail is"),
            {
                "fields": (
                    "kind",
                    "folder",
                    "imap_host",
                    ("imap_port", "imap_security"),
                    ("imap_login", "imap_username"),
                    "new_imap_password",
                    ("tenant_id", "client_id"),
                    "new_client_secret",
                    ("oauth_token_url", "oauth_scope"),
                    "new_oauth_refresh_token",
                    "inbox_folder",
                    ("reads_sent", "sent_folder"),
                    ("after_filing", "filed_folder"),
                )
            },
        ),
        (
            gettext_lazy("Answers"),
            {"fields": ("sends_by", "new_smtp_url", ("undo_seconds", "answer_within_hours"), "acknowledges")},
        ),
    )
    # In the language of the admin theme's scripts, over the names of the form's fields.
    conditional_fields = {
        "folder": ON_DISK,
        "imap_host": IMAP,
        "imap_port": IMAP,
        "imap_security": IMAP,
        "imap_login": IMAP,
        "imap_username": IMAP,
        "new_imap_password": "(kind == 'imap' && imap_login == 'password')",
        "tenant_id": MICROSOFT,
        "client_id": MICROSOFT,
        "new_client_secret": MICROSOFT,
        "oauth_token_url": OAUTH,
        "oauth_scope": OAUTH,
        "new_oauth_refresh_token": OAUTH,
        "inbox_folder": REMOTE,
        "reads_sent": FILES_ELSEWHERE,
        "sent_folder": f"({FILES_ELSEWHERE} && reads_sent)",
        "after_filing": FILES_ELSEWHERE,
        "filed_folder": f"({FILES_ELSEWHERE} && after_filing == 'move')",
        "new_smtp_url": "sends_by == 'smtp'",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mailbox]:
        """Without the secrets: the list and the form need none, and open also where a key is missing."""
        quarantined = InboundMessage.objects.filter(mailbox=OuterRef("pk"), state=InboundMessage.State.QUARANTINED)
        count = Subquery(quarantined.order_by().values("mailbox").annotate(count=Count("pk")).values("count"))
        return super().get_queryset(request).defer(*Mailbox.SECRETS).annotate(in_quarantine=count)

    def get_fieldsets(self, request: HttpRequest, obj: Mailbox | None = None) -> Any:
        """Whoever may only look is told of each secret whether there is one."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        shown = [(title, {**options, "fields": _without_secrets(options["fields"])}) for title, options in fieldsets]
        return [*shown, (None, {"fields": ("secrets_in_words",)})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if mailbox := self.get_object(request, unquote(object_id)):
            context["state"] = state_of_mailbox(mailbox, now=timezone.now())
        return super().change_view(request, object_id, form_url, context)

    @coloured(gettext_lazy("health"), ordering="health", colours=HEALTH_COLOURS)
    def health_badge(self, mailbox: Mailbox) -> tuple[str, str]:
        return mailbox.health, mailbox.get_health_display()

    @admin.display(description=gettext_lazy("in quarantine"))
    def quarantined(self, mailbox: Mailbox) -> Any:
        return getattr(mailbox, "in_quarantine", None) or 0

    @admin.display(description=gettext_lazy("secrets"))
    def secrets_in_words(self, mailbox: Mailbox) -> str:
        stored = secrets_set(mailbox)
        fields = Mailbox._meta.concrete_fields  # noqa: SLF001 - Django's public name for it
        names = [str(field.verbose_name) for field in fields if field.name in stored]
        return _("Stored and shown to nobody: %(names)s") % {"names": ", ".join(names)} if names else _("None.")


def _without_secrets(fields: Any) -> list[Any]:
    return [name for name in fields if isinstance(name, tuple) or not name.startswith(PREFIX)]


@admin.register(Backfill)
class BackfillAdmin(ReadOnlyAdmin[Backfill]):
    list_display = ("created_at", "mailbox", "span", "state_badge", "found", "stored", "requested_by", "detail")
    list_select_related = ("mailbox", "requested_by")
    list_filter = (("mailbox", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter))
    ordering = ("-created_at", "-id")
    acts = (
        Act(
            "stop",
            gettext_lazy("Stop"),
            _stop,
            asks=gettext_lazy("Stop reading? What was read stays."),
            offered=lambda backfill: backfill.state == Backfill.State.RUNNING,
        ),
    )
    fields = (
        "mailbox",
        ("since", "until"),
        ("state_badge", "detail"),
        ("found", "stored"),
        ("requested_by", "created_at"),
        ("next_step_at", "finished_at"),
    )

    @admin.display(description=gettext_lazy("days"))
    def span(self, backfill: Backfill) -> str:
        return str(backfill)

    @coloured(gettext_lazy("state"), ordering="state", colours=BACKFILL_COLOURS)
    def state_badge(self, backfill: Backfill) -> tuple[str, str]:
        return backfill.state, backfill.get_state_display()


@admin.register(GraphNotice)
class NoticeAdmin(ReadOnlyAdmin[GraphNotice]):
    """What Microsoft 365 told us, kept before it is answered; seen to within seconds."""

    list_display = ("received_at", "mailbox", "role", "lifecycle", "message_id", "handled_at")
    list_select_related = ("mailbox",)
    list_filter = (("mailbox", AutocompleteSelectFilter),)
    ordering = ("-received_at", "-id")
