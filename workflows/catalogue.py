"""The fields that a rule's conditions may ask about. The engine fills them from a case, its event and its message."""

from functools import cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cases.facts import FACTS
from cases.models import Case, Customer
from mail_ingest.models import EmailMessage
from sla.models import ClockKind
from workflows.fields import Catalogue, Field, Kind

_WEEKDAYS = (
    ("mon", _("Monday")),
    ("tue", _("Tuesday")),
    ("wed", _("Wednesday")),
    ("thu", _("Thursday")),
    ("fri", _("Friday")),
    ("sat", _("Saturday")),
    ("sun", _("Sunday")),
)


@cache
def catalogue() -> Catalogue:
    """Every field, in the order in which people are offered them.

    `case.*` is the case as it stands now; `message.*`, `clock.*` and `change.*` belong to the event that fired the rule
    and are empty for an event of another kind. Hours and weekdays are those of the event in the desk's time zone.
    """
    case_fields = [
        Field("case.status", Kind.CHOICE, _("Status"), tuple(Case.Status.choices)),
        Field("case.priority", Kind.CHOICE, _("Priority"), tuple(Case.Priority.choices)),
        Field("case.case_type", Kind.CHOICE, _("Case type"), tuple(Case.Type.choices)),
        Field("case.sentiment", Kind.CHOICE, _("Sentiment"), tuple(Case.Sentiment.choices)),
        Field("case.category", Kind.REFERENCE, _("Category")),
        Field("case.language", Kind.REFERENCE, _("Language")),
        Field("case.assigned_to", Kind.REFERENCE, _("Assigned to")),
        Field("case.assigned_team", Kind.REFERENCE, _("Team")),
        Field("case.title", Kind.TEXT, _("Title")),
        Field("case.tags", Kind.LIST, _("Tags")),
        Field("case.sla_status", Kind.CHOICE, _("SLA status"), tuple(Case.SLAStatus.choices)),
        Field("case.escalation_level", Kind.NUMBER, _("Escalation level")),
        Field("case.customer_type", Kind.CHOICE, _("Customer type"), tuple(Customer.Type.choices)),
        Field("case.customer_email", Kind.TEXT, _("Customer's e-mail address")),
        Field("case.customer_domain", Kind.TEXT, _("Domain of the customer's address")),
    ]
    changeable: tuple[tuple[str, str | Promise], ...] = tuple(
        (field.name.removeprefix("case."), field.label)
        for field in case_fields
        if not field.name.startswith("case.customer_")
    )
    return Catalogue(
        [
            *case_fields,
            Field("message.direction", Kind.CHOICE, _("Message direction"), tuple(EmailMessage.Direction.choices)),
            Field("message.automatic_kind", Kind.CHOICE, _("Kind of mail"), tuple(EmailMessage.Automatic.choices)),
            Field("message.subject", Kind.TEXT, _("Message subject")),
            Field("message.text", Kind.TEXT, _("Message text")),
            Field("message.sender_email", Kind.TEXT, _("Sender's address")),
            Field("message.sender_domain", Kind.TEXT, _("Sender's domain")),
            Field("message.has_attachments", Kind.BOOL, _("Has attachments")),
            Field("clock.kind", Kind.CHOICE, _("Clock"), tuple(ClockKind.choices)),
            Field("change.field", Kind.CHOICE, _("Changed field"), changeable),
            Field("change.old", Kind.TEXT, _("Value before")),
            Field("change.new", Kind.TEXT, _("Value after")),
            Field("event.kind", Kind.CHOICE, _("Event"), tuple((fact.name, fact.label) for fact in FACTS.values())),
            Field("event.hour_of_day", Kind.NUMBER, _("Hour of day")),
            Field("event.weekday", Kind.CHOICE, _("Weekday"), _WEEKDAYS),
        ]
    )
