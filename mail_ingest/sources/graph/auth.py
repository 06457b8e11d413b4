"""App-only tokens (client credentials) through MSAL, kept in this process for each tenant, client and secret."""

import hashlib
import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import httpx2

from handyconnect.loopback import is_loopback
from mail_ingest.sources.graph.errors import (
    BadAnswer,
    GraphError,
    LoginRefused,
    Misconfigured,
    Problem,
    Unreachable,
    problem_in,
    refusal,
)
from mail_ingest.sources.graph.retry import PASSING_STATUSES, TOO_MANY, Attempts, Pace, Policy

PUBLIC_GRAPH = "https://graph.microsoft.com/v1.0"
PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
KEPT_APPS = 256

# The login service has a bad moment: AADSTS90033 (temporarily unavailable), 90024 (budget exceeded), 50196 (asked too often).
_PASSING_CODES = frozenset({"AADSTS90033", "AADSTS90024", "AADSTS50196", "temporarily_unavailable", "server_error"})
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


@dataclass(frozen=True, kw_only=True)
class Account:
    """How to get in. Raises Misconfigured, naming the field, when that cannot work."""

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str = PUBLIC_GRAPH
    authority_url: str = PUBLIC_AUTHORITY

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", checked_url(self.base_url, field_name="MICROSOFT_GRAPH_URL"))
        object.__setattr__(self, "authority_url", checked_url(self.authority_url, field_name="MICROSOFT_AUTHORITY_URL"))
        if not _TENANT.fullmatch(self.tenant):
            raise Misconfigured("MICROSOFT_TENANT_ID is missing, or is neither a directory id nor a domain name.")
        if not self.client_id.strip():
            raise Misconfigured("MICROSOFT_CLIENT_ID is missing.")
        if not self.client_secret.strip():
            raise Misconfigured("MICROSOFT_CLIENT_SECRET is missing.")

    @property
    def scope(self) -> str:
        """The resource is the service's origin (national clouds have their own); a stand-in plays the public one."""
        url = httpx2.URL(self.base_url if self.base_url.startswith("https:") else PUBLIC_GRAPH)
        return f"https://{url.netloc.decode()}/.default"

    @property
    def key(self) -> tuple[str, ...]:
        digest = hashlib.sha256(self.client_secret.encode()).hexdigest()
        return (self.authority_url, self.tenant.casefold(), self.client_id, digest, self.scope)


def checked_url(url: str, *, field_name: str) -> str:
    """The address without a slash at its end. Plain http is for stand-ins on this machine only: tokens travel on it."""
    try:
        parsed = httpx2.URL(url.strip())
    except (httpx2.InvalidURL, TypeError) as error:
        raise Misconfigured(f"{field_name} is not a web address.") from error
    if parsed.scheme not in {"https", "http"} or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise Misconfigured(f"{field_name} has to be an https address without user, query or fragment.")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise Misconfigured(f"{field_name} may use plain http only for this machine itself (127.0.0.1); use https.")
    return str(parsed).rstrip("/")


