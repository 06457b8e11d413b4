"""Files that colleagues put on the server to send them along with a reply."""

import hashlib
import mimetypes
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.models import User
from cases.models import Case
from cases.services import absorbed_ids, locked
from handyconnect.refusals import Conflict, Invalid, NotFound
from mail_ingest.downloads import UNKNOWN, clean_name
from mail_ingest.models import Draft, OutboundMessage, Upload

MAX_ALL_BYTES = 35 * 1024 * 1024  # in one mail; most servers take no more
UNSENT = (
    OutboundMessage.State.WAITING,
    OutboundMessage.State.SENDING,
    OutboundMessage.State.FAILED,
    OutboundMessage.State.MAYBE_SENT,
)


class UploadGone(NotFound):
    code = "upload_not_found"

    def __init__(self, upload_id: int) -> None:
        super().__init__(_("There is no file %(id)s of yours on this case.") % {"id": upload_id})


class UploadInUse(Conflict):
    """A mail that is not sent yet carries it."""

    code = "upload_in_use"


def of_person(case_id: UUID, user_id: int | None) -> QuerySet[Upload]:
    """A colleague's own files on a case, those of cases merged into it too. Without their content."""
    cases = [case_id, *absorbed_ids(case_id)]
    return Upload.objects.filter(case__in=cases, uploaded_by=user_id).defer("content").order_by("pk")


@transaction.atomic
def keep_upload(
    case_id: UUID, *, filename: str, content: bytes, declared_type: str, at: datetime, actor: Actor
) -> Upload:
    """Keep a file for a reply to this case. Bookkeeping like a draft: it is no fact until it is sent.

    Raises CaseGone, and Invalid for an empty file and for one that is too large, alone or together with the others.
    """
    case = locked(case_id)
    if not content:
        raise Invalid(_("The file is empty."), field="file")
    if len(content) > settings.MAX_ATTACHMENT_BYTES:
        raise Invalid(
            _("The file is too large: at most %(most)d MB.") % {"most": settings.MAX_ATTACHMENT_BYTES // 1024**2},
            field="file",
        )
    unsent = of_person(case_id, actor.user_id).filter(~Q(outbound__state=OutboundMessage.State.SENT))
    there = Upload.objects.filter(pk__in=unsent.values("pk")).aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
    if there + len(content) > MAX_ALL_BYTES:
        raise Invalid(too_much(), field="file")
    name = clean_name(filename)
    return Upload.objects.create(
        case=case,
        uploaded_by=User.objects.get(pk=actor.user_id),
        filename=name,
        content_type=_type_of(name, declared_type),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        created_at=at,
    )


@transaction.atomic
def discard_upload(case: Case, upload_id: int, *, actor: Actor) -> None:
    """Delete an own file. Raises UploadGone, and UploadInUse while a mail that is not sent carries it."""
    upload = of_person(case.pk, actor.user_id).filter(pk=upload_id).first()
    if upload is None:
        raise UploadGone(upload_id)
    if upload.outbound.filter(state__in=UNSENT).exists():
        raise UploadInUse(_("A mail that is not sent yet carries this file. Take the mail back first."))
    upload.delete()


def forget_uploads(*, before: datetime) -> int:
    """Delete the files put here before that moment which neither a draft nor an unsent mail needs; how many.

    What was sent has its own copy in the conversation.
    """
    needed = OutboundMessage.uploads.through.objects.filter(outboundmessage__state__in=UNSENT).values("upload")
    drafted = Draft.uploads.through.objects.values("upload")
    old = Upload.objects.filter(created_at__lt=before).exclude(pk__in=needed).exclude(pk__in=drafted)
    _rows, by_model = old.delete()
    return by_model.get(Upload._meta.label, 0)  # noqa: SLF001 - Django's public name for it


def too_much() -> str:
    return _("All files of a mail together are at most %(most)d MB.") % {"most": MAX_ALL_BYTES // 1024**2}


def _type_of(filename: str, declared_type: str) -> str:
    """What the name says it is, else what the browser says."""
    guessed, encoding = mimetypes.guess_type(filename)
    if guessed and not encoding:
        return guessed
    declared = declared_type.partition(";")[0].strip().lower()
    return declared[:200] if declared.isascii() and declared.isprintable() and declared.count("/") == 1 else UNKNOWN
