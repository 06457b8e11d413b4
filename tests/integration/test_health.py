"""What the house says of its own health."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.db import DatabaseError
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import User
from accounts.services import make_token
from cases import listeners
from cases.models import ListenerCursor
from handyconnect import health, heartbeat
from handyconnect.celery import note_that_a_worker_lives, note_that_beat_lives, note_that_beat_starts
from handyconnect.tasks import heartbeat as heartbeat_task
from mail_ingest.models import InboundMessage
from tests.factories import NOON, MailboxFactory, UserFactory, later, make_case

pytestmark = pytest.mark.django_db

REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def alone(settings: Any) -> None:
    """No broker, and a cache that no other test or worker writes to."""
    settings.REDIS_URL = ""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "health"}}
    cache.clear()


def stored(*, at: datetime, **more: Any) -> InboundMessage:
    return InboundMessage.objects.create(
        mailbox=MailboxFactory.create(),
        source_id="1",
        sha256="0" * 64,
        size_bytes=1,
        received_at=at,
        stored_at=at,
        **more,
    )


def checks(*, now: datetime = NOON) -> dict[str, health.Finding]:
    return health.examine(now=now)


class TestReady:
    def test_is_green_on_a_fresh_start(self) -> None:
        response = Client().get("/health/ready")
        assert response.status_code == 200
        assert response.json()["status"] == "ok"
        found = response.json()["checks"]
        assert set(found) == {"database", "migrations", "broker", "worker", "beat", "mail", "events"}
        assert all(set(check) == {"ok", "detail"} and check["ok"] is True for check in found.values())
        assert "no-cache" in response.headers["Cache-Control"]

    def test_is_red_with_a_reason_without_its_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken() -> None:
            raise DatabaseError("password=swordfish")

        monkeypatch.setattr(health, "_database", broken)
        response = Client().get("/health/ready")
        assert response.status_code == 503
        assert response.json()["checks"]["database"] == {"ok": False, "detail": "does not answer"}

    def test_is_red_while_a_migration_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "_migrated", False)
        monkeypatch.setattr("django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_: [1, 2])
        assert checks()["migrations"] == health.Finding(ok=False, detail="2 to apply")
        assert "mail" not in checks()

    def test_is_red_without_the_configured_broker(self, settings: Any) -> None:
        settings.REDIS_URL = REDIS
        assert not checks()["broker"].ok

    def test_only_answers_reads(self) -> None:
        assert Client().post("/health/ready").status_code == 405
        assert Client().get("/health/live").json() == {"status": "ok"}


class TestTheHeartbeat:
    def test_of_worker_and_beat_is_awaited_where_there_is_a_broker(self, settings: Any) -> None:
        settings.REDIS_URL = REDIS
        now = timezone.now()
        found = checks(now=now)
        assert (found["worker"].ok, found["beat"].ok) == (False, False)
        heartbeat_task()
        note_that_beat_lives(sender="cases.tasks.drain_events")
        found = checks(now=now)
        assert (found["worker"].ok, found["beat"].ok) == (True, False)
        note_that_beat_lives(sender="handyconnect.tasks.heartbeat")
        assert checks(now=now)["beat"].ok
        assert not checks(now=now + timedelta(seconds=40))["worker"].ok

    def test_is_noted_at_once_when_they_start(self, settings: Any) -> None:
        settings.REDIS_URL = REDIS
        note_that_a_worker_lives()
        note_that_beat_starts()
        found = checks(now=timezone.now())
        assert (found["worker"].ok, found["beat"].ok) == (True, True)

    def test_remembers_since_when(self) -> None:
        heartbeat_task()
        first = heartbeat.pulse("worker")
        heartbeat_task()
        second = heartbeat.pulse("worker")
        assert first is not None
        assert second is not None
        assert second.since == first.since
        assert second.last >= first.last


class TestMail:
    def test_that_waits_for_a_moment_is_fine(self) -> None:
        stored(at=later(minutes=-4))
        assert checks()["mail"] == health.Finding(ok=True, detail="1 unprocessed, the oldest for 240 s")

    def test_that_was_left_lying_is_not(self) -> None:
        stored(at=later(minutes=-6))
        assert not checks()["mail"].ok

    def test_that_waits_for_its_next_try_is_fine(self) -> None:
        stored(at=later(minutes=-60), next_try_at=later(minutes=5))
        assert checks()["mail"].ok
        assert not checks(now=later(minutes=11))["mail"].ok

    def test_that_a_new_worker_has_still_to_catch_up_with_is_fine(self) -> None:
        now = timezone.now()
        stored(at=now - timedelta(days=2))
        assert not checks(now=now)["mail"].ok
        heartbeat_task()
        assert checks(now=now)["mail"].ok


class TestEvents:
    def test_that_nobody_has_read_for_long_are_told(self) -> None:
        listeners.create_cursors()
        make_case()
        now = timezone.now()
        found = checks(now=now)["events"]
        assert found.ok
        assert found.detail.split(",")[0] != "0 behind"
        assert not checks(now=now + timedelta(minutes=6))["events"].ok
        listeners.drain(now=now)
        assert checks(now=now + timedelta(minutes=6))["events"] == health.Finding(ok=True, detail="0 behind")

    def test_behind_the_slowest_listener_count(self) -> None:
        listeners.create_cursors()
        make_case()
        now = timezone.now()
        listeners.drain(now=now)
        ListenerCursor.objects.filter(pk=ListenerCursor.objects.first().pk).update(position=0)  # type: ignore[union-attr] # made above
        assert not checks(now=now + timedelta(minutes=6))["events"].ok


class TestMetrics:
    def test_are_real_numbers(self) -> None:
        stored(at=timezone.now())
        text = Client().get("/metrics").content.decode()
        assert "handyconnect_messages_unprocessed 1.0" in text
        assert "handyconnect_outbound_waiting 0.0" in text
        assert "handyconnect_check_database 1.0" in text

    @pytest.mark.parametrize(
        ("meta", "status"),
        [
            ({"REMOTE_ADDR": "127.0.0.1"}, 200),
            ({"REMOTE_ADDR": "::1"}, 200),
            ({"REMOTE_ADDR": "203.0.113.7"}, 403),
            ({"REMOTE_ADDR": ""}, 403),
            ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}, 403),
            ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.7"}, 403),
        ],
    )
    def test_are_not_for_strangers(self, meta: dict[str, str], status: int) -> None:
        assert Client(**meta).get("/metrics").status_code == status  # type: ignore[arg-type] # WSGI's environ

    @pytest.mark.parametrize(("role", "status"), [("supervisor", 200), ("administrator", 200), ("agent", 403)])
    def test_are_for_those_who_steer(self, role: str, status: int) -> None:
        user: User = UserFactory.create(role=role)
        away = {"REMOTE_ADDR": "203.0.113.7"}
        token = make_token(user, at=timezone.now())
        client = Client(**away)  # type: ignore[arg-type] # WSGI's environ
        assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == status
        client.force_login(user)
        assert client.get("/metrics").status_code == status
        assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == status


class TestUnderASGI:
    @pytest.mark.django_db(transaction=True)
    def test_a_slash_at_the_end_is_tolerated_too(self) -> None:
        get = async_to_sync(AsyncClient().get)
        assert get("/api/me/").status_code == 401
        assert get("/health/live").status_code == 200
