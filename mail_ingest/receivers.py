"""What the mail channel does as soon as something happened: it wakes the worker that goes on with it."""

from typing import Any

from cases.embed import embed
from cases.facts import mail_replayed, mail_stored, outbound_queued
from cases.tasks import ask, ask_once
from mail_ingest import merging, tasks
from mail_ingest.representation import thread_ids_of_cases


def process_soon(*, subject_id: str, **_kwargs: Any) -> None:
    ask(tasks.process_inbound, int(subject_id))


def send_soon(**_kwargs: Any) -> None:
    ask_once(tasks.send_outbound)


def connect() -> None:
    mail_stored.connect(process_soon, dispatch_uid="mail_ingest.process_soon")
    mail_replayed.connect(process_soon, dispatch_uid="mail_ingest.process_replayed_soon")
    outbound_queued.connect(send_soon, dispatch_uid="mail_ingest.send_soon")
    embed("threads", thread_ids_of_cases, empty=list)
    merging.connect()
