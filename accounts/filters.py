from django.db.models import Q

from accounts.models import Team, User
from handyconnect.api.filters import ChoicesFilter, FlagFilter, SearchFilter, SlugFilter, StrictFilterSet


class TeamsFilter(SlugFilter):
    """Members of one of these teams, by slug; `none` is in no team."""

    def condition(self, value: list[str]) -> Q:
        # A join would show a person once for each team.
        return Q(pk__in=User.objects.filter(super().condition(value)).values("pk"))


class UserFilter(StrictFilterSet):
    role = ChoicesFilter(User.Role)
    team = TeamsFilter(Team, "teams")
    is_active = FlagFilter("is_active")
    takes_work = FlagFilter("takes_work")
    q = SearchFilter("username", "first_name", "last_name", "email")


class TeamFilter(StrictFilterSet):
    q = SearchFilter("name", "slug")
