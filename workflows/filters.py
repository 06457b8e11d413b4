from django.db.models import Q
from django.utils.translation import gettext as _

from handyconnect.api.filters import (
    ChoicesFilter,
    FlagFilter,
    MomentFilter,
    NumberFilter,
    SearchFilter,
    SlugFilter,
    StrictFilterSet,
    UUIDFilter,
)
from workflows.models import RuleRun, Trigger, WorkflowRule


class RuleOfRunFilter(SlugFilter):
    """Rules by slug or number, by comma. An unknown one is refused."""

    def condition(self, value: list[str]) -> Q:
        numbers = {name for name in value if name.isascii() and name.isdigit() and len(name) < 19}  # noqa: PLR2004 - fits a bigint
        known = WorkflowRule.objects.filter(Q(slug__in=value) | Q(pk__in=numbers)).values_list("slug", "pk")
        names = {name: pk for slug, pk in known for name in (slug, str(pk))}
        if missing := sorted(set(value) - set(names)):
            raise self.refuse(_("There is no rule %(names)s.") % {"names": ", ".join(missing)})
        return Q(rule__in={names[name] for name in value})


class RuleFilter(StrictFilterSet):
    trigger = ChoicesFilter(Trigger)
    is_active = FlagFilter("is_active")
    q = SearchFilter("name", "slug", "description")


class RunFilter(StrictFilterSet):
    rule = RuleOfRunFilter(WorkflowRule)
    case_id = UUIDFilter("case_id")
    event_id = NumberFilter("event_id")
    outcome = ChoicesFilter(RuleRun.Outcome)
    ran_after = MomentFilter("ran_at", "gte")
    ran_before = MomentFilter("ran_at", "lt")


class StatisticsFilter(StrictFilterSet):
    is_active = FlagFilter("is_active")
    trigger = ChoicesFilter(Trigger)
