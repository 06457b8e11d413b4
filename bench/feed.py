"""Stores mails as a source does, as fast as it can, and waits until all that follows is done: `python -m bench.feed`.

A process of its own for each turn, because it is part of the installation that it feeds. Prints one line of JSON: a `Turn`.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256

import django
from django.utils import timezone

from bench.letters import mixed
from bench.servers import used_by_database, used_by_machine, used_by_tree

LOOK_EVERY_SECONDS = 0.05
STALLED_AFTER_SECONDS = 10.0  # the longest that the product itself leaves work lying: its beat drains so often


@dataclass(kw_only=True)
class Turn:
    """What one turn took. `outcomes` counts the mails by their state; `calls` how often sweeps had to wake the worker."""

    mails: int
    stored_seconds: float
    filed_seconds: float
    done_seconds: float
    worker_cpu_seconds: float
    feeder_cpu_seconds: float
    database_cpu_seconds: float
    machine_cpu_seconds: float
    outcomes: dict[str, int]
    events: int
    answers_queued: dict[str, int]
    calls: int
    unfinished: int


class Feed:
    """One turn. What is measured begins with the first mail stored."""

    def __init__(self, numbers: range, *, prefix: str, timeout_seconds: float) -> None:
        from mail_ingest.models import Mailbox  # noqa: PLC0415 - models can be imported only now

        self.mails = [mixed(number, prefix=prefix).as_bytes() for number in numbers]
        self.mailbox = Mailbox.objects.get()
        self.timeout_seconds = timeout_seconds
        self.calls = 0
        self.started = 0.0

    def run(self, *, worker_pid: int) -> Turn:
        """Raises nothing of its own: what is not done in time is counted as unfinished."""
        from cases.models import TimelineEvent  # noqa: PLC0415
        from mail_ingest.models import OutboundMessage  # noqa: PLC0415

        url = os.environ["DATABASE_URL"]
        began, last_event = timezone.now(), TimelineEvent.objects.order_by("-id").values_list("id", flat=True)[:1]
        before = last_event[0] if last_event else 0
        worker_before, database_before = used_by_tree(worker_pid), used_by_database(url)
        machine_before, own_before = used_by_machine(), time.process_time()
        self.started = time.monotonic()
        ids = self._store()
        stored = self._seconds()
        filed = self._wait(lambda: self._pending(ids), times=1)
        done = self._wait(self._behind, times=2)
        return Turn(
            mails=len(self.mails),
            stored_seconds=stored,
            filed_seconds=filed,
            done_seconds=done,
            worker_cpu_seconds=used_by_tree(worker_pid).since(worker_before),
            feeder_cpu_seconds=time.process_time() - own_before,
            machine_cpu_seconds=used_by_machine().since(machine_before),
            database_cpu_seconds=used_by_database(url).since(database_before),
            outcomes=self._outcomes(ids),
            events=TimelineEvent.objects.filter(id__gt=before).count(),
            answers_queued=dict(
                Counter(OutboundMessage.objects.filter(created_at__gte=began).values_list("state", flat=True))
            ),
            calls=self.calls,
            unfinished=self._pending(ids) or self._behind(),
        )

    def _store(self) -> list[int]:
        from mail_ingest.services import store  # noqa: PLC0415

        ids = []
        for raw in self.mails:
            now = timezone.now()
            inbound, _is_new = store(
                self.mailbox, source_id=sha256(raw).hexdigest(), raw=raw, received_at=now, at=timezone.now()
            )
            ids.append(inbound.pk)
        return ids

    def _wait(self, left: Callable[[], int], *, times: int) -> float:
        """The seconds since the start until nothing was left so many times in a row, or until time was up."""
        last, changed, clear = -1, time.monotonic(), 0
        while self._seconds() < self.timeout_seconds:
            now_left = left()
            if now_left == 0:
                clear += 1
                if clear >= times:
                    break
            else:
                clear = 0
            if now_left != last:
                last, changed = now_left, time.monotonic()
            elif time.monotonic() - changed > STALLED_AFTER_SECONDS:
                self._call()
                changed = time.monotonic()
            time.sleep(LOOK_EVERY_SECONDS)
        return self._seconds()

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _call(self) -> None:
        """What beat does all the time: it asks the worker to look for what a lost nudge left behind."""
        from cases.tasks import drain_events  # noqa: PLC0415
        from mail_ingest.tasks import sweep_messages  # noqa: PLC0415

        self.calls += 1
        drain_events.delay()
        sweep_messages.delay()

    def _pending(self, ids: list[int]) -> int:
        from mail_ingest.models import InboundMessage  # noqa: PLC0415

        return InboundMessage.objects.pending().filter(pk__gte=ids[0], pk__lte=ids[-1]).count()

    def _behind(self) -> int:
        from cases.listeners import behind  # noqa: PLC0415

        return behind()

    def _outcomes(self, ids: list[int]) -> dict[str, int]:
        from mail_ingest.models import InboundMessage  # noqa: PLC0415

        return dict(Counter(InboundMessage.objects.filter(pk__in=ids).values_list("state", flat=True)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--first", type=int, required=True, help="number of the first mail")
    options.add_argument("--mails", type=int, required=True)
    options.add_argument("--prefix", required=True)
    options.add_argument("--worker", type=int, required=True, help="its process id")
    options.add_argument("--timeout", type=float, required=True, help="seconds to wait")
    chosen = options.parse_args()
    django.setup()
    from handyconnect.celery import app  # noqa: F401 - tasks are asked for through it

    numbers = range(chosen.first, chosen.first + chosen.mails)
    feed = Feed(numbers, prefix=chosen.prefix, timeout_seconds=chosen.timeout)
    print(json.dumps(asdict(feed.run(worker_pid=chosen.worker))))
    sys.exit(0)
