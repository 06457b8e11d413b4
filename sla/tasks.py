from celery import shared_task
from django.utils import timezone

from sla import services


@shared_task
def sweep_clocks() -> None:
    """Safe to repeat and to kill: each batch notes in its own transaction what it has told."""
    services.sweep_clocks(now=timezone.now())
