"""Sending: takes mail from the queue and hands it over, one by one."""

from datetime import datetime

import structlog

from mail_ingest import delivery
from mail_ingest.services import outbound

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 200


def send_due(*, now: datetime) -> int:
    """Send what may go out by now; how many were handed over. Safe to repeat, to kill and to run twice at once."""
    way = delivery.configured()
    outbound.settle_stuck(now=now, repeatable=way.repeatable)
    sent = 0
    for _turn in range(MOST_AT_ONCE):
        mail = outbound.claim_next(now=now)
        if mail is None:
            break
        try:
            way.deliver(mail)
        except OSError as error:  # smtplib's errors are kinds of it
            log.warning("mail_not_sent", outbound_id=mail.pk, reason=type(error).__name__)
            outbound.mark_failed(mail.pk, error=f"{type(error).__name__}: {error}", at=now)
        else:
            outbound.mark_sent(mail.pk, at=now)
            sent += 1
    return sent
