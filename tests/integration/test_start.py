"""What a first start finds: the defaults, once; and a demo that went through the real pipeline."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from accounts.models import User
from cases import timeline
from cases.models import Case, Category, ListenerFailure, TimelineEvent
from cases.services import delete_configuration, save_configuration
from handyconnect.demo.load import is_first, load_demo
from handyconnect.provision import load_defaults
from mail_ingest.models import EmailMessage, InboundMessage, OutboundMessage
from notifications.models import NotificationTemplate
from sla.models import SLAPolicy
from tests.factories import NOON, SYSTEM, UserFactory, later
from workflows.models import WorkflowRule

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]  # tracing would double what five weeks take

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)  # a Wednesday


@pytest.fixture(autouse=True)
def embedded(settings: Any) -> None:
    settings.EMBEDDED = True


class TestLoadDefaults:
    def test_loads_what_the_documentation_promises(self) -> None:
        load_defaults(at=NOON)
        policy = SLAPolicy.objects.get()
        hours = {name: target["resolution_minutes"] / 60 for name, target in policy.targets.items()}
        assert hours == {"critical": 4, "urgent": 8, "high": 24, "medium": 48, "low": 168}
        assert policy.calendar.holidays.count() == 0
        assert WorkflowRule.objects.on().count() == 5
        assert set(NotificationTemplate.objects.filter(key="acknowledgment").values_list("language", flat=True)) == {
            "en", "de", "fr", "es", "pt",
        }  # fmt: skip
        assert Category.objects.filter(parent=None).count() >= 5

    def test_changes_nothing_the_second_time(self) -> None:
        load_defaults(at=NOON)
        events = TimelineEvent.objects.count()
        assert load_defaults(at=later(days=1)) == 0
        assert TimelineEvent.objects.count() == events

    def test_leaves_alone_what_was_edited_or_deleted(self) -> None:
        load_defaults(at=NOON)
        rule = WorkflowRule.objects.get(slug="resolve-after-silence")
        rule.is_active = False
        save_configuration(rule, at=NOON, actor=SYSTEM)
        delete_configuration(WorkflowRule.objects.get(slug="continue-on-reply"), at=NOON, actor=SYSTEM)
        assert load_defaults(at=later(days=1)) == 0
        assert not WorkflowRule.objects.get(slug="resolve-after-silence").is_active
        assert not WorkflowRule.objects.filter(slug="continue-on-reply").exists()

    def test_brings_a_folder_mailbox_only_to_the_embedded_profile(self, settings: Any) -> None:
        settings.EMBEDDED = False
        load_defaults(at=NOON)
        assert not InboundMessage.objects.exists()
        out = StringIO()
        call_command("load_defaults", stdout=out)
        assert "there already" in out.getvalue()


class TestTheDemo:
    @pytest.mark.services  # needs no server, but half a minute: with the long tests
    def test_is_alive_and_was_answered_by_nobody(self, state_folder: Path) -> None:
        load_defaults(at=NOW)
        said: list[tuple[int, int]] = []
        count = load_demo(now=NOW, say=lambda done, total: said.append((done, total)))
        assert count >= 40
        assert said[-1][0] == said[-1][1]
        assert set(InboundMessage.objects.values_list("state", flat=True)) == {"filed"}
        assert set(Case.objects.values_list("status", flat=True)) == set(Case.Status.values) - {"merged"}
        assert {"met", "breached", "on_time"} <= set(Case.objects.values_list("sla_status", flat=True))
        assert len(set(Case.objects.exclude(language="").values_list("language", flat=True))) >= 5
        assert {"auto_reply", "bounce", "list"} <= set(EmailMessage.objects.values_list("automatic", flat=True))
        assert EmailMessage.objects.filter(attachments__isnull=False).exists()
        assert EmailMessage.objects.filter(threaded_by="in_reply_to").count() >= 5
        assert (NOW - Case.objects.earliest("created_at").created_at).days >= 21

        assert not OutboundMessage.objects.exclude(state="suppressed").exists()
        assert not (state_folder / "mail" / "sent").exists()
        assert not ListenerFailure.objects.exists()
        assert list(timeline.verify()) == []

        assert set(User.objects.values_list("role", flat=True)) == set(User.Role.values)
        username, password, _role = (state_folder / "demo-logins.txt").read_text().splitlines()[0].split()
        assert authenticate(username=username, password=password) is not None
        assert (state_folder / "demo-logins.txt").stat().st_mode & 0o077 == 0
        assert not is_first()

    def test_is_for_the_embedded_profile_only(self, settings: Any) -> None:
        settings.EMBEDDED = False
        with pytest.raises(CommandError, match="embedded"):
            call_command("load_demo")

    def test_is_loaded_only_into_an_empty_installation(self) -> None:
        UserFactory.create()
        call_command("load_demo", "--if-first")
        assert not Case.objects.exists()
        with pytest.raises(CommandError, match="empty installation"):
            call_command("load_demo")
