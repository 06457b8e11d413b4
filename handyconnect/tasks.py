from celery import shared_task

from handyconnect.heartbeat import WORKER, note


@shared_task
def heartbeat() -> None:
    """Says that a worker takes tasks."""
    note(WORKER)
