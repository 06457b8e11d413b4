"""Fixtures for tests through HTTP."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _as_after_an_installation(settings: Any) -> None:
    """Pages find their static files without a `collectstatic` before the tests, and passwords cost no time."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
