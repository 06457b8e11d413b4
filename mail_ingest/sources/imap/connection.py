"""Connecting and logging in, and saying in plain words why it did not work."""

import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.utils.translation import gettext as _
from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted

from handyconnect.loopback import is_loopback
from mail_ingest.models import Mailbox
from mail_ingest.sources import oauth
from mail_ingest.sources.base import SourceUnavailable, shortened

TIMEOUT_SECONDS = 30.0
TLS_PORT = 993

# RFC 5530: a refusal of the log-in that passes by itself.
_PASSING = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.IGNORECASE)
_TOO_MANY = re.compile(r"too many|temporar|try again|unavailable|rate|throttl", re.IGNORECASE)


@contextmanager
def connected(mailbox: Mailbox) -> Iterator[BaseMailBox]:
    """A connection that is logged in, without a folder selected. Raises SourceUnavailable when there is none to be had."""
    with in_plain_words(mailbox):
        box = _connect(mailbox)
    healthy = False
    try:
        with in_plain_words(mailbox):
            _log_in(box, mailbox)
            # Many servers tell what they can do only to whom they know; the library asks once, before.
            _kind, data = box.client.capability()
            box.client.capabilities = tuple((data[-1] or b"").decode(errors="replace").upper().split())
        yield box
        healthy = True
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            if healthy:  # on a broken connection, saying goodbye would only wait for one more time-out
                box.client.logout()
        with suppress(OSError):
            box.client.shutdown()


@contextmanager
def in_plain_words(mailbox: Mailbox) -> Iterator[None]:
    """Whatever breaks the connection becomes SourceUnavailable."""
    try:
        yield
    except (imaplib.IMAP4.error, OSError) as error:
        raise explained(error, mailbox) from error


def explained(error: Exception, mailbox: Mailbox) -> SourceUnavailable:
    """What to tell a person about a broken connection."""
    detail, lasting = _what_broke(error)
    reason = said(error.args)
    match error:
        case ssl.SSLCertVerificationError():
            reason = error.verify_message or str(error)
        case OSError():
            reason = error.strerror or type(error).__name__
    values = {"host": mailbox.imap_host, "port": mailbox.imap_port, "reason": shortened(reason)}
    return SourceUnavailable(detail % values, lasting=lasting)


def _what_broke(error: Exception) -> tuple[str, bool]:
    """A sentence, and whether somebody has to do something about it. The narrower kinds of errors come first."""
    table: tuple[tuple[type[Exception], str, bool], ...] = (
        (ssl.SSLCertVerificationError, _("The certificate of %(host)s is not to be trusted: %(reason)s."), True),
        (ssl.SSLEOFError, _("%(host)s broke the connection off."), False),
        (ssl.SSLZeroReturnError, _("%(host)s broke the connection off."), False),
        (
            ssl.SSLError,
            _("%(host)s does not speak TLS on port %(port)s as it should: check port and encryption."),
            True,
        ),
        (socket.gaierror, _("The server %(host)s is not found: check its name."), False),
        (ConnectionRefusedError, _("Nothing answers at %(host)s, port %(port)s: check both."), False),
        (TimeoutError, _("%(host)s, port %(port)s, does not answer in time."), False),
        (OSError, _("%(host)s cannot be reached: %(reason)s."), False),
    )
    if "TLS not supported" in str(error):
        return _("%(host)s does not offer STARTTLS on port %(port)s: check port and encryption."), True
    return next(
        ((detail, lasting) for kind, detail, lasting in table if isinstance(error, kind)),
        (_("%(host)s broke the connection off: %(reason)s"), False),
    )


def said(data: object) -> str:
    """The text in what a server answered, however imaplib has wrapped it."""
    if isinstance(data, bytes):
        return shortened(data.decode(errors="replace"))
    if isinstance(data, (list, tuple)):
        return shortened(" ".join(said(part) for part in data if part))
    return shortened(re.sub(r"^\[?b?'(.*?)'\]?$", r"\1", str(data)))


def _connect(mailbox: Mailbox) -> BaseMailBox:
    host, port = mailbox.imap_host.strip(), mailbox.imap_port
    match mailbox.imap_security:
        case Mailbox.ImapSecurity.TLS:
            return MailBox(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl.create_default_context())
        case Mailbox.ImapSecurity.STARTTLS:
            if port == TLS_PORT:
                raise SourceUnavailable(_("Port 993 is for TLS from the start; STARTTLS is on 143."), lasting=True)
            return MailBoxStartTls(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl.create_default_context())
    if not is_loopback(host):
        raise SourceUnavailable(
            _("Without encryption only a server on this machine itself is read: choose TLS or STARTTLS."), lasting=True
        )
    return MailBoxUnencrypted(host, port, timeout=TIMEOUT_SECONDS)


def _log_in(box: BaseMailBox, mailbox: Mailbox) -> None:
    username = mailbox.imap_username or mailbox.address
    try:
        if mailbox.imap_login == Mailbox.ImapLogin.OAUTH2:
            box.client.authenticate("XOAUTH2", _xoauth2(username, oauth.access_token(mailbox)))
        elif _is_plain(username + mailbox.imap_password) and "LOGINDISABLED" not in box.client.capabilities:
            box.client.login(username, mailbox.imap_password)
        else:
            box.login_utf8(username, mailbox.imap_password, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        oauth.forget(mailbox)
        raise _refused(said(error.args), mailbox) from error


def _xoauth2(username: str, token: str) -> Callable[[bytes], bytes]:
    """The first answer is the token; a second question holds the reason of a refusal, and wants an empty answer."""
    replies = iter([f"user={username}\1auth=Bearer {token}\1\1".encode()])
    return lambda _question: next(replies, b"")


def _is_plain(text: str) -> bool:
    """Whether it can stand in a quoted string; all else goes the way that encodes it."""
    return text.isascii() and text.isprintable()


def _refused(reason: str, mailbox: Mailbox) -> SourceUnavailable:
    values = {"host": mailbox.imap_host, "reason": reason}
    if _PASSING.search(reason) or _TOO_MANY.search(reason):
        return SourceUnavailable(_("%(host)s does not let anybody in right now: %(reason)s") % values)
    if mailbox.imap_login == Mailbox.ImapLogin.OAUTH2:
        return SourceUnavailable(
            _(
                "%(host)s refuses the access token. Check that the application may read this mailbox over IMAP, "
                "and the user name. It says: %(reason)s"
            )
            % values,
            lasting=True,
        )
    return SourceUnavailable(
        _(
            "%(host)s refuses user name or password. Check both, and whether the account needs an app password. "
            "It says: %(reason)s"
        )
        % values,
        lasting=True,
    )
