"""What mail servers report: each in the form that its server writes, with what follows from it."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from mail_ingest.bounces import Action, BounceReport, Kind, Reason, Result, read, reasons, texts
from mail_ingest.parsing import parse

ORIGINAL = """
Received: from mx.example.org (mx.example.org [192.0.2.1]) by relay.example.com
Message-ID: <sent-1@example.org>
From: Desk <desk+case-7@example.org>
To: <ada@example.com>
Subject: Your boiler

We will come on Monday.
"""


def mail(text: str, *, sender: str = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>", **headers: str) -> bytes:
    head = {"From": sender, "To": "desk@example.org", "Subject": "Undeliverable", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in head.items())
    return (lines + "\n" + dedent(text).strip("\n") + "\n").encode()


def dsn(fields: str, *, text: str = "This is the mail system.", returned: str = ORIGINAL) -> bytes:
    body = f"""--b
Content-Type: text/plain

{text}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

{dedent(fields).strip()}

--b
Content-Type: message/rfc822

{returned.strip()}
--b--"""
    return mail(body, Content_Type='multipart/report; report-type=delivery-status; boundary="b"')


def report(raw: bytes) -> BounceReport:
    found = read(parse(raw))
    assert found is not None
    return found


def only(raw: bytes) -> Result:
    (result,) = report(raw).results
    return result


class TestStandardReport:
    def test_is_read_field_by_field(self) -> None:
        found = report(
            dsn(
                """
                Original-Recipient: rfc822;Ada@Example.com
                Final-Recipient: rfc822; ada.l@inner.example.com
                Action: failed
                Status: 5.1.1 (no such box)
                Remote-MTA: dns; mx.example.com
                Diagnostic-Code: smtp; 550 5.1.1 <ada.l@inner.example.com>: Recipient address rejected:
                    User unknown in local recipient table
                """
            )
        )
        assert (found.kind, found.rule) == (Kind.FAILURE, "RFC 3464 delivery-status")
        assert found.original_message_ids == ("sent-1@example.org",)
        assert found.original_senders == ("desk+case-7@example.org",)
        assert found.original_subject == "Your boiler"
        (result,) = found.results
        assert result.recipients == {"ada@example.com", "ada.l@inner.example.com"}
        assert (result.action, result.reason) == (Action.FAILED, Reason.USER_UNKNOWN)
        assert (result.status, result.smtp_code, result.is_permanent) == ("5.1.1", "550", True)
        assert result.diagnostic.endswith("User unknown in local recipient table")

    def test_tells_recipients_apart(self) -> None:
        found = report(
            dsn(
                """
                Final-Recipient: rfc822; ada@example.com
                Action: failed
                Status: 5.2.2

                Final-Recipient: rfc822; bo@example.net
                Action: delayed
                Status: 4.4.1

                Final-Recipient: rfc822; cy@example.com
                Action: delivered
                Status: 2.0.0
                """
            )
        )
        assert found.kind is Kind.FAILURE
        assert [(one.recipient, one.action, one.reason) for one in found.results] == [
            ("ada@example.com", Action.FAILED, Reason.MAILBOX_FULL),
            ("bo@example.net", Action.DELAYED, Reason.EXPIRED),
            ("cy@example.com", Action.DELIVERED, Reason.DELIVERED),
        ]
        assert [one.is_permanent for one in found.results] == [True, False, False]

    @pytest.mark.parametrize(
        ("action", "status", "kind", "reason"),
        [
            ("delivered", "2.1.5", Kind.SUCCESS, Reason.DELIVERED),
            ("relayed", "2.0.0", Kind.SUCCESS, Reason.DELIVERED),
            ("expanded", "2.0.0", Kind.SUCCESS, Reason.DELIVERED),
            ("delayed", "4.0.0", Kind.DELAY, Reason.EXPIRED),
            ("Delayed (will retry)", "4.4.3", Kind.DELAY, Reason.EXPIRED),
            ("failed", "5.0.0", Kind.FAILURE, Reason.UNDEFINED),
            ("unheard-of", "5.0.0", Kind.FAILURE, Reason.UNDEFINED),
            ("failed", "4.2.2", Kind.FAILURE, Reason.MAILBOX_FULL),
        ],
    )
    def test_is_a_failure_only_if_something_failed(self, action: str, status: str, kind: Kind, reason: Reason) -> None:
        fields = f"Final-Recipient: rfc822; ada@example.com\nAction: {action}\nStatus: {status}"
        found = report(dsn(fields))
        assert (found.kind, found.results[0].reason) == (kind, reason)
        assert found.results[0].is_permanent is (status.startswith("5") and kind is Kind.FAILURE)

    def test_is_found_in_the_text_where_a_gateway_has_flattened_it(self) -> None:
        result = only(
            mail(
                """
                Some recipients did not get it.

                Reporting-MTA: dns; mx.example.net

                Final-Recipient: rfc822; ada@example.com
                Action: failed
                Status: 5.1.2
                """
            )
        )
        assert (result.recipient, result.reason, result.status) == ("ada@example.com", Reason.HOST_UNKNOWN, "5.1.2")

    def test_names_the_person_where_the_server_names_a_file(self) -> None:
        raw = dsn("Final-Recipient: rfc822; /var/mail/ada\nAction: failed\nStatus: 5.2.2")
        assert only(raw).recipients == {"/var/mail/ada", "ada@example.com"}

    def test_finds_the_id_that_google_puts_into_the_fields(self) -> None:
        fields = "Final-Recipient: rfc822; ada@example.com\nAction: failed\nStatus: 5.1.1\nX-Original-Message-ID: <sent-2@example.org>"
        assert report(dsn(fields, returned="Subject: x")).original_message_ids == ("sent-2@example.org",)

    def test_without_any_field_still_is_one(self) -> None:
        raw = mail("Nothing.", Content_Type="multipart/report; report-type=delivery-status; boundary=none")
        found = report(raw)
        assert (found.kind, found.results[0].recipient, found.results[0].reason) == (
            Kind.FAILURE,
            "",
            Reason.UNDEFINED,
        )


# The forms of servers that write for people: the text, whom it names, and why.
FORMS: dict[str, tuple[str, str, Reason]] = {
    "Exim": (
        """
        This message was created automatically by mail delivery software.

        A message that you sent could not be delivered to one or more of its
        recipients. This is a permanent error. The following address(es) failed:

          ada@example.com
            host mx.example.com [192.0.2.7]
            SMTP error from remote mail server after RCPT TO:<ada@example.com>:
            550 5.7.1 Relaying denied

        ------ This is a copy of the message, including all the headers. ------
        """,
        "ada@example.com",
        Reason.RELAYING_DENIED,
    ),
    "qmail": (
        """
        Hi. This is the qmail-send program at mx.example.net.
        I'm afraid I wasn't able to deliver your message to the following addresses.
        This is a permanent error; I've given up. Sorry it didn't work out.

        <ada@example.com>:
        Sorry, I couldn't find any host named example.com. (#5.1.2)

        --- Below this line is a copy of the message.
        """,
        "ada@example.com",
        Reason.HOST_UNKNOWN,
    ),
    "Postfix without its fields": (
        """
        This is the mail system at host mx.example.net.

        I'm sorry to have to inform you that your message could not
        be delivered to one or more recipients. It's attached below.

        <ada@example.com>: host mx.example.com[192.0.2.7] said: 552 5.3.4 Message size
            exceeds fixed limit (in reply to MAIL FROM command)
        """,
        "ada@example.com",
        Reason.MESSAGE_TOO_BIG,
    ),
    "sendmail 5": (
        """
           ----- Transcript of session follows -----
        While talking to mx.example.com:
        >>> RCPT To:<ada@example.com>
        <<< 550 <ada@example.com>, User Unknown
        550 <ada@example.com>... User unknown

           ----- Unsent message follows -----
        """,
        "ada@example.com",
        Reason.USER_UNKNOWN,
    ),
    "Courier": (
        """
        This is a delivery status notification from mx.example.net,
        running the Courier mail server, version 0.65.2.

        The original message was received on Sat, 11 Dec 2010 12:19:57 +0900

        ---------------------------------------------------------------------------

                                   UNDELIVERABLE MAIL

        Your message to the following recipients cannot be delivered:

        <ada@example.com>:
            mx.example.com [192.0.2.7]:
        >>> RCPT TO:<ada@example.com>
        <<< 550 5.7.1 Message rejected due to spam content
        """,
        "ada@example.com",
        Reason.SPAM,
    ),
    "James": (
        """
        Hi. This is the James mail server at mx.example.net.
        I'm afraid I wasn't able to deliver your message to the following addresses.
        This is a permanent error; I've given up. Sorry it didn't work out.  Below
        I include the list of recipients and the reason why I was unable to deliver
        your message.

        Failed recipient(s):
        ada@example.com

        Error message:
        550 5.1.1 no such user here
        """,
        "ada@example.com",
        Reason.USER_UNKNOWN,
    ),
    "1&1": (
        """
        This message was created automatically by mail delivery software.

        A message that you sent could not be delivered to one or more of
        its recipients. This is a permanent error. The following address(es)
        failed:

        "ada@example.com":
        SMTP error from remote server after RCPT command:
        host: mx.example.com
        Mail rejected: the sender's IP 192.0.2.1 is listed on a block list

        --- The header of the original message is following. ---
        """,
        "ada@example.com",
        Reason.BLOCKED,
    ),
    "Domino": (
        """
        Your message

          Subject: Your boiler

        was not delivered to:

          ada@example.com

        because:

          User ada (ada@example.com) not listed in Domino Directory
        """,
        "ada@example.com",
        Reason.USER_UNKNOWN,
    ),
    "Exchange": (
        """
        Delivery has failed to these recipients or distribution lists:

        Ada Lovelace<mailto:ada@example.com>
        The recipient's mailbox is full and can't accept messages now.

        Diagnostic information for administrators:

        Generating server: mx.example.net

        ada@example.com
        #554 5.2.2 mailbox full ##

        Original message headers:
        """,
        "ada@example.com",
        Reason.MAILBOX_FULL,
    ),
    "Exchange in German": (
        """
        Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Verteilerlisten:

        ada@example.com
        Die eingegebene E-Mail-Adresse konnte nicht gefunden werden.

        Diagnoseinformationen für Administratoren:

        Generierender Server: mx.example.net

        ada@example.com
        #550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##

        Ursprüngliche Nachrichtenkopfzeilen:
        """,
        "ada@example.com",
        Reason.USER_UNKNOWN,
    ),
    "OpenSMTPD": (
        """
            Hi!

            This is the MAILER-DAEMON, please DO NOT REPLY to this email.

            An error has occurred while attempting to deliver a message for
            the following list of recipients:

        ada@example.com: 550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy

            Below is a copy of the original message:
        """,
        "ada@example.com",
        Reason.AUTH_FAILURE,
    ),
    "InterScan": (
        """
        Unable to deliver message to <ada@example.com>

        Sent <<< RCPT TO:<ada@example.com>
        Received >>> 452 4.3.1 Insufficient system storage
        """,
        "ada@example.com",
        Reason.SYSTEM_FULL,
    ),
    "MailMarshal": (
        """
        Your message:
           From:    desk@example.org
           Subject: Your boiler

        Could not be delivered because of

        550 5.7.1 Message contains a virus: Eicar was detected

        The following recipients were affected:
            ada@example.com
        """,
        "ada@example.com",
        Reason.VIRUS,
    ),
    "SurfControl": (
        """
        Your message could not be sent.
        A transcript of the attempts to send the message follows.
        The number of attempts made: 1
        Addressed To: ada@example.com

        Failed to send to identified host,
        ada@example.com: [192.0.2.7], 550 account suspended
        --- Message non-deliverable.
        """,
        "ada@example.com",
        Reason.SUSPENDED,
    ),
    "Google": (
        """
        Delivery to the following recipient failed permanently:

             ada@example.com

        Technical details of permanent failure:
        Google tried to deliver your message, but it was rejected by the server for the recipient domain
        example.com by mx.example.com. [192.0.2.7].

        The error that the other server returned was:
        450 4.2.1 The user you are trying to contact is receiving mail too quickly.

        ----- Original message -----
        """,
        "ada@example.com",
        Reason.RATE_LIMITED,
    ),
    "a mobile carrier": (
        """
        We could not deliver your mail.

        The following address: <ada@example.com>

        ada@example.com is not accepting any mail from the internet
        """,
        "ada@example.com",
        Reason.FILTERED,
    ),
    "a server that speaks Japanese": (
        """
        メールを送信できませんでした。

        宛先: ada@example.com
        メールアドレスが見つかりませんでした。
        """,
        "ada@example.com",
        Reason.USER_UNKNOWN,
    ),
}


class TestWrittenReport:
    @pytest.mark.parametrize("name", FORMS)
    def test_is_understood_in_the_form_of(self, name: str) -> None:
        text, recipient, reason = FORMS[name]
        found = report(mail(dedent(text).strip("\n") + "\n" + ORIGINAL, Content_Type="text/plain; charset=utf-8"))
        assert found.kind is Kind.FAILURE
        assert [(one.recipient, one.reason) for one in found.results] == [(recipient, reason)]
        assert found.original_message_ids == ("sent-1@example.org",)

    def test_tells_recipients_apart(self) -> None:
        found = report(
            mail(
                """
                Hi. This is the qmail-send program at mx.example.net.
                I'm afraid I wasn't able to deliver your message to the following addresses.

                <ada@example.com>:
                Remote host said: 550 5.1.1 <ada@example.com>... User Unknown
                Giving up on 192.0.2.7.

                <bo@example.net>:
                Remote host said: 552 5.2.2 mailbox full
                """
            )
        )
        assert [(one.recipient, one.reason, one.smtp_code) for one in found.results] == [
            ("ada@example.com", Reason.USER_UNKNOWN, "550"),
            ("bo@example.net", Reason.MAILBOX_FULL, "552"),
        ]

    def test_believes_exim_about_who_was_meant(self) -> None:
        raw = mail(
            """
            The following address(es) failed:

              save to /var/mail/al
                generated by al@inner.example.com
                mailbox is full
            """,
            X_Failed_Recipients="ada@example.com",
            Subject="Mail delivery failed: returning message to sender",
        )
        assert (only(raw).recipient, only(raw).reason) == ("ada@example.com", Reason.MAILBOX_FULL)

    def test_takes_exim_at_its_word_about_a_recipient(self) -> None:
        raw = mail(
            """
            The following address(es) failed:

              ada@example.com
                550 5.1.1 User unknown
              bo@example.net
                552 5.2.2 Quota exceeded
            """,
            X_Failed_Recipients="ada@example.com, bo@example.net",
        )
        assert [one.reason for one in report(raw).results] == [Reason.USER_UNKNOWN, Reason.MAILBOX_FULL]

    def test_knows_from_whom_a_recipient_was_expanded(self) -> None:
        raw = mail("Undeliverable.\n\n<al@inner.example.com> (expanded from\n    <ada@example.com>): user unknown")
        assert only(raw).recipients == {"al@inner.example.com", "ada@example.com"}

    def test_looks_for_the_recipient_in_the_sentence_then_anywhere_then_in_the_returned_mail(self) -> None:
        sentence = mail("Your message wasn't delivered to ada@example.com because the address couldn't be found.")
        anywhere = mail("It could not be delivered. Ask the people around bo@example.net what is wrong.")
        returned = mail("It could not be delivered.\n\n----- Original message -----\n" + ORIGINAL)
        found = [only(raw).recipient for raw in (sentence, anywhere, returned, mail("It could not be delivered."))]
        assert found == ["ada@example.com", "bo@example.net", "ada@example.com", ""]

    def test_may_speak_of_a_delay(self) -> None:
        raw = mail(
            """
            THIS IS A WARNING MESSAGE ONLY.

            Delivery to the following recipient has been delayed:

                 ada@example.com
            """,
            Subject="Delivery Status Notification (Delay)",
        )
        found = report(raw)
        assert (found.kind, only(raw).action, only(raw).reason) == (Kind.DELAY, Action.DELAYED, Reason.EXPIRED)
        assert not only(raw).is_permanent

    def test_names_the_original_in_its_text_or_header(self) -> None:
        raw = mail(
            """
            This report relates to a message you sent with the following header fields:

              Message-id: <sent-1@example.org>
              To: ada@example.com

            Your message cannot be delivered to the following recipients:

              Recipient address: ada@example.com
              Reason: Over quota
            """,
            In_Reply_To="<sent-2@example.org>",
            References="<first@example.org> <sent-2@example.org>",
        )
        found = report(raw)
        assert found.original_message_ids == ("sent-1@example.org", "sent-2@example.org", "first@example.org")
        assert (only(raw).recipient, only(raw).reason) == ("ada@example.com", Reason.MAILBOX_FULL)


class TestComplaint:
    def test_is_read_field_by_field(self) -> None:
        body = f"""--b
