"""`Idempotency-Key`: a POST that is sent twice happens once, and both get the same answer.

Keys belong to one user and one route. The effect and the note of its answer are one transaction, so a process that dies
between them leaves neither.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from accounts.models import IdempotencyKey, User
from accounts.requests import person_of
from handyconnect.refusals import Conflict, Refusal

HOLDS = timedelta(hours=24)
IN_PROGRESS_AT_MOST = timedelta(minutes=2)
MAX_KEY = 200
KEPT_HEADERS = ("ETag", "Location")

V = TypeVar("V", bound=Callable[..., Response])


class KeyReused(Refusal):
    """The key came before, with another body."""

    code = "idempotency_key_reused"


class KeyBusy(Conflict):
    """The first request with this key is still being worked on."""

    code = "idempotency_key_in_progress"


def idempotent(handler: V) -> V:
    """For the `create` of a view: honours `Idempotency-Key`. Without the header nothing is different."""

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            raise serializers.ValidationError({"Idempotency-Key": [_("Give 1 to 200 printable ASCII characters.")]})
        kept = claim(
            user=person_of(request),
            route=f"{request.method} {request.path}"[:200],
            key=key,
            body_sha256=digest(request.data),
            at=timezone.now(),
        )
        if kept.status_code is not None:
            return _replayed(kept)
        return _first(kept, lambda: handler(view, request, *args, **kwargs))

    once.is_idempotent = True  # type: ignore[attr-defined] # read by the OpenAPI schema
    return once  # type: ignore[return-value] # the same signature


def digest(body: Any) -> str:
    """SHA-256, in hex, of a body: the same for the same JSON value, however it was written."""
    text = json.dumps(body, cls=JSONEncoder, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def claim(*, user: User, route: str, key: str, body_sha256: str, at: datetime) -> IdempotencyKey:
    """The row of this key: new (the caller goes on), or with the answer that was given.

    Raises KeyReused for another body and KeyBusy while the first request is under way. A key that is older than HOLDS,
    or whose request died, is free again.
    """
    for _attempt in range(3):
        try:
            with transaction.atomic():
                return IdempotencyKey.objects.create(
                    user=user, route=route, key=key, body_sha256=body_sha256, created_at=at
                )
        except IntegrityError:
            known = IdempotencyKey.objects.filter(user=user, route=route, key=key).first()
        if known is None:
            continue  # forgotten between the two
        holds = IN_PROGRESS_AT_MOST if known.status_code is None else HOLDS
        if known.created_at + holds <= at:
            IdempotencyKey.objects.filter(pk=known.pk, created_at=known.created_at).delete()
            continue
        if known.body_sha256 != body_sha256:
            raise KeyReused(_("This Idempotency-Key was used before, with another body. Take a new key."))
        if known.status_code is not None:
            return known
        break
    raise KeyBusy(_("The first request with this Idempotency-Key is still being worked on. Try again shortly."))


def forget_old(*, before: datetime) -> int:
    """Delete the keys that were made before that moment; how many."""
    count, _by_model = IdempotencyKey.objects.filter(created_at__lt=before).delete()
    return count


def _first(kept: IdempotencyKey, act: Callable[[], Response]) -> Response:
    try:
        with transaction.atomic():
            response = act()
            _keep(kept, response)
    except BaseException:
        # Nothing was done, so the key is free for another try.
        IdempotencyKey.objects.filter(pk=kept.pk, status_code=None).delete()
        raise
    return response


def _keep(kept: IdempotencyKey, response: Response) -> None:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    answer = json.loads(json.dumps({"body": response.data, "headers": headers}, cls=JSONEncoder))
    found = IdempotencyKey.objects.filter(pk=kept.pk, status_code=None)
    # A repeat may have taken the place of a request that was very slow: then this one must not count.
    if not found.update(answer=answer, status_code=response.status_code):
        raise KeyBusy(_("This request took so long that a repeat has taken its place."))


def _replayed(kept: IdempotencyKey) -> Response:
    answer = kept.answer or {}
    headers = {**answer.get("headers", {}), "Idempotent-Replayed": "true"}
    return Response(answer.get("body"), status=kept.status_code, headers=headers)
