from celery import shared_task
from django.utils import timezone

from accounts import idempotency


@shared_task
def forget_idempotency_keys() -> None:
    """Safe to repeat: only keys that no longer hold are deleted."""
    idempotency.forget_old(before=timezone.now() - idempotency.HOLDS)
