"""How cases, their events and their notes look from outside. Plain dictionaries: a list of 200 has to be quick."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce, Greatest

from accounts.models import User
from cases.embed import parts_of
from cases.facts import FACTS
from cases.models import Case, Customer, Note, TimelineEvent
from handyconnect.api import etags

TIMELINE_LENGTH = 50
TIMELINE_ORDERING = "-id"

_namers: dict[str, Callable[[Sequence[str]], Mapping[str, str]]] = {}


def name_actors(kind: str, fetch: Callable[[Sequence[str]], Mapping[str, str]]) -> None:
    """An upper app says how actors of a kind are called (rules by their names); called from its `ready()`."""
    _namers[kind] = fetch


def with_newest_event(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Adds `newest_event_id`: the last event that can have changed what the case shows."""
    of_case = TimelineEvent.objects.filter(case=OuterRef("pk")).order_by("-id").values("id")[:1]
    of_customer = (
        TimelineEvent.objects.filter(
            subject_type="customer", subject_id=Cast(OuterRef("customer_id"), CharField(max_length=60))
        )
        .order_by("-id")
        .values("id")[:1]
    )
    return cases.annotate(newest_event_id=Greatest(Coalesce(Subquery(of_case), 0), Coalesce(Subquery(of_customer), 0)))


def etag_of(case: Any) -> str:
    """The ETag of a case that was read `with_newest_event`."""
    return etags.etag(version=case.version, event_id=case.newest_event_id)


def case_row(case: Case) -> dict[str, Any]:
    """A case in a list: everything but its long parts. Read it `with_people`."""
    return {
        "case_id": case.pk,
        "case_number": case.case_number,
        "case_title": case.title,
        "case_type": case.case_type,
        "category": case.category.slug if case.category else None,
        "status": case.status,
        "priority": case.priority,
        "sentiment": case.sentiment,
        "language": case.language,
        "summary": case.summary,
        "action_required": case.action_required,
        "sla_due_date": case.sla_due_date,
        "sla_status": case.sla_status,
        "escalation_level": case.escalation_level,
        "assigned_to": _username(case.assigned_to),
        "assigned_team": case.assigned_team.slug if case.assigned_team else None,
        "customer_info": customer_info(case.customer),
        "case_metadata": {**case.metadata, "tags": sorted(tag.name for tag in case.tags.all())},
        "received_at": case.received_at,
        "first_response_at": case.first_response_at,
        "resolved_at": case.resolved_at,
        "closed_at": case.closed_at,
        "last_activity_at": case.last_activity_at,
        "reopen_count": case.reopen_count,
        "merged_into": case.merged_into_id,
        "created_at": case.created_at,
        "updated_at": case.updated_at,
        "created_by": _username(case.created_by),
        "updated_by": _username(case.updated_by),
    }


def whole_case(case: Case, *, timeline_link: Callable[[int], str]) -> dict[str, Any]:
    """One case with all its parts. `timeline_link(event_id)` is the address of the events before that one."""
    newest = list(timeline_of(case)[: TIMELINE_LENGTH + 1])
    shown = newest[:TIMELINE_LENGTH]
    return {
        **case_row(case),
        "description": case.description,
        "provenance": case.provenance,
        "allowed_moves": case.allowed_moves,
        "threads": [],
        "tasks": [],
        "sla": [],
        **parts_of([case.pk])[case.pk],
        "timeline": events(shown),
        "timeline_next": timeline_link(shown[-1].pk) if len(newest) > TIMELINE_LENGTH else None,
    }


def customer_info(customer: Customer) -> dict[str, Any]:
    return {
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "property_id": customer.property_id,
        "property_address": customer.property_address,
        "property_number": customer.property_number,
        "block_number": customer.block_number,
        "customer_type": customer.customer_type,
    }


def timeline_of(case: Case) -> QuerySet[TimelineEvent]:
    return TimelineEvent.objects.filter(case=case).select_related("detail").newest_first()


def events(found: Iterable[TimelineEvent]) -> list[dict[str, Any]]:
    """Events as people read them, with the names of those who acted: one query for each kind of actor."""
    found = list(found)
    names = _actor_names(found)
    return [
        {
            "id": event.pk,
            "kind": event.kind,
            "label": str(FACTS[event.kind].label) if event.kind in FACTS else event.kind,
            "occurred_at": event.occurred_at,
            "recorded_at": event.recorded_at,
            "subject": {"type": event.subject_type, "id": event.subject_id},
            "actor": {
                "kind": event.actor_kind,
                "reference": event.actor_reference,
                "name": names.get((event.actor_kind, event.actor_reference), event.actor_reference),
            },
            "changes": event.changes,
            "data": event.data,
            "detail": event.detail.body if event.detail_digest and hasattr(event, "detail") else None,
            "cause_id": event.cause_id,
        }
        for event in found
    ]


def note_row(note: Note) -> dict[str, Any]:
    return {
        "id": note.pk,
        "case_id": note.case_id,
        "author": _username(note.author),
        "body": note.body,
        "created_at": note.created_at,
    }


def _username(user: User | None) -> str | None:
    return user.username if user else None


def _actor_names(found: Sequence[TimelineEvent]) -> dict[tuple[str, str], str]:
    wanted: dict[str, set[str]] = {}
    for event in found:
        wanted.setdefault(event.actor_kind, set()).add(event.actor_reference)
    names: dict[tuple[str, str], str] = {}
    for kind, references in wanted.items():
        if kind in _namers:
            fetched = _namers[kind](sorted(references))
            names |= {(kind, reference): name for reference, name in fetched.items()}
    return names


def _names_of_users(references: Sequence[str]) -> dict[str, str]:
    ids = [int(reference) for reference in references if reference.isdigit()]
    return {str(user.pk): str(user) for user in User.objects.filter(pk__in=ids)}


name_actors("user", _names_of_users)
