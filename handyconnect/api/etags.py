"""ETags: `"v3.117"` is version 3 of what people edit, seen after event 117.

A conditional GET compares all of it, so it sees every change. `If-Match` compares only the version, so that a mail or a
sweep in between does not make a person's edit stale.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from handyconnect.refusals import Stale

_TAG = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_OURS = re.compile(r"v(\d{1,9})(?:\.\d+)?")


class Outdated(Stale):
    """The `If-Match` of a write names none of the versions that could be written to."""

    code = "stale"


def etag(*, version: int, event_id: int | None) -> str:
    return f'"v{version}.{event_id or 0}"'


def of_content(data: Any) -> str:
    """The ETag of what nobody edits over the API: a digest of what is shown."""
    text = json.dumps(data, cls=JSONEncoder, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_unchanged(request: Request, tag: str) -> bool:
    """Whether the caller already has this state, by `If-None-Match`."""
    header = request.headers.get("If-None-Match", "")
    if header.strip() == "*":
        return True
    return any(f'"{found}"' == tag for found in _TAG.findall(header))


def expected_version(request: Request, current: Callable[[], int]) -> int | None:
    """The version that `If-Match` demands, None when it demands none. `current` is asked only when several are named.

    Raises a 400 for a header that is not a list of ETags, and Outdated when no tag can be one of ours.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = []
    for part in header.split(","):
        match = _TAG.fullmatch(part)
        if match is None:
            raise serializers.ValidationError(
                {"If-Match": [_('Not an ETag. It looks like "v3.117", with the quotes.')]}
            )
        tags.append(match[1])
    versions = {int(match[1]) for tag in tags if (match := _OURS.fullmatch(tag))}
    if len(versions) == 1:
        return versions.pop()
    now = current()
    if now in versions:
        return now
    raise Outdated(_("It was changed since you read it. Read it again, then repeat your change."), version=now)
