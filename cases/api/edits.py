"""From validated bodies to calls of services."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.actors import Actor
from cases import services
from cases.models import Case
from cases.services import CaseDraft, CustomerInfo

LABELS = ("case_type", "category", "priority", "sentiment", "language", "summary", "action_required")
COLUMN_OF = {"case_title": "title", "description": "description", **{name: name for name in LABELS}}

# What a PUT that leaves a field out sets it to.
DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "case_type": Case.Type.GENERAL,
    "category": None,
    "priority": Case.Priority.MEDIUM,
    "sentiment": Case.Sentiment.NEUTRAL,
    "language": "",
    "summary": "",
    "action_required": "",
    "assigned_to": None,
    "assigned_team": None,
    "case_metadata": {},
}


def draft(body: Mapping[str, Any]) -> CaseDraft:
    """A new case out of a body of CaseBodySerializer."""
    metadata = dict(body.get("case_metadata", {}))
    return CaseDraft(
        title=body["case_title"],
        description=body.get("description", ""),
        customer=CustomerInfo(**body["customer_info"]),
        labels={name: body[name] for name in LABELS if name in body},
        assigned_to=body.get("assigned_to"),
        assigned_team=body.get("assigned_team"),
        tags=metadata.pop("tags", []),
        metadata=metadata,
    )


@transaction.atomic
def replace(case: Case, body: Mapping[str, Any], *, at: datetime, actor: Actor, expected_version: int | None) -> Case:
    """A PUT: what is left out goes back to its default."""
    whole = {**DEFAULTS, **body}
    whole["case_metadata"] = {"tags": [], **whole["case_metadata"]}
    return _edit(case, whole, metadata_from={}, at=at, actor=actor, expected_version=expected_version)


@transaction.atomic
def change(case: Case, body: Mapping[str, Any], *, at: datetime, actor: Actor, expected_version: int | None) -> Case:
    """A PATCH: only what is given. Of `case_metadata` too: null takes a name away."""
    return _edit(case, body, metadata_from=case.metadata, at=at, actor=actor, expected_version=expected_version)


def _edit(
    case: Case,
    body: Mapping[str, Any],
    *,
    metadata_from: Mapping[str, Any],
    at: datetime,
    actor: Actor,
    expected_version: int | None,
) -> Case:
    """Edit, assign and move in one transaction: all of it or nothing. Raises what the services raise."""
    edited = services.locked(case.pk, expected_version=expected_version)
    values = {COLUMN_OF[name]: value for name, value in body.items() if name in COLUMN_OF}
    tags = None
    if "case_metadata" in body:
        merged = {**metadata_from, **body["case_metadata"]}
        tags = merged.pop("tags", None)
        values["metadata"] = {name: value for name, value in merged.items() if value is not None}
    customer = None
    if info := body.get("customer_info"):
        customer = CustomerInfo(**{"email": case.customer.email, **info})
    if values or tags is not None or customer:
        edited = services.update_case(case.pk, values, tags=tags, customer=customer, at=at, actor=actor)
    if assigned := {name: body[name] for name in ("assigned_to", "assigned_team") if name in body}:
        edited = services.assign_case(case.pk, **assigned, at=at, actor=actor)
    if "status" in body:
        edited = services.change_status(case.pk, body["status"], at=at, actor=actor)
    return edited
