"""Bad settings are told by id, with what to do."""

from typing import Any

import pytest

from handyconnect.checks import settings_make_sense
from handyconnect.encryption import new_key


def found(settings: Any, **values: Any) -> list[str]:
    sound = {
        "EMBEDDED": True,
        "DEBUG": False,
        "LOG_LEVEL": "INFO",
        "BASE_URL": "https://desk.example.com",
        "CACHE_TTL": 300,
        "MAX_CACHE_SIZE": 1000,
        "REDIS_URL": "",
        "ALLOWED_HOSTS": ["desk.example.com"],
        "MAX_ATTACHMENT_BYTES": 1,
        "API_TOKEN_DAYS": 365,
        "FIELD_ENCRYPTION_KEYS": [new_key()],
        "MICROSOFT_GRAPH_URL": "https://graph.example/v1.0",
        "MICROSOFT_AUTHORITY_URL": "http://127.0.0.1:9400",
    }
    for name, value in {**sound, **values}.items():
        setattr(settings, name, value)
    messages = settings_make_sense()
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


class TestSettings:
    def test_that_are_sound_are_passed_over(self, settings: Any) -> None:
        assert found(settings) == []
        assert found(settings, EMBEDDED=False, REDIS_URL="redis://127.0.0.1:6379/0") == []

    @pytest.mark.parametrize(
        ("values", "code"),
        [
            ({"LOG_LEVEL": "LOUD"}, "E001"),
            ({"LOG_LEVEL": ""}, "E001"),
            ({"BASE_URL": "desk.example.com"}, "E002"),
            ({"BASE_URL": "ftp://desk.example.com"}, "E002"),
            ({"BASE_URL": "https://"}, "E002"),
            ({"BASE_URL": "https://[::1"}, "E002"),
            ({"BASE_URL": "https://desk.example.com?x=1"}, "E002"),
            ({"CACHE_TTL": -1}, "E003"),
            ({"MAX_CACHE_SIZE": 0}, "E004"),
            ({"REDIS_URL": "127.0.0.1:6379"}, "E005"),
            ({"EMBEDDED": False}, "E006"),
            ({"EMBEDDED": False, "REDIS_URL": "redis://r", "ALLOWED_HOSTS": []}, "E007"),
            ({"EMBEDDED": False, "REDIS_URL": "redis://r", "ALLOWED_HOSTS": ["*"]}, "W001"),
            ({"MAX_ATTACHMENT_BYTES": 0}, "E008"),
            ({"API_TOKEN_DAYS": 0}, "E009"),
            ({"FIELD_ENCRYPTION_KEYS": []}, "E010"),
            ({"FIELD_ENCRYPTION_KEYS": ["secret"]}, "E010"),
            ({"MICROSOFT_GRAPH_URL": "http://graph.example/v1.0"}, "E011"),
            ({"MICROSOFT_AUTHORITY_URL": "login.example"}, "E011"),
            ({"MICROSOFT_AUTHORITY_URL": "https://[::1"}, "E011"),
        ],
    )
    def test_that_cannot_be_are_named(self, settings: Any, values: dict[str, Any], code: str) -> None:
        assert found(settings, **values) == [f"handyconnect.{code}"]
