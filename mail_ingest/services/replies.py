"""What people write in a case: replies that leave the house after a moment for second thoughts, and notes that never do."""

import zoneinfo
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.models import User
from cases import facts
from cases.models import Case, Note
from cases.services import add_note, locked
from handyconnect.refusals import Conflict, Invalid, Stale
from mail_ingest import conversation, quoting, recipients
from mail_ingest.conversation import ConversationState
from mail_ingest.models import Draft, EmailMessage, EmailThread, OutboundMessage
from mail_ingest.parsing import Address, html
from mail_ingest.parsing.html_text import QUOTE_MARK
from mail_ingest.recipients import OwnAddresses, Recipients, Warned
from mail_ingest.services.addressing import (
    answered_in,
    default_recipients,
    mailbox_of,
    newest_thread,
    own_addresses,
    purpose_of,
    thread_with,
    warnings_for,
)
from mail_ingest.services.drafts import files_of, thread_of
from mail_ingest.services.outbound import new_message_id, tell

MAX_AHEAD = timedelta(days=366)


class ConversationMoved(Stale):
    """Something was written in the case since the caller read it. `seen` is what they had read."""

    code = "conversation_moved"

    def __init__(self, seen: ConversationState) -> None:
        super().__init__(_("The conversation has moved on since you read it. Look at what is new before you send."))
        self.seen = seen


