from celery import shared_task
from django.utils import timezone

from workflows import services


@shared_task
def run_time_rules() -> None:
    """Safe to repeat and to kill: each case is its own transaction, and each silence is answered once."""
    services.run_time_rules(now=timezone.now())
