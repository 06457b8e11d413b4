"""What the conditions of rules are held against: a case as it stands, and the event that fires the rules."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.timezone import get_default_timezone

from cases.models import Case, TimelineEvent
from mail_ingest.models import EmailMessage
from notifications.events import message_of

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def readable_cases() -> QuerySet[Case]:
    """The cases that rules may act on, with all that conditions ask of them."""
    people_and_labels = ("customer", "assigned_to", "assigned_team", "category")
    return Case.objects.existing().filter(merged_into=None).select_related(*people_and_labels)


class Situation:
    """The facts of one case and one event (or, for rules of time, one moment). Reads only what somebody asks for.

    What belongs to the event is read once, however many rules ask; a case is read again after `forget_case`,
    because each rule has to see what the ones before it have made of it. Situations may share what they have read (`cases`).
    """

    def __init__(
        self,
        *,
        case_id: UUID,
        kind: str,
        occurred_at: datetime,
        event: TimelineEvent | None = None,
        cases: dict[UUID, Case | None] | None = None,
    ) -> None:
        self.case_id = case_id
        self.cases = {} if cases is None else cases
        self.kind = kind
        self.occurred_at = occurred_at
        self.event = event

    @property
    def case(self) -> Case | None:
        """The case as it stands now; None when it was deleted, or merged: its matter goes on in another case."""
        if self.case_id not in self.cases:
            self.cases[self.case_id] = readable_cases().filter(pk=self.case_id).first()
        return self.cases[self.case_id]

    def forget_case(self) -> None:
        """A rule has acted on it."""
        self.cases.pop(self.case_id, None)

    def facts(self, fields: AbstractSet[str]) -> list[dict[str, Any]]:
        """The values of these fields, by name; one set of facts for each field that the event has changed.

        An event that changed several fields is several answers to `change.field`: a rule matches when it matches one.
        """
        groups = {field.partition(".")[0] for field in fields}
        found = self._of_event()
        if "case" in groups and self.case:
            found |= _of_case(self.case, with_tags="case.tags" in fields)
        if "message" in groups and self._message:
            found |= _of_message(self._message, with_attachments="message.has_attachments" in fields)
        if "clock" in groups and self.event:
            found["clock.kind"] = self.event.data.get("clock")
        if "change" not in groups or not self._changes:
            return [found]
        return [
            found | {"change.field": name, "change.old": _text(old), "change.new": _text(new)}
            for name, (old, new) in self._changes.items()
        ]

    @cached_property
    def _message(self) -> EmailMessage | None:
        return message_of(self.event) if self.event else None

    @cached_property
    def _changes(self) -> dict[str, list[Any]]:
        """What the event has changed, with what stands in its personal part, unless that was erased."""
        if self.event is None:
            return {}
        detail = getattr(self.event, "detail", None)
        personal = (detail.body or {}).get("changes", {}) if detail else {}
        return {**self.event.changes, **personal}

    def _of_event(self) -> dict[str, Any]:
        local = self.occurred_at.astimezone(get_default_timezone())
        return {
            "event.kind": self.kind,
            "event.hour_of_day": local.hour,
            "event.weekday": _WEEKDAYS[local.weekday()],
        }


def _of_case(case: Case, *, with_tags: bool) -> dict[str, Any]:
    found = {
        "case.status": case.status,
        "case.priority": case.priority,
        "case.case_type": case.case_type,
        "case.sentiment": case.sentiment,
        "case.category": case.category.slug if case.category else None,
        "case.language": case.language,
        "case.assigned_to": case.assigned_to.username if case.assigned_to else None,
        "case.assigned_team": case.assigned_team.slug if case.assigned_team else None,
        "case.title": case.title,
        "case.sla_status": case.sla_status,
        "case.escalation_level": case.escalation_level,
        "case.customer_type": case.customer.customer_type,
        "case.customer_email": case.customer.email,
        "case.customer_domain": case.customer.email.rpartition("@")[2],
    }
    return found | ({"case.tags": sorted(case.tags.values_list("name", flat=True))} if with_tags else {})


def _of_message(message: EmailMessage, *, with_attachments: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "message.direction": message.direction,
        "message.automatic_kind": message.automatic,
        "message.subject": message.subject,
        "message.text": message.visible_text or message.text,
        "message.sender_email": message.from_email,
        "message.sender_domain": message.from_email.rpartition("@")[2],
    }
    return found | ({"message.has_attachments": message.attachments.exists()} if with_attachments else {})


def _text(value: Any) -> str | None:
    """A changed value as the conditions compare it: lists as their members, numbers as they are written."""
    if value is None or isinstance(value, str):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
