from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Count, Max, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Team, User
from cases.models import Case
from cases.services import assign_case
from handyconnect.refusals import Conflict
from workflows.actions.registry import Occasion, Params, Receipt, action, done, nothing

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class AssignLeastLoaded(Params):
    team: str | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.team is not None and not Team.objects.filter(slug=self.team).exists():
            yield "team", _("'%(team)s' is not a team") % {"team": self.team}


@action("assign_least_loaded", label=gettext_lazy("Assign to whoever has least"), params=AssignLeastLoaded)
def assign_least_loaded(occasion: Occasion, params: AssignLeastLoaded) -> Receipt:
    """Give the case to the agent of its team (or of the team named) who has the fewest open cases.

    Where nobody in the team takes work, all agents who do are asked. Raises Conflict when there are none.
    """
    case = occasion.case()
    if case.assigned_to_id:
        return nothing(_("The case is already with %(name)s.") % {"name": case.assigned_to})
    agents = User.objects.taking_work().filter(role=User.Role.AGENT)
    team = Team.objects.filter(slug=params.team).first() if params.team else case.assigned_team
    among = agents.in_team(team) if team else agents
    if team and not among.exists():
        among = agents
    found = _least_loaded(among)
    if found is None:
        raise Conflict(_("There is no agent who takes new work."))
    person, load, count = found
    reason = ngettext(
        "%(name)s: %(load)d open case, the fewest of %(count)d",
        "%(name)s: %(load)d open cases, the fewest of %(count)d",
        load,
    ) % {"name": person, "load": load, "count": count}
    assign_case(case.pk, assigned_to=person, reason=reason, at=occasion.at, actor=occasion.actor)
    return done(_("Assigned to %(name)s.") % {"name": person}, reason=reason)


def _least_loaded(among: QuerySet[User]) -> tuple[User, int, int] | None:
    """Who has least, how many open cases that is, and of how many people; None when there is nobody.

    Of those who have equally little, the one whose newest case is the oldest.
    """
    is_open = Q(assigned_cases__status__in=Case.OPEN_STATUSES, assigned_cases__deleted_at=None)
    counted = among.annotate(load=Count("assigned_cases", filter=is_open))
    loads: dict[int, int] = dict(counted.values_list("pk", "load"))
    if not loads:
        return None
    least = min(loads.values())
    tied = User.objects.filter(pk__in=[pk for pk, load in loads.items() if load == least])
    newest = tied.annotate(newest=Max("assigned_cases__created_at")).order_by("pk")
    person = min(newest, key=lambda one: one.newest or LONG_AGO)
    return person, least, len(loads)
