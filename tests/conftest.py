"""Fixtures for every test. The suite runs on SQLite and, with DATABASE_URL and REDIS_URL, on PostgreSQL and Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import TransactionTestCase
from django.test.testcases import TestCase
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from cases import append_only
from tests.factories import UserFactory

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, settings: Settings) -> Path:
    """Nothing that a test writes lands in the real state folder."""
    settings.VAR = tmp_path
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail" / "sent")
    return tmp_path


@pytest.fixture(autouse=True)
def as_after_an_installation(settings: Settings) -> None:
    """Pages find their static files without a `collectstatic` before the tests, and passwords cost no time."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real mails beside the checkout. Tests that need it are skipped where it is absent."""
    if not CORPORA.is_dir():
        pytest.skip("the corpora of real mails are not beside this checkout")
    return CORPORA


@pytest.fixture(autouse=True, scope="session")
def flushable_event_log() -> Iterator[None]:
    """Tests with real transactions end in a flush, which the append-only event log refuses: lift it for that moment."""
    base: Any = TransactionTestCase  # its teardown is private, and unknown to the stubs
    flush = base._fixture_teardown

    def flush_without_triggers(case: TransactionTestCase) -> None:
        if isinstance(case, TestCase):
            flush(case)
            return
        with append_only.lifted():
            flush(case)

    base._fixture_teardown = flush_without_triggers
    yield
    base._fixture_teardown = flush


@pytest.fixture
def agent(db: None) -> User:
    return UserFactory.create(username="ana", role=User.Role.AGENT)


@pytest.fixture
def supervisor(db: None) -> User:
    return UserFactory.create(username="sam", role=User.Role.SUPERVISOR, is_staff=True)


@pytest.fixture
def administrator(db: None) -> User:
    return UserFactory.create(username="ada", role=User.Role.ADMINISTRATOR, is_staff=True, is_superuser=True)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def agent_client(agent: User) -> APIClient:
    return client_of(agent)


@pytest.fixture
def supervisor_client(supervisor: User) -> APIClient:
    return client_of(supervisor)


@pytest.fixture
def administrator_client(administrator: User) -> APIClient:
    return client_of(administrator)
