from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import StringConstraints

from cases.services import update_case
from workflows.actions.registry import Occasion, Params, Receipt, action, done, nothing


class AddTag(Params):
    tag: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


@action("add_tag", label=gettext_lazy("Add a tag"), params=AddTag)
def add_tag(occasion: Occasion, params: AddTag) -> Receipt:
    tags = list(occasion.case().tags.values_list("name", flat=True))
    if params.tag in tags:
        return nothing(_("The tag “%(tag)s” is already there.") % {"tag": params.tag})
    update_case(occasion.case_id, {}, tags=[*tags, params.tag], at=occasion.at, actor=occasion.actor)
    return done(_("Tag “%(tag)s” added.") % {"tag": params.tag})
