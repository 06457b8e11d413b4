"""Celery workers that are shot with all their processes, once each, at the point that is read from standard input.

`main` loads the product once; each line that it reads starts one worker, whose process id and end are
told on standard output. A point is

- `inside KIND`: after that event of the log is written, before its transaction is committed
- `after KIND`: after the commit, before anybody is told
- `handed SENDS_BY`: after a mail is handed over (by a mailbox that sends so), before that is noted

Nothing of the product is changed but for the shot.
"""

import os
import signal
import sys
from typing import Any, NoReturn

from django.db import connections

from cases import timeline
from cases.facts import Fact
from cases.models import TimelineEvent
from handyconnect.celery import app
from mail_ingest.models import OutboundMessage
from mail_ingest.services import sending

OPTIONS = ("worker", "-B", "--concurrency=2", "--without-mingle", "--without-gossip", "-Ofair", "--loglevel=INFO")


def die() -> NoReturn:
    os.killpg(0, signal.SIGKILL)
    raise AssertionError("nobody survives that")


def arm(point: str) -> None:
    when, what = point.split()
    {"inside": _inside, "after": _after, "handed": _handed}[when](what)


def _inside(kind: str) -> None:
    record = timeline.record

    def record_and_die(**values: Any) -> TimelineEvent:
        event = record(**values)
        if event.kind == kind:
            die()
        return event

    timeline.record = record_and_die


def _after(kind: str) -> None:
    send = Fact.send_robust

    def die_or_send(fact: Fact, *args: Any, **values: Any) -> Any:
        if fact.name == kind:
            die()
        return send(fact, *args, **values)

    Fact.send_robust = die_or_send  # type: ignore[assignment,method-assign]


def _handed(sends_by: str) -> None:
    mark_sent = sending.mark_sent

    def die_or_mark(outbound_id: int, **values: Any) -> None:
        if OutboundMessage.objects.get(pk=outbound_id).mailbox.sends_by == sends_by:
            die()
        mark_sent(outbound_id, **values)

    sending.mark_sent = die_or_mark


def main(folder: str) -> None:
    app.loader.import_default_modules()
    for line in sys.stdin:
        point = line.strip()
        connections.close_all()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            arm(point)
            app.worker_main([*OPTIONS, "-s", f"{folder}/mortal-beat"])
        print(child, flush=True)  # noqa: T201 - to whoever has asked for it
        _pid, status = os.waitpid(child, 0)
        print(f"{point}: {-os.WTERMSIG(status) if os.WIFSIGNALED(status) else 'it lived'}", flush=True)  # noqa: T201 - see above
