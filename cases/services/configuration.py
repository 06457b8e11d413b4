"""The one door through which configuration is saved: from the admin, the API and imports alike."""

import json
from datetime import datetime
from typing import Any, TypeVar

from django.core import serializers
from django.db import models, transaction

from accounts.actors import Actor
from cases.facts import configuration_changed
from cases.models import ConfigVersion
from cases.timeline import canonical

M = TypeVar("M", bound=models.Model)


@transaction.atomic
def save_configuration(item: M, *, at: datetime, actor: Actor) -> M:
    """Validate and save a policy, calendar, rule, template, category, team or mailbox, with a version and an event.

    Columns that the model names in `BOOKKEEPING` are no configuration: whatever moves them goes on meanwhile, so a save
    leaves them alone. Saving what did not change writes nothing. Raises ValidationError, which names the fields.
    """
    item.full_clean()
    if item._state.adding:  # noqa: SLF001 - Django's public name for it
        item.save()
    else:
        item.save(update_fields=_columns(item))
    _write_version(item, at=at, actor=actor, new=state_of(item))
    return item


@transaction.atomic
def delete_configuration(item: models.Model, *, at: datetime, actor: Actor) -> None:
    """Delete it; its versions stay. Raises ProtectedError while something still uses it."""
    _write_version(item, at=at, actor=actor, new={})
    item.delete()


def state_of(item: models.Model) -> dict[str, Any]:
    """Its fields as plain JSON values, as they are exported and compared."""
    (row,) = serializers.serialize("python", [item], fields=[*_columns(item), *_relations(item)])
    state: dict[str, Any] = json.loads(canonical(row["fields"]))
    return state


def _columns(item: models.Model) -> list[str]:
    kept = getattr(item, "BOOKKEEPING", ())
    fields = item._meta.concrete_fields  # noqa: SLF001 - see above
    return [field.name for field in fields if not field.primary_key and field.name not in kept]


def _relations(item: models.Model) -> list[str]:
    return [field.name for field in item._meta.many_to_many]  # noqa: SLF001 - see above


def _write_version(item: models.Model, *, at: datetime, actor: Actor, new: dict[str, Any]) -> None:
    kind = item._meta.model_name or ""  # noqa: SLF001 - Django's public name for it
    last = ConfigVersion.objects.filter(subject_type=kind, subject_id=str(item.pk)).order_by("-number").first()
    old: dict[str, Any] = last.state if last else {}
    changes = {name: [old.get(name), new.get(name)] for name in sorted({*old, *new}) if old.get(name) != new.get(name)}
    if last and not changes:
        return
    number = last.number + 1 if last else 1
    event = configuration_changed.emit(
        subject=item, actor=actor, at=at, changes=changes, data={"version": number, "deleted": not new}
    )
    ConfigVersion.objects.create(subject_type=kind, subject_id=str(item.pk), number=number, state=new, event=event)
