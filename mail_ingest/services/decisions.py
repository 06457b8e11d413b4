"""What people decide about mail of the queue: to take it back, or to send it again."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.models import User
from cases import facts
from handyconnect.refusals import Conflict, NotAllowed, NotFound
from mail_ingest.models import OutboundMessage
from mail_ingest.services.drafts import give_back
from mail_ingest.services.outbound import tell

State = OutboundMessage.State


class OutboundGone(NotFound):
    code = "outbound_not_found"

    def __init__(self, outbound_id: int) -> None:
        super().__init__(_("There is no outbound mail %(id)s.") % {"id": outbound_id})


class NotYours(NotAllowed):
    """Only who wrote a mail, or a supervisor, decides about it."""

    code = "not_yours"


class TooLate(Conflict):
    """The mail is past the point at which this can be done; `state` says where it is."""

    code = "outbound_state"


@transaction.atomic
def cancel(outbound_id: int, *, at: datetime, actor: Actor) -> OutboundMessage:
    """Take back a mail that waits. Its text goes into its writer's draft. Repeating it does nothing.

    Raises OutboundGone, NotYours, and TooLate once it is being sent.
    """
    outbound = _decided_by(actor, outbound_id)
    if outbound.state == State.CANCELLED:
        return outbound
    if outbound.state != State.WAITING:
        raise TooLate(
            _("It cannot be taken back any more: it is “%(state)s”.") % _shown(outbound), state=outbound.state
        )
    outbound.state = State.CANCELLED
    outbound.finished_at = at
    outbound.save(update_fields=["state", "finished_at"])
    tell(facts.outbound_cancelled, outbound, actor=actor, at=at)
    give_back(outbound, at=at)
    return outbound


@transaction.atomic
def retry(outbound_id: int, *, at: datetime, actor: Actor) -> OutboundMessage:
    """Send a mail again that has failed or may have been sent: somebody has looked. Its Message-ID stays the same.

    Raises OutboundGone, NotYours, and TooLate for a mail in any other state.
    """
    outbound = _decided_by(actor, outbound_id)
    old = outbound.state
    if old not in {State.FAILED, State.MAYBE_SENT}:
        raise TooLate(_("It cannot be sent again: it is “%(state)s”.") % _shown(outbound), state=outbound.state)
    outbound.state, outbound.attempts, outbound.reason = State.WAITING, 0, ""
    outbound.send_after, outbound.finished_at = at, None
    outbound.save(update_fields=["state", "attempts", "reason", "send_after", "finished_at"])
    tell(facts.outbound_queued, outbound, actor=actor, at=at, again_after=old)
    return outbound


def _decided_by(actor: Actor, outbound_id: int) -> OutboundMessage:
    """The mail, locked, if this person may decide about it. Raises OutboundGone and NotYours."""
    there = OutboundMessage.objects.select_related("case", "author").filter(case__deleted_at=None)
    outbound = there.select_for_update(of=("self",)).filter(pk=outbound_id).first()
    if outbound is None:
        raise OutboundGone(outbound_id)
    if outbound.author_id != actor.user_id and not User.objects.get(pk=actor.user_id).may_steer:
        raise NotYours(_("Only who wrote a mail, or a supervisor, can do this."))
    return outbound


def _shown(outbound: OutboundMessage) -> dict[str, str]:
    return {"state": outbound.get_state_display()}
