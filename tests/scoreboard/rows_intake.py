"""Through the whole pipeline: every mail filed or visibly put aside, exactly once, and hardly any put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment

from mail_ingest.models import Mailbox
from tests.scoreboard.real_mails import FOLDERS, walk
from tests.scoreboard.row import Row, rows


@rows
def every_mail_once(corpora: Path) -> Iterator[Row]:
    mails = 0
    quarantined: list[str] = []
    with a_database():
        for number, name in enumerate(name for name in FOLDERS if (corpora / name).is_dir()):
            mailbox = Mailbox.objects.create(slug=f"box-{number}", name=name, address=f"box-{number}@house.example")
            walked = walk(corpora / name, mailbox)
            mails += walked.mails
            quarantined += walked.quarantined
            yield Row(f"filed or put aside once: {name}", walked.mails, tuple(walked.wrong), floor=1.0)
    yield Row("not in quarantine", mails, tuple(quarantined), floor=0.995)


@contextmanager
def a_database() -> Iterator[None]:
    """An empty database that is gone afterwards."""
    if not hasattr(settings, "_original_allowed_hosts"):
        setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        teardown_databases(databases, verbosity=0)
        teardown_test_environment()
