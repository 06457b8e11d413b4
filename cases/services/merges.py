"""Merging a case into another, with all that belongs to it, and taking that back.

Two cases change, so two events tell of it: one in the source's timeline and, caused by it, one in the target's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from cases.lifecycle import Merger, hooks
from cases.models import Case, CaseMerge, Note
from cases.services.cases import change_status, locked
from cases.services.errors import CaseGone, VersionStale
from handyconnect.refusals import Conflict, Invalid

FINISHED = frozenset({Case.Status.RESOLVED, Case.Status.CLOSED})


class AlreadyMerged(Conflict):
    """The case, or the one that it should go into, was merged already. `merged_into` names where it is now."""

    code = "already_merged"


class NotMerged(Conflict):
    """There is no merge to take back."""

    code = "not_merged"


@transaction.atomic
def merge_cases(
    source_id: UUID, *, into: UUID, at: datetime, actor: Actor, expected_version: int | None = None
) -> Case:
    """Merge a case into another one; the source, merged. Whatever belongs to it follows, and is remembered.

    A source that was still open takes up a target that was already resolved or closed. Repeating a merge does nothing.
    Raises Invalid for the case itself, CaseGone, AlreadyMerged, and VersionStale about the source.
    """
    if source_id == into:
        raise Invalid(_("A case cannot be merged into itself. Name another one."), field="into")
    for merger in _mergers():
        if merger.lock:
            merger.lock(source_id)
    cases = _locked({source_id, into})
    source, target = cases[source_id], cases[into]
    if source.merged_into_id == target.pk:
        return source
    if expected_version is not None and expected_version != source.version:
        raise VersionStale(current=source.version)
    _refuse_merged(source, target)
    was_open = source.is_open
    old = _move_status(source, Case.Status.MERGED, target=target, at=at, actor=actor)
    moved = {merger.name: ids for merger in _mergers() if (ids := merger.move(source, target, at))}
    target.last_activity_at = max(target.last_activity_at, source.last_activity_at)
    _save_target(target, at=at, actor=actor, edited="tags" in moved)
    CaseMerge.objects.create(source=source, target=target, old_status=old, moved=moved, merged_at=at)
    counts = {name: len(ids) for name, ids in moved.items()}
    event = facts.case_merged.emit(
        case=source,
        actor=actor,
        at=at,
        changes={"status": [old, source.status]},
        data={"into_case": target.case_number, "moved": counts},
    )
    facts.case_absorbed.emit(
        case=target,
        actor=replace(actor, cause_id=event.pk),
        at=at,
        data={"from_case": source.case_number, "moved": counts},
    )
    if was_open and target.status in FINISHED:
        change_status(target.pk, Case.Status.IN_PROGRESS, at=at, actor=actor)
    return source


@transaction.atomic
def unmerge_case(source_id: UUID, *, at: datetime, actor: Actor, expected_version: int | None = None) -> Case:
    """Take a merge back: the case has its old status again, its clocks go on, and what is still where the merge put it
    comes back, with the mail that has joined it since. What somebody has moved elsewhere meanwhile stays there.

    Where the target was merged further, the case's things are taken from where they are now.
    Raises CaseGone, NotMerged and VersionStale.
    """
    way = _way(source_id)
    target_id = way[-1].target_id
    for merger in _mergers():
        if merger.lock:
            merger.lock(target_id)
    cases = _locked({source_id, *(merge.target_id for merge in way)}, but_not_deleted=source_id)
    if [merge.pk for merge in way] != [merge.pk for merge in _way(source_id)]:
        raise Conflict(_("Somebody else is merging these cases right now. Look again, then repeat it."))
    source, target = cases[source_id], cases[target_id]
    if expected_version is not None and expected_version != source.version:
        raise VersionStale(current=source.version)
    merge = way[0]
    _move_status(source, merge.old_status, target=None, at=at, actor=actor)
    # Told first: a mail that comes back may move the case on, and the log has to say so in this order.
    event = facts.case_unmerged.emit(
        case=source,
        actor=actor,
        at=at,
        changes={"status": [Case.Status.MERGED, merge.old_status]},
        data={"from_case": target.case_number},
    )
    moved = {merger.name: ids for merger in _mergers() if (ids := _take_back(merger, way, cases, at=at))}
    _save_target(target, at=at, actor=actor, edited="tags" in moved)
    merge.undone_at = at
    merge.save(update_fields=["undone_at"])
    facts.case_released.emit(
        case=target,
        actor=replace(actor, cause_id=event.pk),
        at=at,
        data={"into_case": source.case_number, "moved": {name: len(ids) for name, ids in moved.items()}},
    )
    return Case.objects.get(pk=source.pk)


def living_id(case_id: UUID) -> UUID:
    """The case itself or, after merges, the one that it ended in."""
    seen = {case_id}
    while next_id := Case.objects.filter(pk=case_id).values_list("merged_into", flat=True).first():
        if next_id in seen:
            break
        seen.add(next_id)
        case_id = next_id
    return case_id


def lock_living(case_id: UUID) -> Case | None:
    """The case, or the one that it was merged into, locked until the transaction ends; None if that one is deleted."""
    seen: set[UUID] = set()
    while (case_id := living_id(case_id)) not in seen:
        seen.add(case_id)
        case = Case.objects.select_for_update(no_key=True).get(pk=case_id)
        if case.merged_into_id is None:  # else it was merged while the lock was waited for
            return None if case.deleted_at else case
    return None


def absorbed_ids(case_id: UUID) -> list[UUID]:
    """The cases that are merged into this one, those that were merged into them, and so on."""
    found: list[UUID] = []
    latest = [case_id]
    while latest:
        latest = list(Case.objects.filter(merged_into__in=latest).exclude(pk__in=found).values_list("pk", flat=True))
        found += latest
    return found


def came_with(case_id: UUID, name: str) -> list[int]:
    """The ids of the things of one kind that followed this case when it was merged."""
    merge = CaseMerge.objects.filter(source=case_id, undone_at=None).first()
    return list(merge.moved.get(name, ())) if merge else []


def _way(source_id: UUID) -> list[CaseMerge]:
    """The merge of this case that stands, locked, then that of its target, and so on. Raises CaseGone and NotMerged."""
    standing = CaseMerge.objects.filter(undone_at=None)
    merge = standing.select_for_update().filter(source=source_id).first()
    if merge is None:
        case = Case.objects.existing().filter(pk=source_id).first()
        if case is None:
            raise CaseGone(source_id)
        raise NotMerged(_("%(number)s is not merged into another case.") % {"number": case.case_number})
    way = []
    while merge:
        way.append(merge)
        merge = standing.filter(source=merge.target_id).first()
    return way


def _take_back(merger: Merger, way: Sequence[CaseMerge], cases: Mapping[UUID, Case], *, at: datetime) -> list[int]:
    """Give the first source back what it brought, from each place on the way that its things have since been carried to.

    A later merge did not carry what its target had of its own, nor what stayed behind; so each place is asked for its part.
    """
    source = cases[way[0].source_id]
    ids: list[int] = list(way[0].moved.get(merger.name, ()))
    found: list[int] = []
    for merge in way:
        carried = set(merge.moved.get(merger.name, ()))
        ids = [pk for pk in ids if pk in carried]
        if ids:
            found += merger.move_back(ids, source, cases[merge.target_id], at)
    return sorted(set(found))


def _locked(case_ids: Collection[UUID], *, but_not_deleted: UUID | None = None) -> dict[UUID, Case]:
    """The rows, locked in one order, so that two merges at once do not wait for each other.

    Raises CaseGone for one that is deleted; when `but_not_deleted` is given, only for that one.
    """
    return {
        case_id: locked(case_id, deleted_too=but_not_deleted not in {None, case_id}) for case_id in sorted(case_ids)
    }


def _refuse_merged(source: Case, target: Case) -> None:
    for case in (source, target):
        if case.merged_into_id:
            living = Case.objects.get(pk=living_id(case.pk))
            raise AlreadyMerged(
                _("%(number)s was merged into %(living)s already. Go on there, or take that merge back first.")
                % {"number": case.case_number, "living": living.case_number},
                merged_into=living.case_number,
            )


def _move_status(case: Case, status: str, *, target: Case | None, at: datetime, actor: Actor) -> str:
    """Into and out of `merged`, which no other service leads to; the status before. The clocks follow."""
    old = case.status
    case.status = status
    case.merged_into = target
    case.status_changed_at = case.updated_at = max(at, case.updated_at)
    case.updated_by_id = actor.user_id
    case.version += actor.is_person
    for move in hooks.movers:
        move(case, old, at, actor)
    case.save(update_fields=["status", "merged_into", "status_changed_at", "updated_at", "updated_by", "version"])
    return old


def _save_target(target: Case, *, at: datetime, actor: Actor, edited: bool) -> None:
    target.updated_at = max(at, target.updated_at)
    target.updated_by_id = actor.user_id
    target.version += edited and actor.is_person
    target.save(update_fields=["last_activity_at", "updated_at", "updated_by", "version"])


def _mergers() -> tuple[Merger, ...]:
    return (*_OWN, *hooks.mergers)


def _move_notes(source: Case, target: Case, _at: datetime) -> list[int]:
    ids = list(source.notes.order_by("id").values_list("pk", flat=True))
    Note.objects.filter(pk__in=ids).update(case=target)
    return ids


def _move_notes_back(ids: Sequence[int], source: Case, target: Case, _at: datetime) -> list[int]:
    still = list(Note.objects.filter(pk__in=ids, case=target).values_list("pk", flat=True))
    Note.objects.filter(pk__in=still).update(case=source)
    return still


def _unite_tags(source: Case, target: Case, _at: datetime) -> list[int]:
    """The source keeps its tags; the target gets those that it has not."""
    there = set(target.tags.values_list("pk", flat=True))
    added = [pk for pk in source.tags.values_list("pk", flat=True) if pk not in there]
    target.tags.add(*added)
    return added


def _part_tags(ids: Sequence[int], _source: Case, target: Case, _at: datetime) -> list[int]:
    still = list(target.tags.filter(pk__in=ids).values_list("pk", flat=True))
    target.tags.remove(*still)
    return still


_OWN = (Merger("notes", _move_notes, _move_notes_back), Merger("tags", _unite_tags, _part_tags))
