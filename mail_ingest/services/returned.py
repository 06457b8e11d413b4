"""Mail of ours that came back, or of which somebody reports: the report is put beside the mail that it is about."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from mail_ingest import message_ids
from mail_ingest.bounces import Action, BounceReport, Kind, Result
from mail_ingest.keys import accepted_keys
from mail_ingest.models import OutboundMessage
from mail_ingest.services.sending import confirm_sent, mark_bounced

TOLD = (Action.FAILED, Action.DELAYED)
SENT = (OutboundMessage.State.SENT, OutboundMessage.State.MAYBE_SENT)
_LATELY = timedelta(days=5)
_LOOKED_AT = 2


def reported_on(report: BounceReport, *, mailbox_id: int) -> OutboundMessage | None:
    """The mail of ours that a report is about: by its Message-ID; by the case that our signature in an id or address names and
    the recipient; at last by recipient, subject and mailbox, if one mail of the last days alone fits.

    Anybody can write a report. So it has to name the mail itself, or somebody whom the mail was sent to.
    """
    mails = OutboundMessage.objects.select_related("thread", "case").filter(state__in=SENT)
    ids = list(report.original_message_ids)
    named = {mail.message_id: mail for mail in mails.filter(message_id__in=ids)}
    exact = next((named[one] for one in ids if one in named), None)
    if exact and (len(report.results) <= 1 or _names_recipient(report.results, exact)):
        return exact
    to_them = mails.filter(recipient__in=[one for result in report.results for one in result.recipients])
    of_case = to_them.filter(case__in=_signed_cases(report)).order_by("-created_at", "-pk").first()
    if of_case:
        return of_case
    newest = to_them.filter(mailbox=mailbox_id, subject=report.original_subject).order_by("-created_at")[:_LOOKED_AT]
    fitting = list(newest) if report.original_subject else []
    lately = [mail for mail in fitting if mail.created_at > fitting[0].created_at - _LATELY]
    return lately[0] if len(lately) == 1 else None


def note_report(report: BounceReport, outbound: OutboundMessage, *, at: datetime) -> None:
    """Mark the mail as returned where the report says so. A mail that is reported on was certainly sent."""
    if outbound.state == OutboundMessage.State.MAYBE_SENT:
        confirm_sent(outbound.message_id, at=at)
    if report.kind not in {Kind.FAILURE, Kind.DELAY}:
        return
    mark_bounced(
        outbound.pk,
        [
            {
                "recipient": result.original_recipient or result.recipient or outbound.recipient,
                "reason": result.reason,
                "status": result.status or result.smtp_code,
                "detail": result.diagnostic,
                # What a server gave up on came back for good, also where its code is a passing one (4.x.x).
                "is_permanent": result.action == Action.FAILED,
            }
            for result in report.results
            if result.action in TOLD
        ],
        at=at,
    )


def _names_recipient(results: Iterable[Result], outbound: OutboundMessage) -> bool:
    people = {outbound.recipient, *(str(one["email"]).lower() for one in (*outbound.to, *outbound.cc, *outbound.bcc))}
    return any(result.recipients & people for result in results)


def _signed_cases(report: BounceReport) -> list[UUID]:
    keys = accepted_keys()
    by_id = (message_ids.read(one, keys=keys) for one in report.original_message_ids)
    by_tag = (message_ids.read_tag(tag, keys=keys) for tag in message_ids.tags_in(report.original_senders))
    return [case_id for case_id in (*by_id, *by_tag) if case_id]
