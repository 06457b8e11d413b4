"""When everything runs: each beat entry of the house, and the only place where one can stand.

Intervals in UTC. An entry expires with its interval, so that a worker which was away finds no pile of them: each task
looks for itself what there is to do, and doing it once is enough.
"""

from datetime import timedelta
from typing import Any

DAY = timedelta(days=1)
HEARTBEAT_EVERY = timedelta(seconds=5)


def _every(interval: timedelta, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": interval, "options": {"expires": max(interval.total_seconds(), 5)}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "heartbeat": _every(HEARTBEAT_EVERY, "handyconnect.tasks.heartbeat"),
    "drain the event log": _every(timedelta(seconds=10), "cases.tasks.drain_events"),
    "read the mailboxes": _every(timedelta(seconds=2), "mail_ingest.tasks.poll_mailboxes"),
    "sweep unfinished mail": _every(timedelta(seconds=15), "mail_ingest.tasks.sweep_messages"),
    "put filed mail away": _every(timedelta(seconds=30), "mail_ingest.tasks.put_away_mail"),
    "go on with backfills": _every(timedelta(seconds=10), "mail_ingest.tasks.continue_backfills"),
    # Each mailbox is compared once an hour; asked more often, a lost nudge or a mailbox that was away costs minutes.
    "compare mailboxes with the ledger": _every(timedelta(minutes=10), "mail_ingest.tasks.reconcile_mailboxes"),
    "see to notices of new mail": _every(timedelta(seconds=15), "mail_ingest.tasks.sweep_notices"),
    "look after subscriptions": _every(timedelta(minutes=1), "mail_ingest.tasks.look_after_subscriptions"),
    "send waiting mail": _every(timedelta(seconds=5), "mail_ingest.tasks.send_outbound"),
    "sweep SLA clocks": _every(timedelta(seconds=15), "sla.tasks.sweep_clocks"),
    "run rules about time": _every(timedelta(seconds=300), "workflows.tasks.run_time_rules"),
    "forget notices of new mail": _every(DAY, "mail_ingest.tasks.forget_notices"),
    "forget unused files": _every(DAY, "mail_ingest.tasks.forget_unused_files"),
    "forget idempotency keys": _every(DAY, "accounts.tasks.forget_idempotency_keys"),
}
