"""Who wrote a mail: a person, or a machine that must not be answered."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail_ingest.automatic import Kind, Verdict, classify
from mail_ingest.parsing import ParsedMail, parse

OWN = "desk@example.org"


def verdict(*headers: tuple[str, str], sender: str = "ada@example.com", content_type: str = "") -> Verdict:
    return classify(headers, sender, own_addresses=[OWN], own_domains=["desk.example.org"], content_type=content_type)


def of(parsed: ParsedMail) -> Verdict:
    sender = parsed.sender.key if parsed.sender else ""
    return classify(parsed.headers, sender, own_addresses=(), own_domains=(), content_type=parsed.content_type)


class TestClassify:
    @pytest.mark.parametrize(
        ("name", "value", "kind", "rule"),
        [
            ("Auto-Submitted", "auto-replied", Kind.AUTO_REPLY, "RFC 3834"),
            ("auto-submitted", "auto-generated; owner-email=x@example.com", Kind.AUTO_REPLY, "RFC 3834"),
            ("Auto-Submitted", "auto-replied (zimbra; vacation)", Kind.AUTO_REPLY, "RFC 3834"),
            ("X-Auto-Response-Suppress", "All", Kind.AUTO_REPLY, "Microsoft"),
            ("X-Auto-Response-Suppress", "DR, OOF, AutoReply", Kind.AUTO_REPLY, "Microsoft"),
            ("X-Autoreply", "yes", Kind.AUTO_REPLY, "X-Autoreply"),
            ("X-Autorespond", "Vacation", Kind.AUTO_REPLY, "X-Autorespond"),
            ("X-Autoresponder", "1.0", Kind.AUTO_REPLY, "X-Autoresponder"),
            ("X-Loop", "desk@example.com", Kind.AUTO_REPLY, "X-Loop"),
            ("X-FC-MachineGenerated", "true", Kind.AUTO_REPLY, "FirstClass"),
            ("Precedence", "auto_reply", Kind.AUTO_REPLY, "Precedence"),
            ("Delivered-To", "Autoresponder", Kind.AUTO_REPLY, "autoresponder"),
            ("X-POST-MessageClass", "9; Autoresponder", Kind.AUTO_REPLY, "autoresponder"),
            ("X-FreeScout-Mail-Type", "auto.reply", Kind.AUTO_REPLY, "FreeScout"),
            ("Return-Path", "<>", Kind.AUTO_REPLY, "RFC 5321"),
            ("Return-Path", "< >", Kind.AUTO_REPLY, "RFC 5321"),
            ("Subject", "Automatic reply: Boiler", Kind.AUTO_REPLY, "subject"),
            ("Subject", "Abwesenheitsnotiz: Heizung", Kind.AUTO_REPLY, "subject"),
            ("Subject", "Out of Office", Kind.AUTO_REPLY, "subject"),
            ("Precedence", "bulk", Kind.LIST, "Precedence"),
            ("Precedence", "Junk", Kind.LIST, "Precedence"),
            ("Precedence", "list", Kind.LIST, "Precedence"),
            ("X-Precedence", "bulk", Kind.LIST, "Precedence"),
            ("List-Id", "Tenants <tenants.example.net>", Kind.LIST, "RFC 2919"),
            ("List-Unsubscribe", "<mailto:u@example.com>", Kind.LIST, "RFC 2369"),
            ("List-Post", "<mailto:tenants@example.net>", Kind.LIST, "RFC 2369"),
            ("Mailing-List", "contact x", Kind.LIST, "ezmlm"),
            ("X-Failed-Recipients", "x@example.com", Kind.BOUNCE, "Exim"),
            ("Return-Path", "<MAILER-DAEMON@mx.example.net>", Kind.BOUNCE, "RFC 5321"),
            ("Content-Type", "multipart/report; report-type=delivery-status", Kind.BOUNCE, "RFC 3464"),
            ("Content-Type", 'Multipart/Report; boundary=x; report-type="feedback-report"', Kind.BOUNCE, "RFC 5965"),
            ("Content-Type", "multipart/report; report-type=disposition-notification", Kind.AUTO_REPLY, "RFC 8098"),
            ("Message-ID", "<x@desk.example.org>", Kind.OWN, "Message-ID"),
            ("X-HandyConnect-Case", "1", Kind.OWN, "header of our own"),
        ],
    )
    def test_knows_the_mark(self, name: str, value: str, kind: Kind, rule: str) -> None:
        found = verdict((name, value))
        assert found.kind is kind
        assert rule in found.rule
        assert not found.may_answer
        assert not found.may_reopen

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            (("Auto-Submitted", "no"),),
            (("Auto-Submitted", " No (a person)"),),
            (("X-Auto-Response-Suppress", "DR, RN, NRN"),),
            (("X-Auto-Response-Suppress", "None"),),
            (("X-Autoreply", "no"),),
            (("X-MS-Exchange-Inbox-Rules-Loop", "ada@example.com"),),
            (("Precedence", "normal"),),
            (("List-Id", ""),),
            (("Return-Path", "<ada@example.com>"),),
            (("Message-ID", "<x@example.com>"),),
            (("Subject", "Re: Automatic reply: Boiler"),),
            (("Subject", "Fwd: Undelivered Mail Returned to Sender"), ("From", "Ada <ada@example.com>")),
            (("Subject", "Delivery failed: no parcel at my door"), ("From", "Ada <ada@example.com>")),
            (("Subject", "Automatic garage door is broken"),),
            (("Content-Type", "multipart/report; boundary=x"),),
            (("Content-Type", "multipart/mixed; report-type=delivery-status"),),
        ],
    )
    def test_takes_the_rest_for_a_person(self, headers: tuple[tuple[str, str], ...]) -> None:
        found = verdict(*headers)
        assert (found.kind, found.rule) == (Kind.PERSON, "")
        assert found.may_answer
        assert found.may_reopen

    @pytest.mark.parametrize(
        "sender",
        ["mailer-daemon@mx.example.net", "MAILER-DAEMON", "postmaster@example.com", "postmaster+x@example.com"],
    )
    def test_knows_mail_servers_by_their_address(self, sender: str) -> None:
        assert verdict(sender=sender).kind is Kind.BOUNCE

    @pytest.mark.parametrize(
        "headers",
        [
            (("Return-Path", "<>"), ("Subject", "Undeliverable: Boiler"), ("From", "x@example.com")),
            (("From", "Mail Delivery System <mds@mx.example.net>"), ("Subject", "Delivery status notification")),
            (("From", "<>"), ("Subject", "Delivery Status")),
            (("Subject", "failure notice"),),
        ],
    )
    def test_knows_a_failure_by_its_subject_if_no_person_can_have_sent_it(
        self, headers: tuple[tuple[str, str], ...]
    ) -> None:
        assert verdict(*headers, sender="").kind is Kind.BOUNCE

    def test_knows_our_own_mail_by_its_sender(self) -> None:
        assert verdict(sender="Desk@Example.org").kind is Kind.OWN
        assert classify([], "", own_addresses=[""], own_domains=[""]).kind is Kind.PERSON

    def test_calls_a_bounce_a_bounce_even_from_our_own_server(self) -> None:
        head = ("Message-ID", "<x@desk.example.org>")
        assert verdict(head, content_type="multipart/report; report-type=delivery-status").kind is Kind.BOUNCE

    @pytest.mark.parametrize(
        "headers",
        [
            (("List-Post", "<mailto:desk@example.org>"), ("List-Id", "x <x.example.org>"), ("Precedence", "list")),
            (("List-Id", "<desk.example.org>"), ("List-Unsubscribe", "<mailto:desk+u@example.org>")),
        ],
    )
    def test_does_not_mind_that_our_own_mailbox_is_a_group(self, headers: tuple[tuple[str, str], ...]) -> None:
        assert verdict(*headers).kind is Kind.PERSON
        assert verdict(*headers, ("Auto-Submitted", "auto-replied")).kind is Kind.AUTO_REPLY


class TestPublishedCases:
    def test_are_all_judged_as_their_collectors_do(self, corpora: Path) -> None:
        for case in json.loads((corpora / "autoreply/cases.json").read_text())["cases"]:
            headers = list(case["headers"].items())
            if "message_id" in case:
                headers.append(("Message-ID", case["message_id"].replace("{OWN_FQDN}", "desk.example.org")))
            sender = case.get("from", "ada@example.com").replace("{OWN_MAILBOX}", OWN)
            found = verdict(*headers, sender=sender)
            assert found.may_answer is not case["expected"]["no_autoreply"], case["id"]
            if "reopen_closed" in case["expected"]:
                assert found.may_reopen is case["expected"]["reopen_closed"], case["id"]


class TestRealMail:
    def read(self, *folders: Path) -> Iterator[tuple[str, ParsedMail]]:
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix in {".eml", ".box"}:
                    yield path.name, parse(path.read_bytes())

    def test_bounces_are_known(self, corpora: Path) -> None:
        """All but one, which a person forwarded by hand."""
        expected = json.loads((corpora / "sisimai/expected.json").read_text())["expected"]
        missed = []
        for name, rows in expected.items():
            path = corpora / "sisimai/maildir/bsd" / name
            if path.exists():
                wanted = Kind.AUTO_REPLY if rows[0]["reason"] == "vacation" else Kind.BOUNCE
                found = of(parse(path.read_bytes()))
                missed += [name] * (found.kind is not wanted)
        assert missed == ["lhost-sendmail-14.eml"]

    def test_what_is_no_bounce_is_not_called_one(self, corpora: Path) -> None:
        assert {of(parsed).kind for _, parsed in self.read(corpora / "sisimai/maildir/not")} <= {Kind.PERSON, Kind.LIST}
        called = {
            name: parsed
            for name, parsed in self.read(corpora / "imap_tools/messages", corpora / "zammad/mail")
            if of(parsed).kind is Kind.BOUNCE
        }
        assert len(called) >= 10
        for name, parsed in called.items():
            sender = parsed.sender.key if parsed.sender else ""
            assert sender.startswith(("mailer-daemon", "postmaster")), name
