"""Every real mail of the corpora, through intake and pipeline: each is there exactly once, whole, and none stops the rest."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from mailbox import mbox
from pathlib import Path

import pytest
from django.conf import settings

from cases.models import Case
from mail_ingest import pipeline
from mail_ingest.models import EmailMessage, InboundMessage, InboundRaw, OutboundMessage
from mail_ingest.services import store
from tests.factories import NOON, MailboxFactory

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]  # tracing would double what 330 mails take

FOLDERS = ("zammad/mail", "imap_tools", "sisimai", "notmuch", "freescout", "django-helpdesk")
NOT_MAIL = {".yml", ".yaml", ".json", ".md", ".txt", ".py", ".html"}


def mails_of(folder: Path) -> Iterator[bytes]:
    """The bytes of every mail below a folder, each different one once."""
    seen = set()
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in NOT_MAIL or path.name.startswith("LICENSE"):
            continue
        raws = [message.as_bytes() for message in mbox(path)] if path.suffix == ".mbox" else [path.read_bytes()]
        for raw in raws:
            digest = hashlib.sha256(raw).hexdigest()
            if digest not in seen:
                seen.add(digest)
                yield raw


@pytest.mark.parametrize("name", FOLDERS)
class TestTheMailsOf:
    def test_are_each_filed_or_quarantined_once_with_their_bytes_unchanged(
        self, name: str, corpora: Path, record_property: pytest.FixtureRequest
    ) -> None:
        mailbox = MailboxFactory.create(address="support@house.example")
        raws = {hashlib.sha256(raw).hexdigest(): raw for raw in mails_of(corpora / name)}
        assert raws, f"no mails below {name}"
        for _round in range(2):  # the second round adds nothing
            for digest, raw in raws.items():
                inbound, _created = store(
                    mailbox, source_id=digest, raw=raw, received_at=NOON, at=NOON, origin="import"
                )
                pipeline.process_message(inbound.pk, now=NOON)

        states = Counter(InboundMessage.objects.values_list("state", flat=True))
        print(f"\n{name}: {len(raws)} mails, {dict(states)}")  # noqa: T201 - the report that people read
        record_property("mails", json.dumps({name: states}))  # type: ignore[operator] # pytest's own fixture
        assert sum(states.values()) == len(raws)
        assert set(states) <= {"filed", "ignored", "quarantined"}
        for inbound in InboundMessage.objects.all():
            assert bytes(InboundRaw.objects.get(inbound=inbound).content) == raws[inbound.source_id]
            assert inbound.sha256 == inbound.source_id
        assert states["quarantined"] <= len(raws) * 0.005 + 1
        assert EmailMessage.objects.count() == states["filed"] + states["ignored"]
        assert Case.objects.exclude(inbound__state="filed").count() == 0
        assert not OutboundMessage.objects.exists()


def test_the_report_is_on_no_network() -> None:
    """The corpora hold real addresses: the suite has no way to send mail out."""
    assert settings.EMAIL_BACKEND == "django.core.mail.backends.locmem.EmailBackend"
