"""What colleagues are writing on a case. Unfinished words are no fact: nothing here is told to anybody but shown to all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases.models import Case
from cases.services import CaseGone
from handyconnect.refusals import Invalid, NotFound, Stale
from mail_ingest.models import Draft, EmailThread, OutboundMessage, Upload
from mail_ingest.quoting import as_html
from mail_ingest.services import uploads


class DraftGone(NotFound):
    code = "draft_not_found"


class DraftStale(Stale):
    """The draft was changed in another window since it was read."""

    code = "draft_stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All of a draft. Addresses are as far as they are written; nothing about them is checked before they are used."""

    body: str = ""
    html: str = ""
    subject: str = ""
    to: Sequence[Mapping[str, Any]] = ()
    cc: Sequence[Mapping[str, Any]] = ()
    bcc: Sequence[Mapping[str, Any]] = ()
    thread_id: int | None = None
    upload_ids: Sequence[int] = ()
    seen_state: str = ""


def tag_of(draft: Draft) -> str:
    """What says which state of a draft somebody has read."""
    return f'"d{draft.pk}.{int(draft.updated_at.timestamp() * 1_000_000)}"'


@transaction.atomic
def save_draft(
    case_id: UUID, kind: str, words: Words, *, at: datetime, actor: Actor, expected: str | None = None
) -> tuple[Draft, bool]:
    """Keep what a person is writing; the draft, and whether it is new. `expected` is the `tag_of` what they had read.

    Raises CaseGone, Invalid (a conversation or file that is not there) and DraftStale.
    """
    case = Case.objects.existing().filter(pk=case_id).first()
    if case is None:
        raise CaseGone(case_id)
    draft = Draft.objects.select_for_update().filter(case=case, author=actor.user_id, kind=kind).first()
    if expected is not None and (draft is None or tag_of(draft) != expected):
        raise DraftStale(_("The draft was changed in another window. Read it again before you go on."))
    thread = thread_of(case, words.thread_id)
    files = files_of(case, words.upload_ids, actor=actor)
    values = {
        "thread": thread,
        "to": list(words.to),
        "cc": list(words.cc),
        "bcc": list(words.bcc),
        "subject": words.subject,
        "body": words.body,
        "html": words.html,
        "seen_state": words.seen_state,
        "updated_at": at,
    }
    draft, created = Draft.objects.update_or_create(
        case=case, author_id=actor.user_id, kind=kind, defaults=values, create_defaults={**values, "created_at": at}
    )
    draft.uploads.set(files)
    return draft, created


def discard_draft(case_id: UUID, kind: str, *, actor: Actor) -> None:
    """Throw an own draft away. One that is gone already is no error."""
    Draft.objects.filter(case=case_id, author=actor.user_id, kind=kind).delete()


def give_back(outbound: OutboundMessage, *, at: datetime) -> Draft | None:
    """Put a mail that is not sent after all into its writer's draft, above what they have begun since. Nothing is lost."""
    if outbound.author is None or outbound.case is None:
        return None
    begun = Draft.objects.filter(case=outbound.case, author=outbound.author, kind=Draft.Kind.REPLY).first()
    words = {
        "thread": outbound.thread,
        "to": outbound.to,
        "cc": outbound.cc,
        "bcc": outbound.bcc,
        "subject": outbound.subject,
        "body": "\n\n".join(part for part in (outbound.body, begun.body if begun else "") if part.strip()),
        "html": _html_of(outbound, begun),
        "updated_at": at,
    }
    draft, _created = Draft.objects.update_or_create(
        case=outbound.case,
        author=outbound.author,
        kind=Draft.Kind.REPLY,
        defaults=words,
        create_defaults={**words, "created_at": at},
    )
    draft.uploads.add(*outbound.uploads.all())
    return draft


def thread_of(case: Case, thread_id: int | None) -> EmailThread | None:
    """The conversation of the case with this id. Raises Invalid."""
    if thread_id is None:
        return None
    thread = EmailThread.objects.select_related("mailbox").filter(pk=thread_id, case=case).first()
    if thread is None:
        raise Invalid(_("This case has no conversation %(id)s.") % {"id": thread_id}, field="thread_id")
    return thread


def files_of(case: Case, upload_ids: Sequence[int], *, actor: Actor) -> list[Upload]:
    """The person's own files with these ids. Raises Invalid for one that is not there, and where all are too much."""
    found = {upload.pk: upload for upload in uploads.of_person(case.pk, actor.user_id).filter(pk__in=upload_ids)}
    missing = [str(one) for one in upload_ids if one not in found]
    if missing:
        words = _("There is no file %(ids)s of yours on this case. Put it on the server first.")
        raise Invalid(words % {"ids": ", ".join(missing)}, field="attachments")
    if sum(upload.size_bytes for upload in found.values()) > uploads.MAX_ALL_BYTES:
        raise Invalid(uploads.too_much(), field="attachments")
    return list(found.values())


def _html_of(outbound: OutboundMessage, begun: Draft | None) -> str:
    """Formatted where either is: then what was written without is formatted, too, so that nothing of it is missing."""
    parts = [(one.body, one.html) for one in (outbound, begun) if one]
    return "\n".join(html or as_html(body) for body, html in parts) if any(html for _body, html in parts) else ""
