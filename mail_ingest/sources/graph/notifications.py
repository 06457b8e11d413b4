"""Reads what Graph sends to the webhook. Pure: whether a notice is genuine is for the caller to check, with `is_from`.

Form: a change notification collection, {"value": [{subscriptionId, clientState, changeType, resource, resourceData: {id},
lifecycleEvent}]}, as the Graph documentation has it.
"""

import hmac
import json
import re
from dataclasses import dataclass

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_NOTICES = 1000
MAX_TEXT_CHARS = 2048
LIFECYCLE = frozenset({"missed", "subscriptionRemoved", "reauthorizationRequired"})

_MESSAGE = re.compile(r"/messages(?:/|\(')([^/')]+)(?:'\))?/?$", re.IGNORECASE)
_LIFECYCLE_BY_FOLD = {name.casefold(): name for name in LIFECYCLE}


class BadNotification(ValueError):
    """The body is not a collection of notifications."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification. `message_id` is empty for lifecycle events, `lifecycle_event` for changes."""

    subscription_id: str
    client_state: str = ""
    change_type: str = ""
    resource: str = ""
    message_id: str = ""
    lifecycle_event: str = ""

    def is_from(self, client_state: str) -> bool:
        """Whether it carries the secret that was given with the subscription; takes as long whatever it carries."""
        return bool(client_state) and hmac.compare_digest(self.client_state.encode(), client_state.encode())


def parse(body: bytes) -> tuple[Notice, ...]:
    """The notices in a request's body, each once, in order; entries without a subscription are left out.

    Raises BadNotification for a body that is too large, holds too many, or is no collection.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadNotification(f"more than {MAX_BODY_BYTES} bytes")
    try:
        collection = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadNotification("not JSON") from error
    values = collection.get("value") if isinstance(collection, dict) else None
    if not isinstance(values, list):
        raise BadNotification("not a collection of notifications")
    if len(values) > MAX_NOTICES:
        raise BadNotification(f"more than {MAX_NOTICES} notifications")
    return tuple(dict.fromkeys(notice for value in values if (notice := _notice(value)) is not None))


def _notice(value: object) -> Notice | None:
    if not isinstance(value, dict) or not (subscription_id := _text(value.get("subscriptionId"))):
        return None
    resource = _text(value.get("resource"))
    data = value.get("resourceData")
    event = _text(value.get("lifecycleEvent"))
    found = _MESSAGE.search(resource)
    message_id = _text(data.get("id")) if isinstance(data, dict) else ""
    return Notice(
        subscription_id=subscription_id,
        client_state=_text(value.get("clientState")),
        change_type=_text(value.get("changeType")),
        resource=resource,
        message_id="" if event else message_id or (found[1] if found else ""),
        lifecycle_event=_LIFECYCLE_BY_FOLD.get(event.casefold(), event),
    )


def _text(value: object) -> str:
    """A text that can be stored: NUL and lone surrogates are refused, and so is what is too long to be an id."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS or "\x00" in value:
        return ""
    return value if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value) else ""
