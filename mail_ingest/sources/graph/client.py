"""The connection to Graph: one call, tried as often as is sensible, with a token, within the limit of its mailbox."""

import json
import ssl
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import httpx2

from mail_ingest.sources.graph.auth import Account, tokens_of
from mail_ingest.sources.graph.errors import (
    BadAnswer,
    GraphError,
    MaybeSent,
    NotSent,
    Problem,
    Throttled,
    TooLarge,
    Unreachable,
    UntrustedLink,
    problem_in,
    refusal,
)
from mail_ingest.sources.graph.limits import Limiter, ThreadLimiter
from mail_ingest.sources.graph.retry import PASSING_STATUSES, TOO_MANY, Attempts, Pace, Policy

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_MIME_BYTES = 150 * 1024 * 1024
ANSWER_SECONDS = 240.0
READ_SECONDS = 60.0

IMMUTABLE_IDS = 'IdType="ImmutableId"'

# The request did not leave this machine: whatever it would have done is certainly not done.
_BEFORE_SENDING = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.ProxyError,
)
_UNAUTHORIZED, _UNAVAILABLE, _REQUEST_TIMEOUT = 401, 503, 408

_shared = ThreadLimiter()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body, an object. Raises BadAnswer."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadAnswer("the answer is not whole JSON", status=self.status) from error
        if not isinstance(value, dict):
            raise BadAnswer("the answer is not a JSON object", status=self.status)
        return value

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def is_html(self) -> bool:
        """A page for people: of a proxy, a log-in gate, a load balancer. Graph itself never answers so."""
        kind = self.headers.get("Content-Type", "").casefold()
        return "text/html" in kind or "application/xhtml" in kind

    @property
    def is_framed(self) -> bool:
        """Its end was marked, so that a body cut short shows itself (RFC 9112, 8)."""
        return "Content-Length" in self.headers or "chunked" in self.headers.get("Transfer-Encoding", "").casefold()


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    max_bytes: int

    @classmethod
    def made(  # noqa: PLR0917
        cls,
        method: str,
        url: str,
        payload: object,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        max_bytes: int,
    ) -> "_Request":
        prepared = {"Accept": "application/json", **(headers or {})}
        if payload is not None:
            content, prepared["Content-Type"] = json.dumps(payload).encode(), "application/json"
        return cls(method, url, prepared, content, max_bytes)


