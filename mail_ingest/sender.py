"""Sending: takes mail from the queue and hands it over, one by one."""

from datetime import datetime

import structlog

from mail_ingest import delivery
from mail_ingest.services import outbound

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 20  # few enough that none is taken for stuck before its turn: `now` is that of the whole run
MOST_FAILURES = 5  # a server that does not answer costs EMAIL_TIMEOUT each time, and a task has only so long


def send_due(*, now: datetime) -> int:
    """Send what may go out by now; how many were handed over. Safe to repeat, to kill and to run twice at once."""
    way = delivery.configured()
    outbound.settle_stuck(now=now, repeatable=way.repeatable)
    sent = failed = 0
    for _turn in range(MOST_AT_ONCE):
        mail = outbound.claim_next(now=now)
        if mail is None:
            break
        try:
            way.deliver(mail)
        except delivery.Unsure as error:  # it stays as it is: `settle_stuck` says that it may have been sent
            log.warning("mail_maybe_sent", outbound_id=mail.pk, reason=str(error))
            failed += 1
        except (OSError, ValueError) as error:
            log.warning("mail_not_sent", outbound_id=mail.pk, reason=type(error).__name__)
            outbound.mark_failed(mail.pk, error=f"{type(error).__name__}: {error}", at=now)
            failed += 1
        else:
            outbound.mark_sent(mail.pk, at=now)
            sent += 1
        if failed >= MOST_FAILURES:
            break
    return sent
