"""Reading mail: bytes in, plain values out. No database, no clock, no network."""

from mail_ingest.parsing.mail import Address, ParsedAttachment, ParsedMail, Unreadable
from mail_ingest.parsing.reader import MAX_ATTACHMENT_BYTES, parse

__all__ = ["MAX_ATTACHMENT_BYTES", "Address", "ParsedAttachment", "ParsedMail", "Unreadable", "parse"]
