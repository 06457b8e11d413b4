"""The event log: writing an event, sealing the log in order, and checking the seal.

Ids are given before commit and commits overtake each other, so nothing that reads the log in order may read ids: the
sealer gives each committed event its gapless position and a hash that chains it to the one before.
"""

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.actors import Actor
from cases.models import Case, EventDetail, LogHead, TimelineEvent

SEAL_BATCH = 200


class Own(threading.local):
    """The newest event that this thread has written, and up to which one a drain has been asked for.

    Signals are sent after commit, so whatever this thread had written when the first of them came is in the log by then.
    """

    written = 0
    asked_up_to = 0

    def wrote(self, event_id: int) -> None:
        if event_id <= self.asked_up_to:  # ids start again where a database does, as in tests
            self.asked_up_to = 0
        self.written = event_id

    def is_asked_for(self, event_id: int) -> bool:
        return event_id <= self.asked_up_to

    def asked_for_all(self) -> None:
        self.asked_up_to = self.written


own = Own()


class OutsideTransaction(RuntimeError):
    """An event belongs to the transaction of its change; without one, either could be lost without the other."""


def record(
    *,
    kind: str,
    actor: Actor,
    at: datetime,
    case: Case | None,
    subject: models.Model,
    changes: Mapping[str, Any],
    data: Mapping[str, Any],
    personal: Mapping[str, Any],
) -> TimelineEvent:
    """Write one event into the current transaction. Called by `cases.facts.Fact.emit` and by nobody else.

    `changes` maps a field to [old, new]; `personal` is what may have to be erased one day. Raises OutsideTransaction.
    """
    if not connection.in_atomic_block:
        raise OutsideTransaction(kind)
    salt = secrets.token_hex(16) if personal else ""
    body = json.loads(canonical(personal))
    event = TimelineEvent.objects.create(
        kind=kind,
        case=case,
        subject_type=subject._meta.model_name or "",  # noqa: SLF001 - Django's public name for it
        subject_id=str(subject.pk),
        actor_kind=actor.kind,
        actor_reference=actor.reference,
        occurred_at=at,
        recorded_at=timezone.now(),
        changes=json.loads(canonical(changes)),
        data=json.loads(canonical(data)),
        detail_digest=digest(salt, body) if personal else "",
        cause_id=actor.cause_id,
        depth=actor.depth,
    )
    if personal:
        EventDetail.objects.create(event=event, salt=salt, body=body)
    own.wrote(event.pk)
    return event


def canonical(value: Any) -> str:
    """One text for one value: keys sorted, no spaces, dates and ids as Django's JSON encoder writes them."""
    return json.dumps(value, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(salt: str, body: Any) -> str:
    """SHA-256, in hex, of the salt and the canonical body of an event's personal part."""
    return hashlib.sha256(f"{salt}\n{canonical(body)}".encode()).hexdigest()


def chain(previous_hash: str, event: TimelineEvent, position: int) -> str:
    """SHA-256, in hex, of the previous event's hash and everything that this event says."""
    return hashlib.sha256(
        canonical(
            [
                previous_hash,
                position,
                event.pk,
                event.kind,
                event.case_id,
                event.subject_type,
                event.subject_id,
                event.actor_kind,
                event.actor_reference,
                event.occurred_at.isoformat(),
                event.recorded_at.isoformat(),
                event.changes,
                event.data,
                event.detail_digest,
                event.cause_id,
                event.depth,
            ]
        ).encode()
    ).hexdigest()


def seal() -> int:
    """Give every committed event its place in the log; the number sealed. Safe to repeat and to run twice at once."""
    sealed = 0
    while batch := _seal_batch():
        sealed += batch
    return sealed


@transaction.atomic
def _seal_batch() -> int:
    if not TimelineEvent.objects.unsealed().exists():
        return 0
    head = LogHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        LogHead.objects.get_or_create(pk=1)
        head = LogHead.objects.select_for_update().get(pk=1)
    events = list(TimelineEvent.objects.unsealed().order_by("id")[:SEAL_BATCH])
    for event in events:
        head.position += 1
        head.hash = chain(head.hash, event, head.position)
        event.position, event.hash = head.position, head.hash
    table = connection.ops.quote_name(TimelineEvent._meta.db_table)  # noqa: SLF001 - Django's public name for it
    with connection.cursor() as cursor:  # one short statement many times: several times quicker than one that lists all
        cursor.executemany(
            f"UPDATE {table} SET position = %s, hash = %s WHERE id = %s",  # noqa: S608 - our own table's name
            [(event.position, event.hash, event.pk) for event in events],
        )
    head.save(update_fields=["position", "hash"])
    return len(events)


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the log does not hold: the position and what is wrong there."""

    position: int
    detail: str


def verify() -> Iterator[Fault]:
    """Walk the sealed log and name every place where an event, its order or its personal part was tampered with."""
    previous_hash, expected = "", 1
    events = TimelineEvent.objects.sealed().order_by("position").select_related("detail")
    for event in events.iterator(chunk_size=1000):
        position = event.position or 0
        if position != expected:
            yield Fault(expected, f"the event at position {expected} is missing")
        if event.hash != chain(previous_hash, event, position):
            yield Fault(position, f"event {event.pk} is not what was sealed")
        detail = getattr(event, "detail", None)
        if event.detail_digest and detail is None:
            yield Fault(position, f"the personal part of event {event.pk} is missing")
        elif detail and detail.body is not None and digest(detail.salt, detail.body) != event.detail_digest:
            yield Fault(position, f"the personal part of event {event.pk} was changed")
        previous_hash, expected = event.hash, position + 1
    head = LogHead.objects.filter(pk=1).first()
    if head and (head.position != expected - 1 or head.hash != previous_hash):
        yield Fault(head.position, "the end of the log is missing")
