"""The ways out for mail: a folder of files, an SMTP server, Microsoft 365. Each mailbox says which is its own.

Whatever goes wrong ends as one of four answers: this mail never (`Never`), this mail later (`Later`), this server later
(`ServerDown`), or nobody knows (`Unsure`).
"""

import contextlib
import os
import smtplib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.utils.translation import gettext as _

from mail_ingest import composing, smtp_urls
from mail_ingest.models import Mailbox, OutboundMessage

if TYPE_CHECKING:
    from mail_ingest.sources.graph.client import Graph

SERVER_LANE = "server"
MAX_REASON_CHARS = 300
_GOOD, _ALSO_GOOD, _GO_ON = 250, 251, 354
_PERMANENT = 500


class NotTaken(Exception):
    """The mail was certainly not taken. The message is what the server said."""


class Never(NotTaken):
    """Nothing will change about it: this mail cannot be sent as it is."""


class Later(NotTaken):
    """Another try at the same mail may go well."""


class ServerDown(NotTaken):
    """It is not about this mail: leave the server alone for a while, until `retry_at` if it said when."""

    def __init__(self, detail: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(detail)
        self.retry_at = retry_at


class Unsure(Exception):
    """The server fell silent while it was given the mail: it may have taken it."""


class Delivery(Protocol):
    """`repeatable`: delivering the same mail twice leaves one mail."""

    repeatable: bool

    def deliver(self, outbound: OutboundMessage) -> str | None:
        """Hand the mail over; whom it was not taken for, in words for people, empty for nobody.

        Raises a kind of NotTaken, or OSError or ValueError (an address that none can be sent to) when it was certainly
        not taken, and Unsure when nobody knows.
        """
        ...


class FolderDelivery:
    """Each mail is one `.eml` file, named after its row: written beside, then renamed, so that it is whole or absent."""

    repeatable = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, outbound: OutboundMessage) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{outbound.pk:08d}-{outbound.purpose}.eml"
        draft = self.folder / f".{target.name}.{os.getpid()}"
        draft.write_bytes(composing.as_bytes(outbound))
        draft.replace(target)
        return ""


class SMTPDelivery:
    """By SMTP, or by whatever Django backend the settings name (then it is all or nothing, as the backend says)."""

    repeatable = False

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    def deliver(self, outbound: OutboundMessage) -> str:
        raw = composing.as_bytes(outbound)  # what is wrong with the mail itself shows before anybody is called
        sender, recipients = composing.envelope(outbound)
        connection = self._connect()
        try:
            connection.open()
        except OSError as error:
            with contextlib.suppress(OSError):
                connection.close()
            raise ServerDown(reason(error)) from error
        try:
            if isinstance(connection, EmailBackend) and connection.connection:
                return _converse(connection.connection, sender, recipients, raw)
            connection.send_messages([composing.as_mail(outbound)])
        except smtplib.SMTPServerDisconnected as error:
            raise Unsure(reason(error)) from error
        except smtplib.SMTPException:
            raise  # the server's own word
        except OSError as error:
            raise Unsure(reason(error)) from error
        finally:
            with contextlib.suppress(OSError):  # a mail that was taken stays taken, however the goodbye goes
                connection.close()
        return ""


class GraphDelivery:
    """By Microsoft Graph. A mail with large files becomes a draft there first: one request holds only so much."""

    repeatable = False

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def deliver(self, outbound: OutboundMessage) -> str:
        from mail_ingest.sources.graph import errors  # noqa: PLC0415 - only mailboxes at Microsoft need it

        try:
            with _graph_client(self._mailbox) as graph:
                self._send(graph, outbound)
        except errors.MaybeSent as error:
            raise Unsure(reason(error)) from error
        except errors.Throttled as error:
            raise ServerDown(reason(error), retry_at=error.retry_at) from error
        except errors.GraphError as error:
            raise _of_graph(error) from error
        return ""

    def _send(self, graph: "Graph", outbound: OutboundMessage) -> None:
        from mail_ingest.sources.graph import errors, sending  # noqa: PLC0415 - see above

        user = self._mailbox.address
        raw = composing.as_bytes(outbound, show_bcc=True)
        if len(raw) * 4 // 3 + 4 <= sending.MAX_MIME_REQUEST_BYTES:
            sending.send_mime(graph, user, raw)
            return
        bare = composing.as_bytes(outbound, show_bcc=True, with_files=False)
        draft_id = sending.create_draft(graph, user, raw=bare)
        try:
            for upload in outbound.uploads.order_by("pk"):
                file = sending.Attachment(upload.filename, upload.content_type, bytes(upload.content))
                sending.attach(graph, user, draft_id, file)
            sending.send_draft(graph, user, draft_id)
        except (errors.NotSent, errors.Throttled):
            with contextlib.suppress(errors.GraphError):
                sending.discard(graph, user, draft_id)
            raise


