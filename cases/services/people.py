"""The people who work here: added, edited, switched off. What may be told of it stands in the log like all else."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from knox.models import AuthToken

from accounts.actors import Actor
from accounts.models import User
from cases.facts import configuration_changed
from handyconnect.refusals import Conflict

TOLD = ("username", "role", "is_active", "takes_work", "time_zone", "language")
PERSONAL = ("first_name", "last_name", "email")


@transaction.atomic
def save_person(person: User, *, at: datetime, actor: Actor) -> User:
    """Add or edit somebody. Whether they may enter the admin follows from the role. Saving no change writes nothing.

    Raises ValidationError, which names the fields, and Conflict when nobody would be left to administrate.
    """
    old = User.objects.select_for_update().filter(pk=person.pk).first()
    if person.role == User.Role.ADMINISTRATOR or (old and old.role == User.Role.ADMINISTRATOR):
        person.is_superuser = person.role == User.Role.ADMINISTRATOR
    person.is_staff = person.may_steer
    person.full_clean(exclude=["password"])
    if old and _administrates(old) and not _administrates(person) and _is_last_administrator(old):
        raise Conflict(_("This is the last administrator. Make somebody else one first."))
    person.save()
    changes, personal = (
        {
            name: [getattr(old, name, None), getattr(person, name)]
            for name in names
            if getattr(old, name, None) != getattr(person, name)
        }
        for names in (TOLD, PERSONAL)
    )
    if changes or personal:
        configuration_changed.emit(
            subject=person,
            actor=actor,
            at=at,
            changes=changes,
            data={"deleted": False},
            personal={"changes": personal} if personal else None,
        )
    return person


@transaction.atomic
def note_password_change(person: User, *, at: datetime, actor: Actor) -> None:
    """Tell that somebody's password was set; the password itself is told to nobody."""
    configuration_changed.emit(subject=person, actor=actor, at=at, data={"deleted": False, "reason": "password set"})


@transaction.atomic
def revoke_token(token: AuthToken, *, at: datetime, actor: Actor) -> None:
    """Make an API token worthless, at once."""
    configuration_changed.emit(
        subject=token.user, actor=actor, at=at, data={"deleted": False, "reason": "API token revoked"}
    )
    token.delete()


def _administrates(person: User) -> bool:
    return person.is_active and person.may_configure


def _is_last_administrator(person: User) -> bool:
    administrators = User.objects.active().filter(Q(role=User.Role.ADMINISTRATOR) | Q(is_superuser=True))
    return not administrators.exclude(pk=person.pk).exists()