Content-Type: text/plain

An abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Some/1.0
Version: 1
Original-Rcpt-To: <ada@example.com>
Original-Rcpt-To: <bo@example.net>

--b
Content-Type: message/rfc822
{ORIGINAL}
--b--"""
        raw = mail(
            body, sender="fbl@example.com", Content_Type="multipart/report; report-type=feedback-report; boundary=b"
        )
        found = report(raw)
        assert (found.kind, found.rule) == (Kind.COMPLAINT, "RFC 5965 feedback-report")
        assert [one.recipient for one in found.results] == ["ada@example.com", "bo@example.net"]
        assert {(one.reason, one.diagnostic, one.is_permanent) for one in found.results} == {
            (Reason.FEEDBACK, "abuse", False)
        }
        assert found.original_message_ids == ("sent-1@example.org",)

    def test_may_come_in_the_form_from_before_the_standard(self) -> None:
        body = f"--b\nContent-Type: message/rfc822\n{ORIGINAL}\n--b--"
        raw = mail(
            body,
            sender="staff@example.com",
            Subject="complaint about message from 192.0.2.1",
            Content_Type="multipart/mixed; boundary=b",
        )
        found = report(raw)
        assert (found.kind, found.rule) == (Kind.COMPLAINT, "a provider's feedback loop")
        assert [one.recipient for one in found.results] == ["ada@example.com"]


class TestReceipt:
    @pytest.mark.parametrize(
        ("disposition", "action"),
        [
            ("manual-action/MDN-sent-manually; displayed", Action.DISPLAYED),
            ("automatic-action/MDN-sent-automatically; deleted/error", Action.DELETED),
        ],
    )
    def test_says_what_was_done_with_a_mail(self, disposition: str, action: Action) -> None:
        body = f"""--b
