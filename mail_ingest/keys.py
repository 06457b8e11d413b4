"""The keys that our own Message-IDs are signed with. They follow SECRET_KEY, and so does its rotation."""

import hashlib

from django.conf import settings


def signing_key() -> bytes:
    """The key that new Message-IDs are signed with."""
    return _derived(settings.SECRET_KEY)


def accepted_keys() -> list[bytes]:
    """The keys under which a Message-ID is ours: the present one and those it has replaced."""
    return [signing_key(), *(_derived(old) for old in settings.SECRET_KEY_FALLBACKS)]


def _derived(secret: str | bytes) -> bytes:
    raw = secret.encode() if isinstance(secret, str) else secret
    return hashlib.sha256(b"handyconnect.mail_ingest.message_ids:" + raw).digest()
