"""The event log and its readers: to look at, and to try again what was set aside. Nothing here changes an event."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.actors import ActorKind
from accounts.admin_base import Act, DropdownFilter, ReadOnlyAdmin, actor_of, as_json, as_link, coloured, per_item
from cases import history, listeners
from cases.facts import FACTS
from cases.models import ConfigVersion, ListenerCursor, ListenerFailure, LogHead, TimelineEvent
from handyconnect.refusals import Conflict

ACTOR_LABELS = {
    ActorKind.USER: gettext_lazy("A person"),
    ActorKind.RULE: gettext_lazy("A rule"),
    ActorKind.MAIL: gettext_lazy("A mail"),
    ActorKind.SYSTEM: gettext_lazy("The system"),
}


class KindFilter(DropdownFilter):
    title = gettext_lazy("what happened")
    parameter_name = "kind"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [(fact.name, fact.label) for fact in FACTS.values()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class ActorFilter(DropdownFilter):
    title = gettext_lazy("by")
    parameter_name = "actor_kind"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.value, label) for kind, label in ACTOR_LABELS.items()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(actor_kind=self.value()) if self.value() else queryset


def line_of(event: TimelineEvent) -> history.Line:
    """The event in words; lists put it there for all rows at once."""
    line = getattr(event, "line", None)
    return line if isinstance(line, history.Line) else history.in_words([event])[0]


def changes_table(event: TimelineEvent) -> SafeString:
    return render_to_string("admin/parts/changes.html", {"changes": history.changes_of(event)})


def subject_link(subject_type: str, subject_id: str) -> SafeString | str:
    """What an event is about, as a link to its page where there is one and it still exists."""
    model = history.model_of(subject_type)
    label = capfirst(str(model._meta.verbose_name)) if model else subject_type  # noqa: SLF001 - Django's public name
    if model is None:
        return f"{label} {subject_id}"
    try:
        url = reverse(f"admin:{model._meta.app_label}_{subject_type}_change", args=[subject_id])  # noqa: SLF001 - see above
    except NoReverseMatch:
        return f"{label} {subject_id}"
    return format_html('<a class="hc-link" href="{}">{}</a>', url, f"{label} {subject_id}")


@admin.register(TimelineEvent)
class TimelineEventAdmin(ReadOnlyAdmin[TimelineEvent]):
    list_display = ("occurred_at", "label", "who", "case_link", "what_changed", "position")
    list_filter = (KindFilter, ActorFilter)
    list_select_related = ("case", "detail")
    search_fields = ("case__case_number",)
    search_help_text = gettext_lazy("A case number")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("label", "who", "subject", "case_link", "occurred_at", "recorded_at")}),
        (gettext_lazy("What changed"), {"fields": ("changes_shown", "data_shown", "personal_shown")}),
        (gettext_lazy("Place in the log"), {"fields": ("position", "hash", "detail_digest", "caused_by", "depth")}),
    )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        for line in history.in_words(changelist.result_list):
            setattr(line.event, "line", line)  # noqa: B010 - not a field of the event
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TimelineEvent], search_term: str
    ) -> tuple[QuerySet[TimelineEvent], bool]:
        term = search_term.strip().upper()
        return (queryset.filter(case__case_number=term) if term else queryset), False

    @admin.display(description=gettext_lazy("what happened"))
    def label(self, event: TimelineEvent) -> str:
        return line_of(event).label

    @admin.display(description=gettext_lazy("who"))
    def who(self, event: TimelineEvent) -> str:
        return line_of(event).who

    @admin.display(description=gettext_lazy("case"))
    def case_link(self, event: TimelineEvent) -> Any:
        return as_link(event.case, text=event.case.case_number if event.case else "")

    @admin.display(description=gettext_lazy("to what"))
    def subject(self, event: TimelineEvent) -> Any:
        return subject_link(event.subject_type, event.subject_id)

    @admin.display(description=gettext_lazy("changes"))
    def what_changed(self, event: TimelineEvent) -> str:
        return render_to_string("parts/changes_inline.html", {"line": line_of(event)})

    @admin.display(description=gettext_lazy("changes"))
    def changes_shown(self, event: TimelineEvent) -> SafeString:
        return changes_table(event)

    @admin.display(description=gettext_lazy("facts"))
    def data_shown(self, event: TimelineEvent) -> SafeString:
        return as_json(event.data)

    @admin.display(description=gettext_lazy("personal part"))
    def personal_shown(self, event: TimelineEvent) -> Any:
        if not event.detail_digest:
            return _("None")
        personal = history.personal_part(event)
        return as_json(personal) if personal else _("Erased")

    @admin.display(description=gettext_lazy("caused by"))
    def caused_by(self, event: TimelineEvent) -> Any:
        return as_link(event.cause, text=history.label_of(event.cause.kind) if event.cause else "")


class SettledFilter(DropdownFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("set_aside", gettext_lazy("Set aside")),
            ("trying", gettext_lazy("Being tried")),
            ("settled", gettext_lazy("Settled")),
        ]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "set_aside":
                return queryset.filter(settled_at=None, set_aside_at__isnull=False)
            case "trying":
                return queryset.filter(settled_at=None, set_aside_at=None)
            case "settled":
                return queryset.filter(settled_at__isnull=False)
        return queryset


def try_again(request: HttpRequest, failure: ListenerFailure) -> None:
    """Raises Conflict with what the listener said, when it fails once more."""
    try:
        listeners.retry_set_aside(failure.pk, at=timezone.now(), actor=actor_of(request))
    except Exception as error:
        told = _("It failed again: %(error)s") % {"error": f"{type(error).__name__}: {error}"}
        raise Conflict(told) from error


def _try_again(request: HttpRequest, failure: ListenerFailure, _values: dict[str, Any]) -> str:
    try_again(request, failure)
    return _("This time it went well: the event is settled.")


@admin.register(ListenerFailure)
class ListenerFailureAdmin(ReadOnlyAdmin[ListenerFailure]):
    list_display = ("listener", "what", "case_link", "state_badge", "attempts", "error", "failed_at")
    list_filter = (SettledFilter,)
    list_select_related = ("event__case",)
    ordering = ("-failed_at", "-id")
    actions = ("retry",)
    fields = (
        "listener",
        "what",
        "event_link",
        "case_link",
        "state_badge",
        "attempts",
        "error",
        "failed_at",
        "set_aside_at",
        "settled_at",
    )
    acts = (
        Act(
            "retry",
            gettext_lazy("Try again"),
            _try_again,
            icon="replay",
            offered=lambda failure: failure.set_aside_at is not None and failure.settled_at is None,
        ),
    )

    @admin.action(description=gettext_lazy("Try again"), permissions=["steer"])
    def retry(self, request: HttpRequest, queryset: QuerySet[ListenerFailure]) -> None:
        per_item(self, request, queryset.filter(settled_at=None), lambda failure: try_again(request, failure))

    @admin.display(description=gettext_lazy("event"))
    def what(self, failure: ListenerFailure) -> str:
        return history.label_of(failure.event.kind)

    @admin.display(description=gettext_lazy("in the log"))
    def event_link(self, failure: ListenerFailure) -> Any:
        return as_link(failure.event, text=history.label_of(failure.event.kind))

    @admin.display(description=gettext_lazy("case"))
    def case_link(self, failure: ListenerFailure) -> Any:
        case = failure.event.case
        return as_link(case, text=case.case_number if case else "")

    @coloured(
        gettext_lazy("state"),
        ordering="settled_at",
        colours={"set_aside": "danger", "trying": "warning", "settled": "success"},
    )
    def state_badge(self, failure: ListenerFailure) -> tuple[str, str]:
        if failure.settled_at:
            return "settled", _("Settled")
        return ("set_aside", _("Set aside")) if failure.set_aside_at else ("trying", _("Being tried"))


@admin.register(ListenerCursor)
class ListenerCursorAdmin(ReadOnlyAdmin[ListenerCursor]):
    list_display = ("name", "position", "behind", "next_try_at")
    ordering = ("name",)
    fields = ("name", "position", "behind", "next_try_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ListenerCursor]:
        head = Subquery(LogHead.objects.filter(pk=1).values("position")[:1])
        return super().get_queryset(request).annotate(behind_head=head - F("position"))

    @admin.display(description=gettext_lazy("events behind"))
    def behind(self, cursor: ListenerCursor) -> Any:
        return getattr(cursor, "behind_head", None)


@admin.register(ConfigVersion)
class ConfigVersionAdmin(ReadOnlyAdmin[ConfigVersion]):
    list_display = ("what", "number", "when", "who", "what_changed")
    list_select_related = ("event__detail",)
    search_fields = ("subject_type", "subject_id")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("what", "number", "when", "who", "event_link")}),
        (gettext_lazy("Compared with the version before"), {"fields": ("difference",)}),
        (gettext_lazy("Whole state"), {"fields": ("whole_state",)}),
    )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        events = {version.event_id: version.event for version in changelist.result_list}
        for line in history.in_words(events.values()):
            setattr(events[line.event.pk], "line", line)  # noqa: B010 - not a field of the event
        return changelist

    @admin.display(description=gettext_lazy("what"), ordering="subject_type")
    def what(self, version: ConfigVersion) -> Any:
        name = version.state.get("name") or version.state.get("slug") or version.state.get("key") or version.subject_id
        model = history.model_of(version.subject_type)
        return f"{capfirst(str(model._meta.verbose_name)) if model else version.subject_type} · {name}"  # noqa: SLF001 - Django's public name

    @admin.display(description=gettext_lazy("saved"))
    def when(self, version: ConfigVersion) -> Any:
        return date_format(timezone.localtime(version.event.occurred_at), "DATETIME_FORMAT")

    @admin.display(description=gettext_lazy("by"))
    def who(self, version: ConfigVersion) -> str:
        return line_of(version.event).who

    @admin.display(description=gettext_lazy("changed"))
    def what_changed(self, version: ConfigVersion) -> str:
        if version.event.data.get("deleted"):
            return _("Deleted")
        names = ", ".join(change.field for change in line_of(version.event).changes)
        return names if version.number > 1 else _("First version")

    @admin.display(description=gettext_lazy("in the log"))
    def event_link(self, version: ConfigVersion) -> Any:
        return as_link(version.event, text=history.label_of(version.event.kind))

    @admin.display(description=gettext_lazy("difference"))
    def difference(self, version: ConfigVersion) -> SafeString:
        return changes_table(version.event)

    @admin.display(description=gettext_lazy("state"))
    def whole_state(self, version: ConfigVersion) -> SafeString:
        return as_json(version.state)
