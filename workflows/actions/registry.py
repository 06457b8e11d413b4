"""What rules can do: a registry that each action enters by its name, and what every action is given and gives back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, ValidationError

from accounts.actors import Actor
from cases.models import Case, TimelineEvent
from cases.services import locked
from workflows.models import WorkflowRule

Receipt = dict[str, Any]
"""What became of one action: `did` says whether anything changed, `detail` is for people; `error` is a code."""


class Params(BaseModel):
    """The parameters of an action, as they stand in a rule. `problems` are what only the database can know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Pairs of parameter and message, for values that are well formed and still name nothing that exists."""
        return ()


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Occasion:
    """One run of a rule: on which case, because of which event, when, and as whom its actions act."""

    rule: WorkflowRule
    event: TimelineEvent
    case_id: UUID
    at: datetime
    actor: Actor

    def case(self) -> Case:
        """The case, locked, as the actions before this one have left it. Raises CaseGone."""
        return locked(self.case_id)


@dataclass(frozen=True, slots=True)
class Action:
    """`outward` actions reach people outside the house; they never follow from old or automatic mail."""

    name: str
    label: str | Promise
    params: type[Params]
    run: Callable[[Occasion, Any], Receipt]
    outward: bool


class UnknownAction(LookupError):
    def __init__(self, name: object) -> None:
        words = {"name": str(name)[:80], "known": ", ".join(names())}
        super().__init__(_("'%(name)s' is not an action; choose %(known)s") % words)


_actions: dict[str, Action] = {}


def action(
    name: str, *, label: str | Promise, params: type[P], outward: bool = False
) -> Callable[[Callable[[Occasion, P], Receipt]], Callable[[Occasion, P], Receipt]]:
    """Enter a function into the registry: a new action is one file with one of these."""

    def enter(run: Callable[[Occasion, P], Receipt]) -> Callable[[Occasion, P], Receipt]:
        _actions[name] = Action(name=name, label=label, params=params, run=run, outward=outward)
        return run

    return enter


def names() -> list[str]:
    return sorted(_actions)


def find(name: object) -> Action:
    """The action of this name. Raises UnknownAction, which names the ones that there are."""
    found = _actions.get(name) if isinstance(name, str) else None
    if found is None:
        raise UnknownAction(name)
    return found


def described() -> list[dict[str, Any]]:
    """Every action with its label and the JSON schema of its parameters, for whoever builds rules on a screen."""
    return [
        {
            "name": known.name,
            "label": str(known.label),
            "outward": known.outward,
            "params": known.params.model_json_schema(),
        }
        for known in (_actions[name] for name in names())
    ]


def read(item: Mapping[str, Any]) -> tuple[Action, Params]:
    """One entry of a rule's `actions`, {"do": name, …}, checked. Raises UnknownAction and InvalidParams."""
    found = find(item.get("do"))
    try:
        params = found.params.model_validate({name: value for name, value in item.items() if name != "do"})
    except ValidationError as invalid:
        raise InvalidParams(_told(invalid, found)) from None
    return found, params


class InvalidParams(ValueError):
    """Parameters that an action cannot be run with. `errors` are all of them, as pairs of path and message."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in errors))
        self.errors = list(errors)


def choice(value: str, known: Iterable[str], *, what: str | Promise) -> str:
    """`value`, when it is one of the known ones. Raises ValueError, which names them."""
    if value not in (offered := list(known)):
        words = {"value": value[:80], "what": what, "known": ", ".join(offered)}
        raise ValueError(_("'%(value)s' is not %(what)s; choose %(known)s") % words)
    return value


def done(detail: str, **more: Any) -> Receipt:
    return {"did": True, "detail": detail, **more}


def nothing(detail: str, **more: Any) -> Receipt:
    """The case is already so, or there is nobody to do it to."""
    return {"did": False, "detail": detail, **more}


def _told(invalid: ValidationError, found: Action) -> list[tuple[str, str]]:
    """Pydantic's errors in our words, each with the name of the parameter."""
    known = ", ".join(found.params.model_fields) or _("none")
    told = {
        "missing": _("is missing"),
        "extra_forbidden": _("is not a parameter of %(action)s; it takes %(known)s")
        % {"action": found.name, "known": known},
        "string_type": _("must be a text"),
        "string_too_short": _("must not be empty"),
    }
    return [
        (
            ".".join(str(step)[:80] for step in error["loc"]),
            str(error["ctx"]["error"]) if error["type"] == "value_error" else told.get(error["type"], error["msg"]),
        )
        for error in invalid.errors(include_url=False)
    ]
