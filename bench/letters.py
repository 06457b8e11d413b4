"""The mails of the benchmarks: of our own writing, the same ones for the same number each time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import format_datetime

LETTERS = (
    ("Water is coming through the ceiling", "Since this morning water drips through my bathroom ceiling. Please send somebody today."),
    ("Heating stays cold", "The radiator in the living room has been cold since Monday. We have a small child at home."),
    ("Question about my service charges", "Could you explain the item 'building insurance' on the bill for last year?"),
    ("Noise at night", "My neighbour plays loud music until two in the morning, again and again. This is unacceptable."),
    ("Key for the cellar", "I have lost my key for the cellar. How can I get a new one, and what does it cost?"),
    ("Elevator out of order", "The elevator is stuck on the third floor and somebody may be inside."),
)  # fmt: skip
MORE_LETTERS = (
    ("Heizung ausgefallen", "seit gestern Abend ist die Heizung in der ganzen Wohnung kalt. Bitte schicken Sie heute noch jemanden vorbei."),
    ("Frage zur Nebenkostenabrechnung", "können Sie mir bitte die Position Hausmeister in der Abrechnung erklären? Sie hat sich verdoppelt."),
    ("Fuite d'eau sous l'évier", "de l'eau coule sous l'évier de la cuisine depuis ce matin et je ne trouve pas le robinet d'arrêt."),
    ("No funciona el portero automático", "el portero automático no funciona desde hace tres días y los repartidores no pueden entrar."),
    ("Lekkage in de badkamer", "er loopt water langs de muur van de badkamer. Kunt u vandaag een loodgieter sturen?"),
    ("Rumore di notte", "il vicino del piano di sopra fa rumore ogni notte fino alle tre. Vi prego di intervenire."),
)  # fmt: skip
ALL_LETTERS = (*LETTERS, *MORE_LETTERS)

TO = "support@example.com"
OPENERS = ("Hello", "Guten Tag", "Bonjour", "Good morning")
ANSWER_TEXTS = (
    "Thank you. Is there any news? I am at home every day after four o'clock.",
    "Vielen Dank. Der Handwerker war da, aber es ist noch nicht behoben.",
    "It has stopped by itself, you can close this.",
    "Merci. Vous trouverez une photo ci-jointe, c'est devenu pire.",
)
MORE_TEXT = "I have written to you before, and my neighbours see the same in their flats. "
ANSWERS_BACK = 100  # an answer comes this many mails after what it answers
BOUNCE = """\
From: Mail Delivery System <mailer-daemon@mail.example.org>
To: support@example.com
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: {message_id}
Return-Path: <>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="bounced"

--bounced
Content-Type: text/plain; charset=us-ascii

gone-{number}@example.org could not be reached: there is no such mailbox.

--bounced
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Final-Recipient: rfc822; gone-{number}@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--bounced
Content-Type: text/rfc822-headers

From: support@example.com
To: gone-{number}@example.org
Subject: Your request
Message-ID: <old-{number}@example.com>

--bounced--
"""
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 80 + b"\n%%EOF\n"


def mail(number: int, *, prefix: str, letters: Sequence[tuple[str, str]] = LETTERS) -> EmailMessage:
    """One mail of a sender of its own, so that no rate cap and no thread joins it to another."""
    subject, text = letters[number % len(letters)]
    made = EmailMessage()
    made["From"] = f"Tenant {number} <{prefix}-{number}@example.org>"
    made["To"] = TO
    made["Subject"] = subject
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = message_id(number, prefix=prefix)
    made.set_content(f"Hello,\n\n{text}\n\nKind regards\nTenant {number}, flat {number % 40}\n")
    return made


def message_id(number: int, *, prefix: str) -> str:
    return f"<{prefix}-{number}@mail.example.org>"


def mixed(number: int, *, prefix: str) -> EmailMessage:
    """Mail as a support mailbox gets it, by its number.

    Of ten mails six are first mails in six languages and four are answers of the same senders to earlier ones, quoting
    them; two of a hundred are automatic replies, one is a bounce. A quarter has HTML too, a tenth a file of 20 kB.
    """
    if number % 50 == 35:
        return _automatic_reply(number, prefix=prefix)
    if number % 100 == 65:
        return _bounce(number, prefix=prefix)
    if number % 10 >= 6:
        return _answer(number, prefix=prefix)
    made = mail(number, prefix=prefix, letters=ALL_LETTERS)
    subject, text = ALL_LETTERS[number % len(ALL_LETTERS)]
    body = f"{OPENERS[number % 4]},\n\n{text}\n\n{MORE_TEXT * (number % 12)}\n\n-- \nTenant {number}\nTel. 030 5550{number % 1000:03d}\n"
    made.set_content(body)
    made["Received"] = "from mail.example.org by mx.example.com with ESMTPS"
    if number % 4 == 0:
        made.add_alternative(_html(body), subtype="html")
    if number % 10 == 1:
        made.add_attachment(PDF, maintype="application", subtype="pdf", filename=f"{subject} {number}.pdf")
    return made


def first_of(number: int) -> int:
    """The number of the first mail that an answer's number answers."""
    earlier = number - ANSWERS_BACK if number >= ANSWERS_BACK else number
    return earlier // 10 * 10 + number % 10 - 6


def _answer(number: int, *, prefix: str) -> EmailMessage:
    first = first_of(number)
    asked = mixed(first, prefix=prefix)
    part = asked.get_body(("plain",))
    quoted = "".join(f"> {line}\n" for line in (part.get_content() if part else "").splitlines())
    made = EmailMessage()
    made["From"] = str(asked["From"])
    made["To"] = TO
    made["Subject"] = f"Re: {asked['Subject']}"
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = message_id(number, prefix=prefix)
    made["In-Reply-To"] = made["References"] = str(asked["Message-ID"])
    text = ANSWER_TEXTS[number % len(ANSWER_TEXTS)]
    body = f"{text}\n\nTenant {first}\n\nOn Mon, 2 Nov 2026 at 10:00, Tenant {first} wrote:\n{quoted}"
    made.set_content(body)
    if number % 4 == 0:
        made.add_alternative(_html(body), subtype="html")
    return made


def _automatic_reply(number: int, *, prefix: str) -> EmailMessage:
    """As a mail server answers for somebody who is away (RFC 3834)."""
    made = mail(number, prefix=prefix)
    made.replace_header("Subject", "Automatic reply: Your request")
    made["Auto-Submitted"] = "auto-replied"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content("I am out of the office until Monday and read no mail.\n")
    return made


def _bounce(number: int, *, prefix: str) -> EmailMessage:
    """A delivery status notification (RFC 3464) about a mail that is not known here."""
    lines = BOUNCE.format(
        number=number, date=format_datetime(datetime.now(UTC)), message_id=message_id(number, prefix=prefix)
    )
    return message_from_string(lines, EmailMessage, policy=policy.default)


def _html(text: str) -> str:
    paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
    return f"<html><head><style>p {{margin: 0}}</style></head><body>{paragraphs}</body></html>"
