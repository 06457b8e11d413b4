"""Parts of a case's representation that upper apps own: each registers how it fetches its part for many cases at once.

    embed("tasks", task_ids_of_cases, empty=list)   # in the app's ready()

Only a single case shows its parts; lists leave them out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Fetch = Callable[[Sequence[UUID]], Mapping[UUID, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """`fetch` takes case ids and makes one query; a case that it does not mention gets what `empty` makes."""

    name: str
    fetch: Fetch
    empty: Callable[[], Any]


def _nothing() -> None:
    return None


_parts: dict[str, Part] = {}


def embed(name: str, fetch_for_case_ids: Fetch, *, empty: Callable[[], Any] = _nothing) -> None:
    """Called by the owning app's `ready()`. Registering a name again replaces it."""
    _parts[name] = Part(name, fetch_for_case_ids, empty)


def parts_of(case_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Every registered part of each of these cases, one query a part."""
    found: dict[UUID, dict[str, Any]] = {case_id: {} for case_id in case_ids}
    for part in _parts.values():
        fetched = part.fetch(case_ids)
        for case_id, values in found.items():
            values[part.name] = fetched[case_id] if case_id in fetched else part.empty()
    return found
