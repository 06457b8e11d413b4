"""What each operator means: comparisons of one fact with one value, prepared once and run often. Pure.

Text is compared without regard to case, surrounding space or how an umlaut is encoded. A fact that is missing, None, ""
or an empty list is empty; a fact of another type than its field counts as one that nothing equals. Nothing raises.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

from workflows.fields import Kind

_OPPOSITES = {"is_not": "is", "not_in": "in", "not_contains": "contains", "has_none": "has_any", "is_empty": "is_set"}
_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def comparison(kind: Kind, op: str, value: Any) -> Callable[[Any], bool]:
    """The comparison as a function of the fact, with everything that can be prepared prepared."""
    if op in _OPPOSITES:
        positive = comparison(kind, _OPPOSITES[op], value)
        return lambda fact: not positive(fact)
    if op == "is_set":
        return _is_set
    if kind is Kind.NUMBER or kind is Kind.BOOL or kind is Kind.DATETIME:
        return _typed_test(kind.value, op, value)
    if kind is Kind.LIST:
        wanted = {folded(one) for one in (value if isinstance(value, list) else [value])}
        if op == "has_all":
            return lambda fact: wanted <= _folded_set(fact)
        return lambda fact: not wanted.isdisjoint(_folded_set(fact))  # has_any; contains is the same with one value
    return _text_test(op, value)


def _typed_test(expected: str, op: str, value: Any) -> Callable[[Any], bool]:
    if op in _ORDERINGS:
        return partial(_is_ordered, _ORDERINGS[op], expected, parsed(expected, value))
    wanted = [parsed(expected, one) for one in (value if op == "in" else [value])]
    return lambda fact: parsed(expected, fact) in wanted  # never None: a wanted value was checked to be of the type


def _is_ordered(holds: Callable[[Any, Any], bool], expected: str, limit: Any, fact: Any) -> bool:
    given = parsed(expected, fact)
    return given is not None and holds(given, limit)


def _text_test(op: str, value: Any) -> Callable[[Any], bool]:
    if op == "in":
        members = {folded(one) for one in value}
        return lambda fact: folded(fact) in members
    if op == "matches_any_word":
        words = "|".join(re.escape(folded(one)) for one in value)
        pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)")
        return lambda fact: pattern.search(folded(fact)) is not None
    wanted = folded(value)
    if op == "contains":
        return lambda fact: wanted in folded(fact)
    if op == "starts_with":
        return lambda fact: folded(fact).startswith(wanted)
    return lambda fact: folded(fact) == wanted


def _is_set(fact: Any) -> bool:
    if isinstance(fact, str):
        return bool(fact.strip())
    return bool(fact) if isinstance(fact, list | tuple | set | frozenset) else fact is not None


def folded(value: object) -> str:
    """Text as it is compared; "" for what is no text. Mail from a Mac writes umlauts as two characters."""
    return unicodedata.normalize("NFC", value.strip()).casefold() if isinstance(value, str) else ""


def _folded_set(fact: object) -> set[str]:
    # A single text where a list belongs would otherwise be taken apart into its letters.
    return {folded(one) for one in fact} if isinstance(fact, list | tuple | set | frozenset) else set()


def _aware(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def parsed(expected: str, value: object) -> Any:
    """A value as its type has it, or None when it is not of that type. Empty text is no value: see `is_empty`."""
    if expected == "text":
        return folded(value) or None
    if expected == "number":
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole or (isinstance(value, float) and math.isfinite(value)) else None
    if expected == "bool":
        return value if isinstance(value, bool) else None
    return _aware(value)
