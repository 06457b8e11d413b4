"""The home page of the admin: what there is to do, as numbers that each open exactly the rows they count."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import may_steer, person_of
from analytics.queries.state import queue_counts
from cases import listeners
from cases.models import Case, ListenerFailure
from cases.queues import QUEUES, due_next
from mail_ingest.models import InboundMessage, Mailbox, OutboundMessage

DUE_SHOWN = 10
TONES = {"at_risk": "warn", "breached": "bad", "unassigned": "warn"}
UNDELIVERED = (OutboundMessage.State.FAILED, OutboundMessage.State.MAYBE_SENT)


@dataclass(frozen=True, slots=True)
class Tile:
    """A number and the rows behind it. `tone` colours it when it is not zero."""

    name: str
    label: str | Promise
    count: int
    url: str
    tone: str = ""


def cockpit(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What unfold calls for the home page: the context with the cockpit in it."""
    if may_steer(request):
        context |= {
            "work": work(request),
            "troubles": troubles(),
            "mailboxes": list(Mailbox.objects.order_by("-is_active", "name")),
            "due": list(due_next(Case.objects.all(), now=timezone.now()).select_related("assigned_to")[:DUE_SHOWN]),
            "events_behind": listeners.behind(),
        }
    return context


def work(request: HttpRequest) -> list[Tile]:
    """The queues of cases, each with its number."""
    reader, now = person_of(request), timezone.localtime()
    counts = queue_counts(reader, now=now)
    return [
        Tile(name, QUEUES[name].label, counts[name], rows("cases_case", queue=name), TONES.get(name, ""))
        for name in counts
    ]


def troubles() -> list[Tile]:
    """What waits for a decision or is broken."""
    quarantined = InboundMessage.objects.filter(state=InboundMessage.State.QUARANTINED).count()
    undelivered = OutboundMessage.objects.filter(state__in=UNDELIVERED).count()
    set_aside = ListenerFailure.objects.filter(set_aside_at__isnull=False, settled_at=None).count()
    failing = Mailbox.objects.filter(Q(health=Mailbox.Health.FAILING), is_active=True).count()
    return [
        Tile(
            "quarantined",
            gettext_lazy("Mails in quarantine"),
            quarantined,
            rows("mail_ingest_inboundmessage", state__exact=InboundMessage.State.QUARANTINED),
            "bad",
        ),
        Tile(
            "undelivered",
            gettext_lazy("Mails not delivered"),
            undelivered,
            rows("mail_ingest_outboundmessage", state__exact=list(UNDELIVERED)),
            "bad",
        ),
        Tile(
            "set_aside",
            gettext_lazy("Events set aside"),
            set_aside,
            rows("cases_listenerfailure", state="set_aside"),
            "bad",
        ),
        Tile(
            "failing",
            gettext_lazy("Mailboxes failing"),
            failing,
            rows("mail_ingest_mailbox", health__exact=Mailbox.Health.FAILING, is_active__exact=1),
            "bad",
        ),
    ]


def rows(admin_name: str, **parameters: Any) -> str:
    """The admin's list of these rows."""
    return f"{reverse(f'admin:{admin_name}_changelist')}?{urlencode(parameters, doseq=True)}"


def environment(_request: HttpRequest) -> list[str] | None:
    """The badge beside every title: that this is somebody's own computer, not the installation that all work with."""
    return [_("Local"), "info"] if settings.EMBEDDED else None
