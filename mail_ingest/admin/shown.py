"""What the screens say of one mail: plain values and sentences for a template."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from mail_ingest import bounces
from mail_ingest.display import RemotePictures
from mail_ingest.models import Attachment, EmailMessage, FolderRole, OutboundMessage
from mail_ingest.parsing.mail import Protection
from mail_ingest.representation import reason_label

NAMED_PEOPLE = 6
LINE_CHARS = 90
SHORT_LINES, LONG_LINES = 8, 22

Badge = tuple[str, str]
"""A tone of `parts.css` (good, warn, bad, info, calm) and a word or two."""

AUTOMATIC: dict[str, tuple[str, str | Promise]] = {
    EmailMessage.Automatic.AUTO_REPLY: ("warn", gettext_lazy("Automatic reply")),
    EmailMessage.Automatic.BOUNCE: ("bad", gettext_lazy("Delivery report")),
    EmailMessage.Automatic.LIST: ("info", gettext_lazy("Mailing list")),
    EmailMessage.Automatic.OWN: ("calm", gettext_lazy("Sent by the system")),
}
PROTECTION: dict[str, str | Promise] = {
    Protection.SMIME_SIGNED: gettext_lazy("Signed with S/MIME. The signature was not checked here."),
    Protection.PGP_SIGNED: gettext_lazy("Signed with PGP. The signature was not checked here."),
    Protection.SMIME_ENCRYPTED: gettext_lazy(
        "Encrypted with S/MIME: only the recipient's key opens it. What came is attached."
    ),
    Protection.PGP_ENCRYPTED: gettext_lazy(
        "Encrypted with PGP: only the recipient's key opens it. What came is attached."
    ),
}
INVITATIONS: dict[str, str | Promise] = {
    "REQUEST": gettext_lazy("Invitation"),
    "CANCEL": gettext_lazy("Cancelled"),
    "REPLY": gettext_lazy("Answer to an invitation"),
    "COUNTER": gettext_lazy("Another time is proposed"),
    "DECLINECOUNTER": gettext_lazy("The proposed time was declined"),
}
ANSWERS: dict[str, str | Promise] = {
    "ACCEPTED": gettext_lazy("accepted"),
    "DECLINED": gettext_lazy("declined"),
    "TENTATIVE": gettext_lazy("perhaps"),
    "CANCELLED": gettext_lazy("cancelled"),
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """An event that the mail is about. `start` and `end` are moments, or days without hours; the last day is meant."""

    kind: str
    answer: str
    summary: str
    start: datetime | date | None
    end: datetime | date | None
    all_day: bool
    location: str
    organizer: str


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One mail. `attachments` are files with the address that serves them, empty for one that was not kept."""

    message: EmailMessage
    badges: Sequence[Badge]
    text: str
    to: str
    cc: str
    bcc: str
    why: str
    troubles: Sequence[str]
    protection: str
    invitation: Invitation | None
    attachments: Sequence[tuple[Attachment, str]]
    remote: RemotePictures = field(default=RemotePictures(0, ()))

    @property
    def is_ours(self) -> bool:
        return self.message.direction == EmailMessage.Direction.OUTBOUND

    @property
    def is_automatic(self) -> bool:
        return self.message.automatic != EmailMessage.Automatic.PERSON

    @property
    def has_html(self) -> bool:
        return bool(getattr(self.message, "html_chars", 0))

    @property
    def pictures_wait(self) -> str:
        """ "3 pictures from mail.example.com are not shown"; empty when there are none."""
        if not self.remote.count:
            return ""
        hosts = ", ".join(self.remote.hosts[:2])
        if more := len(self.remote.hosts) - 2:
            hosts = _("%(hosts)s and others") % {"hosts": hosts} if more > 0 else hosts
        return ngettext(
            "%(count)d picture from %(hosts)s is not shown: loading it tells the sender that it was read.",
            "%(count)d pictures from %(hosts)s are not shown: loading them tells the sender that they were read.",
            self.remote.count,
        ) % {"count": self.remote.count, "hosts": hosts}

    @property
    def frame_size(self) -> str:
        """How high the frame of the HTML stands at first: nothing inside of it may run and tell."""
        whole = f"{self.message.visible_text}\n{self.message.quoted_text}"
        lines = sum(1 + len(line) // LINE_CHARS for line in whole.splitlines())
        if (
            lines <= SHORT_LINES
            and not self.remote.count
            and not any(file.is_inline for file, _url in self.attachments)
        ):
            return "short"
        return "long" if lines > LONG_LINES else "middle"

    @property
    def raw_url(self) -> str:
        """The bytes as they came, of a mail that is in the intake ledger."""
        inbound = getattr(self.message, "inbound", None)
        return reverse("message-raw", args=[inbound.pk]) if inbound else ""


@dataclass(frozen=True, slots=True)
class ShownOutbound:
    """A mail of ours that is not gone, or of which nobody knows. `may_…` are what this reader can do about it."""

    outbound: OutboundMessage
    tone: str
    to: str
    may_undo: bool
    may_retry: bool


UNDO = frozenset({OutboundMessage.State.WAITING})
RETRY = frozenset({OutboundMessage.State.FAILED, OutboundMessage.State.MAYBE_SENT})
CALM = frozenset({OutboundMessage.State.WAITING, OutboundMessage.State.SENDING})


def shown_outbound(outbound: OutboundMessage, *, reader: User) -> ShownOutbound:
    """Read it with its author."""
    may_decide = reader.may_steer or (reader.may_write and outbound.author_id == reader.pk)
    return ShownOutbound(
        outbound=outbound,
        tone="calm" if outbound.state in CALM and not outbound.attempts else "bad",
        to=people([*outbound.to, *outbound.cc, *outbound.bcc]) or outbound.recipient,
        may_undo=may_decide and outbound.state in UNDO,
        may_retry=may_decide and outbound.state in RETRY,
    )


def shown_message(message: EmailMessage, *, remote: RemotePictures | None = None) -> ShownMessage:
    """Read it as `admin.conversation` does: with its ledger row, its queue row and its files."""
    outbound = getattr(message, "outbound", None)
    files = [file for file in message.attachments.all() if not _is_seen_in_the_text(file, message)]
    return ShownMessage(
        message=message,
        badges=list(_badges(message, outbound)),
        text=(message.visible_text or ("" if message.quoted_text else message.text)).strip(),
        to=people(message.to),
        cc=people(message.cc),
        bcc=people(message.bcc),
        why=reason_label(message.threaded_by),
        troubles=list(_troubles(message, outbound)),
        protection=str(PROTECTION.get(message.protection, "")),
        invitation=_invitation(message.calendar),
        attachments=[
            (file, "" if file.refused else reverse("email-attachment", args=[message.pk, file.rank])) for file in files
        ],
        remote=remote or RemotePictures(0, ()),
    )


def people(listed: object) -> str:
    """Names of recipients, or addresses where there is no name, the first few of them."""
    found = [str(one.get("name") or one.get("email") or "") for one in _dicts(listed)]
    names = [name for name in found if name]
    more = len(names) - NAMED_PEOPLE
    text = ", ".join(names[:NAMED_PEOPLE])
    if more <= 0:
        return text
    return _("%(names)s and %(count)d more") % {"names": text, "count": more}


def bounce_words(bounce: dict[str, Any]) -> str:
    """One recipient of a delivery report: who, why, and what the other server said."""
    reason = str(bounce.get("reason") or "")
    words = str(bounces.Reason(reason).label) if reason in set(bounces.Reason) else reason
    code = " ".join(str(bounce.get(name) or "") for name in ("status", "diagnostic", "detail")).strip()
    said = f"{words} ({code})" if code else words
    recipient = str(bounce.get("recipient") or bounce.get("original_recipient") or "")
    return f"{recipient}: {said}" if recipient else said


def _badges(message: EmailMessage, outbound: OutboundMessage | None) -> Iterable[Badge]:
    if message.automatic in AUTOMATIC:
        tone, word = AUTOMATIC[message.automatic]
        yield tone, str(word)
    elif message.direction == EmailMessage.Direction.OUTBOUND:
        inbound = getattr(message, "inbound", None)
        if inbound and inbound.role == FolderRole.SENT:
            yield "info", _("Sent from the mailbox itself")
        else:
            yield "calm", _("Sent by us")
    if outbound and outbound.state == OutboundMessage.State.MAYBE_SENT:
        yield "bad", _("May have been sent")
    if outbound and outbound.bounced_at:
        yield "bad", _("Came back")


def _troubles(message: EmailMessage, outbound: OutboundMessage | None) -> Iterable[str]:
    if outbound:
        yield from map(bounce_words, _dicts(outbound.bounces))
    if isinstance(message.report, dict):
        yield from map(bounce_words, _dicts(message.report.get("results")))


def _invitation(calendar: object) -> Invitation | None:
    if not isinstance(calendar, dict):
        return None
    all_day = bool(calendar.get("all_day"))
    start, end = _moment(calendar.get("start")), _moment(calendar.get("end"))
    first: datetime | date | None = start
    last: datetime | date | None = end
    if all_day:  # days have no zone; the end that is stored is the day after
        first = start.date() if start else None
        last = date.fromordinal(end.date().toordinal() - 1) if end else None
    return Invitation(
        kind=str(INVITATIONS.get(str(calendar.get("method")), _("Event"))),
        answer=str(ANSWERS.get(str(calendar.get("status")), "")),
        summary=str(calendar.get("summary") or ""),
        start=first,
        end=None if last == first else last,
        all_day=all_day,
        location=str(calendar.get("location") or ""),
        organizer=str(calendar.get("organizer") or ""),
    )


def _moment(stored: object) -> datetime | None:
    try:
        return parse_datetime(stored) if isinstance(stored, str) else None
    except ValueError:
        return None


def _is_seen_in_the_text(file: Attachment, message: EmailMessage) -> bool:
    """A picture inside of the HTML is seen there, and not listed again."""
    return file.is_inline and not file.refused and bool(getattr(message, "html_chars", 0))


def _dicts(listed: object) -> Iterable[dict[str, Any]]:
    return (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()
