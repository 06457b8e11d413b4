"""Every change of a case. Each function is one transaction and one event; the lock is on the case's row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.actors import Actor
from accounts.models import Team, User
from cases import facts, numbers
from cases.lifecycle import hooks
from cases.models import Case, Category, Tag
from cases.services.customers import CustomerInfo, remember_customer
from cases.services.errors import CaseGone, GuardObjects, TransitionNotAllowed, VersionStale

TITLE_LENGTH = 300
PERSONAL = frozenset({"title", "description", "summary", "action_required", "metadata"})
LABELS = ("case_type", "category", "priority", "sentiment", "language", "summary", "action_required")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDraft:
    """What a new case starts with. `labels` are those of LABELS that somebody or something has chosen."""

    title: str
    customer: CustomerInfo
    description: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    assigned_to: User | None = None
    assigned_team: Team | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    received_at: datetime | None = None
    answerable: bool = True  # False: what led here is too old or too automatic to be answered


@transaction.atomic(savepoint=False)
def create_case(draft: CaseDraft, *, at: datetime, actor: Actor) -> Case:
    """Open a case, start its clocks, and tell of it. Its title is cut to TITLE_LENGTH characters."""
    customer = remember_customer(draft.customer, at=at, actor=actor, overwrite=actor.is_person)
    received_at = min(draft.received_at or at, at)
    case = Case(
        case_number=numbers.issue(at=at),
        title=draft.title.strip()[:TITLE_LENGTH] or draft.customer.email,
        description=draft.description,
        customer=customer,
        assigned_to=draft.assigned_to,
        assigned_team=draft.assigned_team,
        metadata=dict(draft.metadata),
        provenance=dict(draft.provenance) or _by_person(draft.labels, at=at, actor=actor),
        received_at=received_at,
        created_at=at,
        updated_at=at,
        status_changed_at=at,
        last_activity_at=received_at,
        created_by_id=actor.user_id,
        updated_by_id=actor.user_id,
        **draft.labels,
    )
    case.save(force_insert=True)
    if draft.tags:
        _set_tags(case, draft.tags)
    for initialise in hooks.initialisers:
        initialise(case, at, actor)
    facts.case_created.emit(
        case=case,
        actor=actor,
        at=at,
        data={
            "answerable": draft.answerable,
            "received_at": received_at,
            "sla_due_date": case.sla_due_date,
            "case_number": case.case_number,
            "state": snapshot(case),
            "tags": sorted(draft.tags),
        },
        personal={
            "title": case.title,
            "description": case.description,
            "summary": case.summary,
            "action_required": case.action_required,
            "metadata": case.metadata,
        },
    )
    return case


@transaction.atomic
def update_case(
    case_id: UUID,
    values: Mapping[str, Any],
    *,
    at: datetime,
    actor: Actor,
    expected_version: int | None = None,
    tags: Sequence[str] | None = None,
    customer: CustomerInfo | None = None,
) -> Case:
    """Edit a case's own fields and labels. What a person sets is from then on a person's. Raises VersionStale."""
    case = locked(case_id, expected_version=expected_version)
    if customer:
        remembered = remember_customer(customer, at=at, actor=actor, overwrite=True)
        values = {**values, "customer": remembered}
    changes = _changes(case, values)
    if tags is not None and (old_tags := sorted(case.tags.values_list("name", flat=True))) != sorted(set(tags)):
        _set_tags(case, tags)
        changes["tags"] = [old_tags, sorted(set(tags))]
    if not changes:
        return case
    if actor.is_person:
        case.provenance = {**case.provenance, **_by_person(changes, at=at, actor=actor)}
    elif actor.kind == "rule":
        case.provenance = {
            **case.provenance,
            **{name: {"by": "rule", "at": at.isoformat()} for name in changes if name in LABELS},
        }
    _save(case, [name for name in changes if name != "tags"] + ["provenance"], at=at, actor=actor)
    if "priority" in changes or "case_type" in changes:
        for relabel in hooks.relabelers:
            relabel(case, at, actor)
    _tell(facts.case_updated, case, changes, at=at, actor=actor)
    return case


@transaction.atomic
def apply_triage(
    case_id: UUID,
    labels: Mapping[str, Any],
    *,
    source: str,
    confidence: Mapping[str, float],
    at: datetime,
    actor: Actor,
) -> Case:
    """Set the labels that a reader chose, except those that a person or a rule has set in the meantime."""
    case = locked(case_id)
    free = {
        name: value
        for name, value in labels.items()
        if case.provenance.get(name, {}).get("by") not in {"person", "rule"}
    }
    changes = _changes(case, free)
    if not changes:
        return case
    case.provenance = {
        **case.provenance,
        **{name: {"by": source, "at": at.isoformat(), "confidence": confidence.get(name)} for name in changes},
    }
    _save(case, [*changes, "provenance"], at=at, actor=actor)
    if "priority" in changes or "case_type" in changes:
        for relabel in hooks.relabelers:
            relabel(case, at, actor)
    _tell(facts.case_triaged, case, changes, at=at, actor=actor, data={"source": source})
    return case


@transaction.atomic
def change_status(
    case_id: UUID, status: str, *, at: datetime, actor: Actor, expected_version: int | None = None
) -> Case:
    """Move a case along its lifecycle. Repeating the current status does nothing.

    Raises TransitionNotAllowed, which names the moves that are allowed, GuardObjects, and VersionStale.
    """
    case = locked(case_id, expected_version=expected_version)
    old = case.status
    if old == status:
        return case
    if not case.can_become(status):
        raise TransitionNotAllowed(old=old, new=status, allowed=case.allowed_moves)
    if objection := hooks.objection(case, status):
        raise GuardObjects(code=objection.code, detail=objection.detail, blocking=list(objection.blocking_ids))
    case.status = status
    case.status_changed_at = at
    if status == Case.Status.RESOLVED or (status == Case.Status.CLOSED and case.resolved_at is None):
        case.resolved_at = max(at, case.received_at)
    if status == Case.Status.CLOSED:
        case.closed_at = at
    reopened = old in {Case.Status.RESOLVED, Case.Status.CLOSED} and status == Case.Status.IN_PROGRESS
    if reopened:
        case.resolved_at = case.closed_at = None
        case.reopen_count += 1
    for move in hooks.movers:
        move(case, old, at, actor)
    _save(case, ["status", "status_changed_at", "resolved_at", "closed_at", "reopen_count"], at=at, actor=actor)
    _tell(facts.case_status_changed, case, {"status": [old, status]}, at=at, actor=actor, data={"reopened": reopened})
    return case


class Unset:
    """Stands for an argument that was not given, where None means to clear."""


UNSET = Unset()


@transaction.atomic
def assign_case(
    case_id: UUID,
    *,
    at: datetime,
    actor: Actor,
    assigned_to: User | Unset | None = UNSET,
    assigned_team: Team | Unset | None = UNSET,
    reason: str = "",
    expected_version: int | None = None,
) -> Case:
    """Give a case to a person, a team, or (None) to nobody. `reason` says why, when a rule chose."""
    case = locked(case_id, expected_version=expected_version)
    wanted: dict[str, Any] = {}
    if not isinstance(assigned_to, Unset):
        wanted["assigned_to"] = assigned_to
    if not isinstance(assigned_team, Unset):
        wanted["assigned_team"] = assigned_team
    changes = _changes(case, wanted)
    if not changes:
        return case
    _save(case, list(changes), at=at, actor=actor)
    _tell(facts.case_assigned, case, changes, at=at, actor=actor, data={"reason": reason})
    return case


@transaction.atomic
def escalate_case(case_id: UUID, *, at: datetime, actor: Actor, reason: str = "") -> Case:
    """Raise the escalation level by one."""
    case = locked(case_id)
    old = case.escalation_level
    case.escalation_level = old + 1
    _save(case, ["escalation_level"], at=at, actor=actor)
    _tell(
        facts.case_escalated,
        case,
        {"escalation_level": [old, case.escalation_level]},
        at=at,
        actor=actor,
        data={"reason": reason},
    )
    return case


@transaction.atomic
def delete_case(case_id: UUID, *, at: datetime, actor: Actor, expected_version: int | None = None) -> Case:
    """Take a case out of every list. Its rows stay, and a supervisor can restore it."""
    case = locked(case_id, expected_version=expected_version)
    case.deleted_at = at
    _save(case, ["deleted_at"], at=at, actor=actor)
    _tell(facts.case_deleted, case, {}, at=at, actor=actor)
    return case


@transaction.atomic
def restore_case(case_id: UUID, *, at: datetime, actor: Actor) -> Case:
    """Bring a deleted case back. Repeating it does nothing."""
    case = locked(case_id, deleted_too=True)
    if case.deleted_at is None:
        return case
    case.deleted_at = None
    _save(case, ["deleted_at"], at=at, actor=actor)
    _tell(facts.case_restored, case, {}, at=at, actor=actor)
    return case


def touch(case: Case, *, at: datetime, first_response: bool = False) -> None:
    """Note that a message came or went. Called inside the transaction of that message, whose event tells of it."""
    case.last_activity_at = max(case.last_activity_at, at)
    columns = ["last_activity_at", "updated_at"]
    case.updated_at = max(case.updated_at, at)
    if first_response and case.first_response_at is None:
        case.first_response_at = at
        columns.append("first_response_at")
    case.save(update_fields=columns)


def locked(case_id: UUID, *, expected_version: int | None = None, deleted_too: bool = False) -> Case:
    """The case's row, locked until the transaction ends. Raises CaseGone and VersionStale.

    The lock keeps other services out, but not rows that only refer to the case: a listener that writes some for many
    cases would otherwise wait for those that act on many, and they for it.
    """
    cases = Case.objects.all() if deleted_too else Case.objects.existing()
    case = cases.select_for_update(no_key=True).filter(pk=case_id).first()
    if case is None:
        raise CaseGone(case_id)
    if expected_version is not None and expected_version != case.version:
        raise VersionStale(current=case.version)
    return case


def snapshot(case: Case) -> dict[str, Any]:
    """What the time machine starts from: every field whose changes are told, as plain values."""
    return {
        name: _plain(getattr(case, name))
        for name in (
            "status",
            "case_type",
            "priority",
            "sentiment",
            "language",
            "category",
            "assigned_to",
            "assigned_team",
            "escalation_level",
            "customer",
        )
    }


def _plain(value: Any) -> Any:
    if isinstance(value, User):
        return value.username
    if isinstance(value, Team | Category):
        return value.slug
    return value.pk if hasattr(value, "pk") else value


def _changes(case: Case, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set the values that differ, and say what they were and are, as plain values."""
    changes = {}
    for name, new in values.items():
        old = getattr(case, name)
        if old != new:
            setattr(case, name, new)
            changes[name] = [_plain(old), _plain(new)]
    return changes


