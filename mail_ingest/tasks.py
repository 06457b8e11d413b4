from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from mail_ingest import pipeline, sender
from mail_ingest.models import InboundMessage
from mail_ingest.services import poll
from mail_ingest.services.processing import mailboxes_to_read

SWEEP_AFTER = timedelta(seconds=20)
SWEEP_BATCH = 500
SEND_RUNS = 10


@shared_task
def poll_mailboxes() -> None:
    """Safe to repeat: a mail that is stored already is known by its source id."""
    for mailbox in mailboxes_to_read():
        poll(mailbox, now=timezone.now())


@shared_task
def process_inbound(inbound_id: int) -> None:
    """Safe to repeat and to kill: every step is skipped when it is done, and a lease keeps two workers apart."""
    pipeline.process_message(inbound_id, now=timezone.now())


@shared_task
def sweep_messages() -> None:
    """Go on with mail that nobody is going on with. Runs them here, one by one: this is also how it works without a broker."""
    now = timezone.now()
    left = InboundMessage.objects.due(now).stored_before(now - SWEEP_AFTER).order_by("stored_at")
    for inbound_id in left.values_list("pk", flat=True)[:SWEEP_BATCH]:
        pipeline.process_message(inbound_id, now=timezone.now())


@shared_task
def send_outbound() -> None:
    """Safe to repeat: each mail is claimed by one sender."""
    for _run in range(SEND_RUNS):
        if sender.send_due(now=timezone.now()) < sender.MOST_AT_ONCE:
            break
