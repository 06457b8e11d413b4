"""People: who works here, in which teams, and what they may do."""

import zoneinfo
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.querysets import UserManager


def validate_time_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            _("%(value)s is not a time zone. Use a name such as Europe/Berlin."), params={"value": value}
        )


class User(AbstractUser):
    """A person who signs in. `role` says what they may do; teams say where they work."""

    class Role(models.TextChoices):
        ADMINISTRATOR = "administrator", _("Administrator")
        SUPERVISOR = "supervisor", _("Supervisor")
        AGENT = "agent", _("Agent")
        READ_ONLY = "read_only", _("Read-only")
        CONTRACTOR = "contractor", _("Contractor")

    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.AGENT)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text=_("Dates are shown to this person in this zone, for example Europe/Berlin."),
    )
    language = models.CharField(
        _("language"), max_length=8, default="en", help_text=_("The language of the mails that this person gets.")
    )
    takes_work = models.BooleanField(
        _("takes new work"), default=True, help_text=_("Off: rules assign no new cases to this person.")
    )
    teams: "models.ManyToManyField[Team, Membership]" = models.ManyToManyField(
        "accounts.Team", through="accounts.Membership", related_name="members", verbose_name=_("teams")
    )

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(
                name="user_role_known",
                condition=Q(role__in=["administrator", "supervisor", "agent", "read_only", "contractor"]),
            ),
        ]
        indexes = [
            models.Index(  # who can be given a case: active agents who take work
                name="user_takes_work", fields=["role"], condition=Q(is_active=True, takes_work=True)
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def may_steer(self) -> bool:
        """Supervisors and administrators: see everything, restore, reassign, change rules' effects."""
        return self.is_superuser or self.role in {self.Role.ADMINISTRATOR, self.Role.SUPERVISOR}

    @property
    def may_configure(self) -> bool:
        """Administrators: people, policies, calendars, rules, templates, mailboxes."""
        return self.is_superuser or self.role == self.Role.ADMINISTRATOR

    @property
    def may_write(self) -> bool:
        """Whoever works on cases, as opposed to looking at them."""
        return self.may_steer or self.role == self.Role.AGENT

    @property
    def may_read(self) -> bool:
        return self.may_write or self.role == self.Role.READ_ONLY


class Team(models.Model):
    """A group that cases are assigned to. `slug` is its name in the API."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    slug = models.SlugField(
        _("slug"), max_length=60, unique=True, help_text=_("The team's name in the API and in rules.")
    )
    email = models.EmailField(_("e-mail"), blank=True, help_text=_("The address that the team's replies come from."))
    signature = models.TextField(_("signature"), blank=True, help_text=_("Added below every reply of this team."))

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [models.UniqueConstraint(name="membership_once", fields=["user", "team"])]

    def __str__(self) -> str:
        return f"{self.user} · {self.team}"


class IdempotencyKey(models.Model):
    """The answer once given to a POST that carried an `Idempotency-Key`, so that a repeat gets the same one."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="idempotency_keys")
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="idempotency_key_once", fields=["user", "route", "key"])]
        indexes = [models.Index(name="idempotency_age", fields=["created_at"])]  # the nightly clean-up of old keys

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
