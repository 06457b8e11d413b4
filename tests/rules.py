"""Making rules in tests, and looking at what they did."""

from datetime import datetime
from typing import Any

from accounts.actors import Actor
from cases import listeners
from cases.models import Case, TimelineEvent
from mail_ingest.models import InboundMessage, Mailbox
from mail_ingest.pipeline import process_message
from mail_ingest.services import store
from notifications.models import NotificationTemplate
from tests.factories import (
    NOON,
)
from workflows import services
from workflows.models import RuleRun, WorkflowRule

OPEN = {"none": [{"field": "case.status", "op": "in", "value": ["resolved", "closed", "merged"]}]}
ADMIN = Actor.system("tests")


def make_rule(
    *actions: dict[str, Any], on: str = "case_created", conditions: dict[str, Any] | None = None, **values: Any
) -> WorkflowRule:
    """A rule that is on, saved the way that people save it: checked."""
    number = WorkflowRule.objects.count() + 1
    given = {
        "slug": f"rule-{number}",
        "name": f"Rule {number}",
        "rank": number,
        "is_active": True,
        "trigger": on,
        "conditions": conditions or OPEN,
        "actions": list(actions),
    }
    return services.save_rule(WorkflowRule(**(given | values)), at=NOON, actor=ADMIN)


def make_template(key: str = "news", *, language: str = "en", body: str = "About {{ case_number }}") -> None:
    NotificationTemplate.objects.create(
        key=key, channel="email", language=language, subject="News of {{ case_number }}", body=body
    )


def drain(now: datetime = NOON) -> None:
    listeners.drain(now=now)


def the_run(rule: WorkflowRule) -> RuleRun:
    return RuleRun.objects.get(rule=rule)


def events(kind: str, case: Case | None = None) -> list[TimelineEvent]:
    found = TimelineEvent.objects.filter(kind=kind).order_by("id")
    return list(found.filter(case=case) if case else found)


def receive(
    mailbox: Mailbox,
    *,
    subject: str = "Cold radiators",
    sender: str = "tenant@home.example",
    headers: str = "",
    received_at: datetime = NOON,
    at: datetime | None = None,
) -> InboundMessage:
    """A mail through the real pipeline."""
    number = InboundMessage.objects.count() + 1
    raw = (
        f"From: Tina Tenant <{sender}>\r\nTo: {mailbox.address}\r\nSubject: {subject}\r\n"
        f"Message-ID: <mail{number}@home.example>\r\nDate: {received_at:%a, %d %b %Y %H:%M:%S +0000}\r\n{headers}"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nGood morning, the radiators stay cold. Please help.\r\n"
    ).encode()
    inbound, _created = store(
        mailbox, source_id=f"mail-{number}", raw=raw, received_at=received_at, at=at or received_at
    )
    assert process_message(inbound.pk, now=at or received_at) == "filed"
    return InboundMessage.objects.select_related("case").get(pk=inbound.pk)


def case_of(inbound: InboundMessage) -> Case:
    assert inbound.case
    return inbound.case


def why_of(event: TimelineEvent) -> list[dict[str, Any]]:
    assert event.detail.body
    why: list[dict[str, Any]] = event.detail.body["why"]
    return why


def events_of_rule(rule: WorkflowRule) -> list[TimelineEvent]:
    return list(TimelineEvent.objects.filter(actor_kind="rule", actor_reference=str(rule.pk)))
