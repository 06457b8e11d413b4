"""Every real mail of the corpora, through intake and pipeline: each is there exactly once, whole, and none stops the rest."""

from pathlib import Path

import pytest
from django.conf import settings

from mail_ingest.models import OutboundMessage
from tests.factories import MailboxFactory
from tests.scoreboard.real_mails import FOLDERS, walk

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]  # tracing would double what 330 mails take


@pytest.mark.parametrize("name", FOLDERS)
class TestTheMailsOf:
    def test_are_each_filed_or_quarantined_once_with_their_bytes_unchanged(self, name: str, corpora: Path) -> None:
        walked = walk(corpora / name, MailboxFactory.create(address="support@house.example"))
        assert walked.mails
        assert walked.wrong == []
        assert len(walked.quarantined) <= 1 + walked.mails * 0.005
        assert not OutboundMessage.objects.exists()


def test_the_report_is_on_no_network() -> None:
    """The corpora hold real addresses: the suite has no way to send mail out."""
    assert settings.EMAIL_BACKEND == "django.core.mail.backends.locmem.EmailBackend"
