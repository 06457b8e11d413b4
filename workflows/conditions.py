"""The conditions of a rule: a tree of all, any and none over named fields, checked when saved, pure when evaluated.

As JSON a group is `{"all": [...]}`, `{"any": [...]}` or `{"none": [...]}` and a leaf is
`{"field": "case.priority", "op": "in", "value": ["high", "urgent"]}`. What they mean:

* `all`: every one of them; `any`: at least one; `none`: not a single one (which is not the same as "not all").
* An empty group is false, whichever it is: a rule that says nothing must not match everything.
* A fact that is missing, None, "" or an empty list is empty. Nothing but `is_empty` and the negations hold for it:
  `is_not`, `not_in`, `not_contains` and `has_none` are exactly the opposites of `is`, `in`, `contains` and `has_any`.
* Text is compared without regard to case, surrounding space or how an umlaut is encoded.
* A fact of another type than its field matches nothing; it never raises.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict, Discriminator, JsonValue, Tag, ValidationError, model_validator

from workflows.comparisons import comparison, parsed
from workflows.fields import OPERATORS, PRESENCE, TAKES_LIST, Catalogue, Field, Kind

__all__ = [
    "Catalogue",
    "Field",
    "Group",
    "InvalidConditions",
    "Kind",
    "Leaf",
    "LeafResult",
    "Outcome",
    "Tree",
    "evaluate",
    "parse",
]

MAX_DEPTH = 6
MAX_LEAVES = 200
MAX_VALUES = 500
MAX_TEXT = 1000
MAX_SHOWN = 80

_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")  # PostgreSQL takes no NUL, UTF-8 no half of a pair

GROUPS = ("all", "any", "none")

_TYPE_WORDS = {
    "text": gettext_lazy("a text"),
    "number": gettext_lazy("a number"),
    "bool": gettext_lazy("true or false"),
    "datetime": gettext_lazy("a date and time with its offset, such as 2026-03-29T09:00:00+02:00"),
}


class InvalidConditions(ValueError):
    """Conditions that cannot be saved. `errors` are all of them, as pairs of path and message."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in errors))
        self.errors = list(errors)


class Leaf(BaseModel):
    """One comparison of one field."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    field: str
    op: str
    value: JsonValue = None


class Group(BaseModel):
    """Exactly one of `all`, `any` and `none`, with the groups and leaves that it binds together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    all: "list[Member] | None" = None
    any: "list[Member] | None" = None
    none: "list[Member] | None" = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Group":
        if len(self.model_fields_set) != 1 or self.members is None:
            raise ValueError(_("a group is exactly one of all, any and none, with a list"))
        return self

    @property
    def how(self) -> Literal["all", "any", "none"]:
        return "all" if self.all is not None else "any" if self.any is not None else "none"

    @property
    def members(self) -> "list[Member] | None":
        found: list[Member] | None = getattr(self, self.how)
        return found


def _tag(value: object) -> str:
    is_leaf = isinstance(value, Leaf) or (isinstance(value, Mapping) and not any(name in value for name in GROUPS))
    return "leaf" if is_leaf else "group"


Member = Annotated[Annotated[Group, Tag("group")] | Annotated[Leaf, Tag("leaf")], Discriminator(_tag)]
Group.model_rebuild()


@dataclass(frozen=True)
class LeafResult:
    """One comparison as it came out, with the fact as it stood."""

    path: str
    field: str
    op: str
    value: JsonValue
    fact: Any
    matched: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "field": self.field,
            "op": self.op,
            "value": self.value,
            "fact": _jsonable(self.fact),
            "matched": self.matched,
        }


@dataclass(frozen=True)
class Outcome:
    """Whether a tree matched, and why: every comparison in it, in the order in which it is written."""

    matched: bool
    why: list[LeafResult]

    def as_dict(self) -> dict[str, Any]:
        return {"matched": self.matched, "why": [result.as_dict() for result in self.why]}


@dataclass(frozen=True)
class _LeafNode:
    path: str
    leaf: Leaf
    test: Callable[[Any], bool]


