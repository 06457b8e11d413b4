from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.services import escalate_case
from workflows.actions.registry import Occasion, Params, Receipt, action, done


class Escalate(Params):
    pass


@action("escalate", label=gettext_lazy("Escalate"), params=Escalate)
def escalate(occasion: Occasion, _params: Escalate) -> Receipt:
    case = escalate_case(occasion.case_id, at=occasion.at, actor=occasion.actor, reason=occasion.rule.name)
    return done(_("Escalated to level %(level)s.") % {"level": case.escalation_level})
