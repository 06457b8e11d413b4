"""The parameters of the reports: each from an allow-list, whatever else comes is refused by name."""

from typing import Any, TypeVar

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from analytics.periods import Interval
from analytics.queries.speed import GROUPS
from handyconnect.api.filters import refuse_unknown

MAX_DAYS = 366
S = TypeVar("S", bound=serializers.Serializer[Any])


class WholeNumber(serializers.IntegerField):
    """Digits, and nothing that only might be meant as a number."""

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit()):
            self.fail("invalid")
        return super().to_internal_value(data)


class PeriodParameters(serializers.Serializer[Any]):
    days = WholeNumber(
        min_value=1, max_value=MAX_DAYS, default=30, help_text="So many days, of which today is the last."
    )


class TrendParameters(PeriodParameters):
    interval = serializers.ChoiceField([one.value for one in Interval], default=Interval.DAY.value)
    group_by = serializers.ChoiceField(list(GROUPS), required=False)


class ReportParameters(PeriodParameters):
    group_by = serializers.ChoiceField(list(GROUPS), default="priority")
    format = serializers.ChoiceField(["json", "csv"], default="json")


def read(request: Request, kind: type[S]) -> dict[str, Any]:
    """The parameters of a request. Raises a 400 that names each one that is unknown, repeated or cannot be."""
    names = [str(name) for name in kind().fields]
    refuse_unknown(request, known=names)
    repeated = {name: [_("Given more than once.")] for name in names if len(request.query_params.getlist(name)) > 1}
    if repeated:
        raise serializers.ValidationError(repeated, code="repeated")
    serializer = kind(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found
