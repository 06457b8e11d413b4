"""Constraints that many models share."""

from django.db import models
from django.db.models import Q


def one_of(field: str, choices: type[models.TextChoices], *, name: str) -> models.CheckConstraint:
    """The database itself refuses a value that is not one of the choices."""
    return models.CheckConstraint(name=name, condition=Q(**{f"{field}__in": choices.values}))
