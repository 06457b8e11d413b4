"""The demo's mails, people and story are sound before anything loads them."""

import email
import email.policy
import functools
import json
import re
import struct
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import pytest

from handyconnect.demo import attachments, mails, story
from handyconnect.demo.times import OFFICE, office_time_after, sent_at

pytestmark = pytest.mark.no_cover  # slow when traced, and nothing here is what a line is covered by

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
RESERVED = re.compile(r"^(?:(?:[a-z0-9-]+\.)*example|(?:[a-z0-9-]+\.)*example\.(?:com|org|net))$")
PLACEHOLDERS = {
    "case_number", "case_title", "customer_name", "priority", "status", "team_name", "due_at", "assignee_name",
    "actor_name", "link", "reason",
}  # fmt: skip


@functools.cache
def parsed() -> dict[str, EmailMessage]:
    return {mail.key: email.message_from_bytes(mail.raw, policy=email.policy.default) for mail in mails.build(NOW)}


class TestMails:
    def test_can_all_be_read_without_a_defect(self) -> None:
        for key, message in parsed().items():
            assert [part.defects for part in message.walk() if part.defects] == [], key
            for part in message.walk():
                if part.get_content_maintype() in {"text", "image", "application"}:
                    part.get_content()

    def test_are_at_least_forty_in_at_least_seven_languages(self) -> None:
        languages = Counter(mail.fields["lang"] for mail in mails.written().values() if "lang" in mail.fields)
        assert len(mails.written()) >= 44
        assert set(languages) >= {"en", "de", "fr", "es", "pt", "tr", "pl"}

    def test_are_the_same_bytes_for_the_same_now(self) -> None:
        assert mails.build(NOW) == mails.build(NOW)

    def test_come_in_order_over_the_past_five_weeks(self) -> None:
        times = [mail.received_at for mail in mails.build(NOW)]
        assert times == sorted(times)
        assert times[0] < NOW - timedelta(days=28)
        assert NOW - timedelta(hours=1) < times[-1] <= NOW

    @pytest.mark.parametrize("hour", [0, 4, 9, 13, 23])
    def test_never_come_from_the_future(self, hour: int) -> None:
        for day in range(16, 23):
            now = datetime(2026, 11, day, hour, 5, tzinfo=UTC)
            assert all(sent_at(mail.fields["sent"], now=now) <= now for mail in mails.written().values())

    def test_continue_only_threads_that_are_there_and_older(self) -> None:
        ids: dict[str, datetime] = {}
        for mail in mails.build(NOW):
            message = email.message_from_bytes(mail.raw, policy=email.policy.default)
            linked = f"{message['In-Reply-To'] or ''} {message['References'] or ''}".split()
            assert all(ids[linked_id] < mail.received_at for linked_id in linked), mail.key
            ids[str(message["Message-ID"])] = mail.received_at
        assert len(ids) == len(mails.written())

    def test_hold_every_kind_that_a_mailbox_gets(self) -> None:
        messages = parsed().values()
        assert sum(message["Auto-Submitted"] == "auto-replied" for message in messages) >= 3
        assert any(message.get_param("report-type") == "delivery-status" for message in messages)
        assert any(message["List-Id"] for message in messages)
        kinds = {part.get_content_type() for message in messages for part in message.iter_attachments()}
        assert kinds >= {"image/png", "application/pdf", "text/calendar"}
        assert any(part["Content-ID"] for message in messages for part in message.walk())
        assert any(part.get_param("format") == "flowed" for message in messages for part in message.walk())
        charsets = {part.get_content_charset() for message in messages for part in message.walk()}
        assert charsets >= {"utf-8", "iso-8859-1", "windows-1252"}

    def test_quote_as_outlook_gmail_and_apple_do(self) -> None:
        text = "".join(
            part.get_content()
            for message in parsed().values()
            for part in message.walk()
            if part.get_content_type() == "text/html"
        )
        assert "gmail_quote" in text
        assert "border-top:solid #E1E1E1" in text
        assert "MsoNormal" in text
        assert 'src="cid:' in text
        quoted = [mail for mail in mails.written().values() if mail.quote]
        assert {mail.fields.get("style", "plain") for mail in quoted} >= {"plain", "outlook", "gmail", "apple"}

    def test_use_only_addresses_that_belong_to_nobody(self) -> None:
        for key, message in parsed().items():
            raw = [str(value) for name in ("From", "To", "Cc") for value in message.get_all(name, [])]
            for _, address in getaddresses(raw):
                assert RESERVED.match(address.partition("@")[2]), (key, address)
        for mail in mails.written().values():
            for domain in re.findall(r"@([\w.-]+\w)", mail.body + mail.quote):
                assert RESERVED.match(domain), (mail.key, domain)

    def test_refuse_a_time_that_they_do_not_know(self) -> None:
        with pytest.raises(ValueError, match="neither"):
            sent_at("yesterday", now=NOW)

    def test_refuse_a_key_that_is_used_twice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        part = "Key: a\nSent: 1 minutes\nFrom: a@example.com\nSubject: s\n\ntext"
        (tmp_path / "a.txt").write_text(f"{part}\n=====\n{part}", encoding="utf-8")
        monkeypatch.setattr(mails, "FOLDER", tmp_path)
        mails.written.cache_clear()
        with pytest.raises(ValueError, match="two mails have the key 'a'"):
            mails.written()
        mails.written.cache_clear()