class CaseIsMerged(Conflict):
    """Whoever writes here would write past the case in which the conversation goes on."""

    code = "case_merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDraft:
    """What somebody wants to send. What is None or empty is worked out from the conversation."""

    body: str = ""
    html: str = ""
    to: Sequence[Address] | None = None
    cc: Sequence[Address] | None = None
    bcc: Sequence[Address] = ()
    subject: str = ""
    thread_id: int | None = None
    upload_ids: Sequence[int] = ()
    then_status: str = ""
    send_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a reply starts with. `thread` is None where it will begin a new conversation."""

    thread: EmailThread | None
    recipients: Recipients
    subject: str
    signature: str
    quoted: str
    warnings: Sequence[Warned]


@transaction.atomic
def queue_reply(
    case_id: UUID, reply: ReplyDraft, *, at: datetime, actor: Actor, seen: ConversationState | None = None
) -> tuple[OutboundMessage, list[Warned]]:
    """Put a person's mail into the queue: it goes when the mailbox's undo time is over, or at `send_at`.

    The mail, and what looks like a slip in it. Their draft of a reply is gone then. Raises CaseGone, CaseIsMerged, Invalid
    (which names the field), NoMailbox, and ConversationMoved when something came after `seen`.
    """
    case = locked(case_id)
    _refuse_if_moved(case, seen)
    if case.merged_into is not None:
        raise CaseIsMerged(
            _("This case was merged into %(number)s. Answer there.") % {"number": case.merged_into.case_number},
            case_id=str(case.merged_into_id),
        )
    body, safe_html = _words(reply)
    files = files_of(case, reply.upload_ids, actor=actor)
    if not body.strip() and not files:
        raise Invalid(_("Write something first."), field="body")
    if reply.send_at and reply.send_at > at + MAX_AHEAD:
        raise Invalid(_("At most a year ahead."), field="send_at")
    own = own_addresses()
    given = thread_of(case, reply.thread_id)
    thread = given if given or reply.to is None else thread_with(case, reply.to)
    thread = thread or (newest_thread(case) if reply.to is None else None)
    answered = answered_in(thread)
    to_whom = _recipients(case, reply, answered, own=own)
    mailbox = thread.mailbox if thread else mailbox_of(case)
    author = User.objects.get(pk=actor.user_id)
    warned = warnings_for(case, to_whom, answered, text=body, has_files=bool(files))
    outbound = OutboundMessage.objects.create(
        mailbox=mailbox,
        case=case,
        thread=thread,
        purpose=purpose_of(case, thread, to_whom),
        is_automatic=False,
        recipient=to_whom.to[0].email.lower(),
        to=[asdict(one) for one in to_whom.to],
        cc=[asdict(one) for one in to_whom.cc],
        bcc=[asdict(one) for one in to_whom.bcc],
        author=author,
        subject=_subject(case, reply.subject, thread, answered),
        body=body,
        html=safe_html,
        quoted=quoting.below(_signature(case), _history(case, answered, zone=zone_of(author))),
        then_status=reply.then_status,
        message_id=new_message_id(mailbox, case),
        in_reply_to=answered.message_id if answered else "",
        references=quoting.references_of(answered.references, answered.message_id) if answered else [],
        send_after=max(at + timedelta(seconds=mailbox.undo_seconds), reply.send_at or at),
        created_at=at,
    )
    outbound.uploads.set(files)
    Draft.objects.filter(case=case, author=author, kind=Draft.Kind.REPLY).delete()
    tell(facts.outbound_queued, outbound, actor=actor, at=at, send_after=outbound.send_after)
    return outbound, warned


@transaction.atomic
def write_note(case_id: UUID, body: str, *, at: datetime, actor: Actor, seen: ConversationState | None = None) -> Note:
    """Write an internal note; the draft of it is gone then. Raises CaseGone, Invalid and ConversationMoved."""
    _refuse_if_moved(locked(case_id), seen)
    note = add_note(case_id, body, at=at, actor=actor)
    Draft.objects.filter(case=case_id, author=actor.user_id, kind=Draft.Kind.NOTE).delete()
    return note


def propose(case: Case, *, thread_id: int | None = None, reader: User) -> Proposal:
    """What a reply in this conversation (else the newest of the case) starts with. Raises Invalid."""
    thread = thread_of(case, thread_id) or newest_thread(case)
    answered = answered_in(thread)
    found = default_recipients(case, answered, own=own_addresses())
    return Proposal(
        thread=thread,
        recipients=found,
        subject=_subject(case, "", thread, answered),
        signature=_signature(case),
        quoted=_history(case, answered, zone=zone_of(reader)),
        warnings=warnings_for(case, found, answered),
    )


def zone_of(person: User) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(person.time_zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return UTC


def _refuse_if_moved(case: Case, seen: ConversationState | None) -> None:
    if seen is not None and conversation.has_moved(case.pk, seen):
        raise ConversationMoved(seen)


def _words(reply: ReplyDraft) -> tuple[str, str]:
    """The plain text, and the harmless form of the HTML if any was given. Raises Invalid."""
    if not reply.html.strip():
        return reply.body, ""
    page = html.read(reply.html)
    if page.too_complex:
        raise Invalid(_("This is too much formatting to send. Take some away."), field="html")
    text = "\n".join(line for line in page.text.split("\n") if line != QUOTE_MARK).strip()
    return reply.body if reply.body.strip() else text, page.safe


def _recipients(case: Case, reply: ReplyDraft, answered: EmailMessage | None, *, own: OwnAddresses) -> Recipients:
    """Whom the mail goes to: what was typed, else whom the conversation asks for. Raises Invalid."""
    default = default_recipients(case, answered, own=own) if reply.to is None else Recipients()
    found = recipients.without_repeats(
        Recipients(
            to=default.to if reply.to is None else tuple(reply.to),
            cc=default.cc if reply.cc is None else tuple(reply.cc),
            bcc=tuple(reply.bcc),
        )
    )
    for field, addresses in (("to", found.to), ("cc", found.cc), ("bcc", found.bcc)):
        for address in addresses:
            if address.email in own:
                words = _("%(email)s is one of our own mailboxes: the mail would come back as a new message.")
                raise Invalid(words % {"email": address.email}, field=field)
    if not found.to:
        raise Invalid(_("There is nobody to write to: give an address."), field="to")
    if len(found.everybody) > recipients.MAX_RECIPIENTS:
        words = _("At most %(most)d people in one mail.")
        raise Invalid(words % {"most": recipients.MAX_RECIPIENTS}, field="to")
    return found


def _subject(case: Case, given: str, thread: EmailThread | None, answered: EmailMessage | None) -> str:
    if given.strip():
        return quoting.numbered(given, case.case_number)
    if thread is None:
        return quoting.numbered(case.title, case.case_number)
    subject = answered.subject if answered and answered.subject else thread.subject
    return quoting.reply_subject(subject, case.case_number)


def _signature(case: Case) -> str:
    return case.assigned_team.signature.strip() if case.assigned_team else ""


def _history(case: Case, answered: EmailMessage | None, *, zone: tzinfo) -> str:
    """What the answered mail said. Our own words need no repeating."""
    if answered is None or answered.direction != EmailMessage.Direction.INBOUND:
        return ""
    return quoting.history(
        answered.visible_text,
        name=answered.from_name or answered.from_email,
        sent_at=(answered.sent_at or answered.received_at).astimezone(zone),
        language=case.language,
    )
