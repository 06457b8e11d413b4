"""The options of the trigger `silence`: in which status, and for how long nothing has happened. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cases.choices import OPEN_STATUSES

MAX_MINUTES = 10 * 366 * 24 * 60


def _open_status(value: str) -> str:
    if value not in OPEN_STATUSES:
        words = {"value": value[:80], "known": ", ".join(OPEN_STATUSES)}
        raise ValueError(_("'%(value)s' is not the status of an open case; choose %(known)s") % words)
    return value


class Silence(BaseModel):
    """Nothing has come, gone or moved for `after_minutes` (as a wall clock counts) in a case that is `status`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    status: Annotated[str, AfterValidator(_open_status)]
    after_minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)]

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Raises pydantic's ValidationError."""
        return cls.model_validate(options)

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.after_minutes)


def problems(options: object) -> list[str]:
    """What is wrong with somebody's options, each with the name of the option."""
    told = {
        "missing": _("is missing"),
        "extra_forbidden": _("is not an option; give status and after_minutes"),
        "string_type": _("must be a text"),
        "int_type": _("must be a whole number of minutes"),
        "greater_than_equal": _("must be at least 1 minute"),
        "less_than_equal": _("must be at most %(most)s minutes") % {"most": MAX_MINUTES},
    }
    try:
        Silence.model_validate(options)
    except ValidationError as invalid:
        return [
            f"{'.'.join(str(step)[:80] for step in error['loc']) or 'trigger_options'}: "
            + (str(error["ctx"]["error"]) if error["type"] == "value_error" else told.get(error["type"], error["msg"]))
            for error in invalid.errors(include_url=False)
        ]
    return []
