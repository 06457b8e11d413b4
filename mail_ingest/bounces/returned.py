"""The mail that a report is about: what of it came back, as a part or in the text."""

import re
from dataclasses import dataclass, field

from mail_ingest.bounces.fields import Fields
from mail_ingest.parsing import ParsedMail, addresses, structure

MAX_IDS = 20
_MAX_BYTES = 200_000
_ID = re.compile(r"<([^<>\s]{1,900}@[^<>\s]{1,900})>")
_BARE_ID = re.compile(r"[^<>\s]{1,900}@[^<>\s]{1,900}")
_HEADER = re.compile(rb"^(?:message-id|received|from|subject)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_NAMED = re.compile(
    r"^[ \t>]*message-id[ \t]*:[ \t]*<?([^<>\s]{1,900}@[^<>\s]{1,900}?)>?[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_CARRIERS = {"message/rfc822", "text/plain", "application/octet-stream"}


@dataclass(slots=True)
class Returned:
    """What is known of the original mail."""

    message_ids: dict[str, None] = field(default_factory=dict)
    senders: dict[str, None] = field(default_factory=dict)
    recipients: dict[str, None] = field(default_factory=dict)
    subject: str = ""

    def add_ids(self, value: str) -> None:
        for one in _ID.findall(value) or _BARE_ID.findall(value):
            if len(self.message_ids) < MAX_IDS:
                self.message_ids.setdefault(one.strip())


def read(mail: ParsedMail, *, returned_text: str, own_text: str, groups: list[Fields]) -> Returned:
    """Everything that points to the original mail, the surest first."""
    found = Returned()
    for attachment in mail.attachments:
        if attachment.content_type in _CARRIERS:
            _from_headers(attachment.content[:_MAX_BYTES].lstrip(), found)
    if returned_text:
        _from_headers(returned_text.lstrip("\n").encode()[:_MAX_BYTES], found)
    for group in groups:
        found.add_ids(group.first("x-original-message-id", "original-message-id", "original-message-id-header"))
    for one in _NAMED.findall(own_text):
        found.add_ids(one)
    for one in (*mail.in_reply_to, *reversed(mail.references)):
        found.add_ids(one)
    return found


def _from_headers(data: bytes, found: Returned) -> None:
    if not _HEADER.search(data):
        return
    headers = structure.read_headers(data)
    found.add_ids(headers.first_raw("message-id"))
    for name, into in (
        *((name, found.senders) for name in ("from", "reply-to", "return-path", "sender")),
        *((name, found.recipients) for name in ("to", "cc", "x-original-to", "delivered-to")),
    ):
        for value in headers.raw(name):
            for address in addresses.read(value):
                if "@" in address.email:
                    into.setdefault(address.key)
    found.subject = found.subject or headers.text("subject")[:998]
