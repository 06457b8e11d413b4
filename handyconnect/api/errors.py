"""Every error of the API in one shape: `application/problem+json` (RFC 9457) with `errors: [{code, detail, attr}]`.

Services refuse with the kinds of `handyconnect.refusals`; here, and only here, those become status codes. The text of
an exception that nobody expected is never sent.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from drf_standardized_errors.formatter import ExceptionFormatter, flatten_errors
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions
from rest_framework.response import Response

from handyconnect.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal, Stale

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:handyconnect:problem:"
LONGEST = 1000
MOST_ERRORS = 100
STANDARD = frozenset({"type", "title", "status", "detail", "instance", "errors"})

STATUS_OF: Mapping[type[Refusal], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    Stale: HTTPStatus.PRECONDITION_FAILED,
}


class Refused(exceptions.APIException):
    """A refusal on its way to becoming an answer. `facts` become members of the problem beside the usual ones."""

    def __init__(
        self, detail: str, *, status: HTTPStatus, code: str, attr: str | None = None, facts: Mapping[str, object] = {}
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.code = code
        self.attr = attr
        self.facts = facts


class Busy(exceptions.APIException):
    """The database did not answer in time: a lock was held for too long, or it is starting."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "busy"
    default_detail = gettext_lazy("Too much is going on right now. Nothing was changed. Try again in a moment.")
    wait = 2


def refused(refusal: Refusal) -> Refused:
    """The answer to a service's refusal: what kind it is decides the status."""
    status = next(
        (status for kind, status in STATUS_OF.items() if isinstance(refusal, kind)), HTTPStatus.UNPROCESSABLE_ENTITY
    )
    attr = refusal.field if isinstance(refusal, Invalid) else None
    return Refused(refusal.detail, status=status, code=refusal.code, attr=attr, facts=refusal.facts)


def _busy(error: Exception) -> exceptions.APIException:
    log.warning("database_busy", exc_info=error)
    return Busy()


def _in_use(_error: Exception) -> exceptions.APIException:
    return Refused(
        _("Something else still uses this, so it cannot be deleted."), status=HTTPStatus.CONFLICT, code="in_use"
    )


def _too_large(_error: Exception) -> exceptions.APIException:
    return Refused(_("The request is too large."), status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, code="too_large")


def _not_understood(_error: Exception) -> exceptions.APIException:
    return exceptions.ParseError(_("The request cannot be understood."))


def _invalid(error: ValidationError) -> exceptions.APIException:
    return exceptions.ValidationError(_by_field(error))


# What is not DRF's own and yet has an answer; the first that fits counts.
CONVERSIONS: tuple[tuple[type[Exception], Callable[[Any], exceptions.APIException]], ...] = (
    (Refusal, refused),
    (ValidationError, _invalid),
    (ProtectedError, _in_use),
    (RestrictedError, _in_use),
    (OperationalError, _busy),
    (RequestDataTooBig, _too_large),
    (SuspiciousOperation, _not_understood),
)


class ProblemHandler(ExceptionHandler):
    """Turns what a view raised into an answer."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        for kind, convert in CONVERSIONS:
            if isinstance(exc, kind):
                return convert(exc)
        converted: Exception = super().convert_known_exceptions(exc)
        return converted

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        return Response(data, status=exc.status_code, headers=self.get_headers(exc), content_type=CONTENT_TYPE)


class ProblemFormatter(ExceptionFormatter):
    """The body of the answer."""

    def run(self) -> dict[str, Any]:
        exc = self.exc
        if isinstance(exc, Refused):
            return problem(exc.status_code, str(exc.detail), code=exc.code, attr=exc.attr, facts=exc.facts)
        if isinstance(exc, exceptions.ValidationError):
            return invalid([(error.code, error.detail, _attr(error.attr)) for error in flatten_errors(exc.detail)])
        if type(exc) is exceptions.APIException:  # what nobody expected becomes exactly this
            return problem(
                exc.status_code, _("Something went wrong on our side. It has been noted."), code="server_error"
            )
        detail = exc.detail
        code = detail.code if isinstance(detail, exceptions.ErrorDetail) else exc.default_code
        return problem(exc.status_code, str(detail), code=code or exc.default_code)


def exception_handler(exc: Exception, context: Any) -> Response | None:
    """What DRF calls for whatever a view raised."""
    return ProblemHandler(exc, context).run()


def problem(
    status: int, detail: str, *, code: str, attr: str | None = None, facts: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """A problem with one cause."""
    detail = sayable(detail)
    return {
        **{name: value for name, value in (facts or {}).items() if name not in STANDARD},
        "type": f"{TYPE_PREFIX}{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "errors": [{"code": code, "detail": detail, "attr": attr}],
    }


def invalid(errors: list[tuple[str, str, str | None]]) -> dict[str, Any]:
    """A request of which one or more parts cannot be used: (code, detail, which part)."""
    errors = [(code, sayable(text), sayable(attr) if attr else None) for code, text, attr in errors[:MOST_ERRORS]]
    first = errors[0] if errors else ("invalid", _("The request is not valid."), None)
    detail = f"{first[2]}: {first[1]}" if first[2] else first[1]
    if len(errors) > 1:
        names = ", ".join(dict.fromkeys(attr for _code, _detail, attr in errors if attr))
        detail = _("These need another value: %(names)s.") % {"names": names} if names else detail
    return {
        "type": f"{TYPE_PREFIX}validation_error",
        "title": HTTPStatus.BAD_REQUEST.phrase,
        "status": int(HTTPStatus.BAD_REQUEST),
        "detail": detail,
        "errors": [{"code": code, "detail": text, "attr": attr} for code, text, attr in errors],
    }


def sayable(text: str) -> str:
    """What can be sent: an error may quote what came in, which can be long, or hold halves of surrogate pairs."""
    return text[:LONGEST].encode("utf-8", "replace").decode()


def problem_response(status: HTTPStatus, detail: str, *, code: str) -> JsonResponse:
    """A problem outside of DRF."""
    return JsonResponse(problem(status, detail, code=code), status=status, content_type=CONTENT_TYPE)


@csrf_exempt  # there is nothing here that a forged request could do
def not_found(_request: HttpRequest, _exception: Exception | None = None, **_kwargs: Any) -> JsonResponse:
    """For addresses under /api that lead nowhere."""
    return problem_response(HTTPStatus.NOT_FOUND, _("There is nothing at this address."), code="not_found")


def server_error(_request: HttpRequest) -> JsonResponse:
    """For an error that even the exception handler could not catch."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        _("Something went wrong on our side. It has been noted."),
        code="server_error",
    )


def bad_request(_request: HttpRequest, _exception: Exception | None = None) -> JsonResponse:
    """For a request that was refused before it reached a view."""
    return problem_response(HTTPStatus.BAD_REQUEST, _("The request cannot be understood."), code="bad_request")


def _by_field(error: ValidationError) -> Any:
    """Django's errors as DRF's, field by field, codes kept."""
    if hasattr(error, "error_dict"):
        return {
            name: [exceptions.ErrorDetail(text, code=one.code or "invalid") for one in found for text in one.messages]
            for name, found in error.error_dict.items()
        }
    return [
        exceptions.ErrorDetail(text, code=one.code or "invalid") for one in error.error_list for text in one.messages
    ]


def _attr(attr: str | None) -> str | None:
    """Errors of the whole belong to no field."""
    if attr is None:
        return None
    attr = attr.removesuffix("non_field_errors").removesuffix(NON_FIELD_ERRORS).removesuffix(".")
    return attr or None
