"""Automatic mail: published sets of headers, and what must be made of each."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mail_ingest.automatic import Verdict, classify
from tests.scoreboard.row import Row, rows

OWN_ADDRESS, OWN_DOMAIN = "desk@example.org", "desk.example.org"


@rows
def verdicts(corpora: Path) -> Iterator[Row]:
    cases = json.loads((corpora / "autoreply/cases.json").read_text())["cases"]
    wrong = [case["id"] for case in cases if not is_right(case, case["headers"].items())]
    yield Row("autoreply: verdicts", len(cases), tuple(wrong), floor=1.0)
    changed = [(case, label, headers) for case in cases for label, headers in rewritten(case["headers"])]
    wrong = [f"{case['id']} ({label})" for case, label, headers in changed if not is_right(case, headers)]
    yield Row("autoreply: the same, written otherwise", len(changed), tuple(wrong), floor=1.0)


def verdict(case: dict[str, Any], headers: Iterable[tuple[str, str]]) -> Verdict:
    """What we make of a case whose headers were perhaps rewritten."""
    all_headers = list(headers)
    if "message_id" in case:
        all_headers.append(("Message-ID", case["message_id"].replace("{OWN_FQDN}", OWN_DOMAIN)))
    sender = case.get("from", "ada@example.com").replace("{OWN_MAILBOX}", OWN_ADDRESS)
    return classify(all_headers, sender, own_addresses=[OWN_ADDRESS], own_domains=[OWN_DOMAIN])


def is_right(case: dict[str, Any], headers: Iterable[tuple[str, str]]) -> bool:
    found, expected = verdict(case, headers), case["expected"]
    return found.may_answer is not expected["no_autoreply"] and found.may_reopen is expected.get(
        "reopen_closed", found.may_reopen
    )


def rewritten(headers: dict[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The same headers as other programs write them: RFC 5322 has no opinion on case, order, folding and comments."""
    items = list(headers.items())
    if not items:
        return
    yield "lower case", [(name.lower(), value.lower()) for name, value in items]
    yield "upper case", [(name.upper(), value.upper()) for name, value in items]
    yield "folded", [(name, f"\r\n\t {value} ") for name, value in items]
    yield "backwards", items[::-1]
    yield "a comment behind", [(name, f"{value} (by a program)") for name, value in items]
    yield "among others", [("Received", "from x by y"), ("X-Mailer", "z"), *items, ("MIME-Version", "1.0")]
