"""What of a reply is new: talon's cases, GitHub's samples, and every real mail of the folder."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mail_ingest.parsing import html, parse, quote_headers, quotes
from tests.scoreboard.row import Row, rows
from tests.scoreboard.rows_parsing import words

FOLDERS = ("zammad/mail", "imap_tools/messages", "sisimai/maildir", "notmuch/corpora", "freescout", "django-helpdesk")

# Where a reader would say that each sample ends: how many lines are the sender's own words, and how some folded lines begin.
GITHUB = {
    "correct_sig.txt": (1, ("-- ",)),
    "email_1_1.txt": (4, ("____", "-Abhishek")),
    "email_1_2.txt": (24, ("> -Abhishek", "____")),
    "email_1_3.txt": (2, ("-Abhishek", "On 01/03/11", "____")),
    "email_1_4.txt": (1, ("On Aug 22",)),
    "email_1_5.txt": (12, ()),
    "email_1_6.txt": (1, ("Sent from a", "On Dec 16")),
    "email_1_7.txt": (1, ("On Tue",)),
    "email_1_8.txt": (15, ("> -- Tim", "Hey there")),
    "email_2_1.txt": (1, ("*From:*", "Sincerely")),
    "email_2_2.txt": (1, ("____", "From: CRM")),
    "email_2_3.txt": (1, ("From: CRM",)),
    "email_BlackBerry.txt": (1, ("Sent from",)),
    "email_bullets.txt": (5, ("On Fri", "-- ", "*Joe Smith")),
    "email_iPhone.txt": (1, ("Sent from",)),
    "email_multi_word_sent_from_my_mobile_device.txt": (1, ("Sent from",)),
    "email_one_is_not_on.txt": (3, ("On Oct 1",)),
    "email_sent_from_my_not_signature.txt": (2, ()),
    "email_sig_delimiter_in_middle_of_line.txt": (4, ()),
    "greedy_on.txt": (4, ("On 9 Jan",)),
    "pathological.txt": (2, ("On Dec 8",)),
}


def mails(corpora: Path, *folders: str) -> Iterator[Path]:
    for folder in folders or FOLDERS:
        for path in sorted((corpora / folder).rglob("*")):
            if path.is_file() and path.suffix != ".yml" and not path.name.startswith("."):
                yield path


@rows
def talon(corpora: Path) -> Iterator[Row]:
    """Exact but for white space and quote marks. Of the HTML cases the text is compared."""
    cases = json.loads((corpora / "talon/quotation_cases.json").read_text())["cases"]
    yield Row(
        "talon: visible reply", len(cases), tuple(case["test"] for case in cases if not is_as_talon_says(case)), 0.96
    )


def is_as_talon_says(case: dict[str, str]) -> bool:
    def seen(text: str) -> str:
        return words(text.replace(">", " ").replace("_" * 32, " "))

    is_html = case["function"] == "extract_from_html"
    given, wanted = ((html.read(case[key]).text if is_html else case[key]) for key in ("input", "expected"))
    return seen(quotes.split(given).visible) == seen(wanted)


@rows
def github(corpora: Path) -> Iterator[Row]:
    folder = corpora / "email_reply_parser_github/emails"
    wrong = tuple(name for name in GITHUB if not is_as_a_reader_says((folder / name).read_text(), *GITHUB[name]))
    yield Row("email_reply_parser: visible reply", len(GITHUB), wrong, 1.0)


def is_as_a_reader_says(text: str, visible: int, quoted: tuple[str, ...]) -> bool:
    reply = quotes.split(text)
    own, folded = ([line for line in side.split("\n") if line.strip()] for side in (reply.visible, reply.quoted))
    shared = [part for line in text.split("\n") for part in quote_headers.unglue(line) if part.strip()]
    begins = all(any(line.startswith(start.strip()) for line in folded) for start in quoted)
    return len(own) == visible and begins and len(own) + len(folded) == len(shared)


@rows
def nothing_lost(corpora: Path) -> Iterator[Row]:
    """Where the mail has words, some are visible, and every line of it stands on one side or the other."""
    paths = list(mails(corpora))
    wrong = tuple(str(path.relative_to(corpora)) for path in paths if not is_whole(path.read_bytes()))
    yield Row("real mails: a visible reply, no line lost", len(paths), wrong, 1.0)


def is_whole(raw: bytes) -> bool:
    mail = parse(raw)
    given = Counter(re.sub(r"\s+", "", mail.text))
    shown = Counter(re.sub(r"\s+", "", mail.visible_text + mail.quoted_text))
    return given == shown and bool(mail.text.strip()) == bool(mail.visible_text.strip())
