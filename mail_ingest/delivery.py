"""The way out for mail: a folder of files (embedded) or an SMTP server, as EMAIL_URL says."""

import contextlib
import os
import smtplib
from email.utils import quote
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.mail import EmailMessage as DjangoEmail
from django.core.mail import get_connection

from mail_ingest.models import OutboundMessage


class Unsure(Exception):
    """The server fell silent while it was given the mail: it may have taken it."""


class Delivery(Protocol):
    """`repeatable`: delivering the same mail twice leaves one mail."""

    repeatable: bool

    def deliver(self, outbound: OutboundMessage) -> None:
        """Hand the mail over.

        Raises OSError (smtplib's errors are kinds of it) or ValueError (an address that none can be sent to) when it was
        certainly not taken, and Unsure when nobody knows.
        """
        ...


class FolderDelivery:
    """Each mail is one `.eml` file, named after its row: written beside, then renamed, so that it is whole or absent."""

    repeatable = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, outbound: OutboundMessage) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{outbound.pk:08d}-{outbound.purpose}.eml"
        draft = self.folder / f".{target.name}.{os.getpid()}"
        draft.write_bytes(as_mail(outbound).message().as_bytes())
        draft.replace(target)


class SMTPDelivery:
    repeatable = False

    def deliver(self, outbound: OutboundMessage) -> None:
        mail = as_mail(outbound)
        mail.message()  # what is wrong with the mail itself shows before anybody is called
        connection = get_connection()
        connection.open()
        try:
            connection.send_messages([mail])
        except smtplib.SMTPServerDisconnected as error:
            raise Unsure(str(error)) from error
        except smtplib.SMTPException:
            raise  # the server's own word
        except OSError as error:
            raise Unsure(f"{type(error).__name__}: {error}") from error
        finally:
            with contextlib.suppress(OSError):  # a mail that was taken stays taken, however the goodbye goes
                connection.close()


def configured() -> Delivery:
    if settings.EMAIL_FILE_PATH:
        return FolderDelivery(Path(settings.EMAIL_FILE_PATH))
    return SMTPDelivery()


def as_mail(outbound: OutboundMessage) -> DjangoEmail:
    """The mail with its threading headers; an automatic one says that it is (RFC 3834) and asks for no answer."""
    headers = {"Message-ID": f"<{outbound.message_id}>"}
    if outbound.in_reply_to:
        headers["In-Reply-To"] = f"<{outbound.in_reply_to}>"
    if outbound.references:
        headers["References"] = " ".join(f"<{reference}>" for reference in outbound.references)
    if outbound.is_automatic:
        headers["Auto-Submitted"] = "auto-replied" if outbound.in_reply_to else "auto-generated"
        headers["X-Auto-Response-Suppress"] = "All"
    return DjangoEmail(
        subject=outbound.subject,
        body=outbound.body,
        from_email=f'"{quote(outbound.mailbox.name)}" <{outbound.mailbox.address}>',
        to=[outbound.recipient],
        headers=headers,
    )
