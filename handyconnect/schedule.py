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
    "send waiting mail": _every(timedelta(seconds=5), "mail_ingest.tasks.send_outbound"),
    "sweep SLA clocks": _every(timedelta(seconds=15), "sla.tasks.sweep_clocks"),
    "run rules about time": _every(timedelta(seconds=300), "workflows.tasks.run_time_rules"),
    "forget idempotency keys": _every(DAY, "accounts.tasks.forget_idempotency_keys"),
}
