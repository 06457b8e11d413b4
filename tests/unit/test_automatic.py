"""Who wrote a mail: a person, or a machine that must not be answered."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail_ingest.automatic import (
    Kind,
    Verdict,
    classify,
    is_reply_subject,
    mail_system_mark,
    no_person_mark,
    report_type,
)
from mail_ingest.bounces import read
from mail_ingest.parsing import ParsedMail, parse

OWN = "desk@example.org"


def verdict(
    *headers: tuple[str, str],
    sender: str = "ada@example.com",
    content_type: str = "",
    report_rule: str = "",
    calendar_method: str = "",
) -> Verdict:
    return classify(
        headers,
        sender,
        own_addresses=[OWN],
        own_domains=["desk.example.org"],
        content_type=content_type,
        report_rule=report_rule,
        calendar_method=calendar_method,
    )


def of(parsed: ParsedMail) -> Verdict:
    report = read(parsed)
    return classify(
        parsed.headers,
        parsed.sender.key if parsed.sender else "",
        own_addresses=(),
        own_domains=(),
        content_type=parsed.content_type,
        report_rule=report.rule if report else "",
    )


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
            ("X-MS-Exchange-Message-Is-Ndr", "", Kind.BOUNCE, "Microsoft"),
            ("X-MS-Exchange-Generated-Message-Source", "Mailbox Assistants Agent", Kind.AUTO_REPLY, "Microsoft"),
            ("X-RT-Loop-Prevention", "example.com", Kind.AUTO_REPLY, "Request Tracker"),
            ("Content-Type", "text/calendar; charset=utf-8; METHOD=REPLY", Kind.AUTO_REPLY, "RFC 5546"),
            ("Content-Type", 'text/calendar; method="counter"', Kind.AUTO_REPLY, "RFC 5546"),
            ("Content-Type", "message/disposition-notification", Kind.AUTO_REPLY, "RFC 8098"),
            # Nobody but us writes these, and yet anybody can: they keep a mail from being answered, and do nothing for it.
            ("Message-ID", "<x@desk.example.org>", Kind.AUTO_REPLY, "Message-ID"),
            ("X-HandyConnect-Case", "1", Kind.AUTO_REPLY, "header of our own"),
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
            (("AUTO-SUBMITTED", "AUTO-REPLIED"),),
            (("auto-submitted", "  (vacation)  Auto-Replied ; x=y"),),
            (("Auto-Submitted", "(a (nested) comment) auto-generated"),),
            (("Auto-Submitted", "auto-\tgenerated"),),
            (("Auto-Submitted", "no"), ("Auto-Submitted", "auto-replied")),
            (("Auto-Submitted", '"auto-replied"'),),
            (("Auto-Submitted", "auto-notified"),),
            (("X-Auto-Response-Suppress", "dr; rn; oof"),),
            (("X-Auto-Response-Suppress", "DR,\r\n RN,\r\n\tAutoReply"),),
            (("X-Auto-Response-Suppress", "DR"), ("x-auto-response-suppress", "all (really)")),
            (("X-Auto-Response-Suppress", "-1"),),
            (("Precedence", "Bulk, junk"),),
            (("precedence", " list (of tenants)"),),
            (("Return-Path", "  <\t>  "),),
            (("Return-Path", "<> (null)"),),
            (("X-AUTOREPLY", "YES"),),
            (("Message-ID", "<X@DESK.EXAMPLE.ORG>"),),
            (("Subject", "[EXTERNAL] Automatic reply: Boiler"),),
            (("Subject", "[EXT] (External) out of office"),),
        ],
    )
    def test_knows_it_however_it_is_written(self, headers: tuple[tuple[str, str], ...]) -> None:
        assert not verdict(*headers).may_answer

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            (("Auto-Submitted", "NO"),),
            (("Auto-Submitted", "(auto-replied?) no"),),
            (("Auto-Submitted", "no; auto-replied"),),
            (("Auto-Submitted", ""),),
            (("X-Auto-Response-Suppress", "overall"),),
            (("X-Loop", "false"),),
            (("Subject", "Out of office chairs: 3 needed"),),
            (("Subject", "Vacation rental: is it free in May?"),),
            (("Subject", "Absence : du 3 au 10 mai"),),
            (("Subject", "Abwesenheit: wer giesst die Blumen?"),),
            (("Content-Type", "text/calendar; method=REQUEST"),),
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
        ("sender", "kind"),
        [
            ("mailer-daemon@mx.example.net", Kind.BOUNCE),
            ("MAILER-DAEMON", Kind.BOUNCE),
            ("Mail.Delivery.System@mx.example.net", Kind.BOUNCE),
            ("postmaster@example.com", Kind.AUTO_REPLY),
            ("postmaster+x@example.com", Kind.AUTO_REPLY),
            ("no-reply@example.com", Kind.AUTO_REPLY),
            ("billing.noreply@example.com", Kind.AUTO_REPLY),
            ("DoNotReply+7@example.com", Kind.AUTO_REPLY),
            ("bounce-7-noreply@example.com", Kind.AUTO_REPLY),
            ("annoyreply@example.com", Kind.PERSON),
            ("postmasters-club@example.com", Kind.PERSON),
        ],
    )
    def test_knows_machines_by_their_address(self, sender: str, kind: Kind) -> None:
        assert verdict(sender=sender).kind is kind

    def test_answers_a_form_that_names_the_person_behind_it(self) -> None:
        """Websites send enquiries from an address of theirs that takes no mail, with the tenant's in Reply-To."""
        assert verdict(("Reply-To", "Ada <ada@example.com>"), sender="no-reply@portal.example").kind is Kind.PERSON

    def test_believes_the_reader_of_reports_and_of_calendars(self) -> None:
        found = verdict(("Subject", "E"), sender="postmaster@example.net", report_rule="RFC 3464 fields")
        assert (found.kind, found.rule) == (Kind.BOUNCE, "RFC 3464 fields")
        assert verdict(calendar_method="REPLY").rule == "RFC 5546 calendar METHOD:REPLY"
        assert verdict(calendar_method="REQUEST").kind is Kind.PERSON

    def test_gives_nothing_for_a_header_of_ours_on_somebody_elses_mail(self) -> None:
        found = verdict(
            ("X-HandyConnect-Case", "1"), ("X-HandyConnect-Agent", "1"), ("Message-ID", "<x@desk.example.org>")
        )
        assert found.kind is not Kind.OWN
        assert not found.may_answer
        assert not found.may_reopen

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


