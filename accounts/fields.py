"""Fields of request bodies that name people and teams."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Team, User


@extend_schema_field({"type": "string", "nullable": True, "example": "ana"})
class Person(serializers.Field[User, Any, str | None, Any]):
    """A username of somebody active for whom `fits` holds; null is nobody."""

    default_error_messages = {
        "invalid": gettext_lazy("Give a username."),
        "unknown": gettext_lazy("There is nobody called “{name}”."),
        "inactive": gettext_lazy("{name} no longer works here."),
        "role": gettext_lazy("{name} cannot be given this."),
    }

    def __init__(self, *, fits: Callable[[User], bool] = lambda _user: True, **more: Any) -> None:
        super().__init__(allow_null=True, required=False, **more)
        self.fits = fits

    def to_internal_value(self, data: Any) -> User:
        name = _text(data, self)
        user: User | None = User.objects.filter(username=name).first()
        if user is None:
            self.fail("unknown", name=name)
        if not user.is_active:
            self.fail("inactive", name=name)
        if not self.fits(user):
            self.fail("role", name=name)
        return user

    def to_representation(self, value: User) -> str:
        return value.username


@extend_schema_field({"type": "string", "nullable": True, "example": "repairs"})
class TeamSlug(serializers.Field[Team, Any, str | None, Any]):
    """A team by its slug; null is none."""

    default_error_messages = {
        "invalid": gettext_lazy("Give a team's slug."),
        "unknown": gettext_lazy("There is no team “{name}”."),
    }

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_null=True, required=False, **more)

    def to_internal_value(self, data: Any) -> Team:
        name = _text(data, self)
        team = Team.objects.filter(slug=name).first()
        if team is None:
            self.fail("unknown", name=name)
        return team

    def to_representation(self, value: Team) -> str:
        return value.slug


def _text(data: Any, field: serializers.Field[Any, Any, Any, Any]) -> str:
    if not isinstance(data, str) or not data.isprintable() or not data:
        field.fail("invalid")
    if len(data) > 200:  # noqa: PLR2004 - longer than any name
        raise serializers.ValidationError(_("Too long."))
    return data
