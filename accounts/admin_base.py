"""What every page of the admin shares: who may do what by role, and small forms that call services.

Permissions follow `User.role` and nothing else: administrators may do everything that an admin class offers,
supervisors see everything and do what services allow. Nobody else gets in.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise, cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.actors import Actor
from accounts.models import User
from handyconnect.refusals import Refusal

if TYPE_CHECKING:  # django-unfold is not typed; its classes are Django's with another look
    from django.contrib.admin import (
        AllValuesFieldListFilter,
        BooleanFieldListFilter,
        ChoicesFieldListFilter,
        ModelAdmin,
        RelatedFieldListFilter,
        SimpleListFilter,
        StackedInline,
        TabularInline,
    )

    AutocompleteSelectFilter = RelatedFieldListFilter
    BooleanRadioFilter = BooleanFieldListFilter
    ChoicesDropdownFilter = MultipleChoicesDropdownFilter = ChoicesFieldListFilter
    DropdownFilter = SimpleListFilter
    AllValuesCheckboxFilter = AllValuesFieldListFilter
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.contrib.filters.admin import (
        AllValuesCheckboxFilter,
        AutocompleteSelectFilter,
        BooleanRadioFilter,
        ChoicesDropdownFilter,
        DropdownFilter,
        MultipleChoicesDropdownFilter,
    )

__all__ = [
    "Act",
    "ActForm",
    "AllValuesCheckboxFilter",
    "AutocompleteSelectFilter",
    "BooleanRadioFilter",
    "ChoicesDropdownFilter",
    "ConfirmForm",
    "DropdownFilter",
    "ModelAdmin",
    "MultipleChoicesDropdownFilter",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RoleAdmin",
    "StackedInline",
    "TabularInline",
    "actor_of",
    "as_json",
    "as_link",
    "coloured",
    "may_configure",
    "may_steer",
    "per_item",
    "person_of",
    "plain_text",
    "reasons",
]

M = TypeVar("M", bound=Model)
MAX_COUNT = 10_000


def person_of(request: HttpRequest) -> User:
    """The signed-in person. Only for views that let nobody else in."""
    return cast("User", request.user)


def actor_of(request: HttpRequest) -> Actor:
    return Actor.user(person_of(request))


def may_steer(request: HttpRequest) -> bool:
    """For the sidebar: supervisors and administrators."""
    return bool(getattr(request.user, "may_steer", False))


def may_configure(request: HttpRequest) -> bool:
    """For the sidebar: administrators."""
    return bool(getattr(request.user, "may_configure", False))


class BoundedPaginator(Paginator[Any]):
    """Counts no further than MAX_COUNT rows, so that a list of a million opens as quickly as one of ten."""

    template_name = "admin/parts/pagination.html"

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows[: MAX_COUNT + 1].count() if isinstance(rows, QuerySet) else len(rows)

    @property
    def is_more(self) -> bool:
        return self.count > MAX_COUNT


@dataclass(frozen=True, slots=True)
class Act(Generic[M]):
    """A small form on the page of one row. `do` calls a service and answers what to tell the person.

    A Refusal or ValidationError that `do` raises is shown as a message. `form` is built with `instance=` when it is one
    of `ActForm`'s kind; `offered` says for which rows the form is shown at all.
    """

    name: str
    label: str | Promise
    do: Callable[[HttpRequest, M, dict[str, Any]], str]
    form: "type[forms.Form]" = forms.Form
    button: str | Promise | None = None
    icon: str = ""
    asks: str | Promise | None = None  # a question that has to be confirmed before it is done
    offered: Callable[[M], bool] = lambda _row: True


class ActForm(forms.Form):
    """A form of an Act that has to know the row that it is for."""

    def __init__(self, *args: Any, row: Model, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row


class ConfirmForm(forms.Form):
    """The box that has to be ticked before something is done that people may regret."""

    sure = forms.BooleanField(
        error_messages={"required": "Tick the box first: this was not done."},
    )


class RoleAdmin(ModelAdmin[M]):
    """Supervisors look, administrators change, nobody else gets in; what is kept is the event log, not Django's own."""

    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    list_filter_submit = True
    acts: Sequence[Act[Any]] = ()
    change_form_outer_before_template = "admin/parts/acts.html"

    # --- who may do what

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_steer(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_steer(request)

    def has_steer_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """May do what services allow to people who steer; named by actions as permissions=["steer"]."""
        return may_steer(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_configure(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_configure(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_configure(request)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Without a filter the rows counted are all rows: say so, instead of offering to show them."""
        changelist = super().get_changelist_instance(request)
        if not changelist.has_active_filters and not changelist.query:
            changelist.full_result_count = changelist.result_count
        return changelist

    # --- the event log tells what happened

    def log_addition(self, *_args: Any, **_kwargs: Any) -> Any:
        """Services write events; a second log would only disagree with the first."""

    def log_change(self, *_args: Any, **_kwargs: Any) -> Any:
        """See log_addition."""

    def log_deletions(self, *_args: Any, **_kwargs: Any) -> Any:
        """See log_addition."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The events of this row."""
        query = urlencode({"subject_type": str(self.opts.model_name), "subject_id": unquote(object_id)})
        return redirect(f"{reverse('admin:cases_timelineevent_changelist')}?{query}")

    # --- small forms that call services

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.act_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        return [path("<path:object_id>/do/<slug:name>/", view, name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do one of `acts`, tell how it went, and go back to where the person came from."""
        row = self.get_object(request, unquote(object_id))
        act = next((act for act in self.acts if act.name == name), None)
        if row is None or act is None or not act.offered(row):
            raise Http404
        if not self.has_steer_permission(request, row):
            raise PermissionDenied
        form = self.act_form(act, row, request.POST)
        if not form.is_valid():
            for field, problems in form.errors.items():
                label = form.fields[field].label if field in form.fields and len(form.fields) > 1 else ""
                for problem in problems:
                    self.message_user(request, f"{label}: {problem}" if label else str(problem), messages.ERROR)
        else:
            try:
                told = act.do(request, row, form.cleaned_data)
            except (Refusal, ValidationError) as error:
                for problem in reasons(error):
                    self.message_user(request, problem, messages.ERROR)
            else:
                self.message_user(request, told, messages.SUCCESS)
        return redirect(self.after_act(row))

    def after_act(self, row: M) -> str:
        """Where a person goes on: the row's page, or the list if the act took the row away."""
        names = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if not self.model._default_manager.filter(pk=row.pk).exists():  # noqa: SLF001 - Django's public name for it
            return reverse(f"{names}_changelist")
        return reverse(f"{names}_change", args=[quote(row.pk)])

    def act_form(self, act: Act[M], row: M, data: Mapping[str, Any] | None = None) -> forms.Form:
        """The form of one act; each has its own prefix for ids, so that several stand on one page."""
        more: dict[str, Any] = {"row": row} if issubclass(act.form, ActForm) else {}
        return act.form(data, auto_id=f"act-{act.name}-%s", **more)

    def acts_for(self, request: HttpRequest, row: M) -> list[dict[str, Any]]:
        """What the template of the small forms shows."""
        if not self.has_steer_permission(request, row):
            return []
        url_name = f"admin:{self.opts.app_label}_{self.opts.model_name}_act"
        return [
            {
                "name": act.name,
                "label": act.label,
                "button": act.button or act.label,
                "icon": act.icon,
                "asks": act.asks,
                "form": self.act_form(act, row),
                "url": reverse(url_name, args=[quote(row.pk), act.name]),
            }
            for act in self.acts
            if act.offered(row)
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.acts and (row := self.get_object(request, unquote(object_id))):
            context["acts"] = self.acts_for(request, row)
        return super().change_view(request, object_id, form_url, context)


class ReadOnlyAdmin(RoleAdmin[M]):
    """For what only services move: everybody who steers looks, nobody edits, acts and actions call services."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline[Any, Any]):
    """Rows that belong to another row, to look at."""

    extra = 0
    can_delete = False
    show_change_link = True
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_steer(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def coloured(
    description: Any, *, ordering: str, colours: Mapping[str, str]
) -> Callable[[Callable[[Any, Any], tuple[str, Any]]], Callable[[Any, Any], SafeString]]:
    """A column or field shown as a badge. The method answers (stored value, label); `colours` are by stored value."""

    def decorate(method: Callable[[Any, Any], tuple[str, Any]]) -> Callable[[Any, Any], SafeString]:
        @admin.display(description=description, ordering=ordering)
        @wraps(method)
        def badge(model_admin: Any, row: Any) -> SafeString:
            value, label = method(model_admin, row)
            return format_html('<span class="hc-badge hc-{}">{}</span>', colours.get(value) or "calm", label)

        return badge

    return decorate


def plain_text(name: str, description: Any) -> Callable[[Any, Any], str]:
    """A method of an admin class: a field of long text, shown with its lines, as text."""

    @admin.display(description=description)
    def text(_model_admin: Any, row: Any) -> str:
        return str(getattr(row, name)) or "–"  # noqa: RUF001 - an en dash stands for nothing

    return text


def as_json(value: object) -> SafeString:
    """A JSON value as text that people can read."""
    text = json.dumps(value, ensure_ascii=False, indent=2, cls=DjangoJSONEncoder)
    return format_html('<pre class="hc-pre">{}</pre>', text)


def reasons(error: Refusal | ValidationError) -> list[str]:
    """The sentences of an error, for people."""
    return list(error.messages) if isinstance(error, ValidationError) else [error.detail]


def per_item(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any], do: Callable[[Any], object]
) -> None:
    """Do something to each row, each on its own; say how many it was done to, and for every other one why not."""
    done = 0
    for row in rows:
        try:
            do(row)
        except (Refusal, ValidationError) as error:
            model_admin.message_user(request, f"{row}: {' '.join(reasons(error))}", messages.ERROR)
        else:
            done += 1
    if done:
        told = ngettext("Done: %(count)d %(name)s.", "Done: %(count)d %(names)s.", done) % {
            "count": done,
            "name": model_admin.opts.verbose_name,
            "names": model_admin.opts.verbose_name_plural,
        }
        model_admin.message_user(request, told, messages.SUCCESS)


def as_link(row: models.Model | None, *, text: str = "") -> SafeString | str:
    """A link to the admin page of a row, or a dash."""
    if row is None:
        return "–"  # noqa: RUF001 - an en dash stands for nothing
    opts = row._meta  # noqa: SLF001 - Django's public name for it
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[quote(row.pk)])
    return format_html('<a class="hc-link" href="{}">{}</a>', url, text or str(row) or _("open"))
