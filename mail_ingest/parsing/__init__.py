"""Reading mail: bytes in, plain values out. No database, no clock, no network."""

from mail_ingest.parsing.display import addresses_of_remote_pictures, show_html
from mail_ingest.parsing.mail import Address, Calendar, ParsedAttachment, ParsedMail, Protection, Unreadable
from mail_ingest.parsing.reader import MAX_ATTACHMENT_BYTES, parse

__all__ = [
    "MAX_ATTACHMENT_BYTES",
    "Address",
    "Calendar",
    "ParsedAttachment",
    "ParsedMail",
    "Protection",
    "Unreadable",
    "addresses_of_remote_pictures",
    "parse",
    "show_html",
]
