"""Every change of the mail channel is one of these calls."""

from mail_ingest.services.decisions import NotYours, OutboundGone, TooLate, cancel, retry
from mail_ingest.services.drafts import DraftGone, DraftStale, Words, discard_draft, save_draft
from mail_ingest.services.intake import NotInQuarantine, claim, ignore, postpone, quarantine, replay, store
from mail_ingest.services.mailboxes import note_health, poll
from mail_ingest.services.outbound import NoMailbox, queue_automatic, queue_staff_mail, record_reply
from mail_ingest.services.replies import (
    CaseIsMerged,
    ConversationMoved,
    Proposal,
    ReplyDraft,
    propose,
    queue_reply,
    write_note,
)
from mail_ingest.services.sending import (
    claim_next,
    confirm_sent,
    mark_bounced,
    mark_failed,
    mark_maybe_sent,
    mark_sent,
    move_on,
    note_answer,
    put_off,
    settle_stuck,
)
from mail_ingest.services.uploads import UploadGone, UploadInUse, discard_upload, forget_uploads, keep_upload

__all__ = [
    "CaseIsMerged",
    "ConversationMoved",
    "DraftGone",
    "DraftStale",
    "NoMailbox",
    "NotInQuarantine",
    "NotYours",
    "OutboundGone",
    "Proposal",
    "ReplyDraft",
    "TooLate",
    "UploadGone",
    "UploadInUse",
    "Words",
    "cancel",
    "claim",
    "claim_next",
    "confirm_sent",
    "discard_draft",
    "discard_upload",
    "forget_uploads",
    "ignore",
    "keep_upload",
    "mark_bounced",
    "mark_failed",
    "mark_maybe_sent",
    "mark_sent",
    "move_on",
    "note_answer",
    "note_health",
    "poll",
    "postpone",
    "propose",
    "put_off",
    "quarantine",
    "queue_automatic",
    "queue_reply",
    "queue_staff_mail",
    "record_reply",
    "replay",
    "retry",
    "save_draft",
    "settle_stuck",
    "store",
    "write_note",
]
