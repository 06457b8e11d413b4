from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Count, QuerySet
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
    people = {person.pk: person for person in among}
    if not people:
        return None
    their_open_cases = Case.objects.open().filter(assigned_to__in=people).order_by()
    counted = dict(their_open_cases.values_list("assigned_to").annotate(load=Count("pk")))
    loads = {pk: counted.get(pk, 0) for pk in sorted(people)}
    least = min(loads.values())
    tied = [pk for pk, load in loads.items() if load == least]
    person = people[min(tied, key=_newest_case_at) if len(tied) > 1 else tied[0]]
    return person, least, len(loads)


def _newest_case_at(user_id: int) -> datetime:
    """When the newest case of this person was opened: one look into the index of their queue."""
    newest = Case.objects.filter(assigned_to=user_id).order_by("-created_at").values_list("created_at", flat=True)
    return newest.first() or LONG_AGO