class TestTimes:
    def test_count_working_days_back(self) -> None:
        monday = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
        assert sent_at("1 days 09:14", now=monday).astimezone(OFFICE) == datetime(2026, 11, 13, 9, 14, tzinfo=OFFICE)

    def test_count_office_time_forward_over_a_weekend(self) -> None:
        friday = datetime(2026, 11, 13, 16, 0, tzinfo=OFFICE)
        assert office_time_after(friday, minutes=90) == datetime(2026, 11, 16, 9, 30, tzinfo=OFFICE)

    def test_begin_in_the_morning_when_it_is_night(self) -> None:
        night = datetime(2026, 11, 13, 3, 0, tzinfo=OFFICE)
        assert office_time_after(night, minutes=10) == datetime(2026, 11, 13, 9, 10, tzinfo=OFFICE)


class TestFiles:
    def test_are_a_picture_that_can_be_decoded(self) -> None:
        data = attachments.png(seed="x")
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        length = struct.unpack(">I", data[33:37])[0]
        assert len(zlib.decompress(data[41 : 41 + length])) == height * (1 + 3 * width)

    def test_are_a_page_whose_table_points_at_its_objects(self) -> None:
        data = attachments.pdf("a (b) | ü")
        start = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
        assert data[start:].startswith(b"xref\n0 6\n")
        offsets = [int(line[:10]) for line in data[start:].splitlines()[3:8]]
        assert [data[at:].startswith(b"%d 0 obj" % number) for number, at in enumerate(offsets, 1)] == [True] * 5

    def test_are_plain_text_when_the_ending_says_nothing(self) -> None:
        assert attachments.make("a.txt", text="hello", at=NOW).content == b"hello\n"


