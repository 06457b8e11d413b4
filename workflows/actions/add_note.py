from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import StringConstraints

from cases import services
from workflows.actions.registry import Occasion, Params, Receipt, action, done


class AddNote(Params):
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]


@action("add_note", label=gettext_lazy("Write a note"), params=AddNote)
def add_note(occasion: Occasion, params: AddNote) -> Receipt:
    services.add_note(occasion.case_id, params.body, at=occasion.at, actor=occasion.actor)
    return done(_("Note written."))
