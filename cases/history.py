"""The event log in words: what happened, who did it, and what was before and after, as people say it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from accounts.actors import ActorKind
from accounts.models import User
from cases.facts import FACTS
from cases.models import Case, TimelineEvent

SHOWN = 200
LONGEST = 300
NOTHING = "–"  # noqa: RUF001 - an en dash stands for nothing

Namer = Callable[[Iterable[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Line:
    """One event as a person reads it."""

    event: TimelineEvent
    label: str
    who: str
    changes: list[Change]
    remarks: list[str]


def _people(ids: Iterable[str]) -> Mapping[str, str]:
    return {str(person.pk): str(person) for person in User.objects.filter(pk__in=list(ids))}


_namers: dict[str, Namer] = {ActorKind.USER: _people}


def register_namer(kind: ActorKind, namer: Namer) -> None:
    """For upper apps: how actors of this kind are called; asked once for all references on a page."""
    _namers[kind] = namer


def of_case(case: Case) -> tuple[list[Line], bool]:
    """The newest events of a case, newest first, and whether there are more than these."""
    events = list(
        TimelineEvent.objects.filter(case=case).select_related("detail").newest_first()[: SHOWN + 1],
    )
    return in_words(events[:SHOWN]), len(events) > SHOWN


def in_words(events: Iterable[TimelineEvent]) -> list[Line]:
    """Each event as a line. One query for each kind of actor that has names; `detail` should be selected with them."""
    events = list(events)
    names = {
        kind: namer(references)
        for kind, namer in _namers.items()
        if (references := {event.actor_reference for event in events if event.actor_kind == kind})
    }
    return [
        Line(event, label_of(event.kind), _who(event, names), changes_of(event), _remarks(event)) for event in events
    ]


def label_of(kind: str) -> str:
    """What people call a kind of event."""
    fact = FACTS.get(kind)
    return str(fact.label) if fact else kind


def changes_of(event: TimelineEvent) -> list[Change]:
    """The changes of an event, those that are personal too, in words."""
    model = model_of(event.subject_type)
    changes = {**event.changes, **(personal_part(event).get("changes") or {})}
    return [
        Change(field_label(model, name), in_word(model, name, pair[0]), in_word(model, name, pair[1]))
        for name, pair in changes.items()
        if isinstance(pair, list) and len(pair) == 2  # noqa: PLR2004 - old and new
    ]


def personal_part(event: TimelineEvent) -> dict[str, Any]:
    """What is personal in an event; empty when there is nothing, or when it was erased."""
    detail = getattr(event, "detail", None)
    return detail.body if detail and isinstance(detail.body, dict) else {}


def field_label(model: type[models.Model] | None, name: str) -> str:
    """A field's name for people."""
    field = _field(model, name)
    return capfirst(str(getattr(field, "verbose_name", "") or name.replace("_", " ")))


def in_word(model: type[models.Model] | None, name: str, value: Any) -> str:
    """A value as people read it: the label of a choice, a moment in the reader's time zone, a list as a list."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict | list):
        return _composite(value)
    field = _field(model, name)
    labels = {str(stored): str(label) for stored, label in getattr(field, "flatchoices", None) or ()}
    moment = _moment(value) if isinstance(field, models.DateTimeField) else ""
    return labels.get(str(value)) or moment or Truncator(str(value)).chars(LONGEST)


def _composite(value: dict[str, Any] | list[Any]) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return Truncator(json.dumps(value, ensure_ascii=False, sort_keys=True)).chars(LONGEST)


def _moment(value: Any) -> str:
    try:
        parsed = parse_datetime(str(value))
    except ValueError:
        return ""
    return date_format(timezone.localtime(parsed), "DATETIME_FORMAT") if parsed and timezone.is_aware(parsed) else ""


def _remarks(event: TimelineEvent) -> list[str]:
    """The reasons and the texts that an event carries."""
    personal = personal_part(event)
    texts = [event.data.get("reason"), personal.get("subject") or personal.get("title"), personal.get("body")]
    if event.data.get("code"):
        texts.append(str(event.data["code"]))
    texts += _whereabouts(event)
    return [Truncator(str(text)).chars(LONGEST) for text in texts if text]


def _whereabouts(event: TimelineEvent) -> list[str]:
    """From which case and into which other one something went, where the event tells of that."""
    words = {"from_case": _("From case %(number)s."), "into_case": _("Into case %(number)s.")}
    return [word % {"number": event.data[name]} for name, word in words.items() if event.data.get(name)]


def _who(event: TimelineEvent, names: Mapping[str, Mapping[str, str]]) -> str:
    reference = event.actor_reference
    name = names.get(event.actor_kind, {}).get(reference)
    if event.actor_kind == ActorKind.USER:
        return name or _("somebody who is gone")
    if event.actor_kind == ActorKind.RULE:
        return _("Rule “%(name)s”") % {"name": name or reference}
    if event.actor_kind == ActorKind.MAIL:
        return _("A mail")
    return _("System (%(part)s)") % {"part": reference}


@cache
def model_of(subject_type: str) -> type[models.Model] | None:
    return next((model for model in apps.get_models() if model._meta.model_name == subject_type), None)  # noqa: SLF001 - Django's public name for it


def _field(model: type[models.Model] | None, name: str) -> Any:
    if model is None:
        return None
    try:
        return model._meta.get_field(name)  # noqa: SLF001 - Django's public name for it
    except FieldDoesNotExist:
        return None
