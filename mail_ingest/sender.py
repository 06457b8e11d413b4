"""Sending: takes mail from the queue and hands it over, one by one, each mailbox in its turn."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from mail_ingest import delivery
from mail_ingest.models import OutboundMessage
from mail_ingest.services import sending

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 20  # few enough that a task is done in time
MOST_FAILURES = 5  # a server that does not answer costs EMAIL_TIMEOUT each time, and a task has only so long
DOWN_FOR = timedelta(seconds=60)


@dataclass(slots=True)
class Run:
    """One run of the sender. `closed` are the lanes whose server is left alone until the next one."""

    began_at: datetime
    began: float = field(default_factory=time.monotonic)
    failures: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    taken: int = 0
    sent: int = 0

    def now(self) -> datetime:
        """The caller's clock, and the time that the run has taken: a mail late in it must not look stuck at once."""
        return self.began_at + timedelta(seconds=time.monotonic() - self.began)

    def failed(self, lane: str) -> None:
        self.failures[lane] = self.failures.get(lane, 0) + 1
        if self.failures[lane] >= MOST_FAILURES:
            self.closed.add(lane)


def send_due(*, now: datetime) -> int:
    """Send what may go out by now; how many were handed over. Safe to repeat, to kill and to run twice at once.

    Every mailbox has its turn, however much waits in another one, and a server that is down holds up only its own.
    """
    sending.settle_stuck(now=now, repeatable=delivery.configured().repeatable)
    run = Run(now)
    while _round(run, due_by=now):
        pass
    return run.sent


def _round(run: Run, *, due_by: datetime) -> bool:
    """One mail of each mailbox; whether there was any."""
    before = run.taken
    for mailbox in sending.mailboxes_with_due(now=due_by):
        lane = delivery.lane_of(mailbox)
        if run.taken >= MOST_AT_ONCE:
            return False
        if lane in run.closed:
            continue
        mail = sending.claim_next(now=due_by, mailbox_id=mailbox.pk, at=run.now())
        if mail is not None:
            run.taken += 1
            _send(mail, lane, run)
    return run.taken > before


def _send(mail: OutboundMessage, lane: str, run: Run) -> None:
    try:
        not_for = delivery.way_of(mail.mailbox).deliver(mail)
    except delivery.Unsure as error:
        log.warning("mail_maybe_sent", outbound_id=mail.pk, reason=str(error))
        sending.mark_maybe_sent(mail.pk, error=str(error), at=run.now())
        run.failed(lane)
    except delivery.ServerDown as error:
        log.warning("mail_server_down", outbound_id=mail.pk, lane=lane, reason=str(error))
        until = max(error.retry_at or run.now() + DOWN_FOR, run.now())
        sending.put_off(mail.pk, with_lane=lane == delivery.SERVER_LANE, error=str(error), until=until, at=run.now())
        run.closed.add(lane)
    except (delivery.Never, ValueError) as error:
        log.warning("mail_not_sent", outbound_id=mail.pk, reason=delivery.reason(error))
        sending.mark_failed(mail.pk, error=_words(error), at=run.now(), for_good=True)
    except (delivery.Later, OSError) as error:
        log.warning("mail_not_sent_yet", outbound_id=mail.pk, reason=delivery.reason(error))
        sending.mark_failed(mail.pk, error=_words(error), at=run.now())
        run.failed(lane)
    else:
        sending.mark_sent(mail.pk, at=run.now(), not_for=not_for or "")
        run.sent += 1


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, delivery.NotTaken) else delivery.reason(error)
