"""Access tokens for IMAP (RFC 6749): by client credentials, or by a refresh token where a person has once agreed."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _

from handyconnect.loopback import is_loopback
from mail_ingest.models import Mailbox
from mail_ingest.sources.base import SourceUnavailable, shortened

TIMEOUT_SECONDS = 20.0
SPARE_SECONDS = 120.0
LIFE_WHEN_NOT_TOLD_SECONDS = 300.0
LONGEST_ANSWER_BYTES = 256 * 1024
REFUSED = range(400, 500)
BUSY = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is asked with."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    refresh_token: str = field(repr=False)

    @property
    def key(self) -> str:
        """Another grant, another token. The refresh token is left out: it changes with the tokens that it brings."""
        parts = (self.url, self.client_id, self.client_secret, self.scope, str(bool(self.refresh_token)))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    key: str
    good_until: float  # by time.monotonic()


_kept: dict[int | None, _Token] = {}
_lock = threading.Lock()


def grant_of(mailbox: Mailbox) -> Grant:
    """What the mailbox, or the server's settings in its stead, say. Raises SourceUnavailable, naming what is missing."""
    tenant = mailbox.tenant_id or settings.MICROSOFT_TENANT_ID
    client_id = mailbox.client_id or settings.MICROSOFT_CLIENT_ID
    url = mailbox.oauth_token_url.strip()
    if not url:
        if not tenant:
            raise SourceUnavailable(
                _("OAuth2 needs a token address, or a tenant for Microsoft's: neither is set."), lasting=True
            )
        url = f"{settings.MICROSOFT_AUTHORITY_URL}/{tenant}/oauth2/v2.0/token"
    if not client_id:
        raise SourceUnavailable(_("OAuth2 needs an application (client) id: none is set."), lasting=True)
    return Grant(
        url=_checked(url),
        client_id=client_id,
        client_secret=mailbox.client_secret or settings.MICROSOFT_CLIENT_SECRET,
        scope=mailbox.oauth_scope.strip(),
        refresh_token=mailbox.oauth_refresh_token,
    )


def access_token(mailbox: Mailbox) -> str:
    """A valid access token; kept in this process until shortly before it expires. Raises SourceUnavailable.

    A refresh token that is replaced by a new one is saved with the mailbox: the old one may never work again.
    """
    grant = grant_of(mailbox)
    with _lock:
        kept = _kept.get(mailbox.pk)
        if kept and kept.key == grant.key and time.monotonic() < kept.good_until:
            return kept.value
        answer = _ask(grant)
        life_seconds = _life_seconds(answer.get("expires_in"))
        value = str(answer["access_token"])
        _kept[mailbox.pk] = _Token(value, grant.key, time.monotonic() + max(life_seconds - SPARE_SECONDS, 0.0))
    renewed = answer.get("refresh_token")
    if grant.refresh_token and isinstance(renewed, str) and renewed and renewed != grant.refresh_token:
        mailbox.oauth_refresh_token = renewed
        if mailbox.pk:  # a connection test may be of one that is not saved yet
            mailbox.save(update_fields=["oauth_refresh_token"])
    return value


def forget(mailbox: Mailbox) -> None:
    """The mail server did not take the token: fetch a new one next time."""
    with _lock:
        _kept.pop(mailbox.pk, None)


def _checked(url: str) -> str:
    """Secrets travel to this address: https, except to this machine itself."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        parsed = httpx2.URL("")
    is_safe = parsed.scheme == "https" or (parsed.scheme == "http" and is_loopback(parsed.host))
    if is_safe and parsed.host and not parsed.userinfo:
        return str(parsed)
    raise SourceUnavailable(_("The token address has to begin with https:// and hold no user name."), lasting=True)


def _ask(grant: Grant) -> dict[str, object]:
    form = {"client_id": grant.client_id, "client_secret": grant.client_secret, "scope": grant.scope}
    if grant.refresh_token:
        form |= {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    else:
        form |= {"grant_type": "client_credentials"}
    host = httpx2.URL(grant.url).host
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=not is_loopback(host)) as client,
            client.stream("POST", grant.url, data={name: text for name, text in form.items() if text}) as response,
        ):
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LONGEST_ANSWER_BYTES:
                    break
    except httpx2.HTTPError as error:
        raise SourceUnavailable(
            _("The log-in service %(host)s cannot be reached (%(error)s).")
            % {"host": host, "error": type(error).__name__}
        ) from error
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    if response.status_code in REFUSED and response.status_code not in BUSY:
        raise SourceUnavailable(
            _("The log-in service refuses a token: %(reason)s. Check client id, secret, scope and consent.")
            % {"reason": _reason(answer) or response.status_code},
            lasting=True,
        )
    if response.status_code != httpx2.codes.OK or not isinstance(answer.get("access_token"), str):
        raise SourceUnavailable(
            _("The log-in service %(host)s did not answer as it should (%(status)s).")
            % {"host": host, "status": response.status_code}
        )
    return answer


def _reason(answer: dict[str, object]) -> str:
    """RFC 6749, 5.2: `error` is a code, `error_description` is for people. The description's trace ids are cut off."""
    text = str(answer.get("error_description") or "").partition(" Trace ID:")[0]
    return shortened(" – ".join(part for part in (str(answer.get("error") or ""), text) if part)).rstrip(".")  # noqa: RUF001


def _life_seconds(expires_in: object) -> float:
    try:
        return float(str(expires_in))
    except ValueError:
        return LIFE_WHEN_NOT_TOLD_SECONDS
