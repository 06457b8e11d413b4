"""The mail channel over HTTP: what came in, what goes out, the conversations, the mailboxes."""

from mail_ingest.api.conversation import Conversation, ReplyProposals
from mail_ingest.api.drafts import Drafts, OwnDraft
from mail_ingest.api.ledger import MessageFiles, Messages
from mail_ingest.api.mailboxes import Mailboxes
from mail_ingest.api.outbound import Outbound
from mail_ingest.api.threads import Threads
from mail_ingest.api.uploads import UploadFiles, Uploads

__all__ = [
    "Conversation",
    "Drafts",
    "Mailboxes",
    "MessageFiles",
    "Messages",
    "Outbound",
    "OwnDraft",
    "ReplyProposals",
    "Threads",
    "UploadFiles",
    "Uploads",
]
