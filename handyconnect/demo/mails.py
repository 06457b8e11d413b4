"""The mails of the demo, written in `mails/*.txt` and built here into what a mail server would have delivered.

A file holds mails divided by a line of `=====`; each has fields, an empty line and its text, and after a line of
`~~~` what it quotes. Fields: Key, Sent (see `times.sent_at`), From, Subject; and where wanted To, Cc, Lang, Style,
Charset, Encoding, Answers (the key of the mail whose thread it goes on with), Attach and Inline (`name: text`),
Header (`Name: value`), Kind (`bounce`), Delivered-To.
"""

import functools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

from handyconnect.demo import attachments, styles
from handyconnect.demo.times import OFFICE, sent_at

FOLDER = Path(__file__).with_name("mails")
MAILBOX = "support@linden.example"
OFFICE_NAME = f"Linden & Partner <{MAILBOX}>"
DIVIDER = "====="
QUOTE_MARK = "~~~"
REPEATED = frozenset({"attach", "inline", "header"})


@dataclass(frozen=True, slots=True)
class DemoMail:
    key: str
    raw: bytes
    received_at: datetime
    """Aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Written:
    """One mail as it stands in the file."""

    fields: dict[str, str]
    body: str
    quote: str = ""
    repeated: dict[str, list[str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.fields["key"]

    @property
    def sender(self) -> str:
        return self.fields["from"]

    @property
    def message_id(self) -> str:
        domain = parseaddr(self.sender)[1].partition("@")[2]
        return f"<{self.key}.2f6c@{domain}>"


def build(now: datetime) -> list[DemoMail]:
    """Every mail, oldest first, as bytes. The same `now` gives the same bytes."""
    mails = written()
    times = {key: sent_at(mail.fields["sent"], now=now) for key, mail in mails.items()}
    built = [DemoMail(key, _raw(mail, mails=mails, times=times), times[key]) for key, mail in mails.items()]
    return sorted(built, key=lambda mail: (mail.received_at, mail.key))


@functools.cache
def written() -> dict[str, Written]:
    """The mails by their key. ValueError when a key is used twice."""
    found: dict[str, Written] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        for part in path.read_text(encoding="utf-8").split(f"\n{DIVIDER}\n"):
            mail = _parse(part.strip("\n"))
            if mail.key in found:
                raise ValueError(f"two mails have the key {mail.key!r}")
            found[mail.key] = mail
    return found


def _parse(part: str) -> Written:
    head, _, text = part.partition("\n\n")
    fields: dict[str, str] = {}
    repeated: dict[str, list[str]] = defaultdict(list)
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if (known := name.strip().lower()) in REPEATED:
            repeated[known].append(value.strip())
        else:
            fields[known] = value.strip()
    body, _, quote = text.partition(f"\n{QUOTE_MARK}\n")
    return Written(fields=fields, body=body.strip("\n"), quote=quote.strip("\n"), repeated=dict(repeated))


def thread_of(key: str, *, mails: dict[str, Written]) -> list[str]:
    """The keys of the mails that this one goes on with, the first of the thread first."""
    before: list[str] = []
    while parent := mails[key].fields.get("answers"):
        before.insert(0, parent)
        key = parent
    return before


def _raw(mail: Written, *, mails: dict[str, Written], times: dict[str, datetime]) -> bytes:
    if mail.fields.get("kind") == "bounce":
        return _bounce(mail, at=times[mail.key])
    message = EmailMessage(policy=SMTP)
    at = times[mail.key].astimezone(OFFICE)
    message["Received"] = (
        f"from mx.example.net by mail.linden.example with ESMTPS; {format_datetime(at + timedelta(seconds=4))}"
    )
    message["Date"] = format_datetime(at)
    message["From"] = mail.sender
    message["To"] = mail.fields.get("to", OFFICE_NAME)
    if copied := mail.fields.get("cc"):
        message["Cc"] = copied
    message["Subject"] = mail.fields["subject"]
    message["Message-ID"] = mail.message_id
    if before := thread_of(mail.key, mails=mails):
        message["In-Reply-To"] = mails[before[-1]].message_id
        message["References"] = " ".join(mails[key].message_id for key in before)
    for header in mail.repeated.get("header", []):
        name, _, value = header.partition(":")
        message[name.strip()] = value.strip()
    _fill(message, mail, quoted=_quoted(mail, at=times[mail.key]))
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{mail.key}_{number}")
    return message.as_bytes()


def _quoted(mail: Written, *, at: datetime) -> styles.Quoted | None:
    if not mail.quote:
        return None
    return styles.Quoted(
        text=mail.quote,
        sender=OFFICE_NAME,
        recipient=mail.sender,
        subject=mail.fields["subject"],
        at=at - timedelta(minutes=95),
        language=mail.fields.get("lang", "en"),
    )


def _fill(message: EmailMessage, mail: Written, *, quoted: styles.Quoted | None) -> None:
    style = mail.fields.get("style", "plain")
    charset = mail.fields.get("charset", "utf-8")
    encoding = mail.fields.get("encoding", "quoted-printable")
    params = {"format": "flowed"} if style == "flowed" else {}
    text = styles.as_text(mail.body, style=style, quoted=quoted)
    message.set_content(text, charset=charset, cte=encoding, params=params)
    inline = [_file(line, mail=mail) for line in mail.repeated.get("inline", [])]
    if style in styles.HTML_STYLES:
        cid = f"{mail.key}.image001@example.net" if inline else ""
        html = styles.as_html(mail.body, style=style, quoted=quoted, inline_cid=cid)
        message.add_alternative(html, subtype="html", charset=charset, cte=encoding)
        body = message.get_body(preferencelist=("html",))
        if inline and isinstance(body, MIMEPart):
            for file in inline:
                body.add_related(file.content, file.maintype, file.subtype, cid=f"<{cid}>", filename=file.name)
    for line in mail.repeated.get("attach", []):
        file = _file(line, mail=mail)
        message.add_attachment(file.content, file.maintype, file.subtype, filename=file.name)


def _file(line: str, *, mail: Written) -> attachments.File:
    name, _, text = line.partition(":")
    # An invitation is for a fixed day far off: the bytes of a mail depend on nothing but its own text and date.
    return attachments.make(name.strip(), text=text.strip() or mail.key, at=datetime(2030, 1, 15, 10, tzinfo=OFFICE))


def _bounce(mail: Written, *, at: datetime) -> bytes:
    """A delivery status notification (RFC 3464) for the recipient in Delivered-To."""
    recipient = mail.fields["delivered-to"]
    boundary = f"=_{mail.key}_0"
    lines = [
        "Return-Path: <>",
        f"Date: {format_datetime(at.astimezone(OFFICE))}",
        f"From: {mail.sender}",
        f"To: {MAILBOX}",
        f"Subject: {mail.fields['subject']}",
        f"Message-ID: {mail.message_id}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        *mail.body.splitlines(),
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.net",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user here",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
        f"From: {OFFICE_NAME}",
        f"To: {recipient}",
        "Subject: Your rental agreement",
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii")