class _Trouble(Exception):
    """The login service's passing failure, on its way through MSAL to our own retries."""

    def __init__(self, error: GraphError, retry_after: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Answer:
    """What MSAL wants of an HTTP answer."""

    status_code: int
    text: str
    headers: dict[str, str]

    def raise_for_status(self) -> None:
        if self.status_code >= 400:  # noqa: PLR2004
            raise BadAnswer("the login service did not answer as it should", status=self.status_code)


class _LoginHTTP:
    """MSAL's way out: our HTTP client, which speaks http to a stand-in where MSAL insists on https.

    Discovery is answered here: for the login authority the token endpoint's place is fixed, so a question less can fail.
    A failure that passes is an exception, so that MSAL does not keep it in its own cache.
    """

    def __init__(self, account: Account) -> None:
        self._plain = account.authority_url.startswith("http:")

    def get(self, url: str, **_options: object) -> _Answer:
        base, _, _ = url.partition("/v2.0/")
        endpoints = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }
        return _Answer(200, json.dumps(endpoints), {})

    def post(
        self, url: str, *, data: dict[str, str] | None = None, headers: dict[str, str] | None = None, **_options: object
    ) -> _Answer:
        if self._plain:
            url = url.replace("https://", "http://", 1)
        try:
            # A connection for each token: an hour lies between two, and nobody closes what MSAL holds.
            with self._connection() as client:
                answer = client.post(url, data=data, headers=headers)
        except httpx2.HTTPError as error:
            raise _Trouble(Unreachable(f"the login service cannot be reached: {type(error).__name__}"), None) from error
        problem = problem_in(answer.content)
        retry_after = answer.headers.get("Retry-After")
        if answer.status_code in PASSING_STATUSES or problem.code in _PASSING_CODES:
            raise _Trouble(
                Unreachable(
                    problem.message or "the login service is busy", status=answer.status_code, code=problem.code
                ),
                retry_after,
            )
        if not _is_json_object(answer.content):
            raise _Trouble(
                BadAnswer(
                    "something between us and the login service answered in its place", status=answer.status_code
                ),
                retry_after,
            )
        return _Answer(answer.status_code, answer.text, dict(answer.headers))

    def close(self) -> None:
        """MSAL may ask for it; nothing is kept open."""

    def _connection(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=httpx2.Timeout(30.0, connect=10.0),
            follow_redirects=False,
            trust_env=not self._plain,
            verify=not self._plain,
        )


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


class Tokens:
    """The tokens of one account. Safe for many threads: one asks the login service, the others wait for it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._app: Any = None
        self._newest = ""

    def get(self, *, policy: Policy, pace: Pace) -> str:
        """A valid token. Raises LoginRefused, Throttled or Unreachable."""
        with self._lock:
            attempts = Attempts(policy, pace)
            for _ in attempts:
                try:
                    self._newest = self._ask()
                except _Trouble as trouble:
                    throttled = trouble.error.status == TOO_MANY
                    attempts.failed(trouble.error, retry_after=trouble.retry_after, throttled=throttled)
                else:
                    break
            return self._newest

    def forget(self, token: str) -> None:
        """The server does not take this token any more; one that came since is kept."""
        with self._lock:
            if self._app is not None and token == self._newest:
                self._app.remove_tokens_for_client()

    def _ask(self) -> str:
        if self._app is None:
            import msal  # noqa: PLC0415 - slow to import, and only Graph mailboxes need it

            self._app = msal.ConfidentialClientApplication(
                self._account.client_id,
                client_credential=self._account.client_secret,
                authority=f"https://{self._account.authority_url.partition('://')[2]}/{self._account.tenant}",
                http_client=_LoginHTTP(self._account),
                instance_discovery=False,
            )
        answer = self._app.acquire_token_for_client(scopes=[self._account.scope])
        if token := answer.get("access_token"):
            return str(token)
        problem = problem_in(json.dumps(answer, default=str).encode())
        raise _as_login_error(problem)


def _as_login_error(problem: Problem) -> GraphError:
    error = refusal(401, problem, fallback="the login service gave no token")
    if isinstance(error, LoginRefused):
        return error
    return LoginRefused(error.detail, status=401, code=error.code, request_id=error.request_id)


_kept: "OrderedDict[tuple[str, ...], Tokens]" = OrderedDict()
_kept_lock = threading.Lock()


def tokens_of(account: Account) -> Tokens:
    """The account's tokens in this process: clients come and go, a token lives an hour."""
    with _kept_lock:
        tokens = _kept.pop(account.key, None) or Tokens(account)
        _kept[account.key] = tokens
        while len(_kept) > KEPT_APPS:
            _kept.popitem(last=False)
        return tokens


def forget_all() -> None:
    """Empties the cache, for tests and after a fork."""
    with _kept_lock:
        _kept.clear()
