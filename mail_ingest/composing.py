"""A mail of ours as MIME: from a row of the queue to what is handed over. Nothing here sends, and nothing is stored.

Text is quoted-printable and files are base64, so that no server on the way has reason to touch a byte.
"""

import re
from collections.abc import Mapping, Sequence
from email import encoders
from email.generator import BytesGenerator
from email.header import Header
from email.mime.base import MIMEBase
from email.policy import compat32
from email.utils import formataddr
from io import BytesIO

from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import utf8_charset_qp

from mail_ingest.models import OutboundMessage, Upload
from mail_ingest.quoting import as_html, is_id
from mail_ingest.recipients import travelling

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,100}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}")
UNKNOWN_TYPE = "application/octet-stream"
# An id of ours is longer than 78 characters with its header's name, and some programs lose one that stands on the next line.
UNBROKEN = compat32.clone(max_line_length=200, linesep="\r\n")


def as_mail(outbound: OutboundMessage, *, show_bcc: bool = False, with_files: bool = True) -> EmailMultiAlternatives:
    """The mail with its threading headers; an automatic one says that it is (RFC 3834) and asks for no answer.

    `show_bcc` writes a Bcc header, for ways that take the recipients out of the mail itself. Raises ValueError for what no mail
    can be made of: an address that cannot be, a line break in a header.
    """
    headers = {"Message-ID": f"<{outbound.message_id}>"}
    if is_id(outbound.in_reply_to):
        headers["In-Reply-To"] = f"<{outbound.in_reply_to}>"
    if references := [f"<{one}>" for one in outbound.references if is_id(one)]:
        headers["References"] = " ".join(references)
    if outbound.is_automatic:
        headers["Auto-Submitted"] = "auto-replied" if outbound.in_reply_to else "auto-generated"
        headers["X-Auto-Response-Suppress"] = "All"
    bcc = header_addresses(outbound.bcc)
    if show_bcc and bcc:
        headers["Bcc"] = ", ".join(bcc)
    mail = EmailMultiAlternatives(
        subject=outbound.subject,
        body=whole_text(outbound),
        from_email=header_address(outbound.mailbox.name, outbound.mailbox.address),
        to=header_addresses(outbound.to or [{"name": "", "email": outbound.recipient}]),
        cc=header_addresses(outbound.cc),
        bcc=bcc,
        headers=headers,
    )
    mail.encoding = utf8_charset_qp
    if outbound.html:
        mail.attach_alternative(whole_html(outbound), "text/html")
    if with_files:
        for upload in outbound.uploads.order_by("pk"):
            mail.attach(as_part(upload))
    return mail


def as_bytes(outbound: OutboundMessage, *, show_bcc: bool = False, with_files: bool = True) -> bytes:
    """The mail with the line ends of RFC 5322. Raises as `as_mail`."""
    written = BytesIO()
    mail = as_mail(outbound, show_bcc=show_bcc, with_files=with_files).message()
    BytesGenerator(written, mangle_from_=False, policy=UNBROKEN).flatten(mail)
    return written.getvalue()


def envelope(outbound: OutboundMessage) -> tuple[str, list[str]]:
    """From and to whom it is handed over, each once.

    Automatic mail also comes from the mailbox, not from `<>` as RFC 3834 has it: many servers take no mail of a log-in
    from nobody, and an acknowledgment that bounces has to be seen here. What keeps loops away is `Auto-Submitted`, and
    the loop guard, which answers no bounce.
    """
    everybody = [*(outbound.to or [{"email": outbound.recipient}]), *outbound.cc, *outbound.bcc]
    return travelling(outbound.mailbox.address), list(dict.fromkeys(travelling(one["email"]) for one in everybody))


def whole_text(outbound: OutboundMessage) -> str:
    return f"{outbound.body.rstrip()}\n\n{outbound.quoted}\n" if outbound.quoted else outbound.body


def whole_html(outbound: OutboundMessage) -> str:
    return f"{outbound.html}\n<br>\n{as_html(outbound.quoted)}" if outbound.quoted else outbound.html


def header_addresses(addresses: Sequence[Mapping[str, str]]) -> list[str]:
    return [header_address(one.get("name", ""), one["email"]) for one in addresses]


def header_address(name: str, email: str) -> str:
    """An address as a header holds it, in ASCII: words of other scripts encoded (RFC 2047), the domain as it travels."""
    email = travelling(email)
    if any(letter in email for letter in "\r\n<>, "):
        raise ValueError("this address would break its header")
    if not name or name.isascii():
        return formataddr((" ".join(name.split()), email))
    words = Header(" ".join(name.split()), "utf-8").encode().split()
    return f"{' '.join(words)} <{email}>"


def as_part(upload: Upload) -> MIMEBase:
    """A file, byte by byte as it was put here. What would be taken apart as a mail of its own travels as plain bytes."""
    declared = upload.content_type.partition(";")[0].strip().lower()
    kind, _slash, subtype = (declared if _TYPE.fullmatch(declared) else UNKNOWN_TYPE).partition("/")
    if kind in {"multipart", "message"}:
        kind, _slash, subtype = UNKNOWN_TYPE.partition("/")
    part = MIMEBase(kind, subtype)
    part.set_payload(bytes(upload.content))
    encoders.encode_base64(part)
    name = upload.filename
    part.add_header("Content-Disposition", "attachment", filename=name if name.isascii() else ("utf-8", "", name))
    return part
