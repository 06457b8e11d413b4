"""Secrets at rest: a text column that the database only ever sees encrypted (Fernet: AES-128-CBC with HMAC-SHA256).

`FIELD_ENCRYPTION_KEYS` holds the keys, newest first: the first encrypts, all of them decrypt.
"""

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

log = structlog.get_logger(__name__)


class Lost(str):
    """Stands, as empty text, for a secret that none of the keys opens. Saving it writes back what was stored.

    So whoever uses it finds no secret and says so, the page on which a new one can be typed still opens, and putting the old
    key back brings the old secret back.
    """

    __slots__ = ("stored",)
    stored: str

    @classmethod
    def of(cls, stored: str) -> "Lost":
        lost = cls("")
        lost.stored = stored
        return lost


if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField


class EncryptedTextField(TextField):
    """Text that is encrypted on its way into the database. It cannot be searched; empty text stays empty.

    Versions, events and exports see a fingerprint, so that a change shows and the secret does not. Where no key fits,
    what is read is Lost.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Lost):
            return value.stored
        text = super().get_prep_value(value)
        return _box(_keys()).encrypt(str(text).encode()).decode("ascii") if text else text

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> str | None:
        if not value:
            return value
        try:
            return _box(_keys()).decrypt(value.encode()).decode()
        except InvalidToken:
            log.warning("secret_lost", hint="Put the key that it was written with back into FIELD_ENCRYPTION_KEYS.")
            return Lost.of(value)

    def value_to_string(self, obj: models.Model) -> str:
        """What versions and events are told: empty, or a fingerprint that says nothing but whether it is the same."""
        text = self.value_from_object(obj)
        return f"secret:{fingerprint(str(text))}" if text else ""


def fingerprint(secret: str) -> str:
    """Twelve letters that are the same for the same secret on this installation, and tell nothing of it."""
    key = hashlib.sha256(b"handyconnect.fingerprint:" + _keys()[0].encode()).digest()
    return hmac.digest(key, secret.encode(), hashlib.sha256).hex()[:12]


def new_key() -> str:
    """A key for FIELD_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode("ascii")


def is_key(text: str) -> bool:
    """Whether this can be one of FIELD_ENCRYPTION_KEYS: 32 bytes in URL-safe base64."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _keys() -> tuple[str, ...]:
    return tuple(settings.FIELD_ENCRYPTION_KEYS)


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEYS holds something that is no key: each is 32 random bytes in URL-safe base64."
        ) from error
