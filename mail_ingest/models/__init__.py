from mail_ingest.models.draft import Draft
from mail_ingest.models.inbound import InboundMessage, InboundRaw, SourceAlias
from mail_ingest.models.mailbox import Mailbox
from mail_ingest.models.outbound import OutboundMessage
from mail_ingest.models.source import Backfill, FolderRole, GraphNotice, GraphSubscription, SourceFolder
from mail_ingest.models.thread import Attachment, EmailMessage, EmailThread
from mail_ingest.models.triage import TriageResult
from mail_ingest.models.upload import Upload

__all__ = [
    "Attachment",
    "Backfill",
    "Draft",
    "EmailMessage",
    "EmailThread",
    "FolderRole",
    "GraphNotice",
    "GraphSubscription",
    "InboundMessage",
    "InboundRaw",
    "Mailbox",
    "OutboundMessage",
    "SourceAlias",
    "SourceFolder",
    "TriageResult",
    "Upload",
]
