"""Asks the web process whether everything is ready."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATH = "/health/ready"


@dataclass(frozen=True, kw_only=True)
class Readiness:
    is_ready: bool
    missing: tuple[str, ...] = ()


def ask(address: str, *, host_header: str, timeout_seconds: float = 3.0) -> Readiness:
    """What `/health/ready` answers at `address` (http://host:port). Never raises: no answer is an answer."""
    target = urlsplit(address)
    connection = HTTPConnection(target.hostname or "127.0.0.1", target.port, timeout=timeout_seconds)
    try:
        connection.request("GET", PATH, headers={"Host": host_header, "Accept": "application/json"})
        answer = connection.getresponse()
        return read(answer.status, answer.read(64 * 1024))
    except (OSError, HTTPException):
        return Readiness(is_ready=False, missing=("web",))
    finally:
        connection.close()


def read(status: int, body: bytes) -> Readiness:
    """Reads an answer: ready at 200, else the checks in the body that are not fine, each with its reason."""
    if status == 200:  # noqa: PLR2004 - the status that says ready
        return Readiness(is_ready=True)
    try:
        checks = json.loads(body)["checks"]
        missing = tuple(f"{name} ({check['detail']})" for name, check in checks.items() if not check["ok"])
    except (ValueError, KeyError, TypeError, AttributeError):
        missing = ()
    return Readiness(is_ready=False, missing=missing or (f"web (status {status})",))
