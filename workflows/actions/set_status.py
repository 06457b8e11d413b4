from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator

from cases.models import Case
from cases.services import change_status
from workflows.actions.registry import Occasion, Params, Receipt, action, choice, done, nothing

# A case becomes Merged only by a merge.
REACHABLE = [status for status in Case.Status.values if status != Case.Status.MERGED]


def _status(value: str) -> str:
    return choice(value, REACHABLE, what=gettext_lazy("a status that a rule can set"))


class SetStatus(Params):
    status: Annotated[str, AfterValidator(_status)]


@action("set_status", label=gettext_lazy("Set the status"), params=SetStatus)
def set_status(occasion: Occasion, params: SetStatus) -> Receipt:
    """Raises TransitionNotAllowed and GuardObjects."""
    old = occasion.case().status
    if old == params.status:
        return nothing(_("The status is already %(status)s.") % {"status": Case.Status(old).label})
    change_status(occasion.case_id, params.status, at=occasion.at, actor=occasion.actor)
    words = {"old": Case.Status(old).label, "new": Case.Status(params.status).label}
    return done(_("Status: %(old)s → %(new)s.") % words)
