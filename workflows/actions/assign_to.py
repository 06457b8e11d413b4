from collections.abc import Iterable
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import StringConstraints

from accounts.models import User
from cases.services import assign_case
from handyconnect.refusals import Conflict
from workflows.actions.registry import Occasion, Params, Receipt, action, done, nothing


class AssignTo(Params):
    username: Annotated[str, StringConstraints(min_length=1, max_length=150)]

    def problems(self) -> Iterable[tuple[str, str]]:
        if _worker(self.username) is None:
            yield "username", _("'%(name)s' is nobody who works on cases") % {"name": self.username}


@action("assign_to", label=gettext_lazy("Assign to a person"), params=AssignTo)
def assign_to(occasion: Occasion, params: AssignTo) -> Receipt:
    """Raises Conflict when the person has left or no longer works on cases."""
    person = _worker(params.username)
    if person is None:
        raise Conflict(_("%(name)s no longer works on cases.") % {"name": params.username})
    if occasion.case().assigned_to_id == person.pk:
        return nothing(_("The case is already with %(name)s.") % {"name": person})
    reason = _("The rule “%(rule)s” names this person.") % {"rule": occasion.rule.name}
    assign_case(occasion.case_id, assigned_to=person, reason=reason, at=occasion.at, actor=occasion.actor)
    return done(_("Assigned to %(name)s.") % {"name": person})


def _worker(username: str) -> User | None:
    person = User.objects.active().filter(username=username).first()
    return person if person and person.may_write else None