Content-Type: text/plain

Your message was read.

--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; ada@example.com
Original-Message-ID: <sent-1@example.org>
Disposition: {disposition}

--b--"""
        kind = "multipart/report; report-type=disposition-notification; boundary=b"
        found = report(mail(body, sender="Ada <ada@example.com>", Content_Type=kind, Subject="Read: Your boiler"))
        assert (found.kind, found.results[0].action) == (Kind.READ, action)
        assert (found.results[0].recipient, found.original_message_ids) == ("ada@example.com", ("sent-1@example.org",))


class TestOtherMail:
    @pytest.mark.parametrize(
        "raw",
        [
            mail("The boiler is cold.", sender="Ada <ada@example.com>", Subject="Boiler"),
            mail(
                "> This is the mail system at host mx.example.net.\n> <bo@example.net>: User unknown\n\nWhat is this?",
                sender="Ada <ada@example.com>",
                Subject="Fwd: Undelivered Mail Returned to Sender",
            ),
            mail("Your parcel could not be delivered.", sender="Post <info@example.com>", Subject="Delivery failed"),
            mail("I am away.", sender="Ada <ada@example.com>", Subject="Automatic reply: Boiler", Return_Path="<>"),
            mail(
                "Your mail could not be delivered to me in person: I am away.",
                sender="Ada <ada@example.com>",
                Subject="Out of Office: Undeliverable",
                Auto_Submitted="auto-replied",
            ),
            mail("Tonight the mail servers are restarted.", sender="postmaster@example.com", Subject="Maintenance"),
            mail(
                "Hello.", sender="Ada <ada@example.com>", Subject="Hi", Content_Type="multipart/report; boundary=none"
            ),
        ],
        ids=["a question", "a forward", "a parcel", "an absence", "a dead end", "an announcement", "a bare report"],
    )
    def test_is_no_report(self, raw: bytes) -> None:
        assert read(parse(raw)) is None


class TestReasons:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("550 5.1.1 The email account that you tried to reach does not exist", Reason.USER_UNKNOWN),
            ("550 Requested action not taken: mailbox unavailable", Reason.USER_UNKNOWN),
            (
                "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
                Reason.USER_UNKNOWN,
            ),
            ("552-5.2.2 The email account that you tried to reach is over quota", Reason.MAILBOX_FULL),
            ("Le compte utilisateur : boîte aux lettres pleine", Reason.MAILBOX_FULL),
            ("552 5.3.4 Message size exceeds fixed maximum message size", Reason.MESSAGE_TOO_BIG),
            ("452 4.3.1 Insufficient system storage", Reason.SYSTEM_FULL),
            ("550 5.2.1 The email account that you tried to reach is disabled", Reason.SUSPENDED),
            ("554 5.7.1 <ada@example.com>: Relay access denied", Reason.RELAYING_DENIED),
            ("550 5.7.1 SPF validation failed", Reason.AUTH_FAILURE),
            (
                "550-5.7.26 This mail has been blocked because the sender is unauthenticated: unauthenticated email",
                Reason.AUTH_FAILURE,
            ),
            ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org", Reason.BLOCKED),
            ("553 5.1.8 Domain of sender address desk@example.org does not exist", Reason.REJECTED),
            ("550 Sender verify failed", Reason.REJECTED),
            ("550 5.7.1 Message rejected as spam by Content Filtering", Reason.SPAM),
            ("421 4.7.0 Too many connections from your host", Reason.RATE_LIMITED),
            ("550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy", Reason.POLICY),
            (
                "Host or domain name not found. Name service error for name=example.com type=A: Host not found",
                Reason.HOST_UNKNOWN,
            ),
            ("556 5.1.10 <ada@example.com>: Recipient address rejected: Domain has null MX", Reason.NOT_ACCEPTING),
            ("5.4.6 Hop count exceeded - possible mail loop", Reason.NETWORK),
            ("connect to mx.example.com[192.0.2.7]:25: Connection timed out", Reason.EXPIRED),
            ("451 4.3.0 Temporary system problem: internal error", Reason.SYSTEM_ERROR),
            ("550 5.1.6 recipient no longer on server", Reason.MOVED),
            ("User mailbox exceeds allowed size: ada@example.com", Reason.MAILBOX_FULL),
            ("Delivery failed 20 attempts: ada@example.com", Reason.EXPIRED),
            ("something else entirely", None),
        ],
    )
    def test_are_read_from_words(self, text: str, reason: Reason | None) -> None:
        assert reasons.by_words(text) is reason

    @pytest.mark.parametrize(
        ("status", "named", "suggested"),
        [
            ("5.1.1", Reason.USER_UNKNOWN, Reason.USER_UNKNOWN),
            ("5.1.10", Reason.NOT_ACCEPTING, Reason.NOT_ACCEPTING),
            ("4.2.2", Reason.MAILBOX_FULL, Reason.MAILBOX_FULL),
            ("5.7.1", None, Reason.POLICY),
            ("5.7.0", None, Reason.POLICY),
            ("5.3.0", None, Reason.SYSTEM_ERROR),
            ("5.0.0", None, None),
            ("", None, None),
        ],
    )
    def test_are_read_from_status_codes(self, status: str, named: Reason | None, suggested: Reason | None) -> None:
        assert (reasons.by_status(status), reasons.by_vague_status(status)) == (named, suggested)

    @pytest.mark.parametrize(("code", "reason"), [("552", Reason.MAILBOX_FULL), ("550", None), ("", None)])
    def test_are_read_from_reply_codes(self, code: str, reason: Reason | None) -> None:
        assert reasons.by_reply(code) is reason

    def test_are_said_to_people_in_words(self) -> None:
        assert all(str(reason.label).endswith((".", ")")) for reason in Reason)
        assert len({str(reason.label) for reason in Reason}) == len(Reason)


class TestCodes:
    def test_are_not_taken_from_addresses_and_versions(self) -> None:
        assert texts.status_in("connect to 192.0.5.1.1 failed, version 4.94.2.1; 5.0.0 then 5.1.1") == "5.1.1"
        assert texts.status_in("5.0.0 only") == "5.0.0"
        assert texts.smtp_code_in("port 2525 of 192.0.2.550 said 250 fine, then 554 no") == "554"
        assert texts.smtp_code_in("nothing") == ""


class TestBounds:
    def test_hold_for_what_is_made_to_be_slow(self) -> None:
        """Ten seconds would be a fault; the limit of the test run would tell."""
        for text in ("a@" * 200_000, "<" * 500_000, "could not " * 100_000, "x: y\n" * 100_000, "550 \n " * 100_000):
            found = read(parse(mail("Mail could not be delivered.\n\n" + text)))
            assert found is not None
            assert len(found.results) <= texts.MAX_RECIPIENTS
            assert all(len(one.diagnostic) <= 500 for one in found.results)

    def test_hold_for_a_report_about_thousands(self) -> None:
        fields = "\n\n".join(
            f"Final-Recipient: rfc822; p{n}@example.com\nAction: failed\nStatus: 5.1.1" for n in range(3_000)
        )
        assert len(report(dsn(fields)).results) == texts.MAX_RECIPIENTS


class TestRealReports:
    def test_all_name_a_recipient_or_return_the_mail(self, corpora: Path) -> None:
        expected = json.loads((corpora / "sisimai/expected.json").read_text())["expected"]
        nameless = []
        for name, rows in expected.items():
            path = corpora / "sisimai/maildir/bsd" / name
            if rows[0]["reason"] == "vacation" or not path.exists():
                continue
            found = read(parse(path.read_bytes()))
            if found is not None and not any("@" in one for result in found.results for one in result.recipients):
                nameless.append(name)
        assert nameless == []