class TestReplySubject:
    @pytest.mark.parametrize(
        "beginning",
        [
            *(
                "Automatic reply",
                "Auto reply",
                "AutoReply",
                "Out of Office AutoReply",
                "Automatische Antwort",
                "Abwesenheitsnotiz",
            ),
            *(
                "Réponse automatique",
                "Respuesta automática",
                "Risposta automatica",
                "Resposta automática",
                "Automatisch antwoord",
            ),
            *(
                "Automatiskt svar",
                "Automatisk svar",
                "Automaattinen vastaus",
                "Automaatvastus",
                "Odpowiedź automatyczna",
            ),
            *(
                "Automatická odpověď",
                "Automatická odpoveď",
                "Automatikus válasz",
                "Răspuns automat",
                "Automatski odgovor",
            ),
            *(
                "Samodejni odgovor",
                "Автоматический ответ",
                "Автоматична відповідь",
                "Автоматичен отговор",
                "Αυτόματη απάντηση",
            ),
            *("Otomatik yan\u0131t", "מענה אוטומטי", "رد تلقائي", "स्वचालित उत्तर", "ตอบกลับอัตโนมัติ", "Trả lời tự động"),
            *(
                "Balasan otomatis",
                "自動応答",
                "自動返信",
                "자동 회신",
                "自动答复",
                "自动回复",
                "自動回覆",
                "Automatinis atsakymas",
            ),
        ],
    )
    def test_is_known_in_the_languages_of_outlook(self, beginning: str) -> None:
        assert is_reply_subject(f"{beginning}: Boiler")
        assert is_reply_subject(f"{beginning.upper()} : x")
        assert is_reply_subject(f"{beginning}\uff1aBoiler")
        assert is_reply_subject(beginning)
        assert not is_reply_subject(f"Re: {beginning}: Boiler")
        assert not is_reply_subject(f"About {beginning}: Boiler")
        assert not is_reply_subject(f"{beginning} boiler")


class TestMarks:
    def test_of_a_mail_system(self) -> None:
        def mark(*headers: tuple[str, str], sender: str = "ada@example.com", content_type: str = "") -> str:
            return mail_system_mark([("From", sender), *headers], sender, content_type=content_type)

        assert mark() == ""
        assert "Exim" in mark(("X-Failed-Recipients", "x@example.com"))
        assert "Microsoft" in mark(("X-MS-Exchange-Message-Is-Ndr", ""))
        assert "mailer-daemon" in mark(("Return-Path", "<MAILER-DAEMON>"))
        assert "postmaster" in mark(sender="postmaster@example.com")
        assert "RFC 6522" in mark(content_type="multipart/report; boundary=x")
        assert "null reverse-path" in mark(sender="<>")
        assert "name" in mark(sender="Mail Administrator <admin@example.com>")

    def test_of_no_person(self) -> None:
        assert no_person_mark([("Return-Path", "<>")]) == "RFC 5321 null reverse-path"
        assert no_person_mark([("Auto-Submitted", "auto-replied")]) == "RFC 3834 Auto-Submitted: auto-replied"
        assert no_person_mark([("Auto-Submitted", "no")]) == ""

    def test_of_a_report(self) -> None:
        assert report_type('Multipart/Report; boundary=x; Report-Type="delivery-status"') == "delivery-status"
        assert report_type("multipart/report") == ""
        assert report_type("multipart/mixed; report-type=delivery-status") == ""


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