def way_of(mailbox: Mailbox) -> Delivery:
    """How this mailbox's mail goes out. Raises ServerDown where its settings cannot work."""
    if mailbox.sends_by == Mailbox.SendsBy.GRAPH:
        return GraphDelivery(mailbox)
    if mailbox.sends_by == Mailbox.SendsBy.SMTP:
        return SMTPDelivery(lambda: _own_server(mailbox))
    return configured()


def lane_of(mailbox: Mailbox) -> str:
    """Mailboxes of one lane share a server: when it is down, it is down for all of them."""
    return SERVER_LANE if mailbox.sends_by == Mailbox.SendsBy.SERVER else f"mailbox-{mailbox.pk}"


def configured() -> Delivery:
    """What EMAIL_URL says."""
    if settings.EMAIL_FILE_PATH:
        return FolderDelivery(Path(settings.EMAIL_FILE_PATH))
    return SMTPDelivery(get_connection)


def reason(error: Exception) -> str:
    """What went wrong, in as few words as the server used."""
    if isinstance(error, smtplib.SMTPResponseException):
        return said(error.smtp_code, error.smtp_error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MAX_REASON_CHARS] if text else type(error).__name__


def said(code: int, words: bytes | str) -> str:
    """A server's reply as one line."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}".strip()[:MAX_REASON_CHARS]


def _own_server(mailbox: Mailbox) -> EmailBackend:
    try:
        server = smtp_urls.read(mailbox.smtp_url)
    except smtp_urls.BadServer as error:
        raise ServerDown(_("The SMTP address of this mailbox cannot be used: %(why)s") % {"why": error}) from error
    return EmailBackend(
        host=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.use_tls,
        use_ssl=server.use_ssl,
    )


def _converse(smtp: smtplib.SMTP, sender: str, recipients: list[str], raw: bytes) -> str:
    """One mail to an open server (RFC 5321, 3.3): each refusal is about what it was said to.

    Until the text is on its way, nothing was taken, whatever happens. Then only the server's last word counts.
    """
    try:
        smtp.ehlo_or_helo_if_needed()
        size = [f"SIZE={len(raw)}"] if smtp.does_esmtp and smtp.has_extn("size") else []
        code, words = smtp.mail(sender, size)
        if code != _GOOD:
            _not_taken(code, said(code, words))
        refused = {}
        for recipient in recipients:
            code, words = smtp.rcpt(recipient)
            if code not in {_GOOD, _ALSO_GOOD}:
                refused[recipient] = (code, said(code, words))
        not_for = "; ".join(f"{recipient}: {words}" for recipient, (_code, words) in refused.items())
        if len(refused) == len(recipients):
            _not_taken(min(code for code, _words in refused.values()), not_for)
        code, words = smtp.docmd("DATA")
        if code != _GO_ON:
            _not_taken(code, said(code, words))
    except OSError as error:
        raise Later(reason(error)) from error
    try:
        smtp.send(_dotted(raw))
        code, words = smtp.getreply()
    except OSError as error:
        raise Unsure(reason(error)) from error
    if code != _GOOD:
        _not_taken(code, said(code, words))
    return _("Not taken for %(whom)s") % {"whom": not_for} if refused else ""


def _not_taken(code: int, words: str) -> NoReturn:
    raise Never(words) if code >= _PERMANENT else Later(words)


def _dotted(raw: bytes) -> bytes:
    """The text as DATA wants it (RFC 5321, 4.5.2): a dot at the start of a line is doubled, one alone is the end."""
    lines = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in raw.split(b"\r\n"))
    return lines + (b".\r\n" if lines.endswith(b"\r\n") else b"\r\n.\r\n")


def _graph_client(mailbox: Mailbox) -> "Graph":
    """The connection to Microsoft 365 with which this mailbox's mail is sent. Raises Misconfigured."""
    from mail_ingest.sources.graph import account  # noqa: PLC0415 - only mailboxes at Microsoft need it

    return account.connected(mailbox, policy=account.READING)  # no longer than a reader: other mailboxes wait


def _of_graph(error: Any) -> NotTaken:
    """The mailbox's own trouble (secret, consent, licence, no answer at all) is not the mail's."""
    from mail_ingest.sources.graph import errors  # noqa: PLC0415 - only mailboxes at Microsoft need it
    from mail_ingest.sources.graph.explanations import explain  # noqa: PLC0415 - see above

    cause = error.cause if isinstance(error, errors.NotSent) else error
    mailbox_trouble = (errors.Misconfigured, errors.LoginRefused, errors.AccessDenied, errors.MailboxMissing)
    if isinstance(cause, mailbox_trouble) or (isinstance(cause, errors.Unreachable) and not cause.status):
        return ServerDown(explain(cause)[:MAX_REASON_CHARS])
    if cause.lasting or isinstance(cause, errors.TooLarge):
        return Never(reason(cause))
    return Later(reason(cause))
