"""Every change of the mail channel is one of these calls."""

from mail_ingest.services.intake import NotInQuarantine, claim, ignore, postpone, quarantine, replay, store
from mail_ingest.services.mailboxes import note_health, poll
from mail_ingest.services.outbound import (
    NoMailbox,
    claim_next,
    mark_failed,
    mark_sent,
    queue_automatic,
    queue_staff_mail,
    record_reply,
    settle_stuck,
)

__all__ = [
    "NoMailbox",
    "NotInQuarantine",
    "claim",
    "claim_next",
    "ignore",
    "mark_failed",
    "mark_sent",
    "note_health",
    "poll",
    "postpone",
    "quarantine",
    "queue_automatic",
    "queue_staff_mail",
    "record_reply",
    "replay",
    "settle_stuck",
    "store",
]
