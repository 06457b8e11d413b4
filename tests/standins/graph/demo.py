"""Mails for a look at the Graph path without a tenant. People and places are made up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

ADDRESS = "support@contoso.example"

STORIES = (
    (
        "Tina Tenant <tina@home.example>",
        "Heating is cold",
        "Hello,\n\nthe heating in my flat (Elm Street 4, 2nd floor) is cold since yesterday.\n\nTina",
    ),
    (
        "Omar Owner <omar@owners.example>",
        "Invoice 2026-118",
        "Good morning,\n\ninvoice 2026-118 charges the lift twice. Please check.\n\nOmar Owner",
    ),
    (
        "Vera Vendor <vera@lifts.example>",
        "Lift inspection on Thursday",
        "Dear team,\n\nour engineer comes on Thursday at 9:00 for the inspection.\n\nVera",
    ),
    (
        "Paul Neighbour <paul@home.example>",
        "URGENT: water through the ceiling",
        "Water is coming through my ceiling! Please call me at once.\n\nPaul",
    ),
    (
        "Mia Mieter <mia@wohnen.example>",
        "Schlüssel verloren",
        "Guten Tag,\n\nich habe meinen Hausschlüssel verloren. Was kostet ein neuer?\n\nMia Mieter",
    ),
    ("Tina Tenant <tina@home.example>", "Thank you", "The plumber was quick. Thank you all!\n\nTina"),
)


def mail(sender: str, to: str, subject: str, text: str, *, at: datetime, answers: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> "))
    if answers:
        message["In-Reply-To"] = message["References"] = answers
    message.set_content(text)
    return message


def first_mails(address: str) -> Iterator[tuple[bytes, str, datetime]]:
    """What lies there already: three questions, and an answer that a colleague typed in Outlook."""
    now = datetime.now(UTC)
    for hours, (sender, subject, text) in zip((5, 3, 1), STORIES, strict=False):
        at = now - timedelta(hours=hours)
        question = mail(sender, address, subject, text, at=at)
        yield question.as_bytes(), "inbox", at
        if hours == 3:
            later = at + timedelta(minutes=40)
            answer = mail(
                f"Support <{address}>",
                sender,
                f"RE: {subject}",
                "You are right, we credit it.",
                at=later,
                answers=question["Message-ID"],
            )
            yield answer.as_bytes(), "sentitems", later


def arrivals(address: str) -> Iterator[bytes]:
    """New mails, one after the other."""
    for sender, subject, text in STORIES[3:]:
        yield mail(sender, address, subject, text, at=datetime.now(UTC)).as_bytes()