def _by_person(names: Mapping[str, Any], *, at: datetime, actor: Actor) -> dict[str, Any]:
    if not actor.is_person:
        return {}
    return {name: {"by": "person", "user": actor.user_id, "at": at.isoformat()} for name in names if name in LABELS}


def _set_tags(case: Case, names: Sequence[str]) -> None:
    tags = [Tag.objects.get_or_create(name=name.strip()[:60])[0] for name in names if name.strip()]
    case.tags.set(tags)


def _save(case: Case, columns: Sequence[str], *, at: datetime, actor: Actor) -> None:
    """Save these columns. A person's edit counts the version up, so that another person's stale one is refused."""
    case.updated_at = max(at, case.updated_at)
    case.updated_by_id = actor.user_id
    if actor.is_person:
        case.version += 1
    case.save(update_fields=[*columns, "updated_at", "updated_by", "version"])


def _tell(
    fact: facts.Fact,
    case: Case,
    changes: Mapping[str, Any],
    *,
    at: datetime,
    actor: Actor,
    data: Mapping[str, Any] | None = None,
) -> None:
    fact.emit(
        case=case,
        actor=actor,
        at=at,
        changes={name: pair for name, pair in changes.items() if name not in PERSONAL},
        data=data,
        personal={"changes": found} if (found := {n: pair for n, pair in changes.items() if n in PERSONAL}) else None,
    )
