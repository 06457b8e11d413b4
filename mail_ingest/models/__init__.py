from mail_ingest.models.inbound import InboundMessage, InboundRaw
from mail_ingest.models.mailbox import Mailbox
from mail_ingest.models.outbound import OutboundMessage
from mail_ingest.models.thread import Attachment, EmailMessage, EmailThread
from mail_ingest.models.triage import TriageResult

__all__ = [
    "Attachment",
    "EmailMessage",
    "EmailThread",
    "InboundMessage",
    "InboundRaw",
    "Mailbox",
    "OutboundMessage",
    "TriageResult",
]
