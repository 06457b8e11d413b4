from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator

from cases.models import Case
from cases.services import update_case
from workflows.actions.registry import Occasion, Params, Receipt, action, choice, done, nothing


def _priority(value: str) -> str:
    return choice(value, Case.Priority.values, what=gettext_lazy("a priority"))


class SetPriority(Params):
    priority: Annotated[str, AfterValidator(_priority)]


@action("set_priority", label=gettext_lazy("Set the priority"), params=SetPriority)
def set_priority(occasion: Occasion, params: SetPriority) -> Receipt:
    old = occasion.case().priority
    if old == params.priority:
        return nothing(_("The priority is already %(priority)s.") % {"priority": Case.Priority(old).label})
    update_case(occasion.case_id, {"priority": params.priority}, at=occasion.at, actor=occasion.actor)
    words = {"old": Case.Priority(old).label, "new": Case.Priority(params.priority).label}
    return done(_("Priority: %(old)s → %(new)s.") % words)
