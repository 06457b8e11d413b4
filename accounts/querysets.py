from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models

if TYPE_CHECKING:
    from accounts.models import Team, User


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def in_team(self, team: "Team") -> Self:
        return self.filter(memberships__team=team)

    def taking_work(self) -> Self:
        """Active agents and supervisors whom rules may give cases to."""
        return self.active().filter(takes_work=True, role__in=["agent", "supervisor"])

    def supervisors(self) -> Self:
        return self.active().filter(role="supervisor")


class UserManager(DjangoUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc] # built at run time
    """Users by username, with the sentences of UserQuerySet."""

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> "User":
        """An administrator: also what `manage.py createsuperuser` makes."""
        fields.setdefault("role", "administrator")
        user: User = super().create_superuser(username, email, password, **fields)
        return user
