"""Changes to people and their keys."""

from datetime import datetime

import structlog
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils.translation import gettext as _
from knox.models import get_token_model
from knox.settings import knox_settings

from accounts.models import Membership, Team, User
from handyconnect.refusals import Conflict, NotFound

log = structlog.get_logger(__name__)


class PersonUnknown(NotFound):
    code = "user_not_found"


class PersonInactive(Conflict):
    code = "user_inactive"


@transaction.atomic
def create_user(
    *,
    username: str,
    role: str,
    email: str = "",
    password: str | None = None,
    first_name: str = "",
    last_name: str = "",
    time_zone: str = "UTC",
    language: str = "en",
    teams: tuple[Team, ...] = (),
) -> User:
    """Add a person. Without a password they can only sign in some other way. Administrators may use the admin.

    Raises ValidationError, which names the fields.
    """
    user = User(
        username=username,
        email=email,
        first_name=first_name,
        last_name=last_name,
        role=role,
        time_zone=time_zone,
        language=language,
        is_staff=role in {User.Role.ADMINISTRATOR, User.Role.SUPERVISOR},
        is_superuser=role == User.Role.ADMINISTRATOR,
    )
    if password is not None:
        validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    Membership.objects.bulk_create(Membership(user=user, team=team) for team in teams)
    log.info("user_created", user_id=user.pk, role=role)
    return user


@transaction.atomic
def make_token(user: User, *, at: datetime) -> str:
    """A new API token of this person. It is shown only now: what is kept is its hash. Raises PersonInactive."""
    if not user.is_active:
        raise PersonInactive(_("%(name)s is not active.") % {"name": user.username})
    row, token = get_token_model().objects.create(user=user)
    row.expiry = at + knox_settings.TOKEN_TTL if knox_settings.TOKEN_TTL else None
    row.save(update_fields=["expiry"])
    log.info("api_token_made", user_id=user.pk, expires_at=row.expiry and row.expiry.isoformat())
    return str(token)


def find_person(username: str) -> User:
    """The person of this name. Raises PersonUnknown."""
    user: User | None = None if "\x00" in username else User.objects.filter(username=username).first()
    if user is None:
        raise PersonUnknown(_("There is nobody called “%(name)s”.") % {"name": username})
    return user
