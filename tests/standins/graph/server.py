"""The stand-in itself: a server with a port of its own, its mailboxes and its memory of what was asked."""

import contextlib
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.standins.graph import login, notify, reading, routes, shapes, writing
from tests.standins.graph.drafts import BadRequest
from tests.standins.graph.faults import Fault, Faults
from tests.standins.graph.http import Failure, Request, Response
from tests.standins.graph.mailbox import Mailbox, Message

PAGE_FOR_PEOPLE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>The proxy wants to know you</h1></body></html>"
)


class GraphStandIn:
    """Graph at `url`, the login authority at `authority_url`. A context manager; `start` and `stop` by hand.

    with GraphStandIn() as graph:
        box = graph.mailbox("support@contoso.example")
        box.add(b"...")
        graph.faults.throttle(2, retry_after="0.5")
    """

    tenant = "7a1b2c3d-0000-4000-8000-00000000c0de"
    domain = "contoso.example"
    client_id = "11111111-2222-4333-8444-555555555555"
    client_secret = "standin~secret/with+odd=chars"

    def __init__(self, *, port: int = 0) -> None:
        self.faults = Faults()
        self.requests: list[Request] = []
        self.sent: list[writing.Sent] = []
        self.tokens: dict[str, float] = {}
        self.rounds: dict[str, tuple[reading.Round, int]] = {}
        self.subscriptions: dict[str, notify.Subscription] = {}
        self.uploads: dict[str, writing.Upload] = {}
        self.most_at_once: Counter[str] = Counter()
        self.stopping = threading.Event()
        self.notifier = notify.Notifier(self)
        self._boxes: dict[str, Mailbox] = {}
        self._inside: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._held: list[tuple[str, shapes.Json]] | None = None
        self._server = _Server(("127.0.0.1", port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        self.notifier.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.notifier.stop()
        self._server.hang_up()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """For MICROSOFT_GRAPH_URL."""
        return f"{self.origin}/v1.0"

    @property
    def authority_url(self) -> str:
        """For MICROSOFT_AUTHORITY_URL."""
        return self.origin

    def mailbox(self, address: str) -> Mailbox:
        """The mailbox with this address, made when it is new."""
        with self._lock:
            return self._boxes.setdefault(address.casefold(), Mailbox(address, on_new=self.notify))

    def known_mailbox(self, name: str) -> Mailbox:
        """By address or user id. Raises Failure as Graph does."""
        for box in list(self._boxes.values()):
            if name.casefold() in {box.address.casefold(), box.user_id}:
                return box
        raise Failure(404, "ErrorInvalidUser", f"The requested user '{name}' is invalid.")

    def revoke_tokens(self) -> None:
        """Every token given so far is worth nothing any more."""
        self.tokens.clear()

    def forget_rounds(self) -> None:
        """All delta and next links given so far lead to 410."""
        self.rounds.clear()

    def seen(self, method: str = "", path: str = "") -> list[Request]:
        """The requests so far, by method and a part of the target."""
        return [
            one
            for one in list(self.requests)
            if (not method or one.method == method) and path.casefold() in one.target.casefold()
        ]

    def notify(self, box: Mailbox, message: Message) -> None:
        told = notify.about(self, box, message)
        with self._lock:
            if self._held is not None:
                self._held += told
                return
        self.notifier.put(told)

    @contextlib.contextmanager
    def one_delivery(self) -> Iterator[None]:
        """What happens inside is told in one request, in reverse where that is switched on."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            self.notifier.put(held[::-1] if self.faults.notifications_reversed else held)

    def lifecycle(self, event: str) -> None:
        """Tell every subscriber of `missed`, `subscriptionRemoved` (which is then true) or `reauthorizationRequired`."""
        self.notifier.put([notify.lifecycle(self, one, event) for one in list(self.subscriptions.values())])
        if event == "subscriptionRemoved":
            self.subscriptions.clear()

    def context(self, what: str) -> str:
        return f"{self.url}/$metadata#{what}"

    def link(self, path: str, query: dict[str, str]) -> str:
        return f"{self.faults.foreign_links or self.origin}{path}?{reading.query_string(query)}"

    def token_link(self, request: Request, name: str, round_: reading.Round, position: int) -> str:
        token = uuid.uuid4().hex
        self.rounds[token] = (round_, position)
        return self.link(request.target.partition("?")[0], {name: token})

    def serve(self, request: Request) -> tuple[Response | None, Fault | None]:
        """The answer, and what is to go wrong while it is given; no answer: silence."""
        request.mailbox = self._address(routes.mailbox_in(request.path))
        with self._at_once(request.mailbox) as others:
            self.requests.append(request)
            if self.faults.slowness_seconds:
                time.sleep(self.faults.slowness_seconds)
            fault = self.faults.take(request.method, request.target, request.mailbox)
            if fault and not fault.after:
                return self._gone_wrong(fault, None), fault
            limit = self.faults.concurrency_limit
            if limit is not None and request.mailbox and others > limit:
                text = "Application is over its MailboxConcurrency limit."
                return Response(
                    429, shapes.error("ApplicationThrottled", text, str(uuid.uuid4())), {"Retry-After": "1"}
                ), None
            response = self._answered(request)
            return (self._gone_wrong(fault, response), fault) if fault else (response, None)

    def _answered(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            if login.is_login(request.path):
                return login.answer(self, request)
            if request.path.startswith("/uploads/"):
                return writing.upload_piece(self, request, request.path.rpartition("/")[2])
            self._check_token(request)
            response = routes.answer(self, request)
        except Failure as failure:
            response = Response(failure.status, shapes.error(failure.code, failure.message, request_id))
        except BadRequest as bad:
            response = Response(400, shapes.error(bad.code, bad.message, request_id))
        response.headers.setdefault("request-id", request_id)
        return response

    def _check_token(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Failure(401, "InvalidAuthenticationToken", "Access token is empty.")
        if self.tokens.get(token, 0.0) < time.monotonic():
            raise Failure(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")

    def _gone_wrong(self, fault: Fault, response: Response | None) -> Response | None:
        if fault.how == "html":
            return Response(fault.status, PAGE_FOR_PEOPLE, content_type="text/html; charset=utf-8")
        if fault.how in {"hang", "drop"}:
            return None
        if fault.how in {"truncate", "cut"}:
            return response or Response(200, {"value": [], "@odata.context": self.context("x" * 200)})
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return Response(fault.status, shapes.error(fault.code, fault.message, str(uuid.uuid4())), headers)

    @contextlib.contextmanager
    def _at_once(self, mailbox: str) -> Iterator[int]:
        with self._lock:
            self._inside[mailbox] += 1
            here = self._inside[mailbox]
            self.most_at_once[mailbox] = max(here, self.most_at_once[mailbox])
        try:
            yield here
        finally:
            with self._lock:
                self._inside[mailbox] -= 1

    def _address(self, name: str) -> str:
        with contextlib.suppress(Failure):
            return self.known_mailbox(name).address if name else ""
        return name


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends the connections that clients keep open, so that their threads end."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _headers(response: Response, payload: bytes) -> dict[str, str]:
    headers = dict(response.headers)
    if payload:
        headers["Content-Type"] = response.content_type
    if response.status != 204:
        headers["Content-Length"] = str(len(payload))
    return headers


def _handler_for(standin: GraphStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.casefold(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            response, fault = standin.serve(request)
            request.status = response.status if response else 0
            if response is None:
                if fault is not None and fault.how == "hang":
                    standin.stopping.wait(fault.seconds)
                self.close_connection = True
                return
            self._write(response, fault)

        def _write(self, response: Response, fault: Fault | None) -> None:
            payload = response.payload()
            how = fault.how if fault else ""
            half = payload[: len(payload) // 2]
            payload = half if how == "cut" else payload
            self.send_response(response.status)
            for name, value in _headers(response, payload).items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = self.close_connection or how == "truncate"
            self.wfile.write(half if how == "truncate" else payload)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Silent: what was asked is in `requests`."""

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - so does the base class

    return Handler
