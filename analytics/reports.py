"""Reports: a table of a period, one row for each group, as JSON or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics.metrics import CASE_METRICS
from analytics.periods import Period
from analytics.queries.speed import GROUPS, Work, work_by

COLUMNS = (
    "group",
    "arrived",
    "resolved",
    "reopened",
    "breached",
    "open",
    "handled",
    "first_responses",
    "first_response_p50_minutes",
    "first_response_p90_minutes",
    "resolution_p50_minutes",
    "resolution_p90_minutes",
    "clocks_met",
    "clocks_missed",
    "compliance",
)

# What a spreadsheet takes for the beginning of a formula, also in the letters of full width (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; a cell is a text, a number, or None where there is nothing to say."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def as_dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def as_csv(self) -> str:
        """RFC 4180, with a header. No cell is taken for a formula by the spreadsheet that opens it."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows([harmless(cell) for cell in row] for row in self.rows)
        return text.getvalue()


def summary(period: Period, *, group_by: str) -> Table:
    """What was done in the period for each value of `group_by` (of GROUPS). Cases without one stand in the row None."""
    work = work_by(GROUPS[group_by], period)
    ordered = sorted(work.items(), key=lambda item: (item[0] is None, str(item[0])))
    return Table(COLUMNS, [_row(group, done) for group, done in ordered])


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet computes: a text that could be a formula gets an apostrophe in front."""
    if isinstance(cell, str) and cell.lstrip(" \u00a0").startswith(_FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell


def _row(group: Any, work: Work) -> list[Any]:
    return [
        group,
        *(work.happened[metric] for metric in CASE_METRICS),
        work.open,
        work.handled,
        work.first_response.count,
        work.first_response.p50_minutes,
        work.first_response.p90_minutes,
        work.resolution.p50_minutes,
        work.resolution.p90_minutes,
        work.compliance.met,
        work.compliance.missed,
        work.compliance.share,
    ]
