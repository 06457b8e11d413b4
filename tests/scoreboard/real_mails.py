"""Every real mail of a folder, taken in and walked to its end, twice: is each there exactly once, whole and unchanged?"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from mailbox import mbox
from pathlib import Path

from cases.models import Case
from mail_ingest import pipeline
from mail_ingest.models import InboundMessage, InboundRaw, Mailbox
from mail_ingest.services import store
from tests.factories import NOON

FOLDERS = ("zammad/mail", "imap_tools", "sisimai", "notmuch", "freescout", "django-helpdesk")
NOT_MAIL = {".yml", ".yaml", ".json", ".md", ".txt", ".py", ".html"}
FINAL = {InboundMessage.State.FILED, InboundMessage.State.IGNORED, InboundMessage.State.QUARANTINED}


@dataclass(slots=True)
class Walked:
    """`wrong` and `quarantined` name mails by their file."""

    mails: int = 0
    wrong: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)


def mails_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every mail below a folder, each different one once."""
    seen = set()
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in NOT_MAIL or path.name.startswith((".", "LICENSE", "README")):
            continue
        raws = [message.as_bytes() for message in mbox(path)] if path.suffix == ".mbox" else [path.read_bytes()]
        for number, raw in enumerate(raws, start=1):
            digest = hashlib.sha256(raw).hexdigest()
            if digest not in seen:
                seen.add(digest)
                yield (f"{path.name}:{number}" if len(raws) > 1 else path.name), raw


def walk(folder: Path, mailbox: Mailbox) -> Walked:
    """Take in all mails of the folder. The second round must add nothing, and nothing of it may be answered."""
    mails = {hashlib.sha256(raw).hexdigest(): (name, raw) for name, raw in mails_of(folder)}
    walked = Walked(len(mails))
    for _round in range(2):
        for digest, (_name, raw) in mails.items():
            inbound, _new = store(mailbox, source_id=digest, raw=raw, received_at=NOON, at=NOON, origin="import")
            pipeline.process_message(inbound.pk, now=NOON)
    rows = {inbound.source_id: inbound for inbound in InboundMessage.objects.filter(mailbox=mailbox)}
    for digest, (name, raw) in mails.items():
        kept = rows.get(digest)
        if kept is None or not _is_whole(kept, raw):
            walked.wrong.append(name)
        elif kept.state == InboundMessage.State.QUARANTINED:
            walked.quarantined.append(name)
    if len(rows) != len(mails):
        walked.wrong.append(f"{len(rows)} rows for {len(mails)} mails")
    if empty := Case.objects.filter(inbound=None).count():
        walked.wrong.append(f"{empty} cases without a mail")
    return walked


def _is_whole(inbound: InboundMessage, raw: bytes) -> bool:
    """Finished, with its bytes unchanged, and with a message and a case if it was filed."""
    kept = InboundRaw.objects.filter(pk=inbound.pk).first()
    if inbound.state not in FINAL or kept is None or bytes(kept.content) != raw:
        return False
    return inbound.state != InboundMessage.State.FILED or bool(inbound.email_id and inbound.case_id)
