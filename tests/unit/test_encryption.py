"""Secrets at rest."""

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django.fixtures import Settings

from handyconnect.encryption import Lost, fingerprint, is_key, new_key
from mail_ingest.models import Mailbox
from tests.factories import MailboxFactory

SECRET = "correct horse battery staple"


def stored(mailbox: Mailbox) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM mail_ingest_mailbox WHERE id = %s", [mailbox.pk])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
class TestASecret:
    def test_is_unreadable_in_the_database_and_whole_outside_of_it(self) -> None:
        mailbox = MailboxFactory.create(client_secret=SECRET)
        assert SECRET not in stored(mailbox)
        assert Mailbox.objects.get(pk=mailbox.pk).client_secret == SECRET

    def test_is_what_the_first_key_opens(self, settings: Settings) -> None:
        key = new_key()
        settings.FIELD_ENCRYPTION_KEYS = [key]
        mailbox = MailboxFactory.create(client_secret=SECRET)
        assert Fernet(key).decrypt(stored(mailbox).encode()).decode() == SECRET

    def test_outlives_a_new_key_and_not_the_loss_of_its_own(self, settings: Settings) -> None:
        old = new_key()
        settings.FIELD_ENCRYPTION_KEYS = [old]
        mailbox = MailboxFactory.create(client_secret=SECRET)
        settings.FIELD_ENCRYPTION_KEYS = [new_key(), old]
        assert Mailbox.objects.get(pk=mailbox.pk).client_secret == SECRET
        new = new_key()
        settings.FIELD_ENCRYPTION_KEYS = [new]
        lost = Mailbox.objects.get(pk=mailbox.pk)
        assert lost.client_secret == ""
        assert isinstance(lost.client_secret, Lost)
        lost.save()
        settings.FIELD_ENCRYPTION_KEYS = [new, old]
        assert Mailbox.objects.get(pk=mailbox.pk).client_secret == SECRET

    def test_that_is_empty_stays_empty(self) -> None:
        assert stored(MailboxFactory.create(client_secret="")) == ""


class TestAFingerprint:
    def test_tells_apart_and_tells_nothing(self) -> None:
        assert fingerprint(SECRET) == fingerprint(SECRET) != fingerprint(f"{SECRET}!")
        assert SECRET not in fingerprint(SECRET)


class TestAKey:
    def test_is_known(self) -> None:
        assert is_key(new_key())
        assert not is_key("short")
        assert not is_key("ü" * 44)
