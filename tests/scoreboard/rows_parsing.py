"""What is in a mail, against what its collectors say: imap_tools and Zammad."""

import email
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from mail_ingest.parsing import ParsedAttachment, ParsedMail, parse
from tests.scoreboard.row import Row, rows

ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
# Here the collector's reading is the poorer one: it stops at a broken line, or at blanks that are obsolete and legal (RFC 5322, 4.5).
# What it finds we must find, and more.
POORER = {"plain_emails/raw_email_incorrect_header.eml", "rfc2822/example13.eml"}

Check = Callable[[ParsedMail, dict[str, Any], str], bool]


def words(text: str | None) -> str:
    return " ".join((text or "").split())


def letters(text: str | None) -> str:
    """What is left when every reader has spelled undecodable bytes in its own way."""
    return "".join(char for char in text or "" if char.isascii() and char.isalnum())


@rows
def imap_tools(corpora: Path) -> Iterator[Row]:
    """One case a file. Folder names are part of the names of the cases."""
    folder = corpora / "imap_tools"
    expected = json.loads((folder / "expected.json").read_text())["expected"]
    mails = {name: parse((folder / "messages" / name).read_bytes()) for name in expected}
    for what, check, floor in (
        ("headers", has_headers, 1.0),
        ("text", has_text, 1.0),
        ("attachments", has_attachments, 1.0),
    ):
        wrong = tuple(name for name, mail in mails.items() if not check(mail, expected[name], name))
        yield Row(f"imap_tools: {what}", len(mails), wrong, floor)


def has_headers(mail: ParsedMail, expected: dict[str, Any], name: str) -> bool:
    return all(
        check(mail, expected, name)
        for check in (has_subject, has_sender, has_date, *map(recipients, ("to", "cc", "reply_to")))
    )


def has_subject(mail: ParsedMail, expected: dict[str, Any], name: str) -> bool:
    """Blanks between encoded words aside, and letters that the collector drops because no charset says what they are."""
    ours, theirs = ("".join(subject.split()) for subject in (mail.subject, expected["subject"]))
    is_cut = theirs.isascii() and letters(ours) == letters(theirs)
    return ours == theirs or is_cut or (name in POORER and not theirs and bool(ours))


def has_sender(mail: ParsedMail, expected: dict[str, Any], name: str) -> bool:
    ours = mail.sender.email if mail.sender else ""
    # "Big Bug bb@example.com" is a name and an address.
    theirs = next(reversed(ADDRESS.findall(expected["from_"])), expected["from_"])
    return ours == theirs or (name in POORER and not theirs and "@" in ours)


def recipients(field: str) -> Check:
    return partial(_has_recipients, field=field)


def _has_recipients(mail: ParsedMail, expected: dict[str, Any], name: str, *, field: str) -> bool:
    """Only what could be delivered to: names that the collector takes for addresses are not."""
    ours = [address.email for address in getattr(mail, field) if address.email]
    theirs = [email for email in expected[field] if ADDRESS.fullmatch(email) or email in ours]
    ours = [email for email in ours if "@" in email or email in theirs]
    return ours == theirs or (name in POORER and set(theirs) <= set(ours))


def has_date(mail: ParsedMail, expected: dict[str, Any], name: str) -> bool:
    """The collector gets zones of half an hour west of Greenwich wrong: the standard library reads the header as well."""
    date = datetime.fromisoformat(expected["date"])
    wanted = None if date.year == 1900 else date.replace(tzinfo=date.tzinfo or UTC)
    if mail.sent_at == wanted or (name in POORER and wanted is None):
        return True
    second = parsedate_to_datetime(" ".join(re.sub(r"\(.*?\)", "", expected["date_str"]).split()))
    return mail.sent_at == second.replace(tzinfo=second.tzinfo or UTC)


def has_text(mail: ParsedMail, expected: dict[str, Any], name: str) -> bool:
    """The collector's text goes on into nested mails, and is empty where there is only HTML."""
    theirs = letters(expected["text"])
    shown = letters(re.sub(r"(?s)<(style|title|head)\b.*?</\1>|<[^>]*>", "", expected["html"]))
    if not theirs:
        return words(mail.text) == words(expected["text"]) or letters(mail.text).startswith(shown[:20])
    if name in POORER:
        return letters(mail.text) in theirs
    inner = "".join(letters(inside.text) for inside in nested(mail))
    shorter, longer = sorted((letters(mail.text) + inner, theirs), key=len)
    if inner and letters(mail.text) == shown:
        return True  # then the collector's text is that of the nested mail, at times still encoded
    if inner:
        return shorter in longer or inner in theirs
    return shorter in longer and len(shorter) * 10 >= len(longer) * 9


def has_attachments(mail: ParsedMail, expected: dict[str, Any], _name: str) -> bool:
    """Every file that the collector took out, by its bytes and name, also of nested mails."""
    files = [file for one in (mail, *nested(mail)) for file in one.attachments]
    sums = {hashlib.sha256(content).hexdigest(): file.filename for file in files for content in forms(file)}
    return all(
        file["payload"]["sha256"] in sums and file["filename"] in {"", sums[file["payload"]["sha256"]]}
        for file in expected["attachments"]
        if not file["content_type"].startswith(("text/", "message/delivery-status"))
    )


def forms(file: ParsedAttachment) -> Iterator[bytes]:
    """The collector has nested mails as the standard library writes them anew."""
    yield file.content
    if file.content_type == "message/rfc822":
        yield email.message_from_bytes(file.content).as_bytes()


def nested(mail: ParsedMail) -> Iterator[ParsedMail]:
    for file in mail.attachments:
        if file.content_type == "message/rfc822":
            inside = parse(file.content)
            yield inside
            yield from nested(inside)


@rows
def zammad(corpora: Path) -> Iterator[Row]:
    """One case a file that says what to expect of the field."""
    cases = {
        path.stem: (parse(path.with_suffix(".box").read_bytes()), read_yaml(path))
        for path in sorted((corpora / "zammad/mail").glob("*.yml"))
    }
    for what, key, check, floor in (
        ("subject", "subject", has_zammad_subject, 0.95),
        ("from", "from_email", has_zammad_sender, 0.95),
        ("attachments", "attachments", has_zammad_files, 0.95),
    ):
        asked = {name: case for name, case in cases.items() if key in case[1]}
        wrong = tuple(name for name, (mail, expected) in asked.items() if not check(mail, expected))
        yield Row(f"zammad: {what}", len(asked), wrong, floor)


def has_zammad_subject(mail: ParsedMail, expected: dict[str, Any]) -> bool:
    return words(mail.subject) == words(expected["subject"])


def has_zammad_sender(mail: ParsedMail, expected: dict[str, Any]) -> bool:
    name, email = (mail.sender.name, mail.sender.email) if mail.sender else ("", "")
    return email == expected["from_email"] and words(name) == words(expected.get("from_display_name"))


def has_zammad_files(mail: ParsedMail, expected: dict[str, Any]) -> bool:
    """Zammad keeps the other form of the body as a file; colons are not for file names here."""
    names = [
        file["filename"].replace(":", "_")
        for file in expected["attachments"]
        if not (file.get("preferences") or {}).get("content-alternative")
    ]
    return [file.filename for file in mail.attachments] == names


class RubyLoader(yaml.SafeLoader):
    """Takes Ruby's tagged hashes for plain ones."""


def _plain_value(loader: RubyLoader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


RubyLoader.add_multi_constructor("!", _plain_value)


def read_yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(), Loader=RubyLoader)  # noqa: S506 # builds plain values only, see RubyLoader
    return found
