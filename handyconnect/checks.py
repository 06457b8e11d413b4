"""Bad settings are errors of `manage.py check`, each with an id, and say what to do."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name for it

from handyconnect.encryption import is_key, new_key
from handyconnect.logging import LEVELS
from handyconnect.loopback import is_loopback


@register(Tags.compatibility)
def settings_make_sense(app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """What no installation can run with, in whichever profile."""
    return [message for check in CHECKS for message in check()]


def log_level() -> list[CheckMessage]:
    if settings.LOG_LEVEL in LEVELS:
        return []
    return [
        Error(
            f"LOG_LEVEL is “{settings.LOG_LEVEL}”, which is not a level.",
            hint=f"Use one of {', '.join(LEVELS)}.",
            id="handyconnect.E001",
        )
    ]


def base_url() -> list[CheckMessage]:
    try:
        parts = urlsplit(settings.BASE_URL)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        fine = False
    if fine:
        return []
    return [
        Error(
            f"BASE_URL is “{settings.BASE_URL}”, which is not the address of a site.",
            hint="Links in mails start with it: give scheme and host, for example https://desk.example.com.",
            id="handyconnect.E002",
        )
    ]


def cache() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.CACHE_TTL < 0:
        found.append(
            Error(f"CACHE_TTL is {settings.CACHE_TTL}.", hint="Give seconds, 0 or more.", id="handyconnect.E003")
        )
    if settings.MAX_CACHE_SIZE < 1:
        found.append(
            Error(
                f"MAX_CACHE_SIZE is {settings.MAX_CACHE_SIZE}.",
                hint="Give how many entries the cache may hold, 1 or more.",
                id="handyconnect.E004",
            )
        )
    return found


def redis() -> list[CheckMessage]:
    if settings.REDIS_URL:
        if settings.REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
            return []
        return [
            Error(
                "REDIS_URL is not the address of a Redis server.",
                hint="It starts with redis://, rediss:// or unix://.",
                id="handyconnect.E005",
            )
        ]
    if settings.EMBEDDED or settings.DEBUG:
        return []
    return [
        Error(
            "REDIS_URL is missing: with DATABASE_URL set, web, worker and beat are separate and meet there.",
            hint="Set REDIS_URL, for example redis://127.0.0.1:6379/0.",
            id="handyconnect.E006",
        )
    ]


def hosts() -> list[CheckMessage]:
    if settings.EMBEDDED or settings.DEBUG:
        return []
    if not settings.ALLOWED_HOSTS:
        return [
            Error(
                "ALLOWED_HOSTS is empty, so every request would be refused.",
                hint="Name the hosts that people use, by comma, for example ALLOWED_HOSTS=desk.example.com.",
                id="handyconnect.E007",
            )
        ]
    if "*" in settings.ALLOWED_HOSTS:
        return [
            Warning(
                "ALLOWED_HOSTS allows every host.",
                hint="Name the hosts that people use: links and cookies would follow whatever a stranger claims.",
                id="handyconnect.W001",
            )
        ]
    return []


def limits() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.MAX_ATTACHMENT_BYTES < 1:
        found.append(
            Error(
                f"MAX_ATTACHMENT_BYTES is {settings.MAX_ATTACHMENT_BYTES}.",
                hint="Give the size of the largest attachment that is kept, in bytes.",
                id="handyconnect.E008",
            )
        )
    if settings.API_TOKEN_DAYS < 1:
        found.append(
            Error(
                f"API_TOKEN_DAYS is {settings.API_TOKEN_DAYS}.",
                hint="Give how many days a token holds.",
                id="handyconnect.E009",
            )
        )
    return found


def encryption() -> list[CheckMessage]:
    if settings.FIELD_ENCRYPTION_KEYS and all(map(is_key, settings.FIELD_ENCRYPTION_KEYS)):
        return []
    return [
        Error(
            "FIELD_ENCRYPTION_KEYS holds no key, or something that is none: the secrets of mailboxes could not be kept.",
            hint=f"Give 32 random bytes in URL-safe base64, several by comma, the newest first. A fresh one: {new_key()}",
            id="handyconnect.E010",
        )
    ]


def microsoft() -> list[CheckMessage]:
    return [
        Error(
            f"{name} is “{url}”, which is no address that secrets may be sent to.",
            hint="It starts with https://. Plain http is for a stand-in on this machine alone.",
            id="handyconnect.E011",
        )
        for name, url in (
            ("MICROSOFT_GRAPH_URL", settings.MICROSOFT_GRAPH_URL),
            ("MICROSOFT_AUTHORITY_URL", settings.MICROSOFT_AUTHORITY_URL),
        )
        if not _is_safe(url)
    ]


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        )
    except ValueError:
        return False


CHECKS: tuple[Callable[[], list[CheckMessage]], ...] = (
    log_level,
    base_url,
    cache,
    redis,
    hosts,
    limits,
    encryption,
    microsoft,
)