@dataclass(frozen=True)
class _GroupNode:
    how: Literal["all", "any", "none"]
    members: "tuple[_GroupNode | _LeafNode, ...]"


@dataclass(frozen=True)
class Tree:
    """Conditions that were checked against a catalogue and made ready to evaluate."""

    document: Group
    root: _GroupNode = dataclasses.field(compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The JSON that `parse` reads back to an equal tree."""
        return self.document.model_dump(mode="json", exclude_unset=True)

    @property
    def fields(self) -> set[str]:
        """The names of the fields it asks about: whoever collects facts need not collect others."""
        return set(_field_names(self.root))


def parse(data: object, catalogue: Catalogue, *, path: str = "conditions") -> Tree:
    """Check conditions and make them ready. Raises InvalidConditions, which names everything that is wrong and where."""
    _refuse_giants(data, path)
    try:
        document = Group.model_validate(data)
    except ValidationError as invalid:
        raise InvalidConditions(_shape_errors(invalid, path)) from None
    errors: list[tuple[str, str]] = []
    root = _prepare_group(document, path, catalogue, errors)
    if errors:
        raise InvalidConditions(errors)
    return Tree(document=document, root=root)


def evaluate(tree: Tree, facts: Mapping[str, Any]) -> Outcome:
    """Hold the tree against the facts (by field name). Every leaf is tried, so that the answer tells the whole why."""
    why: list[LeafResult] = []
    return Outcome(matched=_holds(tree.root, facts, why), why=why)


def _holds(node: _GroupNode | _LeafNode, facts: Mapping[str, Any], why: list[LeafResult]) -> bool:
    if isinstance(node, _LeafNode):
        leaf = node.leaf
        fact = facts.get(leaf.field)
        matched = node.test(fact)
        why.append(LeafResult(node.path, leaf.field, leaf.op, leaf.value, fact, matched))
        return matched
    if not node.members:
        return False
    held = [_holds(member, facts, why) for member in node.members]
    if node.how == "all":
        return all(held)
    return any(held) if node.how == "any" else not any(held)


# --- Checking ---------------------------------------------------------------------------------------------------------


def _refuse_giants(data: object, path: str) -> None:
    """Before anything recursive touches it: a rule may come from an import or over the API."""
    level: list[object] = [data]
    leaves = 0
    for _depth in range(MAX_DEPTH + 1):
        members: list[object] = []
        for item in level:
            lists = [item[name] for name in GROUPS if name in item] if isinstance(item, Mapping) else []
            leaves += not lists
            members.extend(member for found in lists if isinstance(found, list) for member in found)
        if leaves + len(members) > MAX_LEAVES:
            raise InvalidConditions([(path, _("has more than %(most)s conditions") % {"most": MAX_LEAVES})])
        if not members:
            return
        level = members
    raise InvalidConditions([(path, _("is nested more than %(most)s groups deep") % {"most": MAX_DEPTH})])


def _shape_errors(invalid: ValidationError, path: str) -> list[tuple[str, str]]:
    """Pydantic's errors in our words; its names for the branches of a union are not part of anyone's JSON."""
    told = {
        "missing": _("is missing"),
        "extra_forbidden": _("is not part of a condition; use field, op and value, or one of all, any and none"),
        "string_type": _("must be a text"),
        "list_type": _("must be a list"),
        "model_type": _("must be an object"),
        "model_attributes_type": _("must be an object"),
    }
    errors = []
    for error in invalid.errors(include_url=False):
        where = path
        for index, step in enumerate(error["loc"]):
            # After a position in a list comes the name of the branch that was tried.
            if step in {"group", "leaf"} and index and isinstance(error["loc"][index - 1], int):
                continue
            where += f"[{step}]" if isinstance(step, int) else f".{_shown(step)}"
            if step == "value":  # within it, pydantic names types
                break
        message = str(error["ctx"]["error"]) if error["type"] == "value_error" else None
        errors.append((where, message or told.get(error["type"], error["msg"])))
    return errors


def _prepare_group(group: Group, path: str, catalogue: Catalogue, errors: list[tuple[str, str]]) -> _GroupNode:
    nodes: list[_GroupNode | _LeafNode] = []
    for index, member in enumerate(group.members or ()):
        here = f"{path}.{group.how}[{index}]"
        if isinstance(member, Group):
            nodes.append(_prepare_group(member, here, catalogue, errors))
            continue
        found = _leaf_errors(member, here, catalogue)
        if found:
            errors.extend(found)
        else:
            kind = catalogue[member.field].kind
            nodes.append(_LeafNode(here, member, comparison(kind, member.op, member.value)))
    return _GroupNode(group.how, tuple(nodes))


def _leaf_errors(leaf: Leaf, path: str, catalogue: Catalogue) -> list[tuple[str, str]]:
    field = catalogue.get(leaf.field)
    if field is None:
        words = {"field": _shown(leaf.field), "known": ", ".join(catalogue)}
        return [(f"{path}.field", _("'%(field)s' is not a field; choose %(known)s") % words)]
    allowed = OPERATORS[field.kind]
    if leaf.op not in allowed:
        words = {"op": _shown(leaf.op), "field": field.name, "known": ", ".join(allowed)}
        return [(f"{path}.op", _("'%(op)s' is not an operator of %(field)s; choose %(known)s") % words)]
    where = f"{path}.value"
    if problem := _misfit(leaf.op, leaf.value):
        return [(where, problem)]
    if leaf.op in PRESENCE:
        return []
    # A list is taken whole or not at all: a value that is quietly left out makes a rule that means something else.
    values = (
        [(f"{where}[{index}]", one) for index, one in enumerate(leaf.value)] if isinstance(leaf.value, list) else []
    )
    checked = [(here, _value_error(one, field)) for here, one in values or [(where, leaf.value)]]
    return [(here, problem) for here, problem in checked if problem]


def _misfit(op: str, value: JsonValue) -> str | None:
    """What is wrong with the shape of an operator's value: none, one, or a list of them."""
    words = {"op": op, "other": "is_empty" if op == "is_set" else "is_set", "most": MAX_VALUES}
    if op in PRESENCE:
        return None if value is None else _("'%(op)s' takes no value; its opposite is '%(other)s'") % words
    if value is None:
        return _("is missing")
    if op not in TAKES_LIST:
        return _("'%(op)s' takes one value, not a list") % words if isinstance(value, list) else None
    if not isinstance(value, list) or not value:
        return _("'%(op)s' takes a list of at least one value") % words
    return _("has more than %(most)s values") % words if len(value) > MAX_VALUES else None


def _value_error(value: JsonValue, field: Field) -> str | None:
    """What is wrong with one value for this field."""
    if field.kind is Kind.CHOICE:
        choices = [choice for choice, _label in field.choices]
        if value in choices:
            return None
        words = {"value": _shown(value), "label": _mid_sentence(str(field.label)), "known": ", ".join(choices)}
        return _("'%(value)s' is not a %(label)s; choose %(known)s") % words
    expected = "text" if field.kind in {Kind.LIST, Kind.REFERENCE} else field.kind.value
    if parsed(expected, value) is None:
        return _("'%(value)s' is not %(expected)s") % {"value": _shown(value), "expected": _TYPE_WORDS[expected]}
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return _("is longer than %(most)s characters") % {"most": MAX_TEXT}
    if isinstance(value, str) and _UNSTORABLE.search(value):
        return _("has characters that cannot be stored")
    return None


def _shown(value: object) -> str:
    """Somebody's input, fit to be said back to them."""
    text = str(value)
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _field_names(node: _GroupNode | _LeafNode) -> Iterator[str]:
    if isinstance(node, _LeafNode):
        yield node.leaf.field
    else:
        for member in node.members:
            yield from _field_names(member)


def _mid_sentence(label: str) -> str:
    """ "Case type" reads "case type" within a sentence; "SLA status" stays."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _jsonable(fact: Any) -> Any:
    if isinstance(fact, list | tuple | set | frozenset):
        return [_jsonable(one) for one in (sorted(fact, key=str) if isinstance(fact, set | frozenset) else fact)]
    if isinstance(fact, date):
        return fact.isoformat()
    return fact if fact is None or isinstance(fact, str | int | float | bool) else str(fact)
