"""How mail follows its case into another one, and back: the mergers of `cases.lifecycle`.

Whoever files or sends a mail locks it, then its conversation, then the case. So the conversations of a case that is to be
merged are locked before the cases are.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Q

from accounts.actors import Actor
from cases.lifecycle import Merger, hooks
from cases.models import Case
from cases.services import change_status, touch
from mail_ingest.models import Draft, EmailMessage, EmailThread, InboundMessage, OutboundMessage

MERGING = Actor.system("merging")


def lock_mail(case_id: UUID) -> None:
    """Everything of the case that somebody may be filing or sending right now, in the order in which they lock it."""
    sending = OutboundMessage.objects.filter(case=case_id, state__in=["waiting", "sending"])
    list(sending.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    threads = EmailThread.objects.filter(case=case_id)
    list(threads.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def move_threads(source: Case, target: Case, _at: datetime) -> list[int]:
    """The conversations, and with them what the intake ledger says of their mails."""
    ids = list(EmailThread.objects.filter(case=source).order_by("pk").values_list("pk", flat=True))
    _put(ids, target)
    return ids


def move_threads_back(ids: Sequence[int], source: Case, target: Case, at: datetime) -> list[int]:
    """Those that are still there, with the mail that came since. What a person wrote after the case was resolved takes it
    up again, as it would have done had there been no merge."""
    still = list(EmailThread.objects.filter(pk__in=ids, case=target).values_list("pk", flat=True))
    if not still:
        return []
    _put(still, source)
    # What was sent in these conversations since belongs to them, too.
    OutboundMessage.objects.filter(thread__in=still, case=target).update(case=source)
    emails = EmailMessage.objects.filter(thread__in=still)
    if newest := emails.aggregate(at=Max("received_at"))["at"]:
        touch(source, at=newest)
    if source.resolved_at and source.status in {Case.Status.RESOLVED, Case.Status.CLOSED}:
        asked = emails.filter(
            direction=EmailMessage.Direction.INBOUND,
            automatic=EmailMessage.Automatic.PERSON,
            received_at__gt=source.resolved_at,
        )
        if asked.exists():
            change_status(source.pk, Case.Status.IN_PROGRESS, at=at, actor=MERGING)
    return still


def move_outbound(source: Case, target: Case, _at: datetime) -> list[int]:
    """What waits to be sent, and the record of what was."""
    ids = list(OutboundMessage.objects.filter(case=source).order_by("pk").values_list("pk", flat=True))
    OutboundMessage.objects.filter(pk__in=ids).update(case=target)
    return ids


def move_outbound_back(ids: Sequence[int], source: Case, target: Case, _at: datetime) -> list[int]:
    still = list(OutboundMessage.objects.filter(pk__in=ids, case=target).values_list("pk", flat=True))
    OutboundMessage.objects.filter(pk__in=still).update(case=source)
    return still


def move_drafts(source: Case, target: Case, _at: datetime) -> list[int]:
    """What colleagues are writing; where somebody already writes the same kind of thing over there, theirs stays."""
    there = set(Draft.objects.filter(case=target).values_list("author", "kind"))
    drafts = Draft.objects.filter(case=source).order_by("pk").values_list("pk", "author", "kind")
    ids = [pk for pk, author, kind in drafts if (author, kind) not in there]
    Draft.objects.filter(pk__in=ids).update(case=target)
    return ids


def move_drafts_back(ids: Sequence[int], source: Case, target: Case, at: datetime) -> list[int]:
    here = set(Draft.objects.filter(case=source).values_list("author", "kind"))
    drafts = Draft.objects.filter(pk__in=ids, case=target).values_list("pk", "author", "kind")
    still = [pk for pk, author, kind in drafts if (author, kind) not in here]
    Draft.objects.filter(pk__in=still).update(case=source)
    return still


def _put(thread_ids: Sequence[int], case: Case) -> None:
    EmailThread.objects.filter(pk__in=thread_ids).update(case=case)
    in_case = Q(case__isnull=False)  # a mail that is not filed yet has no case until it is
    InboundMessage.objects.filter(in_case, email__thread__in=thread_ids).update(case=case)


def connect() -> None:
    hooks.mergers += [
        Merger("threads", move_threads, move_threads_back, lock_mail),
        Merger("outbound", move_outbound, move_outbound_back),
        Merger("drafts", move_drafts, move_drafts_back),
    ]
