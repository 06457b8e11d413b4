"""What is shown on the page of one case, in the admin and at the desk.

Lower apps know nothing of upper ones: the app that owns the data registers a panel, with one call that fetches it and a
template that shows it, and every page of a case shows all panels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.conf.locale import LANG_INFO
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from cases import history
from cases.models import Case

Place = Literal["main", "side", "log"]
Fetch = Callable[[Case, User, datetime], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """`fetch(case, reader, now)` answers the template's context in a fixed number of queries."""

    name: str
    title: str | Promise
    template: str
    fetch: Fetch
    place: Place = "main"
    rank: int = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel of one case, ready for a template: {% include shown.template with data=shown.data %}."""

    name: str
    title: str | Promise
    template: str
    data: Mapping[str, Any] = field(default_factory=dict)


_panels: dict[str, Panel] = {}


def register(panel: Panel) -> None:
    _panels[panel.name] = panel


def page(case: Case, *, reader: User, now: datetime) -> dict[Place, list[Shown]]:
    """The panels of a case, in order, by their place on its page: beside each other main and side, below them log."""
    places: dict[Place, list[Shown]] = {"main": [], "side": [], "log": []}
    for panel in sorted(_panels.values(), key=lambda panel: panel.rank):
        data = panel.fetch(case, reader, now)
        places[panel.place].append(Shown(panel.name, panel.title, panel.template, data))
    return places


# Which properties of a case are shown, in order; labels say who chose them.
PROPERTIES = (
    "status",
    "priority",
    "case_type",
    "category",
    "sentiment",
    "language",
    "assigned_to",
    "assigned_team",
    "escalation_level",
    "received_at",
    "first_response_at",
    "resolved_at",
    "closed_at",
    "last_activity_at",
    "reopen_count",
    "merged_into",
    "deleted_at",
)
ALWAYS_SHOWN = frozenset({"status", "priority", "case_type", "category", "assigned_to", "assigned_team", "received_at"})


@dataclass(frozen=True, slots=True)
class Property:
    label: str
    value: Any
    chosen_by: str = ""
    is_moment: bool = False


def properties_of(case: Case) -> list[Property]:
    """What is known of a case, with those left out that say nothing."""
    found = []
    for name in PROPERTIES:
        value = getattr(case, name)
        if not value and name not in ALWAYS_SHOWN:
            continue
        field = Case._meta.get_field(name)  # noqa: SLF001 - Django's public name for it
        display = getattr(case, f"get_{name}_display", None)
        if name == "language":
            value = language_name(value)
        found.append(
            Property(
                label=capfirst(str(getattr(field, "verbose_name", name))),
                value=display() if display else value,
                chosen_by=_chosen_by(case.provenance.get(name)),
                is_moment=isinstance(value, datetime),
            )
        )
    return found


def language_name(code: str) -> str:
    """What a language is called: "German" for "de"; the code itself where Django does not know it."""
    return str(gettext(LANG_INFO[code]["name"])) if "name" in LANG_INFO.get(code, {}) else code


def _chosen_by(provenance: Any) -> str:
    """Who chose a label: "offline reader, 82 % sure"; empty for a person's choice, which needs no explanation."""
    if not isinstance(provenance, dict) or provenance.get("by") in {None, "person"}:
        return ""
    reader = CHOSEN_BY.get(str(provenance["by"]), str(provenance["by"]))
    confidence = provenance.get("confidence")
    if isinstance(confidence, int | float):
        return gettext("%(reader)s, %(percent)d %% sure") % {"reader": reader, "percent": round(confidence * 100)}
    return str(reader)


CHOSEN_BY = {
    "model": _("chosen by the model"),
    "offline": _("chosen by the offline reader"),
    "rule": _("set by a rule"),
    "mail": _("set by a mail"),
}


def _properties(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    return {"case": case, "properties": properties_of(case), "tags": [tag.name for tag in case.tags.all()]}


def _customer(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    others = Case.objects.existing().filter(customer=case.customer).exclude(pk=case.pk).order_by("-created_at")
    return {"customer": case.customer, "others": list(others[:5])}


def _notes(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    return {"notes": list(case.notes.select_related("author"))}


def _timeline(case: Case, _reader: User, _now: datetime) -> Mapping[str, Any]:
    lines, is_more = history.of_case(case)
    return {"lines": lines, "is_more": is_more, "case": case}


register(Panel("properties", _("Properties"), "parts/properties.html", _properties, place="side", rank=10))
register(Panel("customer", _("Customer"), "parts/customer.html", _customer, place="side", rank=40))
register(Panel("notes", _("Notes"), "parts/notes.html", _notes, rank=20))
register(Panel("timeline", _("Timeline"), "parts/timeline.html", _timeline, place="log"))
