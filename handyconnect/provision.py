"""What an installation starts with: categories, calendars, policies, rules, templates and (embedded) a folder mailbox.

Each item is loaded once. One that an administrator has edited or deleted since is left as it is.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction

from accounts.actors import Actor
from cases.models import Category, ConfigVersion
from cases.services import save_configuration
from handyconnect.env import BASE_DIR
from mail_ingest.models import Mailbox
from notifications.models import NotificationTemplate
from sla.models import BusinessCalendar, Holiday, SLAPolicy
from workflows.models import WorkflowRule

FOLDER = BASE_DIR / "handyconnect" / "defaults"
ACTOR = Actor.system("defaults")


@transaction.atomic
def load_defaults(*, at: datetime) -> int:
    """Load what is missing; the number of items that are new."""
    loaded = 0
    for main in _read("categories"):
        loaded += _once(Category, {"slug": main["slug"]}, {"name": main["name"]}, at=at)
        parent = Category.objects.filter(slug=main["slug"]).first()
        for child in main.get("children", ()):
            loaded += _once(Category, {"slug": child["slug"]}, {"name": child["name"], "parent": parent}, at=at)
    levels = _read("sla")
    for calendar in levels["calendars"]:
        loaded += _calendar(calendar, at=at)
    for policy in levels["policies"]:
        hours = BusinessCalendar.objects.filter(slug=policy.pop("calendar")).first()
        if hours:
            loaded += _once(SLAPolicy, {"slug": policy.pop("slug")}, {**policy, "calendar": hours}, at=at)
    for template in _read("templates"):
        key = {name: template.pop(name) for name in ("key", "channel", "language")}
        loaded += _once(NotificationTemplate, key, template, at=at)
    for rule in _read("rules"):
        loaded += _once(WorkflowRule, {"slug": rule.pop("slug")}, rule, at=at)
    if settings.EMBEDDED:
        for mailbox in _read("mailboxes"):
            loaded += _once(Mailbox, {"slug": mailbox.pop("slug")}, mailbox, at=at)
    return loaded


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _calendar(calendar: dict[str, Any], *, at: datetime) -> int:
    holidays = calendar.pop("holidays", [])
    slug = calendar.pop("slug")
    if not _once(BusinessCalendar, {"slug": slug}, calendar, at=at):
        return 0
    saved = BusinessCalendar.objects.get(slug=slug)
    Holiday.objects.bulk_create(
        Holiday(calendar=saved, day=date.fromisoformat(holiday["day"]), name=holiday.get("name", ""))
        for holiday in holidays
    )
    return 1


def _once(model: type[models.Model], key: Mapping[str, Any], values: Mapping[str, Any], *, at: datetime) -> int:
    """Save the item unless it is there, or was there once; 1 if it is new."""
    was_there = {f"state__{name}": value for name, value in key.items()}
    kind = model._meta.model_name  # noqa: SLF001 - Django's public name for it
    if (
        model._default_manager.filter(**key).exists()  # noqa: SLF001 - Django's public name for it
        or ConfigVersion.objects.filter(subject_type=kind, **was_there).exists()
    ):
        return 0
    save_configuration(model(**key, **values), at=at, actor=ACTOR)
    return 1
