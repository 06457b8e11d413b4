"""The admin of everything that is configuration: saved and deleted through the one service that keeps versions."""

import json
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin_base import RoleAdmin, TabularInline, actor_of, may_configure, may_steer, reasons
from cases.services import delete_configuration, save_configuration
from handyconnect.refusals import Refusal

M = TypeVar("M", bound=Model)
LINE = 88


class ConfigurationAdmin(RoleAdmin[M]):
    """Administrators edit, supervisors look. Every save is a version and an event; what is wrong is said by field."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        save_configuration(obj, at=timezone.now(), actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        delete_configuration(obj, at=timezone.now(), actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for item in queryset:
                delete_configuration(item, at=timezone.now(), actor=actor_of(request))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        formset.save(commit=False)
        for item in formset.deleted_objects:
            delete_configuration(item, at=timezone.now(), actor=actor_of(request))
        for item in [*formset.new_objects, *(item for item, _names in formset.changed_objects)]:
            save_configuration(item, at=timezone.now(), actor=actor_of(request))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """What goes with it needs no permission of its own; what still uses it stands in the way, by name."""
        listed, counts, _needed, protected = super().get_deleted_objects(objs, request)
        return listed, counts, set(), protected

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Forms catch what is wrong in their fields; what only the service sees is told above the page."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ValidationError, Refusal) as error:
            for reason in reasons(error):
                self.message_user(request, reason, messages.ERROR)
            return redirect(request.path)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ProtectedError:
            self.message_user(request, _("Something still uses it: it was not deleted."), messages.ERROR)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", quote(object_id))


class ConfigurationInline(TabularInline[Any, Any]):
    """Rows that belong to a piece of configuration and are saved with it."""

    extra = 0
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_steer(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_configure(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_configure(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_configure(request)


class JSONArea(forms.Textarea):
    """A field of JSON, wide enough to be read."""

    def __init__(self, rows: int = 12) -> None:
        super().__init__(attrs={"rows": rows, "spellcheck": "false", "class": "hc-json-input"})

    def format_value(self, value: Any) -> str:
        """As people write it. What is not JSON (they are still at it) stays as it was typed."""
        try:
            return readable_json(json.loads(value))
        except (TypeError, ValueError):
            return str(value or "")


def readable_json(value: object, *, indent: int = 0) -> str:
    """JSON with short things on one line and long ones opened up, two spaces deeper."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= LINE or not value or not isinstance(value, dict | list):
        return flat
    space = " " * (indent + 2)
    if isinstance(value, dict):
        inner = (f"{json.dumps(key)}: {readable_json(part, indent=indent + 2)}" for key, part in value.items())
    else:
        inner = (readable_json(part, indent=indent + 2) for part in value)
    opened, closed = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{opened}\n{space}" + f",\n{space}".join(inner) + f"\n{' ' * indent}{closed}"
