"""The intake ledger, the outbound queue, and what readers made of mails."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin_base import (
    Act,
    AllValuesCheckboxFilter,
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    MultipleChoicesDropdownFilter,
    ReadOnlyAdmin,
    actor_of,
    as_json,
    as_link,
    coloured,
    per_item,
    plain_text,
)
from cases import history
from mail_ingest import services
from mail_ingest.admin.shown import RETRY, bounce_words, people
from mail_ingest.models import InboundMessage, OutboundMessage, TriageResult

INBOUND_COLOURS = {"filed": "success", "quarantined": "danger", "ignored": "", "received": "info", "threaded": "info"}
OUTBOUND_COLOURS = {
    "sent": "success",
    "failed": "danger",
    "maybe_sent": "warning",
    "suppressed": "warning",
    "waiting": "info",
    "sending": "info",
}
PUT_AWAY_COLOURS = {"given_up": "warning", "due": "info", "done": "success"}
REPLAYABLE = {InboundMessage.State.QUARANTINED, InboundMessage.State.IGNORED}


@dataclass(frozen=True, slots=True)
class Heap:
    """A part of the ledger, one click away."""

    label: str
    count: int | None
    url: str
    is_chosen: bool
    is_bad: bool = False


def heaps(request: HttpRequest) -> list[Heap]:
    """All, then what needs somebody: counted, since there should be none."""
    rows = InboundMessage.objects.all()
    state, put_away = InboundMessage.State, InboundMessage.PutAway
    pending = "&".join(f"state__exact={one.value}" for one in InboundMessage.PENDING)
    chosen = request.GET.urlencode()
    listed = [
        (_("All"), None, "", False),
        (_("In quarantine"), rows.filter(state=state.QUARANTINED), f"state__exact={state.QUARANTINED.value}", True),
        (_("Being filed"), rows.pending(), pending, False),
        (_("Could not be moved or marked"), rows.filter(put_away=put_away.GIVEN_UP), "put_away__exact=given_up", True),
        (_("Ignored"), None, f"state__exact={state.IGNORED.value}", False),
    ]
    return [
        Heap(label, None if found is None else found.count(), f"?{query}", chosen == query, is_bad)
        for label, found, query, is_bad in listed
    ]


def _replay(request: HttpRequest, inbound: InboundMessage, _values: dict[str, Any]) -> str:
    services.replay(inbound.pk, at=timezone.now(), actor=actor_of(request))
    return _("The mail goes through the pipeline again. Its outcome stands here in a moment.")


def _cancel(request: HttpRequest, outbound: OutboundMessage, _values: dict[str, Any]) -> str:
    services.cancel(outbound.pk, at=timezone.now(), actor=actor_of(request))
    return _("It is not sent. What a colleague wrote is in their draft again.")


def _retry(request: HttpRequest, outbound: OutboundMessage, _values: dict[str, Any]) -> str:
    services.retry(outbound.pk, at=timezone.now(), actor=actor_of(request))
    return _("It is being sent again.")


@admin.register(InboundMessage)
class InboundAdmin(ReadOnlyAdmin[InboundMessage]):
    list_display = ("received_at", "what", "state_badge", "reason", "case_link", "mailbox_name", "origin")
    list_display_links = ("received_at", "what")
    list_select_related = ("mailbox", "case", "email")
    list_filter = (
        ("state", MultipleChoicesDropdownFilter),
        ("mailbox", AutocompleteSelectFilter),
        ("origin", ChoicesDropdownFilter),
        ("role", ChoicesDropdownFilter),
        ("put_away", ChoicesDropdownFilter),
    )
    list_before_template = "admin/mail_ingest/heaps.html"
    search_fields = ("=message_id", "=sha256", "=case__case_number")
    search_help_text = gettext_lazy("Message-ID, SHA-256 or case number, in full")
    ordering = ("-received_at", "-id")
    actions = ("replay",)
    acts = (
        Act(
            "replay",
            gettext_lazy("Replay"),
            _replay,
            button=gettext_lazy("Replay this mail"),
            icon="replay",
            offered=lambda inbound: inbound.state in REPLAYABLE,
        ),
    )
    fieldsets = (
        (None, {"fields": ("what", ("state_badge", "reason"), "case_link", "message_link", "raw_link")}),
        (gettext_lazy("Times"), {"fields": (("received_at", "stored_at"), ("finished_at", "next_try_at"), "attempts")}),
        (
            gettext_lazy("In the mailbox itself"),
            {"fields": (("put_away_badge", "put_away_detail"), ("put_away_tries", "put_away_next_at"))},
        ),
        (
            gettext_lazy("Identity"),
            {
                "fields": (
                    ("mailbox", "role"),
                    ("origin", "answerable"),
                    "source_id",
                    "also_known_as",
                    "message_id",
                    "sha256",
                    "size_bytes",
                )
            },
        ),
    )

    @admin.action(description=gettext_lazy("Replay (quarantined or ignored)"), permissions=["steer"])
    def replay(self, request: HttpRequest, queryset: QuerySet[InboundMessage]) -> None:
        """As many as were chosen; what is neither in quarantine nor ignored is left as it is, and told of once."""
        at, actor = timezone.now(), actor_of(request)
        can = queryset.filter(state__in=REPLAYABLE)
        left = queryset.count() - can.count()
        per_item(self, request, can, lambda inbound: services.replay(inbound.pk, at=at, actor=actor))
        if left:
            told = ngettext(
                "%(count)d mail was left as it is: only what is in quarantine or ignored can be replayed.",
                "%(count)d mails were left as they are: only what is in quarantine or ignored can be replayed.",
                left,
            )
            self.message_user(request, told % {"count": left}, messages.WARNING)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "heaps": heaps(request)})

    @admin.display(description=gettext_lazy("mail"))
    def what(self, inbound: InboundMessage) -> str:
        if inbound.email:
            return f"{inbound.email.sender}: {inbound.email.subject or _('(no subject)')}"
        return inbound.message_id or inbound.source_id[:24]

    @coloured(gettext_lazy("state"), ordering="state", colours=INBOUND_COLOURS)
    def state_badge(self, inbound: InboundMessage) -> tuple[str, str]:
        return inbound.state, inbound.get_state_display()

    @admin.display(description=gettext_lazy("case"))
    def case_link(self, inbound: InboundMessage) -> Any:
        return as_link(inbound.case, text=inbound.case.case_number if inbound.case else "")

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, inbound: InboundMessage) -> Any:
        return as_link(inbound.email)

    @admin.display(description=gettext_lazy("mailbox"), ordering="mailbox__name")
    def mailbox_name(self, inbound: InboundMessage) -> str:
        return inbound.mailbox.name

    @coloured(gettext_lazy("moved or marked"), ordering="put_away", colours=PUT_AWAY_COLOURS)
    def put_away_badge(self, inbound: InboundMessage) -> tuple[str, str]:
        return inbound.put_away, inbound.get_put_away_display()

    @admin.display(description=gettext_lazy("also known as"))
    def also_known_as(self, inbound: InboundMessage) -> str:
        names = inbound.aliases.order_by("pk").values_list("source_id", flat=True)[:20]
        return "\n".join(names) or "–"  # noqa: RUF001 - an en dash stands for nothing

    @admin.display(description=gettext_lazy("raw mail"))
    def raw_link(self, inbound: InboundMessage) -> SafeString:
        if not inbound.sha256:
            return format_html("{}", _("Its source has not handed it over yet."))
        url = reverse("message-raw", args=[inbound.pk])
        return format_html('<a class="hc-link" href="{}" download>{}</a>', url, _("Download as .eml"))


@admin.register(OutboundMessage)
class OutboundAdmin(ReadOnlyAdmin[OutboundMessage]):
    list_display = (
        "created_at",
        "recipient",
        "subject",
        "purpose",
        "state_badge",
        "reason",
        "bounced_at",
        "case_link",
    )
    list_display_links = ("created_at", "subject")
    list_select_related = ("case",)
    list_filter = (
        ("state", MultipleChoicesDropdownFilter),
        ("purpose", ChoicesDropdownFilter),
        ("is_automatic", BooleanRadioFilter),
    )
    acts = (
        Act(
            "cancel",
            gettext_lazy("Do not send it"),
            _cancel,
            icon="cancel_schedule_send",
            offered=lambda outbound: outbound.state == OutboundMessage.State.WAITING,
        ),
        Act(
            "retry",
            gettext_lazy("Send it again"),
            _retry,
            icon="send",
            asks=gettext_lazy("Send it again? If it arrived after all, the recipient gets it twice."),
            offered=lambda outbound: outbound.state in RETRY,
        ),
    )
    actions = ("retry",)
    search_fields = ("recipient", "=case__case_number", "=message_id")
    search_help_text = gettext_lazy("Recipient, case number or Message-ID")
    ordering = ("-created_at", "-id")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "everybody",
                    "subject",
                    "body_text",
                    "files",
                    ("state_badge", "reason"),
                    "came_back",
                    ("purpose", "author"),
                    "is_automatic",
                )
            },
        ),
        (gettext_lazy("Because of"), {"fields": ("case_link", "event_link", "mailbox", "message_link")}),
        (
            gettext_lazy("Times"),
            {"fields": (("created_at", "send_after"), ("sending_since", "finished_at"), "attempts")},
        ),
        (gettext_lazy("Identity"), {"fields": ("message_id", "in_reply_to")}),
    )

    body_text = plain_text("body", gettext_lazy("text"))

    @admin.action(description=gettext_lazy("Send again (failed, or may have been sent)"), permissions=["steer"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboundMessage]) -> None:
        at, actor = timezone.now(), actor_of(request)
        per_item(self, request, queryset, lambda outbound: services.retry(outbound.pk, at=at, actor=actor))

    @admin.display(description=gettext_lazy("to"))
    def everybody(self, outbound: OutboundMessage) -> str:
        return people([*outbound.to, *outbound.cc, *outbound.bcc]) or outbound.recipient

    @admin.display(description=gettext_lazy("files"))
    def files(self, outbound: OutboundMessage) -> str:
        return ", ".join(outbound.uploads.order_by("pk").values_list("filename", flat=True)) or "–"  # noqa: RUF001 - an en dash stands for nothing

    @admin.display(description=gettext_lazy("came back"))
    def came_back(self, outbound: OutboundMessage) -> str:
        return "\n".join(bounce_words(bounce) for bounce in outbound.bounces) or "–"  # noqa: RUF001 - an en dash stands for nothing

    @coloured(gettext_lazy("state"), ordering="state", colours=OUTBOUND_COLOURS)
    def state_badge(self, outbound: OutboundMessage) -> tuple[str, str]:
        return outbound.state, outbound.get_state_display()

    @admin.display(description=gettext_lazy("case"))
    def case_link(self, outbound: OutboundMessage) -> Any:
        return as_link(outbound.case, text=outbound.case.case_number if outbound.case else "")

    @admin.display(description=gettext_lazy("caused by"))
    def event_link(self, outbound: OutboundMessage) -> Any:
        return as_link(outbound.event, text=history.label_of(outbound.event.kind) if outbound.event else "")

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, outbound: OutboundMessage) -> Any:
        return as_link(outbound.email)


@admin.register(TriageResult)
class TriageAdmin(ReadOnlyAdmin[TriageResult]):
    list_display = ("created_at", "message", "source", "reader_version", "labels_in_short", "latency_ms")
    list_select_related = ("email",)
    list_filter = (("source", AllValuesCheckboxFilter),)
    ordering = ("-id",)
    fields = (
        "message_link",
        ("source", "reader_version"),
        "labels_shown",
        "confidence_shown",
        ("tokens_in", "tokens_out", "cost_microusd"),
        "latency_ms",
        "created_at",
    )

    @admin.display(description=gettext_lazy("message"))
    def message(self, triage: TriageResult) -> str:
        return str(triage.email)

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, triage: TriageResult) -> Any:
        return as_link(triage.email)

    @admin.display(description=gettext_lazy("labels"))
    def labels_in_short(self, triage: TriageResult) -> str:
        names = ("case_type", "category", "priority", "sentiment", "language")
        return ", ".join(str(triage.labels[name]) for name in names if triage.labels.get(name))

    @admin.display(description=gettext_lazy("labels"))
    def labels_shown(self, triage: TriageResult) -> SafeString:
        return as_json(triage.labels)

    @admin.display(description=gettext_lazy("confidence"))
    def confidence_shown(self, triage: TriageResult) -> SafeString:
        return as_json(triage.confidence)
