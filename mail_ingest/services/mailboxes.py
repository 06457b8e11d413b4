"""Reading a mailbox: what its source shows is stored, and its health is noted."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from accounts.actors import Actor
from cases import facts
from mail_ingest.models import Mailbox
from mail_ingest.services.intake import store
from mail_ingest.sources import folder

log = structlog.get_logger(__name__)

CHECK_NOTED_EVERY = timedelta(seconds=30)


def poll(mailbox: Mailbox, *, now: datetime) -> int:
    """Store what has arrived; how many mails are new. A source that fails turns the mailbox red, and raises nothing."""
    try:
        new = READERS[mailbox.kind](mailbox, now)
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


READERS: dict[str, Callable[[Mailbox, datetime], int]] = {Mailbox.Kind.FOLDER: _read_folder}
