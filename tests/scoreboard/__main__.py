"""`python -m tests.scoreboard [--json]`: prints the table; fails when a row has fallen below its floor."""

import argparse
import importlib
import json
import logging
import os
import pkgutil
import sys
from pathlib import Path

import django

from tests import scoreboard
from tests.scoreboard.row import CORPORA, ROWS, Row


def main() -> int:
    """The exit code: 0 when every row passes, or when the corpora are not on this machine."""
    parser = argparse.ArgumentParser(prog="scoreboard", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--corpora", type=Path, default=CORPORA, help="the folder of the corpora")
    parser.add_argument("--only", default="", help="only the modules whose names contain this")
    options = parser.parse_args()
    if not options.corpora.is_dir():
        print(f"The corpora are not here ({options.corpora}): nothing to score.", file=sys.stderr)
        return 0
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "handyconnect.settings")
    django.setup()
    logging.disable(logging.CRITICAL)
    for module in pkgutil.iter_modules(scoreboard.__path__):
        if module.name.startswith("rows_") and options.only in module.name:
            importlib.import_module(f"{scoreboard.__name__}.{module.name}")
    table = []
    for read in ROWS:
        for row in read(options.corpora):
            table.append(row)
            print(f"\r{row.name:<60}", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(as_json(table) if options.json else as_table(table))
    return 0 if table and all(row.passes for row in table) else 1


def as_json(table: list[Row]) -> str:
    return json.dumps(
        [
            {
                "row": row.name,
                "cases": row.cases,
                "right": row.right,
                "wrong": list(row.wrong),
                "share": round(row.share, 4),
                "floor": row.floor,
                "passes": row.passes,
            }
            for row in table
        ],
        indent=2,
        ensure_ascii=False,
    )


def as_table(table: list[Row]) -> str:
    width = max(len(row.name) for row in table)
    lines = [f"{'':2}{'corpus':<{width}}  {'cases':>6} {'right':>6} {'wrong':>6}  {'share':>7}  {'floor':>6}"]
    for row in table:
        mark = " " if row.passes else "!"
        lines.append(
            f"{mark:2}{row.name:<{width}}  {row.cases:>6} {row.right:>6} {len(row.wrong):>6}  {row.share:>7.1%}  {row.floor:>6.1%}"
        )
    for row in (row for row in table if row.wrong):
        lines += ["", f"Wrong in {row.name}:", *(f"  {name}" for name in row.wrong)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
