"""Middleware of the whole house."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from handyconnect.api.time_zones import activate_zone_of

API = "/api/"


@sync_and_async_middleware
def TrailingSlashMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:  # noqa: N802 - named like a class, as settings name it
    """Under /api, an address with one slash at its end means the same as without, and no redirect loses the body."""

    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            _forgive(request)
            waiting: Awaitable[HttpResponseBase] = get_response(request)
            return await waiting

        return answer_later

    def answer(request: HttpRequest) -> HttpResponseBase:
        _forgive(request)
        response: HttpResponseBase = get_response(request)
        return response

    return answer


def _forgive(request: HttpRequest) -> None:
    if request.path_info.startswith(API) and request.path_info.endswith("/") and len(request.path_info) > len(API):
        request.path_info = request.path_info[:-1]
        request.path = request.path[:-1]


class ReaderTimeZoneMiddleware(MiddlewareMixin):
    """Dates are shown in the zone of whoever is signed in by session. (The API does the same for tokens.)"""

    def process_request(self, request: HttpRequest) -> None:
        timezone.deactivate()
        if request.path_info.startswith(("/health/", "/static/")):
            return  # asked for health, even a broken database must not stand in the way
        activate_zone_of(request.user)

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        timezone.deactivate()
        return response


STRICT = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# By the beginning of the address; the first that fits. The admin theme's scripts (Alpine) evaluate their attributes.
POLICIES: Mapping[str, Mapping[str, str]] = {
    "/admin/": {**STRICT, "script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"},
    "/api/docs": {**STRICT, "style-src": "'self' 'unsafe-inline'"},
    "/": STRICT,
}
_WRITTEN = {start: "; ".join(f"{name} {what}" for name, what in policy.items()) for start, policy in POLICIES.items()}


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Pages load and run only what is ours. A view that knows better (a mail, a download) sets the header itself."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = next(text for start, text in _WRITTEN.items() if request.path_info.startswith(start) or start == "/")
        response.headers.setdefault("Content-Security-Policy", policy)
        return response
