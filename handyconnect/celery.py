"""The Celery application. Tasks live in each app's `tasks.py`; when they run stands in `handyconnect/schedule.py`."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, before_task_publish, task_prerun, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "handyconnect.settings")

app = Celery("handyconnect")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def take_the_schedule(sender: Celery, **_kwargs: Any) -> None:
    from handyconnect.schedule import SCHEDULE  # noqa: PLC0415 - settings are read only now

    sender.conf.beat_schedule = SCHEDULE


@task_prerun.connect
def drop_connections_that_broke(**_kwargs: Any) -> None:
    """Workers keep their connection to the database, as web requests do, and look after it in the same way."""
    from django.db import connections  # noqa: PLC0415 - needs settings

    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


@before_task_publish.connect
def note_that_beat_lives(sender: str | None = None, **_kwargs: Any) -> None:
    """Only beat sends the heartbeat, so sending it says that beat lives; that a worker does, it says by running it."""
    from handyconnect.heartbeat import BEAT, HEARTBEAT_TASK, note  # noqa: PLC0415 - needs settings

    if sender == HEARTBEAT_TASK:
        note(BEAT)


@worker_ready.connect
def note_that_a_worker_lives(**_kwargs: Any) -> None:
    """At once, so that a start need not wait for the first heartbeat."""
    from handyconnect.heartbeat import WORKER, note  # noqa: PLC0415 - needs settings

    note(WORKER)


@beat_init.connect
def note_that_beat_starts(**_kwargs: Any) -> None:
    from handyconnect.heartbeat import BEAT, note  # noqa: PLC0415 - needs settings

    note(BEAT)
