"""What the benchmark sees of the product. Import it only after `django.setup()`."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage
from mail_ingest.pipeline import process_message
from mail_ingest.services import store
from mail_ingest.sources.folder import folder_of
from tasks.models import Task

LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Outcome:
    from_drop_seconds: float
    from_stored_seconds: float
    stored_to_filed_seconds: float
    tasks: int


def mailbox() -> Mailbox:
    return Mailbox.objects.filter(kind=Mailbox.Kind.FOLDER).order_by("pk")[0]


def drop_and_watch(letters: list[EmailMessage], *, spacing_seconds: float, timeout_seconds: float) -> list[Outcome]:
    """Drops the mails at even spaces; what became of those that were complete in time."""
    inbox = folder_of(mailbox())
    drafts = inbox.parent / "drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    inbox.mkdir(parents=True, exist_ok=True)
    source_ids = []
    for number, letter in enumerate(letters):
        raw = letter.as_bytes()
        (drafts / f"{number}.eml").write_bytes(raw)
        source_ids.append(sha256(raw).hexdigest())
    dropped: dict[str, float] = {}
    done: list[Outcome] = []
    waiting: set[str] = set()
    started = time.monotonic()
    deadline = started + spacing_seconds * len(letters) + timeout_seconds
    while len(done) < len(letters) and time.monotonic() < deadline:
        number = len(dropped)
        if number < len(letters) and time.monotonic() >= started + number * spacing_seconds:
            (drafts / f"{number}.eml").rename(inbox / f"{number}.eml")
            dropped[source_ids[number]] = time.monotonic()
            waiting.add(source_ids[number])
        for inbound, tasks in complete(waiting):
            waiting.discard(inbound.source_id)
            filed_at = inbound.finished_at or inbound.stored_at
            done.append(
                Outcome(
                    from_drop_seconds=time.monotonic() - dropped[inbound.source_id],
                    from_stored_seconds=(datetime.now(UTC) - inbound.stored_at).total_seconds(),
                    stored_to_filed_seconds=(filed_at - inbound.stored_at).total_seconds(),
                    tasks=tasks,
                )
            )
        time.sleep(LOOK_EVERY_SECONDS)
    return done


def complete(source_ids: set[str]) -> list[tuple[InboundMessage, int]]:
    """Those whose case is filed, clocked, and acknowledged by a file in the sent-mail folder."""
    found = []
    sent = Path(settings.EMAIL_FILE_PATH)
    filed = InboundMessage.objects.filter(
        source_id__in=source_ids, state=InboundMessage.State.FILED, case__sla_due_date__isnull=False
    )
    for inbound in filed:
        acknowledgment = OutboundMessage.objects.filter(
            case=inbound.case_id, purpose=OutboundMessage.Purpose.ACKNOWLEDGMENT, state=OutboundMessage.State.SENT
        ).first()
        if acknowledgment and any(sent.glob(f"{acknowledgment.pk:08d}-*.eml")):
            found.append((inbound, Task.objects.filter(case=inbound.case_id).count()))
    return found


def messages_per_second(letters: list[EmailMessage]) -> float:
    """The pipeline alone, in this process, on mails that are stored already.

    Raises RuntimeError when one of them did not become a case: the rate would say nothing.
    """
    now, box = timezone.now(), mailbox()
    ids = []
    for letter in letters:
        raw = letter.as_bytes()
        inbound, _is_new = store(box, source_id=sha256(raw).hexdigest(), raw=raw, received_at=now, at=now)
        ids.append(inbound.pk)
    started = time.perf_counter()
    states = [process_message(inbound_id, now=timezone.now()) for inbound_id in ids]
    seconds = time.perf_counter() - started
    if failed := [state for state in states if state != InboundMessage.State.FILED]:
        raise RuntimeError(f"{len(failed)} of {len(ids)} mails were not filed, the first is {failed[0]}.")
    return len(ids) / seconds