class Graph:
    """A connection for one account; use it from as many threads as wanted, and close it.

    `limiter` counts the simultaneous requests of a mailbox; without one, this process counts.
    """

    def __init__(
        self,
        account: Account,
        *,
        limiter: Limiter | None = None,
        policy: Policy | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.account = account
        self.policy = policy or Policy()
        self.pace = pace or Pace()
        self._limiter = limiter or _shared
        self._tokens = tokens_of(account)
        self._base = httpx2.URL(account.base_url)
        self._is_plain = self._base.scheme == "http"
        self._lock = threading.Lock()
        self._pool: httpx2.Client | None = None
        self.known_folders: dict[
            tuple[str, str], str
        ] = {}  # (mailbox, destination) to the folder's id: see folders.move

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def url(self, *parts: str, **query: str | int | None) -> str:
        """An address under the service's root: parts are quoted, `select=` becomes `$select=`, None is left out."""
        path = "/".join(quote(part, safe="$@'()=") for part in parts)
        pairs = {f"${name}": str(value) for name, value in query.items() if value is not None}
        return f"{self.account.base_url}/{path}" + (f"?{urlencode(pairs, safe='$,', quote_via=quote)}" if pairs else "")

    def call(
        self,
        mailbox: str,
        method: str,
        url: str,
        *,
        payload: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        max_bytes: int = MAX_JSON_BYTES,
        authorized: bool = True,
    ) -> Answer:
        """One request that may be repeated, and its whole answer (2xx).

        `payload` is sent as JSON. Raises a kind of Refused, DeltaLost, Throttled, Unreachable or Misconfigured.
        """
        request = _Request.made(method, url, payload, content, headers, max_bytes)
        attempts, renewed = Attempts(policy or self.policy, self.pace), False
        for _ in attempts:
            token = self._token() if authorized else ""
            retry_after: str | None = None
            try:
                with self._limiter.slot(mailbox):
                    answer = self._once(self._client, request, token)
            except httpx2.HTTPError as error:
                failure: GraphError = Unreachable(f"no whole answer: {type(error).__name__}")
            else:
                if answer.status == _UNAUTHORIZED and authorized and not renewed:
                    self._tokens.forget(token)
                    renewed = True
                    continue
                found, retry_after = self._failure(answer), answer.headers.get("Retry-After")
                if found is None:
                    return answer
                failure = found
                if not isinstance(failure, Unreachable):
                    raise failure
            attempts.failed(failure, retry_after=retry_after, throttled=failure.status == TOO_MANY)
        raise AssertionError  # pragma: no cover - the loop ends by returning or raising

    def call_json(self, mailbox: str, method: str, url: str, **options: Any) -> dict[str, Any]:
        """`call`, and the object in its answer. A broken one is asked for again: only for what may be repeated."""
        attempts = Attempts(options.get("policy") or self.policy, self.pace)
        for _ in attempts:
            answer = self.call(mailbox, method, url, **options)
            try:
                return answer.json()
            except BadAnswer as error:
                attempts.failed(error)
        raise AssertionError  # pragma: no cover

    def call_once(
        self,
        mailbox: str,
        method: str,
        url: str,
        *,
        payload: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request that must not happen twice: it is repeated only while it was certainly not accepted.

        Raises NotSent (certainly not done), Throttled (certainly not done, later) or MaybeSent (nobody knows).
        """
        request = _Request.made(method, url, payload, content, headers, MAX_JSON_BYTES)
        attempts, renewed = Attempts(self.policy, self.pace), False
        for _ in attempts:
            token = self._token_for_sending()
            try:
                answer = self._sent(mailbox, request, token)
            except NotSent as error:
                attempts.failed(error)
                continue
            if answer.is_success:
                return answer
            if answer.status == _UNAUTHORIZED and not renewed:
                self._tokens.forget(token)
                renewed = True
                continue
            failure = self._sending_failure(answer)
            attempts.failed(failure, retry_after=answer.headers.get("Retry-After"), throttled=True)
        raise AssertionError  # pragma: no cover

    def same_origin(self, link: str) -> str:
        """A link that the server gave, if it leads back to the service. Raises UntrustedLink: it would get our token."""
        try:
            url = httpx2.URL(link)
        except (httpx2.InvalidURL, TypeError) as error:
            raise UntrustedLink("the server gave a link that is no address") from error
        if (
            _origin(url) != _origin(self._base)
            or url.userinfo
            or not url.path.startswith(f"{self._base.path.rstrip('/')}/")
        ):
            raise UntrustedLink(f"the server gave a link to another place: {url.scheme}://{url.host}")
        return str(url)

    def _token(self) -> str:
        return self._tokens.get(policy=self.policy, pace=self.pace)

    def _token_for_sending(self) -> str:
        try:
            return self._token()
        except Throttled:
            raise
        except GraphError as error:
            raise NotSent(error) from error

    def _sent(self, mailbox: str, request: "_Request", token: str) -> Answer:
        """The answer to something that must not happen twice. Raises NotSent while it is certain, else MaybeSent."""
        try:
            # A connection of its own: one that was kept may die under the request, and then nobody knows.
            with self._limiter.slot(mailbox), self._made() as client:
                return self._once(client, request, token)
        except _BEFORE_SENDING as error:
            raise NotSent(Unreachable(f"not connected: {type(error).__name__}")) from error
        except httpx2.HTTPError as error:
            raise MaybeSent(f"the connection was lost: {type(error).__name__}") from error
        except (Unreachable, TooLarge) as error:
            if error.status == 0:  # no place came free
                raise NotSent(error) from error
            raise MaybeSent(error.detail, status=error.status) from error

    def _once(self, client: httpx2.Client, request: "_Request", token: str) -> Answer:
        sent = {**request.headers, "client-request-id": str(uuid.uuid4())}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        until = self.pace.monotonic() + ANSWER_SECONDS
        body = bytearray()
        with client.stream(request.method, request.url, content=request.content, headers=sent) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > request.max_bytes:
                    raise TooLarge(f"larger than {request.max_bytes // 1024 // 1024} MB", status=response.status_code)
                if self.pace.monotonic() > until:
                    raise Unreachable("the answer never ended", status=response.status_code)
            return Answer(response.status_code, response.headers, bytes(body))

    def _failure(self, answer: Answer) -> GraphError | None:
        """None for a good answer; a kind of Unreachable for what passes; else the refusal."""
        if answer.is_html:
            return BadAnswer("something between us and Graph answered with a web page", status=answer.status)
        if answer.is_success:
            return None
        problem = self._problem(answer)
        if answer.status in PASSING_STATUSES:
            return Unreachable(problem.message, status=answer.status, code=problem.code, request_id=problem.request_id)
        return refusal(answer.status, problem, fallback="an answer without a reason")

    def _sending_failure(self, answer: Answer) -> GraphError:
        """What may be repeated (NotSent); raises for all else."""
        problem = self._problem(answer)
        error = Unreachable(problem.message, status=answer.status, code=problem.code, request_id=problem.request_id)
        told_off = problem.known or "Retry-After" in answer.headers
        if answer.status == TOO_MANY or (answer.status == _UNAVAILABLE and told_off and not answer.is_html):
            return NotSent(error)
        if answer.status >= 500 or answer.status == _REQUEST_TIMEOUT:  # noqa: PLR2004
            raise MaybeSent(problem.message, status=answer.status, code=problem.code, request_id=problem.request_id)
        if answer.is_html:
            raise NotSent(BadAnswer("something between us and Graph refused the request", status=answer.status))
        raise NotSent(refusal(answer.status, problem, fallback="an answer without a reason"))

    def _problem(self, answer: Answer) -> Problem:
        problem = problem_in(answer.body)
        served = answer.headers.get("request-id", "")
        return problem if problem.request_id or not served else Problem(problem.code, problem.message, served)

    @cached_property
    def _tls(self) -> ssl.SSLContext | bool:
        return False if self._is_plain else httpx2.create_ssl_context()  # plain http knows no certificates

    @property
    def _client(self) -> httpx2.Client:
        with self._lock:
            if self._pool is None:
                self._pool = self._made()
            return self._pool

    def _made(self) -> httpx2.Client:
        # Proxies of the environment are for the real service; a stand-in on this machine is talked to directly.
        return httpx2.Client(
            timeout=httpx2.Timeout(READ_SECONDS, connect=10.0),
            follow_redirects=False,
            trust_env=not self._is_plain,
            verify=self._tls,
            headers={"User-Agent": "HandyConnect"},
        )


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
