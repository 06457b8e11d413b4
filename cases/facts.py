"""Every fact that the house can tell: each is a row of the event log and, after commit, a Django signal.

They are all declared here, at the bottom of the house, so that every app can hear every other. Receivers get ids and
values and nudge; the log is the truth (see `cases.listeners`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.dispatch import Signal
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.actors import Actor
from cases import timeline
from cases.models import Case, TimelineEvent

FACTS: "dict[str, Fact]" = {}


class Fact(Signal):
    """A thing that happened, in the past tense.

    Receivers are called after commit with `event_id`, `case_id`, `subject_id` and `kind`; one that fails does not stop the others.
    """

    def __init__(self, name: str, label: str | Promise) -> None:
        super().__init__()
        self.name = name
        self.label = label
        FACTS[name] = self

    def emit(
        self,
        *,
        actor: Actor,
        at: datetime,
        case: Case | None = None,
        subject: models.Model | None = None,
        changes: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        personal: Mapping[str, Any] | None = None,
    ) -> TimelineEvent:
        """Write the event into the current transaction and send the signal once it is committed.

        `subject` is what changed, the case itself when it is left out. Raises OutsideTransaction.
        """
        about = subject or case
        if about is None:
            raise ValueError(f"{self.name} needs a case or a subject")
        event = timeline.record(
            kind=self.name,
            actor=actor,
            at=at,
            case=case,
            subject=about,
            changes=changes or {},
            data=data or {},
            personal=personal or {},
        )
        values = {"event_id": event.pk, "case_id": event.case_id, "subject_id": event.subject_id, "kind": self.name}
        transaction.on_commit(lambda: self.send_robust(sender=Fact, **values), robust=True)
        return event


# Cases
case_created = Fact("case_created", _("Case opened"))
case_updated = Fact("case_updated", _("Case edited"))
case_triaged = Fact("case_triaged", _("Labels set by triage"))
case_status_changed = Fact("case_status_changed", _("Status changed"))
case_assigned = Fact("case_assigned", _("Assigned"))
case_escalated = Fact("case_escalated", _("Escalated"))
case_silent = Fact("case_silent", _("Nothing happened for a while"))
case_deleted = Fact("case_deleted", _("Case deleted"))
case_restored = Fact("case_restored", _("Case restored"))
case_linked = Fact("case_linked", _("Linked to another case"))
case_unlinked = Fact("case_unlinked", _("Link removed"))
case_merged = Fact("case_merged", _("Merged into another case"))
case_absorbed = Fact("case_absorbed", _("Another case merged into this one"))
case_unmerged = Fact("case_unmerged", _("Merge taken back"))
case_released = Fact("case_released", _("A merged case taken out again"))
case_split = Fact("case_split", _("Split off into a case of its own"))
note_added = Fact("note_added", _("Note added"))
customer_created = Fact("customer_created", _("Customer added"))
customer_updated = Fact("customer_updated", _("Customer edited"))
configuration_changed = Fact("configuration_changed", _("Configuration changed"))
event_settled = Fact("event_settled", _("Event that was set aside settled"))

# Tasks
task_created = Fact("task_created", _("Task added"))
task_updated = Fact("task_updated", _("Task edited"))
task_status_changed = Fact("task_status_changed", _("Task moved"))
task_assigned = Fact("task_assigned", _("Task assigned"))
task_deleted = Fact("task_deleted", _("Task deleted"))

# SLA
sla_at_risk = Fact("sla_at_risk", _("SLA at risk"))
sla_breached = Fact("sla_breached", _("SLA breached"))
sla_escalated = Fact("sla_escalated", _("SLA escalation"))
sla_met = Fact("sla_met", _("SLA met"))

# Mail
mail_stored = Fact("mail_stored", _("Mail stored"))
mail_threaded = Fact("mail_threaded", _("Mail threaded"))
mail_analysed = Fact("mail_analysed", _("Mail read by triage"))
mail_ignored = Fact("mail_ignored", _("Mail ignored"))
mail_quarantined = Fact("mail_quarantined", _("Mail quarantined"))
mail_replayed = Fact("mail_replayed", _("Mail replayed"))
message_received = Fact("message_received", _("Message received"))
message_sent = Fact("message_sent", _("Message sent"))
message_moved = Fact("message_moved", _("Message moved"))
mailbox_checked = Fact("mailbox_checked", _("Mailbox state changed"))
mailbox_resynced = Fact("mailbox_resynced", _("Mailbox read again from the start"))
mailbox_reconciled = Fact("mailbox_reconciled", _("Mailbox and ledger compared"))
backfill_requested = Fact("backfill_requested", _("Old mail asked for"))
backfill_finished = Fact("backfill_finished", _("Old mail read"))
outbound_queued = Fact("outbound_queued", _("Mail to send"))
outbound_sent = Fact("outbound_sent", _("Mail sent"))
outbound_failed = Fact("outbound_failed", _("Mail not sent"))
outbound_suppressed = Fact("outbound_suppressed", _("Mail held back"))
outbound_cancelled = Fact("outbound_cancelled", _("Mail cancelled"))
outbound_bounced = Fact("outbound_bounced", _("Mail came back"))

# Rules and notifications
rule_ran = Fact("rule_ran", _("Rule ran"))
rule_stopped = Fact("rule_stopped", _("Rule stopped"))
notification_read = Fact("notification_read", _("Notification read"))
