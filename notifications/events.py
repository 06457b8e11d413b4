"""What an event of the log says to those who pass it on: may it leave the house, and which mail does it tell of."""

from cases.models import TimelineEvent
from mail_ingest.models import EmailMessage, InboundMessage

LONG_TEXTS = ("email__text", "email__html", "email__quoted_text", "email__headers", "email__references")


def may_go_out(event: TimelineEvent) -> bool:
    """Whether a mail may follow from this event: to the customer, or to a colleague.

    Old, imported and automatic mail is answered by nobody. An event that says so itself (`answerable`) decides. Any
    other event of a case is as good as the case: one that only old mail has ever led to sends nothing out, however long
    ago the mail was filed.
    """
    answerable = event.data.get("answerable")
    if isinstance(answerable, bool):
        return answerable
    if event.case_id is None:
        return True
    return TimelineEvent.objects.filter(
        case_id=event.case_id, kind__in=["case_created", "message_received"], data__answerable=True
    ).exists()


def inbound_of(event: TimelineEvent) -> InboundMessage | None:
    """The entry in the intake ledger of the mail that did this; None when no mail did."""
    if event.actor_kind != "mail":
        return None
    inbound = InboundMessage.objects.select_related("mailbox", "email__thread").defer(*LONG_TEXTS)
    return inbound.filter(pk=event.actor_reference).first()


def message_of(event: TimelineEvent) -> EmailMessage | None:
    """The message that the event tells of, or that caused it; None for an event of another kind."""
    if event.subject_type == "emailmessage":
        return EmailMessage.objects.select_related("thread").filter(pk=event.subject_id).first()
    inbound = inbound_of(event)
    return inbound.email if inbound else None
