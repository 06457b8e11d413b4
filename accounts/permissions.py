"""Who may do what, by role. `WorksHere` is the default of every endpoint; the others ask for more."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import User


class WorksHere(BasePermission):
    """Signed in. Everybody of the house reads, agents and above write, contractors use what a view opens to them."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return False
        action = getattr(view, "action", None)
        if action in getattr(view, "open_actions", ()):
            return True
        if user.role == User.Role.CONTRACTOR and not user.may_steer:
            return action in getattr(view, "contractor_actions", ())
        return self.allows(user, is_write=request.method not in SAFE_METHODS)

    def allows(self, user: User, *, is_write: bool) -> bool:
        return user.may_write if is_write else user.may_read


class Steers(WorksHere):
    """Supervisors and administrators."""

    def allows(self, user: User, *, is_write: bool) -> bool:
        return user.may_steer


class SteersToWrite(WorksHere):
    """The house reads; supervisors and administrators write."""

    def allows(self, user: User, *, is_write: bool) -> bool:
        return user.may_steer if is_write else user.may_read


class Configures(WorksHere):
    """Administrators."""

    def allows(self, user: User, *, is_write: bool) -> bool:
        return user.may_configure


class ConfiguresToWrite(WorksHere):
    """The house reads; administrators write."""

    def allows(self, user: User, *, is_write: bool) -> bool:
        return user.may_configure if is_write else user.may_read
