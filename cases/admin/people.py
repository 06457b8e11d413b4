"""The people who work here and their teams. Here and not in accounts, because saving them writes into the event log."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin_base import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RoleAdmin,
    actor_of,
    coloured,
    may_configure,
    person_of,
)
from accounts.models import Membership, Team, User
from cases.admin_base import ConfigurationAdmin, ConfigurationInline
from cases.models import Case
from cases.services import note_password_change, revoke_token, save_person

ROLE_COLOURS = {"administrator": "danger", "supervisor": "warning", "agent": "info", "contractor": "success"}


class TeamsInline(ConfigurationInline):
    model = Membership
    autocomplete_fields = ("team",)
    verbose_name_plural = _("teams")


class MembersInline(ConfigurationInline):
    model = Membership
    autocomplete_fields = ("user",)
    verbose_name_plural = _("members")


@admin.register(User)
class PersonAdmin(UserAdmin[User], ConfigurationAdmin[User]):
    """One switch says what somebody may do: the role. Nobody is deleted, since the log names them; they are switched off."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "role_badge", "takes_work", "is_active", "last_login")
    list_filter = (
        ("role", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
        ("takes_work", BooleanRadioFilter),
        ("teams", AutocompleteSelectFilter),
    )
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    inlines = (TeamsInline,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": (("first_name", "last_name"), "email", ("language", "time_zone"))}),
        (_("Work"), {"fields": ("role", "takes_work", "is_active")}),
        (_("Log-in"), {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "role", ("first_name", "last_name"), "email", ("language", "time_zone"))}),
        (_("Password"), {"fields": ("usable_password", "password1", "password2")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        save_person(obj, at=timezone.now(), actor=actor_of(request))
        if obj.pk == person_of(request).pk and not (obj.is_active and obj.may_configure):
            raise ValidationError(_("You cannot take your own access away. Ask another administrator."))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's name
        """Django's page; a password that was changed is told, never which."""
        with transaction.atomic():
            old = User.objects.filter(pk=id).values_list("password", flat=True).first()
            response = super().user_change_password(request, id, form_url)
            person = User.objects.filter(pk=id).first()
            if person and person.password != old:
                note_password_change(person, at=timezone.now(), actor=actor_of(request))
        return response

    @admin.display(description=_("name"), ordering="first_name")
    def full_name(self, person: User) -> str:
        return person.get_full_name()

    @coloured(_("role"), ordering="role", colours=ROLE_COLOURS)
    def role_badge(self, person: User) -> tuple[str, str]:
        return person.role, person.get_role_display()


@admin.register(Team)
class TeamAdmin(ConfigurationAdmin[Team]):
    list_display = ("name", "slug", "email", "member_count", "open_cases")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembersInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        is_open = Q(cases__deleted_at=None, cases__status__in=Case.OPEN_STATUSES)
        return (
            super()
            .get_queryset(request)
            .annotate(
                people=Count("memberships", distinct=True),
                open_case_count=Count("cases", filter=is_open, distinct=True),
            )
        )

    @admin.display(description=_("members"), ordering="people")
    def member_count(self, team: Team) -> Any:
        return getattr(team, "people", 0)

    @admin.display(description=_("open cases"), ordering="open_case_count")
    def open_cases(self, team: Team) -> Any:
        return getattr(team, "open_case_count", 0)


@admin.register(AuthToken)
class TokenAdmin(RoleAdmin[AuthToken]):
    """Who may use the API, and until when. The secret itself is shown once, when `manage.py api_token` makes it."""

    list_display = ("starts_with", "user", "state", "created", "expiry")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = (("user", AutocompleteSelectFilter),)
    search_fields = ("user__username",)
    ordering = ("-created",)
    fields = ("starts_with", "user", "created", "expiry")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_configure(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_configure(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        revoke_token(obj, at=timezone.now(), actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for token in queryset:
            revoke_token(token, at=timezone.now(), actor=actor_of(request))

    @admin.display(description=_("begins with"))
    def starts_with(self, token: Any) -> str:
        return f"{token.token_key}…"

    @coloured(_("state"), ordering="expiry", colours={"valid": "success", "expired": "danger"})
    def state(self, token: Any) -> tuple[str, Any]:
        if token.expiry and token.expiry <= timezone.now():
            return "expired", _("Expired")
        return "valid", _("Valid")
