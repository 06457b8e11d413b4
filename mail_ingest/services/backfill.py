"""Old mail, asked for by date: read in pieces from the oldest on, filed, and answered by nobody."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from accounts.actors import Actor
from cases import facts
from handyconnect.refusals import Conflict, Invalid, NotFound
from mail_ingest.models import Backfill, InboundMessage, Mailbox
from mail_ingest.services.rounds import roles_of
from mail_ingest.services.taking import Clock, Stuck, take_in
from mail_ingest.sources.base import Page, PositionLost, Reader, SourceUnavailable
from mail_ingest.sources.opening import opened

log = structlog.get_logger(__name__)

STEP_LASTS = timedelta(minutes=1)
LEASE = timedelta(minutes=4)
RENEWED_AFTER = timedelta(minutes=1)
TRIED_AGAIN_AFTER = timedelta(minutes=2)
GIVES_UP_ON_AFTER = 3
INTAKE = Actor.system("intake")


class BackfillRunning(Conflict):
    """A mailbox has one backfill at a time."""

    code = "backfill_running"


class _Taken(Exception):
    """Somebody else goes on with it by now, or it was stopped."""


@transaction.atomic
def request_backfill(
    mailbox: Mailbox, *, since: datetime, until: datetime | None = None, at: datetime, actor: Actor
) -> Backfill:
    """Have the mail read that was received in `since <= received < until`, by default until now.

    What is known already stays as it is. Raises Invalid for a span or a mailbox that cannot be, BackfillRunning.
    """
    until = min(until or at, at)
    if since >= until:
        raise Invalid(_("The beginning has to lie before the end, and before now."), field="since")
    if mailbox.kind == Mailbox.Kind.FOLDER:
        raise Invalid(_("A folder of files is read whole: drop the old mail into it, or import it."), field="mailbox")
    try:
        with transaction.atomic():
            backfill = Backfill.objects.create(
                mailbox=mailbox,
                since=since,
                until=until,
                requested_by_id=actor.user_id,
                created_at=at,
            )
    except IntegrityError as error:
        raise BackfillRunning(
            _("Old mail of this mailbox is being read already. Wait until it is done, or stop it.")
        ) from error
    facts.backfill_requested.emit(
        subject=backfill,
        actor=actor,
        at=at,
        data={"mailbox": mailbox.slug, "since": since.isoformat(), "until": until.isoformat()},
    )
    return backfill


@transaction.atomic
def stop_backfill(backfill_id: int, *, at: datetime, actor: Actor) -> Backfill:
    """Stop reading; what was read stays. Does nothing to one that is finished. Raises NotFound."""
    backfill = Backfill.objects.select_for_update().filter(pk=backfill_id).first()
    if backfill is None:
        raise NotFound(_("There is no backfill %(id)s.") % {"id": backfill_id})
    if backfill.state == Backfill.State.RUNNING:
        _finish(backfill, Backfill.State.STOPPED, at=at, actor=actor)
    return backfill


def backfills_to_continue(*, now: datetime) -> list[int]:
    due = Q(next_step_at=None) | Q(next_step_at__lte=now)
    return list(
        Backfill.objects.filter(due, state=Backfill.State.RUNNING, mailbox__is_active=True)
        .order_by("created_at")
        .values_list("pk", flat=True)
    )


def backfill_step(backfill_id: int, *, clock: Clock) -> int:
    """Read one piece, for about a minute; how many mails were new. May be killed anywhere and repeated.

    `next_step_at` is the lease: a piece that was killed goes on when it has passed.
    """
    now = clock()
    due = Q(next_step_at=None) | Q(next_step_at__lte=now)
    if not Backfill.objects.filter(due, pk=backfill_id, state=Backfill.State.RUNNING).update(next_step_at=now + LEASE):
        return 0
    backfill = Backfill.objects.select_related("mailbox").get(pk=backfill_id)
    step = _Step(backfill, clock)
    try:
        with opened(backfill.mailbox) as reader:
            step.run(reader)
    except _Taken:
        pass
    except (DatabaseError, InterfaceError):
        raise
    except Stuck as stuck:
        step.stuck(stuck)
    except SourceUnavailable as error:
        step.failed(error)
    except Exception as error:
        log.exception("backfill_broke", backfill_id=backfill_id)
        step.failed(
            SourceUnavailable(
                _("It failed in an unexpected way (%(error)s); the log has more.") % {"error": type(error).__name__}
            )
        )
    return step.new


class _Step:
    """One piece. The position is {role, at}: the folder that is being read, and the source's own position in it."""

    def __init__(self, backfill: Backfill, clock: Clock) -> None:
        self.new = 0
        self._backfill = backfill
        self._clock = clock
        self._began_at = clock()

    def run(self, reader: Reader) -> None:
        """The inbox first: an answer out of the sent items finds its case then."""
        roles = roles_of(self._backfill.mailbox)
        begun = self._backfill.position.get("role", roles[0])
        for role in roles[roles.index(begun) if begun in roles else 0 :]:
            if not self._folder(reader, role):
                self._save(next_step_at=self._clock())
                return
        with transaction.atomic():
            backfill = Backfill.objects.select_for_update().get(pk=self._backfill.pk)
            if backfill.state == Backfill.State.RUNNING:
                _finish(backfill, Backfill.State.DONE, at=self._clock(), actor=INTAKE)

    def _folder(self, reader: Reader, role: str) -> bool:
        """Whether the folder is read to the end of the span."""
        position = self._backfill.position
        here: dict[str, Any] = position.get("at", {}) if position.get("role") == role else {}
        for _attempt in range(2):
            try:
                return self._pages(reader, role, here)
            except PositionLost:  # begin anew; what is known stays as it is
                here = {}
                self._save(position={"role": role, "at": {}})
        raise SourceUnavailable(_("The server forgets at once how far it was read; it is asked again later."))

    def _pages(self, reader: Reader, role: str, here: dict[str, Any]) -> bool:
        backfill = self._backfill
        gives_up = backfill.position.get("times", 0) >= GIVES_UP_ON_AFTER - 1
        for page in reader.listing(role, since=backfill.since, until=backfill.until, position=here):
            taken = take_in(
                reader,
                backfill.mailbox,
                page.items,
                role=role,
                origin=InboundMessage.Origin.BACKFILL,
                clock=self._clock,
                goes_on=self._goes_on,
                give_up_on=backfill.position.get("stuck", "") if gives_up else "",
            )
            self.new += taken.new
            if not taken.complete:
                self._save(stored=F("stored") + taken.new)
                return False
            self._keep(role, page, new=taken.new)
            if page.last:
                return True
            if not self._goes_on():
                return False
        return False

    def _keep(self, role: str, page: Page, *, new: int) -> None:
        self._save(
            position={"role": role, "at": dict(page.position)},
            found=F("found") + len(page.items),
            stored=F("stored") + new,
            detail="",
        )

    def _goes_on(self) -> bool:
        now = self._clock()
        lease = self._backfill.next_step_at
        if lease is None or lease - now < LEASE - RENEWED_AFTER:
            self._save(next_step_at=now + LEASE)
        return now - self._began_at < STEP_LASTS

    def stuck(self, stuck: Stuck) -> None:
        """Count how often it broke off at the same message, which the third time is set aside."""
        position = dict(self._backfill.position)
        if not (stuck.error.lasting or stuck.error.retry_at):
            times = position.get("times", 0) + 1 if position.get("stuck") == stuck.source_id else 1
            position |= {"stuck": stuck.source_id, "times": times}
        self.failed(stuck.error, position=position)

    def failed(self, error: SourceUnavailable, **more: Any) -> None:
        now = self._clock()
        log.warning("backfill_waits", backfill_id=self._backfill.pk, reason=error.detail)
        waits_until = max(error.retry_at or now, now + TRIED_AGAIN_AFTER)
        try:
            self._save(detail=error.detail, next_step_at=waits_until, **more)
        except _Taken:
            log.info("backfill_taken", backfill_id=self._backfill.pk)

    def _save(self, **values: Any) -> None:
        """Write to the row while it is ours. Raises _Taken."""
        mine = Backfill.objects.filter(
            pk=self._backfill.pk, state=Backfill.State.RUNNING, next_step_at=self._backfill.next_step_at
        )
        if not mine.update(**values):
            raise _Taken
        self._backfill.refresh_from_db(fields=list(values))


def _finish(backfill: Backfill, state: str, *, at: datetime, actor: Actor) -> None:
    backfill.state, backfill.finished_at, backfill.next_step_at = state, at, None
    backfill.save(update_fields=["state", "finished_at", "next_step_at"])
    facts.backfill_finished.emit(
        subject=backfill,
        actor=actor,
        at=at,
        data={"state": state, "found": backfill.found, "stored": backfill.stored},
    )
