"""A request and an answer, and what can be read off them."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.standins.graph.shapes import Json

# users('a')/mailFolders('b') is another way of writing users/a/mailFolders/b.
_CALL = re.compile(r"(\w+)\('([^']*)'\)")


@dataclass(eq=False)
class Request:
    """What came in. `mailbox` is the address in the path, "" where there is none; `status` is what was answered."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    mailbox: str = ""
    status: int = 0
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = _CALL.sub(r"\1/\2", unquote(parts.path))
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    @property
    def prefers(self) -> str:
        return self.headers.get("prefer", "")

    @property
    def immutable(self) -> bool:
        return "immutableid" in self.prefers.casefold()

    @property
    def selected(self) -> set[str]:
        return {name.strip() for name in self.query.get("$select", "").split(",") if name.strip()}

    def page_size(self, default: int) -> int:
        found = re.search(r"odata\.maxpagesize=(\d+)", self.prefers)
        return max(1, min(int(found[1]), 1000)) if found else default

    def json(self) -> Json:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise Failure(400, "BadRequest", "Unable to read JSON request payload.") from None
        return value if isinstance(value, dict) else {}


@dataclass
class Response:
    status: int = 200
    body: Any = None  # an object, bytes, or nothing
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json;odata.metadata=minimal;charset=utf-8"

    def payload(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Failure(Exception):
    """An error of Graph's own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


NOT_FOUND = (
    "ErrorItemNotFound",
    "The specified object was not found in the store., The process failed to get the correct properties.",
)
