from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.actors import Actor
from cases.facts import case_linked, case_unlinked, note_added
from cases.models import CaseLink, Note
from cases.services.cases import locked
from handyconnect.refusals import Invalid


@transaction.atomic
def add_note(case_id: UUID, body: str, *, at: datetime, actor: Actor) -> Note:
    """Write an internal note. Raises Invalid for an empty one."""
    if not body.strip():
        raise Invalid("Write something first.", field="body")
    case = locked(case_id)
    note = Note.objects.create(case=case, author_id=actor.user_id, body=body, created_at=at)
    note_added.emit(case=case, subject=note, actor=actor, at=at, personal={"body": body})
    return note


@transaction.atomic
def link_cases(source_id: UUID, target_id: UUID, kind: str, *, at: datetime, actor: Actor) -> CaseLink:
    """Say that two cases have to do with each other. Repeating it does nothing."""
    if source_id == target_id:
        raise Invalid("A case cannot be linked to itself.", field="target")
    # In one order, so that two links at once do not wait for each other.
    both = {case_id: locked(case_id) for case_id in sorted((source_id, target_id))}
    source, target = both[source_id], both[target_id]
    link, created = CaseLink.objects.get_or_create(source=source, target=target, kind=kind, defaults={"created_at": at})
    if created:
        case_linked.emit(
            case=source, subject=link, actor=actor, at=at, data={"target": target.case_number, "link_kind": kind}
        )
    return link


@transaction.atomic
def unlink_cases(link_id: int, *, at: datetime, actor: Actor) -> None:
    """Take a link away. One that is gone already is no error."""
    link = CaseLink.objects.select_related("target").filter(pk=link_id).first()
    if link is None:
        return
    source = locked(link.source_id)
    case_unlinked.emit(
        case=source, subject=link, actor=actor, at=at, data={"target": link.target.case_number, "link_kind": link.kind}
    )
    link.delete()
