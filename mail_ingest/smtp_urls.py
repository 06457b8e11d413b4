"""The address of an SMTP server: smtp+tls://user:password@mail.example.com:587"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from handyconnect.loopback import is_loopback

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 587, "smtp+ssl": 465}


class BadServer(ValueError):
    """The address cannot be used; the message says why, for people, and never shows it."""


@dataclass(frozen=True, slots=True)
class Server:
    """`use_tls` begins plain and turns to TLS (STARTTLS); `use_ssl` is TLS from the start."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    use_tls: bool = False
    use_ssl: bool = False


def read(url: str) -> Server:
    """The server that an address names. Raises BadServer."""
    try:
        scheme = urlsplit(url.strip()).scheme
        if scheme not in PORTS:
            raise BadServer(
                _("It begins with smtp+tls:// (port 587), smtp+ssl:// (port 465) or smtp:// (port 25, unencrypted).")
            )
        found = environ.Env.email_url_config(url.strip())
        port = found["EMAIL_PORT"] or urlsplit(url.strip()).port or PORTS[scheme]
    except (ValueError, ImproperlyConfigured) as error:
        if isinstance(error, BadServer):
            raise
        raise BadServer(
            _("It is no address of a server. It looks like smtp+tls://user:password@mail.example.com:587")
        ) from error
    server = Server(
        host=found["EMAIL_HOST"] or "",
        port=port,
        user=found["EMAIL_HOST_USER"] or "",
        password=found["EMAIL_HOST_PASSWORD"] or "",
        use_tls=bool(found.get("EMAIL_USE_TLS")),
        use_ssl=bool(found.get("EMAIL_USE_SSL")),
    )
    if not server.host:
        raise BadServer(_("The server's name is missing: smtp+tls://user:password@mail.example.com:587"))
    if server.use_tls and server.use_ssl:
        raise BadServer(_("Choose one encryption: smtp+tls:// or smtp+ssl://."))
    if bool(server.user) != bool(server.password):
        raise BadServer(
            _("Give both a user name and a password, or neither. Write special letters in them as %40 and so on.")
        )
    if server.password and not (server.use_tls or server.use_ssl or is_loopback(server.host)):
        raise BadServer(_("The password would travel unencrypted: use smtp+tls:// or smtp+ssl://."))
    return server
