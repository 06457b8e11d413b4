"""From an event to words: the template of its kind, in the reader's language, filled with what stands in the case."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.actors import ActorKind
from accounts.models import User
from cases.facts import FACTS
from cases.models import Case, TimelineEvent
from handyconnect.refusals import Invalid, NotFound
from notifications.models import Channel, NotificationTemplate
from notifications.wording import FIT_FOR_CUSTOMERS, placeholders, render, render_subject
from sla.calendars import Unreachable
from sla.models import SLAClock
from sla.services import explain_clock
from tasks.models import Task

DEFAULT_LANGUAGE = "en"


class NoTemplate(NotFound):
    """There are no words for this, not even in English."""

    code = "template_not_found"

    def __init__(self, key: str) -> None:
        super().__init__(_("There is no e-mail template “%(key)s”.") % {"key": key})


class UnfitForCustomers(Invalid):
    """The template would repeat what a customer wrote; see `notifications.wording.FIT_FOR_CUSTOMERS`."""

    code = "template_unfit"

    def __init__(self, template: NotificationTemplate, names: list[str]) -> None:
        words = {"template": str(template), "names": ", ".join(names)}
        super().__init__(
            _("The template %(template)s cannot be sent to customers by itself: it repeats %(names)s.") % words,
            field="template",
        )


@dataclass(frozen=True, slots=True)
class Words:
    """A message as it is sent or shown: the subject on one line, both without control characters."""

    subject: str
    body: str


KnownTemplates = dict[tuple[str, str], NotificationTemplate | None]
"""By channel and language: the templates of one kind that were already looked for."""


def words_for_colleague(
    *,
    event: TimelineEvent,
    case: Case | None,
    recipient: User,
    kind: str,
    channel: str,
    at: datetime,
    reason: str = "",
    templates: KnownTemplates | None = None,
) -> Words:
    """What a colleague is told of an event, in their language and time zone.

    Always something: without a template of this kind, or without a case to fill it with, what happened by its name.
    """
    language = recipient.language or DEFAULT_LANGUAGE
    known = {} if templates is None else templates
    if case and (channel, language) not in known:
        known[channel, language] = NotificationTemplate.objects.worded(key=kind, channel=channel, language=language)
    template = case and known[channel, language]
    with translation.override(template.language if template else language):
        values = _values(event=event, case=case, time_zone=recipient.time_zone, at=at, reason=reason)
        if template:
            return Words(render_subject(template.subject, values), render(template.body, values))
        label = str(FACTS[event.kind].label) if event.kind in FACTS else event.kind
        told = [name for name in (values["case_number"], label) if name]
        about = [line for line in (values["case_title"], values["task_subject"], values["reason"]) if line]
        return Words(render_subject(": ".join(told), {}), render("\n".join(about), {}))


def words_for_customer(*, case: Case, key: str, sender_name: str = "") -> Words:
    """An automatic mail to a case's customer, in the language that the customer writes.

    Raises NoTemplate and UnfitForCustomers.
    """
    template = NotificationTemplate.objects.worded(
        key=key, channel=Channel.EMAIL, language=case.language or DEFAULT_LANGUAGE
    )
    if template is None:
        raise NoTemplate(key)
    if unfit := unfit_for_customers(template):
        raise UnfitForCustomers(template, unfit)
    with translation.override(template.language):
        values = _case_values(case, time_zone=settings.TIME_ZONE)
        if not case.assigned_team and sender_name:
            values["team_name"] = sender_name
    return Words(render_subject(template.subject, values), render(template.body, values))


def unfit_for_customers(template: NotificationTemplate) -> list[str]:
    """The placeholders of a template that no automatic mail to a customer may carry."""
    return [name for name in placeholders(f"{template.subject}\n{template.body}") if name not in FIT_FOR_CUSTOMERS]


def _values(*, event: TimelineEvent, case: Case | None, time_zone: str, at: datetime, reason: str) -> dict[str, str]:
    values = dict.fromkeys(("case_number", "case_title"), "") | (
        _case_values(case, time_zone=time_zone) if case else {}
    )
    clock = SLAClock.objects.filter(pk=event.subject_id).first() if event.subject_type == "slaclock" else None
    if due_at := parse_datetime(str(event.data.get("due_at") or "")):
        values["due_at"] = _moment(due_at, time_zone)
    return values | {
        "actor_name": _actor_name(event, case),
        "task_subject": _task_subject(event),
        "reason": (_why(clock, at) if clock else "") or reason or str(event.data.get("reason") or ""),
    }


def _case_values(case: Case, *, time_zone: str) -> dict[str, str]:
    return {
        "case_number": case.case_number,
        "case_title": case.title,
        "customer_name": case.customer.name or case.customer.email,
        "assignee_name": str(case.assigned_to) if case.assigned_to else _("nobody yet"),
        "team_name": case.assigned_team.name if case.assigned_team else _("The support team"),
        "priority": str(case.get_priority_display()),
        "status": str(case.get_status_display()),
        "due_at": _moment(case.sla_due_date, time_zone) if case.sla_due_date else _("not set"),
        "link": link_to(case),
    }


def link_to(case: Case) -> str:
    """Where a colleague opens the case."""
    return f"{settings.BASE_URL}/cases/{case.case_number}"


def _moment(at: datetime, time_zone: str) -> str:
    local = at.astimezone(ZoneInfo(time_zone))
    return f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"


def _why(clock: SLAClock, at: datetime) -> str:
    try:
        return explain_clock(clock, now=at).sentence
    except Unreachable:
        return ""


def _actor_name(event: TimelineEvent, case: Case | None) -> str:
    if event.actor_kind == ActorKind.USER:
        user = User.objects.filter(pk=event.actor_reference).first()
        return str(user) if user else _("Somebody")
    if event.actor_kind == ActorKind.MAIL and case:
        return case.customer.name or case.customer.email
    return _("A rule") if event.actor_kind == ActorKind.RULE else "HandyConnect"


def _task_subject(event: TimelineEvent) -> str:
    if event.subject_type != "task":
        return ""
    return Task.objects.filter(pk=event.subject_id).values_list("subject", flat=True).first() or ""
