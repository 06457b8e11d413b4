from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator, StringConstraints

from tasks.models import Task
from tasks.services import SUBJECT_LENGTH, TaskDraft, create_task
from workflows.actions.registry import Occasion, Params, Receipt, action, choice, done, nothing


def _kind(value: str) -> str:
    return choice(value, Task.Kind.values, what=gettext_lazy("a kind of task"))


class AddTask(Params):
    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=SUBJECT_LENGTH)]
    kind: Annotated[str, AfterValidator(_kind)] = Task.Kind.INTERNAL.value


@action("add_task", label=gettext_lazy("Add a task"), params=AddTask)
def add_task(occasion: Occasion, params: AddTask) -> Receipt:
    """An open task of the same subject is the same task: a rule that fires twice does not double the work."""
    case = occasion.case()
    if Task.objects.of_case(case.pk).open().filter(subject=params.subject).exists():
        return nothing(_("The task “%(subject)s” is already open.") % {"subject": params.subject})
    draft = TaskDraft(case=case, subject=params.subject, kind=params.kind, priority=case.priority)
    create_task(draft, at=occasion.at, actor=occasion.actor)
    return done(_("Task “%(subject)s” added.") % {"subject": params.subject})
