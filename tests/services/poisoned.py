"""The worker's app, and a mail that kills whichever process reads it, as one that takes all the memory does."""

import os
import signal
from typing import Any

from celery.signals import worker_process_init

from handyconnect.celery import app

__all__ = ["SUBJECT", "app"]
SUBJECT = "This one kills"


@worker_process_init.connect
def be_mortal(**_kwargs: Any) -> None:
    from mail_ingest.parsing import ParsedMail  # Django is ready only now
    from mail_ingest.services import processing

    read = processing.read_raw

    def read_or_die(inbound_id: int) -> ParsedMail:
        mail = read(inbound_id)
        if mail.subject == SUBJECT:
            os.kill(os.getpid(), signal.SIGKILL)
        return mail

    processing.read_raw = read_or_die
