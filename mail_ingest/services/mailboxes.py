"""The mailboxes: which are read, how they do, and the folder of files, which needs no rounds."""

import os
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from mail_ingest.models import Mailbox
from mail_ingest.services.intake import store
from mail_ingest.sources import folder
from mail_ingest.sources.base import Diagnosis, SourceUnavailable
from mail_ingest.sources.opening import opened

log = structlog.get_logger(__name__)

CHECK_NOTED_EVERY = timedelta(seconds=30)


def mailboxes_to_read() -> list[Mailbox]:
    """Those that are switched on."""
    return list(Mailbox.objects.filter(is_active=True).select_related("team").order_by("id"))


def poll(mailbox: Mailbox, *, now: datetime) -> int:
    """Store what lies in a folder of files; how many mails are new. A folder that fails turns it red, and raises nothing."""
    try:
        new = _read_folder(mailbox, now)
    except OSError as error:
        log.warning("mailbox_failed", mailbox=mailbox.slug, reason=str(error))
        note_health(mailbox, Mailbox.Health.FAILING, detail=str(error), at=now)
        return 0
    note_health(mailbox, Mailbox.Health.GOOD, detail="", at=now)
    return new


def note_health(mailbox: Mailbox, health: str, *, detail: str, at: datetime) -> None:
    """Note how a mailbox does. Only a change is an event; the time of the last look is bookkeeping."""
    changed = (mailbox.health, mailbox.health_detail) != (health, detail)
    if not changed and mailbox.checked_at and at - mailbox.checked_at < CHECK_NOTED_EVERY:
        return
    with transaction.atomic():
        if changed:
            facts.mailbox_checked.emit(
                subject=mailbox,
                actor=Actor.system("intake"),
                at=at,
                changes={"health": [mailbox.health, health]},
                data={"detail": detail},
            )
        mailbox.health, mailbox.health_detail, mailbox.checked_at = health, detail, at
        mailbox.save(update_fields=["health", "health_detail", "checked_at"])


def diagnose(mailbox: Mailbox) -> Diagnosis:
    """A connection test, of a mailbox that need not be saved: nothing there or here is changed, nothing is raised."""
    if mailbox.kind == Mailbox.Kind.FOLDER:
        path = folder.folder_of(mailbox)
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        usable = there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)
        detail = _("The folder can be read and emptied.") if usable else _("The folder cannot be read and emptied.")
        return Diagnosis(ok=usable, detail=detail)
    try:
        with opened(mailbox) as reader:
            return reader.check()
    except SourceUnavailable as error:
        return Diagnosis(ok=False, detail=error.detail)
    except Exception as error:
        log.exception("mailbox_diagnosis_broke", kind=mailbox.kind)
        return Diagnosis(
            ok=False, detail=_("The test failed in an unexpected way (%(error)s).") % {"error": type(error).__name__}
        )


def _read_folder(mailbox: Mailbox, now: datetime) -> int:
    new = 0
    stays: OSError | None = None
    for mail in folder.arrived(mailbox, now=now):
        _inbound, created = store(mailbox, source_id=mail.source_id, raw=mail.raw, received_at=mail.received_at, at=now)
        new += created
        try:
            folder.set_aside(mail)
        except OSError as error:  # it is stored, and known when it is found again
            stays = error
    if stays:
        raise stays
    return new
