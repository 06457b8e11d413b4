"""What the house says of its own health: `/health/live`, `/health/ready` and `/metrics`.

Live: this process answers. Ready: everything that it needs is there, and nothing has been left lying. Each check says
in words what it found; it says nothing that a stranger could use.
"""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from rest_framework.exceptions import APIException
from rest_framework.request import Request as APIRequest

from accounts.authentication import BearerAuthentication
from accounts.models import User
from cases import listeners
from cases.models import ListenerFailure, TimelineEvent
from handyconnect import broker, heartbeat
from handyconnect.api.errors import problem_response
from mail_ingest.models import InboundMessage, OutboundMessage

log = structlog.get_logger(__name__)

LEFT_LYING_AFTER = timedelta(minutes=5)
SILENT_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Finding:
    ok: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "detail": self.detail}


@never_cache
@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """200 when every check is fine, else 503; either way each check with its reason."""
    findings = examine(now=timezone.now())
    is_ready = all(finding.ok for finding in findings.values())
    return JsonResponse(
        {
            "status": "ok" if is_ready else "not ready",
            "checks": {name: finding.as_json() for name, finding in findings.items()},
        },
        status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


def examine(*, now: datetime) -> dict[str, Finding]:
    """Every check by name. A check that fails in a way nobody thought of is red; its text is logged, not shown."""
    findings = {"database": _safely("database", _database)}
    if findings["database"].ok:
        findings["migrations"] = _safely("migrations", _migrations)
    findings["broker"] = _safely("broker", _broker)
    for part in (heartbeat.WORKER, heartbeat.BEAT):
        findings[part] = _safely(part, lambda part=part: _pulse(part, now=now))  # type: ignore[misc] # binds the loop's value
    if findings["database"].ok and findings["migrations"].ok:
        findings["mail"] = _safely("mail", lambda: _mail(now=now))
        findings["events"] = _safely("events", lambda: _events(now=now))
    return findings


def _safely(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception:
        log.warning("health_check_failed", check=name, exc_info=True)
        return Finding(ok=False, detail="does not answer")


def _database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return Finding(ok=True, detail=connection.vendor)


_migrated = False


def _migrations() -> Finding:
    """Asked until it is green once: this process's code can need no further ones."""
    global _migrated  # noqa: PLW0603 - for the life of the process
    if not _migrated:
        executor = MigrationExecutor(connection)
        if missing := len(executor.migration_plan(executor.loader.graph.leaf_nodes())):
            return Finding(ok=False, detail=f"{missing} to apply")
        _migrated = True
    return Finding(ok=True, detail="applied")


def _broker() -> Finding:
    if not settings.REDIS_URL:
        return Finding(ok=True, detail="none configured")
    answers = broker.answers(settings.REDIS_URL)
    return Finding(ok=answers, detail="answers" if answers else "does not answer")


def _pulse(part: str, *, now: datetime) -> Finding:
    if not settings.REDIS_URL:
        return Finding(ok=True, detail="not watched: no broker is configured")
    pulse = heartbeat.pulse(part)
    if pulse is None:
        return Finding(ok=False, detail="not heard of")
    silent_seconds = max((now - pulse.last).total_seconds(), 0)
    return Finding(ok=silent_seconds <= SILENT_AFTER.total_seconds(), detail=f"heard {silent_seconds:.0f} s ago")


def _mail(*, now: datetime) -> Finding:
    pending = InboundMessage.objects.pending().count()
    if not pending:
        return Finding(ok=True, detail="nothing waits")
    oldest = InboundMessage.objects.due(now).order_by("stored_at").first()
    if oldest is None:
        return Finding(ok=True, detail=f"{pending} wait for their next try")
    since = max(oldest.stored_at, oldest.next_try_at or oldest.stored_at)
    return _waiting(since, now=now, detail=f"{pending} unprocessed")


def _events(*, now: datetime) -> Finding:
    behind = listeners.behind()
    aside = ListenerFailure.objects.filter(set_aside_at__isnull=False, settled_at=None).count()
    detail = f"{behind} behind" + (f", {aside} set aside" if aside else "")
    oldest = oldest_unread_event() if behind else None
    return _waiting(oldest.recorded_at, now=now, detail=detail) if oldest else Finding(ok=True, detail=detail)


def oldest_unread_event() -> TimelineEvent | None:
    """The first event that some listener has not finished; unsealed ones count."""
    sealed = TimelineEvent.objects.after(listeners.slowest_position()).first()
    return sealed or TimelineEvent.objects.unsealed().order_by("id").first()


def _waiting(since: datetime, *, now: datetime, detail: str) -> Finding:
    """Red when it has lain there for long while there was a worker to take it.

    After a long stop there may be a lot to catch up with, and that is no reason to call the start a failure.
    """
    age = now - since
    worker = heartbeat.pulse(heartbeat.WORKER)
    had = min(age, now - worker.since) if worker else age
    lies = had > LEFT_LYING_AFTER
    return Finding(ok=not lies, detail=f"{detail}, the oldest for {max(age.total_seconds(), 0):.0f} s")


# --- Metrics ----------------------------------------------------------------------------------------------------------


class House:
    """Prometheus's collector: asks the database when it is scraped."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        pending = InboundMessage.objects.pending()
        oldest = pending.order_by("stored_at").values_list("stored_at", flat=True).first()
        unread = oldest_unread_event() if (behind := listeners.behind()) else None
        yield _gauge("messages_unprocessed", "Mails that are stored and not yet finished.", pending.count())
        yield _gauge("oldest_message_seconds", "Age of the oldest of them.", _age(oldest, now))
        yield _gauge("events_behind", "Events that the slowest listener has still to read.", behind)
        yield _gauge(
            "oldest_event_seconds", "Age of the oldest of them.", _age(unread.recorded_at if unread else None, now)
        )
        aside = ListenerFailure.objects.filter(set_aside_at__isnull=False, settled_at=None).count()
        yield _gauge("events_set_aside", "Events that a listener could not handle.", aside)
        waiting = OutboundMessage.objects.filter(state=OutboundMessage.State.WAITING).count()
        yield _gauge("outbound_waiting", "Mails that wait to be sent.", waiting)
        for name, finding in examine(now=now).items():
            yield _gauge(f"check_{name}", f"1 while the check “{name}” is fine.", int(finding.ok))


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"handyconnect_{name}", documentation, value=value)


def _age(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0) if since else 0


registry = CollectorRegistry(auto_describe=False)
registry.register(House())


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For supervisors, their tokens, and a scraper on this very machine."""
    if not (_is_local(request) or _may_steer(request)):
        return problem_response(
            HTTPStatus.FORBIDDEN, "Metrics are for supervisors and for this machine itself.", code="permission_denied"
        )
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    """Behind a proxy everybody seems to come from this machine, so what was passed on does not count as local."""
    behind_proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) is not None
    if behind_proxy or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _may_steer(request: HttpRequest) -> bool:
    user = request.user
    if not isinstance(user, User):
        try:
            found = BearerAuthentication().authenticate(APIRequest(request))
        except APIException:
            return False
        user = found[0] if found else user
    return isinstance(user, User) and user.is_active and user.may_steer
