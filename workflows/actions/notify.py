from collections.abc import Iterable
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator

from accounts.models import User
from cases.models import Case
from notifications import services
from notifications.models import NotificationTemplate
from workflows.actions.registry import Occasion, Params, Receipt, action, choice, done, nothing

WHOM = ("assignee", "supervisor", "team")


def _whom(value: str) -> str:
    return choice(value, WHOM, what=gettext_lazy("somebody to notify"))


class Notify(Params):
    to: Annotated[str, AfterValidator(_whom)]
    template: str

    def problems(self) -> Iterable[tuple[str, str]]:
        if not NotificationTemplate.objects.filter(key=self.template).exists():
            yield "template", _("there is no template '%(key)s'") % {"key": self.template}


@action("notify", label=gettext_lazy("Notify colleagues"), params=Notify)
def notify(occasion: Occasion, params: Notify) -> Receipt:
    """In the desk, and by mail where mail may go out. Nobody is told of one event twice."""
    people = _people(occasion.case(), params.to)
    if not people:
        return nothing(_("There is nobody to tell: %(to)s.") % {"to": params.to})
    told = [
        str(person)
        for person in people
        if services.notify(
            event=occasion.event, recipient=person, kind=params.template, at=occasion.at, reason=occasion.rule.name
        )
    ]
    if not told:
        return nothing(_("Everybody concerned was told already, or does not want to be."))
    return done(_("Told %(names)s.") % {"names": ", ".join(told)})


def _people(case: Case, to: str) -> list[User]:
    if to == "assignee":
        return [case.assigned_to] if case.assigned_to else []
    if to == "supervisor":
        everywhere = User.objects.supervisors().order_by("pk")
        of_team = everywhere.in_team(case.assigned_team) if case.assigned_team else everywhere.none()
        return list(of_team) or list(everywhere)
    if case.assigned_team is None:
        return []
    working = User.objects.active().filter(role__in=[User.Role.AGENT, User.Role.SUPERVISOR])
    return list(working.in_team(case.assigned_team).order_by("pk"))
