"""Bounces: whether they are known, and whether the reason is. What is no bounce must not be called one."""

import json
from collections.abc import Iterator
from pathlib import Path

from mail_ingest.automatic import Kind as Author
from mail_ingest.automatic import Verdict, classify
from mail_ingest.bounces import BounceReport, Kind, Reason, read
from mail_ingest.parsing import ParsedMail, Unreadable, parse
from tests.scoreboard.row import Row, rows

# What sisimai's reasons are in our words, which are fewer.
REASONS = {
    "authfailure": Reason.AUTH_FAILURE,
    "badreputation": Reason.BLOCKED,
    "blocked": Reason.BLOCKED,
    "contenterror": Reason.POLICY,
    "delivered": Reason.DELIVERED,
    "emailtoolarge": Reason.MESSAGE_TOO_BIG,
    "exceedlimit": Reason.MESSAGE_TOO_BIG,
    "expired": Reason.EXPIRED,
    "failedstarttls": Reason.POLICY,
    "feedback": Reason.FEEDBACK,
    "filtered": Reason.FILTERED,
    "hasmoved": Reason.MOVED,
    "hostunknown": Reason.HOST_UNKNOWN,
    "mailboxfull": Reason.MAILBOX_FULL,
    "mailererror": Reason.SYSTEM_ERROR,
    "mesgtoobig": Reason.MESSAGE_TOO_BIG,
    "networkerror": Reason.NETWORK,
    "norelaying": Reason.RELAYING_DENIED,
    "notaccept": Reason.NOT_ACCEPTING,
    "notcompliantrfc": Reason.POLICY,
    "onhold": Reason.UNDEFINED,
    "policyviolation": Reason.POLICY,
    "ratelimited": Reason.RATE_LIMITED,
    "rejected": Reason.REJECTED,
    "requireptr": Reason.BLOCKED,
    "securityerror": Reason.POLICY,
    "spamdetected": Reason.SPAM,
    "speeding": Reason.RATE_LIMITED,
    "suppressed": Reason.FILTERED,
    "suspend": Reason.SUSPENDED,
    "syntaxerror": Reason.SYSTEM_ERROR,
    "systemerror": Reason.SYSTEM_ERROR,
    "systemfull": Reason.SYSTEM_FULL,
    "toomanyconn": Reason.RATE_LIMITED,
    "undefined": Reason.UNDEFINED,
    "userunknown": Reason.USER_UNKNOWN,
    "virusdetected": Reason.VIRUS,
}
# What each expects: sisimai's two special reasons, and the rest.
KINDS = {"feedback": {Kind.COMPLAINT}, "delivered": {Kind.SUCCESS}}
BOUNCES = {Kind.FAILURE, Kind.DELAY}
OTHER_FOLDERS = ("zammad/mail", "imap_tools/messages", "notmuch", "freescout", "django-helpdesk", "sisimai/maildir/not")
NO_MAIL = {".yml", ".json", ".md", ".rb", ".txt"}


@rows
def sisimai(corpora: Path) -> Iterator[Row]:
    expected = json.loads((corpora / "sisimai/expected.json").read_text())["expected"]
    unknown: list[str] = []
    misread: list[str] = []
    files = results = 0
    for name, wanted in expected.items():
        path = corpora / "sisimai/maildir/bsd" / name
        if not path.exists():
            continue
        mail = parse(path.read_bytes())
        report = read(mail)
        reasons = [row["reason"] for row in wanted]
        files += 1
        unknown += [name] * (not is_known(reasons[0], report, judged(mail, report)))
        if reasons[0] == "vacation":
            continue
        found = [result.reason for result in report.results] if report else []
        results += len(reasons)
        for number, reason in enumerate(reasons):
            got = found[number] if number < len(found) else None
            misread += [f"{name} {reason}, not {got}"] * (got != REASONS.get(reason))
    yield Row("sisimai: recognised", files, tuple(unknown), floor=0.97)
    yield Row("sisimai: reasons", results, tuple(misread), floor=0.85)


@rows
def others(corpora: Path) -> Iterator[Row]:
    """In the other folders only what a mail server itself signs as a report of its own may be called one."""
    wrong: list[str] = []
    mails = 0
    for folder in OTHER_FOLDERS:
        for path in sorted((corpora / folder).rglob("*")):
            if not path.is_file() or path.suffix in NO_MAIL:
                continue
            try:
                mail = parse(path.read_bytes())
            except Unreadable:
                continue
            mails += 1
            report = read(mail)
            called = report is not None or judged(mail, report).kind is Author.BOUNCE
            wrong += [f"{folder}/{path.name}"] * (called is not is_plainly_a_bounce(mail))
    yield Row("other corpora: no other mail called a bounce", mails, tuple(wrong), floor=1.0)


def is_known(reason: str, report: BounceReport | None, verdict: Verdict) -> bool:
    if reason == "vacation":
        return report is None and verdict.kind is Author.AUTO_REPLY
    return report is not None and report.kind in KINDS.get(reason, BOUNCES) and verdict.kind is Author.BOUNCE


def judged(mail: ParsedMail, report: BounceReport | None) -> Verdict:
    return classify(
        mail.headers,
        mail.sender.key if mail.sender else "",
        own_addresses=(),
        own_domains=(),
        content_type=mail.content_type,
        report_rule=report.rule if report else "",
    )


def is_plainly_a_bounce(mail: ParsedMail) -> bool:
    """By the two things that a person sees at once, and that the reader of bounces does not ask for together."""
    sender = mail.sender.key if mail.sender else ""
    names_a_server = sender.startswith(("mailer-daemon", "postmaster"))
    subject = mail.subject.lower()
    return names_a_server and any(
        word in subject for word in ("undeliver", "returned mail", "could not send", "zustellung", "übermittlung")
    )
