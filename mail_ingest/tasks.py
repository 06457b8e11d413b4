from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.utils import timezone

from cases.tasks import absence, ask, begun
from mail_ingest import pipeline, sender
from mail_ingest.models import InboundMessage, Mailbox
from mail_ingest.services import backfill, graph_notices, graph_subscriptions, poll, put_away, reconcile, rounds
from mail_ingest.services.mailboxes import mailboxes_to_read
from mail_ingest.services.uploads import forget_uploads

log = structlog.get_logger(__name__)

SWEEP_AFTER = timedelta(seconds=20)
SWEEP_BATCH = 500
SEND_RUNS = 10
UNUSED_FILES_STAY = timedelta(days=7)


@shared_task
def poll_mailboxes() -> None:
    """Safe to repeat: a mail that is stored already is known by its source id.

    Folders of files are read here; every other mailbox by a task of its own, so that a slow one keeps nobody waiting.
    """
    for mailbox in mailboxes_to_read():
        if mailbox.kind == Mailbox.Kind.FOLDER:
            try:
                poll(mailbox, now=timezone.now())
            except Exception:
                log.exception("mailbox_polling_broke", mailbox=mailbox.slug)
    _each_for_itself(read_mailbox, rounds.to_read(now=timezone.now()))


@shared_task
def read_mailbox(mailbox_id: int) -> None:
    """Safe to repeat and to kill: folders are leased, and a position moves only behind what is stored."""
    if mailbox := _active(mailbox_id):
        rounds.read(mailbox, clock=timezone.now)


@shared_task
def put_away_mail() -> None:
    """Safe to repeat: each mailbox with something due gets a task of its own."""
    _each_for_itself(put_away_in_mailbox, put_away.mailboxes_with_due(now=timezone.now()))


@shared_task
def put_away_in_mailbox(mailbox_id: int) -> None:
    """Safe to repeat and to kill: each try is claimed by one worker, and doing it twice changes nothing."""
    if mailbox := _active(mailbox_id):
        put_away.put_away_due(mailbox, clock=timezone.now)


@shared_task
def reconcile_mailboxes() -> None:
    """Safe to repeat: what was compared within the hour is left alone."""
    _each_for_itself(reconcile_mailbox, reconcile.to_compare(now=timezone.now()))


@shared_task
def reconcile_mailbox(mailbox_id: int) -> None:
    """Safe to repeat and to kill: it leases the folders as a round does, and stores what is missing once."""
    if mailbox := _active(mailbox_id):
        reconcile.reconcile(mailbox, clock=timezone.now)


@shared_task
def continue_backfills() -> None:
    """Safe to repeat: a backfill that somebody is reading for is left alone."""
    _each_for_itself(continue_backfill, backfill.backfills_to_continue(now=timezone.now()))


@shared_task
def continue_backfill(backfill_id: int) -> None:
    """Safe to repeat and to kill: its position moves only behind what is stored."""
    backfill.backfill_step(backfill_id, clock=timezone.now)


@shared_task
def see_to_notices(mailbox_id: int) -> None:
    """Safe to repeat and to kill: each notice is one worker's for a while, and what it names is stored once."""
    if mailbox := Mailbox.objects.filter(pk=mailbox_id).first():
        graph_notices.see_to(mailbox, clock=timezone.now)


@shared_task
def sweep_notices() -> None:
    """Safe to repeat: goes on with what Microsoft 365 has told us and nobody has seen to."""
    _each_for_itself(see_to_notices, graph_notices.mailboxes_told_of(now=timezone.now()))


@shared_task
def look_after_subscriptions() -> None:
    """Safe to repeat: a subscription that has long to go is left alone."""
    _each_for_itself(look_after_subscriptions_of, graph_subscriptions.to_look_after(now=timezone.now()))


@shared_task
def look_after_subscriptions_of(mailbox_id: int) -> None:
    """Safe to repeat and to kill: one worker at a time, and what a killed one has made is found again."""
    if mailbox := Mailbox.objects.filter(pk=mailbox_id).first():
        graph_subscriptions.look_after(mailbox, clock=timezone.now)


@shared_task
def forget_notices() -> None:
    """Safe to repeat: only what was seen to days ago is deleted."""
    graph_notices.forget_old(now=timezone.now())


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
    begun(send_outbound)
    for _run in range(SEND_RUNS):
        if sender.send_due(now=timezone.now()) < sender.MOST_AT_ONCE:
            break


@shared_task
def forget_unused_files() -> None:
    """Safe to repeat: only files that no draft and no mail holds are deleted."""
    forget_uploads(before=timezone.now() - UNUSED_FILES_STAY)


def _active(mailbox_id: int) -> Mailbox | None:
    return Mailbox.objects.filter(pk=mailbox_id, is_active=True).first()


def _each_for_itself(task: "Task[Any, Any]", ids: Iterable[int]) -> None:
    """A task for each. Without a broker it is done here, one after the other."""
    for one in ids:
        if settings.REDIS_URL:
            ask(task, one)
        if not settings.REDIS_URL or absence.holds:
            task(one)