class TestStory:
    def test_speaks_only_of_mails_and_people_that_are_there(self) -> None:
        users = {user["username"]: user["role"] for user in story.people()["users"]}
        teams = {team["slug"] for team in story.people()["teams"]}
        for line in story.lines():
            assert line["mail"] in mails.written()
            assert "answers" not in mails.written()[line["mail"]].fields
            assert users[line["by"]] in {"agent", "supervisor"}
            assert users.get(line.get("assigned_to", "anna")) == "agent"
            assert line.get("assigned_team", "repairs") in teams

    def test_fills_what_each_deed_needs(self) -> None:
        needs = {"assign": "assigned_to", "status": "status", "note": "text", "reply": "text", "resolve_task": "which"}
        for line in story.lines():
            assert line["do"] in {*needs, "close"}
            assert all(line.get(need) for need in [needs.get(line["do"], "do")]), line

    def test_makes_only_moves_that_a_case_may_make(self) -> None:
        moves = {
            "new": {"in_progress"},
            "in_progress": {"awaiting_customer", "awaiting_vendor", "resolved"},
            "awaiting_customer": {"in_progress"},
            "awaiting_vendor": {"in_progress"},
            "resolved": {"closed", "resolved"},
        }
        ends: Counter[str] = Counter()
        for key in {line["mail"] for line in story.lines()}:
            status = "new"
            for line in sorted(
                (line for line in story.lines() if line["mail"] == key), key=lambda line: line["after_minutes"]
            ):
                if line["do"] in {"status", "close"}:
                    wanted = line.get("status", "closed")
                    assert wanted in moves[status], (key, status, wanted)
                    status = wanted
            ends[status] += 1
        assert set(ends) == {"new", "in_progress", "awaiting_customer", "awaiting_vendor", "resolved", "closed"}

    def test_resolves_tasks_before_it_resolves_the_case(self) -> None:
        for step in story.lines():
            if step.get("status") == "resolved" and step["mail"] not in {"praise-bennett", "bicycles-vogel"}:
                before = [
                    line
                    for line in story.lines()
                    if line["mail"] == step["mail"] and line["after_minutes"] < step["after_minutes"]
                ]
                assert any(line.get("which") == "all" for line in before), step["mail"]

    def test_is_in_order_and_never_ahead_of_now(self) -> None:
        steps = story.build(NOW)
        assert [step.at for step in steps] == sorted(step.at for step in steps)
        assert all(step.at <= NOW for step in steps)
        received = {mail.key: mail.received_at for mail in mails.build(NOW)}
        assert all(step.at > received[step.mail] for step in steps)
        assert len(steps) > 150

    def test_leaves_the_youngest_mails_alone(self) -> None:
        told = {line["mail"] for line in story.lines()}
        young = [key for key, mail in mails.written().items() if mail.fields["sent"].endswith("minutes")]
        assert len(young) >= 5
        assert not told & set(young)


class TestPeople:
    def test_have_every_role_and_addresses_of_nobody(self) -> None:
        people = story.people()
        roles = Counter(user["role"] for user in people["users"])
        assert roles == {"administrator": 1, "supervisor": 2, "agent": 5, "read_only": 1, "contractor": 2}
        addresses = [entry["email"] for group in ("users", "teams", "contractors") for entry in people[group]]
        for address in [*addresses, *people["customers"]]:
            assert RESERVED.match(address.partition("@")[2]), address
        assert {team for user in people["users"] for team in user["teams"]} <= {
            team["slug"] for team in people["teams"]
        }

    def test_tell_facts_only_about_people_who_write(self) -> None:
        writers = {address for message in parsed().values() for _, address in getaddresses([str(message["From"])])}
        assert set(story.people()["customers"]) <= writers


class TestTemplates:
    templates: list[dict[str, Any]] = json.loads(
        (ROOT / "handyconnect/defaults/templates.json").read_text(encoding="utf-8")
    )

    def test_are_each_there_once(self) -> None:
        keys = Counter((entry["key"], entry["channel"], entry["language"]) for entry in self.templates)
        assert max(keys.values()) == 1
        for key in ("acknowledgment", "resolved_after_silence"):
            assert {language for name, channel, language in keys if (name, channel) == (key, "email")} == {
                "en",
                "de",
                "fr",
                "es",
                "pt",
            }
        for key in ("assigned", "sla_at_risk", "sla_breached", "escalated", "message_received", "task_assigned"):
            for channel in ("email", "in_app"):
                assert {language for name, found, language in keys if (name, found) == (key, channel)} == {"en", "de"}

    def test_use_only_placeholders_that_are_filled(self) -> None:
        for entry in self.templates:
            text = entry["subject"] + entry["body"]
            used = set(re.findall(r"\{\{ (\w+) \}\}", text))
            assert used <= PLACEHOLDERS
            assert text.count("{{") == len(re.findall(r"\{\{ \w+ \}\}", text))

    def test_echo_nothing_of_a_stranger_to_a_stranger(self) -> None:
        for entry in self.templates:
            if entry["key"] in {"acknowledgment", "resolved_after_silence"}:
                used = set(re.findall(r"\{\{ (\w+) \}\}", entry["subject"] + entry["body"]))
                assert used <= {"case_number", "team_name"}
