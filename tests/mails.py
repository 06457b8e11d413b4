"""Mails as test data: small, whole, and of our own writing."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from tests.factories import NOON


def mail(
    text: str = "Hello,\n\nthe heating in my flat is cold since yesterday.\n\nTina",
    *,
    subject: str = "Heating is cold",
    sender: str = "Tina Tenant <tina@home.example>",
    to: str = "support@house.example",
    message_id: str = "first@home.example",
    answers: str = "",
    sent_at: datetime = NOON,
    attachment: tuple[str, bytes] | None = None,
    **headers: str,
) -> bytes:
    """The bytes of a mail. `headers` are further ones, with `_` for `-`; an empty `message_id` leaves it out."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(sent_at)
    if message_id:
        message["Message-ID"] = f"<{message_id}>"
    if answers:
        message["In-Reply-To"] = message["References"] = f"<{answers}>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if attachment:
        message.add_attachment(attachment[1], maintype="application", subtype="pdf", filename=attachment[0])
    return message.as_bytes()
