"""Reading request bodies: JSON, of a bounded size, and never an error that is not an answer."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.utils import json as strict_json

MAX_BODY_BYTES = 5 * 1024 * 1024


class Json(BaseParser):
    """application/json in UTF-8. NaN, broken text, and nesting that no reader survives are a 400; too much is a 413."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], _media_type: str | None = None, _parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            # Imported here: errors knows of DRF's exceptions, which knows of parsers.
            from handyconnect.api.errors import Refused  # noqa: PLC0415

            raise Refused(
                _("The request is larger than 5 MB."), status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, code="too_large"
            )
        try:
            return json.loads(raw.decode("utf-8-sig"), parse_constant=strict_json.strict_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(_("The body is not JSON: %(reason)s") % {"reason": _reason(error)}) from error


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return _("line %(line)d, column %(column)d.") % {"line": error.lineno, "column": error.colno}
    if isinstance(error, UnicodeDecodeError):
        return _("it is not UTF-8.")
    return _("it holds something that JSON does not have, or is nested too deeply.")
