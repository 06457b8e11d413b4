"""Whom a reply goes to, in which conversation, and from where: what is stored, asked for `mail_ingest.recipients`."""

from collections.abc import Iterable, Sequence

from django.db.models import Q

from cases.models import Case, Customer
from mail_ingest import conversation, known, recipients
from mail_ingest.models import EmailMessage, EmailThread, Mailbox, OutboundMessage
from mail_ingest.parsing import Address
from mail_ingest.recipients import OwnAddresses, Recipients, Warned, key
from mail_ingest.services.outbound import last_inbound, mailbox_for
from tasks.models import Contractor


def warnings_for(
    case: Case, to_whom: Recipients, answered: EmailMessage | None, *, text: str = "", has_files: bool = True
) -> list[Warned]:
    """What looks like a slip. Whom only the answered mail itself names as further recipients is not known by that."""
    known = {key(case.customer.email)}
    for pk, sender, to, cc in conversation.mails_of(case.pk).values_list("pk", "from_email", "to", "cc"):
        known.add(key(sender))
        if answered is None or pk != answered.pk:
            known.update(key(str(one.get("email", ""))) for one in (*to, *cc))
    asked = {key(one.email): one.email.lower() for one in to_whom.everybody}
    strangers = {*asked, *asked.values()} - known
    if strangers:
        for rows, column in (
            (Customer.objects.filter(email__in=strangers), "email"),
            (Contractor.objects.filter(email__in=strangers), "email"),
            (EmailMessage.objects.filter(from_email__in=strangers), "from_email"),
            (OutboundMessage.objects.filter(recipient__in=strangers, is_automatic=False), "recipient"),
        ):
            known.update(key(email) for email in rows.values_list(column, flat=True).distinct())
    domains = {one.rpartition("@")[2] for one in known}
    for domain in {one.rpartition("@")[2] for one in asked} - domains:
        ending = Q(email__iendswith=f"@{domain}")
        if Customer.objects.filter(ending).exists() or Contractor.objects.filter(ending).exists():
            domains.add(domain)
    return recipients.warnings(to_whom, known=known, known_domains=domains, text=text, has_files=has_files)


def own_addresses() -> OwnAddresses:
    """The addresses of our mailboxes, and their other ones."""
    return OwnAddresses(known.own_addresses())


def answered_in(thread: EmailThread | None) -> EmailMessage | None:
    """The mail that a reply in this conversation answers: the newest that came in, else the newest of ours."""
    if thread is None:
        return None
    return last_inbound(thread) or thread.emails.order_by("-received_at", "-id").first()


def default_recipients(case: Case, answered: EmailMessage | None, *, own: OwnAddresses) -> Recipients:
    """Who gets an answer when nobody says otherwise: everybody of the answered mail, else the customer."""
    found = Recipients()
    if answered and answered.direction == EmailMessage.Direction.INBOUND:
        found = recipients.reply_all(
            sender=Address(answered.from_name, answered.from_email),
            reply_to=addresses_of(answered.reply_to),
            to=addresses_of(answered.to),
            cc=addresses_of(answered.cc),
            own=own,
        )
    elif answered:
        found = recipients.reply_all(
            sender=None, reply_to=addresses_of(answered.to), cc=addresses_of(answered.cc), own=own
        )
    if found.to:
        return found
    customer = recipients.reply_all(sender=Address(case.customer.name, case.customer.email), own=own)
    return recipients.without_repeats(Recipients(customer.to, found.cc))


def addresses_of(stored: Iterable[dict[str, str]]) -> list[Address]:
    return [Address(str(one.get("name") or ""), str(one.get("email") or "")) for one in stored]


def newest_thread(case: Case) -> EmailThread | None:
    """The conversation of the case in which something happened last."""
    return case.threads.select_related("mailbox").order_by("-updated_at", "-id").first()


def thread_with(case: Case, to: Sequence[Address]) -> EmailThread | None:
    """The newest conversation in which one of these takes part; the customer's mail belongs to the newest of all."""
    wanted = {key(one.email) for one in to}
    taking_part = {
        thread_id
        for thread_id, sender, receivers, copies in conversation.mails_of(case.pk).values_list(
            "thread_id", "from_email", "to", "cc"
        )
        if wanted & {key(sender), *(key(str(one.get("email", ""))) for one in (*receivers, *copies))}
    }
    threads = case.threads.select_related("mailbox").order_by("-updated_at", "-id")
    found = next((thread for thread in threads if thread.pk in taking_part), None)
    return found or (threads.first() if key(case.customer.email) in wanted else None)


def purpose_of(case: Case, thread: EmailThread | None, to_whom: Recipients) -> str:
    """A reply is what the customer's side gets; everything else is mail to somebody who helps with the case."""
    asked = {key(one.email) for one in (*to_whom.to, *to_whom.cc)}
    if key(case.customer.email) in asked:
        return OutboundMessage.Purpose.REPLY
    if thread is None or _is_ours(thread):
        return OutboundMessage.Purpose.CONTRACTOR
    helpers = {key(email) for email in Contractor.objects.filter(email__in=asked).values_list("email", flat=True)}
    side: set[str] = set()
    for sender, to, cc in thread.emails.filter(direction=EmailMessage.Direction.INBOUND).values_list(
        "from_email", "to", "cc"
    ):
        side |= {key(sender), *(key(str(one.get("email", ""))) for one in (*to, *cc))}
    return OutboundMessage.Purpose.REPLY if asked & side - helpers else OutboundMessage.Purpose.CONTRACTOR


def _is_ours(thread: EmailThread) -> bool:
    """Whether the conversation was begun by a mail of ours to somebody who helps."""
    first = OutboundMessage.objects.filter(thread=thread, author__isnull=False).order_by("pk").first()
    return (
        first is not None
        and first.purpose == OutboundMessage.Purpose.CONTRACTOR
        and (
            not thread.emails.filter(
                direction=EmailMessage.Direction.INBOUND, received_at__lt=first.created_at
            ).exists()
        )
    )


def mailbox_of(case: Case) -> Mailbox:
    """Where a new conversation of the case is held: where its others are, else with its team. Raises NoMailbox."""
    thread = newest_thread(case)
    team = Mailbox.objects.filter(team=case.assigned_team, is_active=True) if case.assigned_team_id else None
    return thread.mailbox if thread else (team.order_by("pk").first() if team else None) or mailbox_for(None)
