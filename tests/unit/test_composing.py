"""A mail of ours as MIME, read back by a reader that is not ours."""

from email import message_from_bytes, policy
from email.message import EmailMessage as Read
from typing import Any

import pytest

from mail_ingest import composing, smtp_urls
from mail_ingest.models import Mailbox, OutboundMessage, Upload
from tests.factories import NOON, MailboxFactory, UserFactory, make_case

pytestmark = pytest.mark.django_db

PLAN = bytes(range(256)) * 20


def outbound(**values: Any) -> OutboundMessage:
    mailbox = values.pop("mailbox", None) or MailboxFactory.create(
        name="Linden & Partner", address="support@house.example"
    )
    return OutboundMessage.objects.create(
        **{
            "mailbox": mailbox,
            "purpose": "reply",
            "is_automatic": False,
            "recipient": "tina@home.example",
            "to": [{"name": "Tina Tenant", "email": "tina@home.example"}],
            "subject": "Re: Wärme [HC-10006]",
            "body": "Grüße aus München",
            "message_id": "hc.aaaaaaaaaaaaaaaaaaaaaaaaaa.0123456789abcdef.bbbbbbbbbbbbbbbbbbbbbbbbbb@house.example",
            "send_after": NOON,
            "created_at": NOON,
            **values,
        }
    )


def read(row: OutboundMessage, **options: Any) -> Read:
    return message_from_bytes(composing.as_bytes(row, **options), policy=policy.default)


class TestAMail:
    def test_says_who_to_whom_and_what(self) -> None:
        mail = read(
            outbound(
                cc=[{"name": "Jürgen Ö.", "email": "j@münchen.example"}], bcc=[{"name": "", "email": "b@c.example"}]
            )
        )
        assert [(a.display_name, a.addr_spec) for a in mail["From"].addresses] == [
            ("Linden & Partner", "support@house.example")
        ]
        assert [(a.display_name, a.addr_spec) for a in mail["To"].addresses] == [("Tina Tenant", "tina@home.example")]
        assert [(a.display_name, a.addr_spec) for a in mail["Cc"].addresses] == [
            ("Jürgen Ö.", "j@xn--mnchen-3ya.example")
        ]
        assert mail["Bcc"] is None
        assert mail["Subject"] == "Re: Wärme [HC-10006]"
        assert mail.get_content() == "Grüße aus München\n" or mail.get_content() == "Grüße aus München"
        assert mail["Auto-Submitted"] is None

    def test_carries_its_threading_headers_whole(self) -> None:
        ids = [f"{'x' * 80}{n}@home.example" for n in range(20)]
        row = outbound(in_reply_to=ids[-1], references=ids)
        raw = composing.as_bytes(row)
        mail = read(row)
        assert "".join(mail["References"].split()) == "".join(f"<{one}>" for one in ids)
        assert mail["In-Reply-To"].strip() == f"<{ids[-1]}>"
        assert f"\r\nMessage-ID: <{row.message_id}>\r\n".encode() in raw  # on one line
        assert mail["Message-ID"] == f"<{row.message_id}>"
        head = raw.partition(b"\r\n\r\n")[0]
        assert b"=?" not in b"".join(line for line in head.split(b"\r\n") if b"home.example>" in line)
        assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1

    def test_leaves_out_an_id_that_would_break_a_header(self) -> None:
        mail = read(outbound(in_reply_to="a\r\nBcc: x@y.example", references=["a b", "ok@x.example"]))
        assert (mail["In-Reply-To"], mail["References"], mail["Bcc"]) == (None, "<ok@x.example>", None)

    def test_is_seven_bits_and_has_one_kind_of_line_end(self) -> None:
        raw = composing.as_bytes(outbound(body="Grüße\nund " + "x" * 3000))
        assert raw.isascii()
        assert b"\n" not in raw.replace(b"\r\n", b"")

    def test_shows_its_formatted_form_beside_the_plain_one(self) -> None:
        mail = read(outbound(html="<p>Grüße</p>", quoted="On Monday, Tina wrote:\n> Cold <now>"))
        assert mail.get_content_type() == "multipart/alternative"
        plain, rich = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
        assert plain.rstrip() == "Grüße aus München\n\nOn Monday, Tina wrote:\n> Cold <now>"
        assert "<p>Grüße</p>" in rich
        assert "Cold &lt;now&gt;" in rich

    def test_carries_files_byte_by_byte(self) -> None:
        row = outbound()
        case, person = make_case(), UserFactory.create()
        for name, kind, content in (
            ("Plan für Wärme.pdf", "application/pdf", PLAN),
            ("notes.txt", "text/plain", b"a\r\nb\n\xff"),
            ("mail.eml", "message/rfc822", b"From: x\r\n\r\nhello"),
            ("odd", "not a type\r\nX: y", b"1"),
        ):
            row.uploads.add(
                Upload.objects.create(
                    case=case, uploaded_by=person, filename=name, content_type=kind, size_bytes=len(content),
                    sha256="0" * 64, content=content, created_at=NOON,
                )
            )  # fmt: skip
        files = list(read(row).iter_attachments())
        assert [(f.get_filename(), f.get_content_type()) for f in files] == [
            ("Plan für Wärme.pdf", "application/pdf"),
            ("notes.txt", "text/plain"),
            ("mail.eml", "application/octet-stream"),
            ("odd", "application/octet-stream"),
        ]
        assert [f.get_payload(decode=True) for f in files] == [PLAN, b"a\r\nb\n\xff", b"From: x\r\n\r\nhello", b"1"]
        assert list(read(row, with_files=False).iter_attachments()) == []

    def test_says_that_it_is_automatic_when_it_is(self) -> None:
        mail = read(outbound(is_automatic=True, in_reply_to="a@b.example", to=[]))
        assert (mail["Auto-Submitted"], mail["To"]) == ("auto-replied", "tina@home.example")
        assert (
            read(outbound(is_automatic=True, message_id="z@z.example", mailbox=MailboxFactory.create()))[
                "Auto-Submitted"
            ]
            == "auto-generated"
        )

    def test_names_hidden_recipients_only_where_that_is_how_they_get_it(self) -> None:
        row = outbound(bcc=[{"name": "", "email": "b@c.example"}])
        assert read(row, show_bcc=True)["Bcc"] == "b@c.example"
        assert composing.envelope(row) == ("support@house.example", ["tina@home.example", "b@c.example"])

    @pytest.mark.parametrize(
        "email", ["a@b.example>, <c@d.example", "a@b.example\r\nX: y", "a@..ä.example", "ä@b.example"]
    )
    def test_is_not_made_for_an_address_that_cannot_be(self, email: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            composing.as_mail(outbound(to=[{"name": "", "email": email}]))

    def test_is_not_made_with_a_broken_header(self) -> None:
        with pytest.raises(ValueError, match="newlines"):
            composing.as_bytes(outbound(subject="x\r\nBcc: y@z.example"))


class TestAServersAddress:
    @pytest.mark.parametrize(
        ("url", "host", "port", "tls", "ssl"),
        [
            ("smtp+tls://user:p%40ss@mail.example.com:2587", "mail.example.com", 2587, True, False),
            ("smtp+tls://user:pass@mail.example.com", "mail.example.com", 587, True, False),
            ("smtp+ssl://user:pass@mail.example.com", "mail.example.com", 465, False, True),
            ("smtp://mail.example.com", "mail.example.com", 25, False, False),
            ("smtp://user:pass@127.0.0.1:1025", "127.0.0.1", 1025, False, False),
        ],
    )
    def test_names_it(self, url: str, host: str, port: int, tls: bool, ssl: bool) -> None:
        server = smtp_urls.read(url)
        assert (server.host, server.port, server.use_tls, server.use_ssl) == (host, port, tls, ssl)
        assert "pass" not in repr(server)

    def test_holds_special_letters_encoded(self) -> None:
        server = smtp_urls.read("smtp+tls://tina%40house.example:p%40ss%3A@mail.example.com:587")
        assert (server.user, server.password) == ("tina@house.example", "p@ss:")

    @pytest.mark.parametrize(
        "url",
        [
            "mail.example.com",
            "https://mail.example.com",
            "filemail:///tmp/x",
            "smtp+tls://user:pass@",
            "smtp+tls://user:pass@mail.example.com:99999",
            "smtp+tls://user:pass@mail.example.com:port",
            "smtp+tls://user@mail.example.com",
            "smtp+tls://[broken",
            "smtp://user:pass@mail.example.com",  # the password would travel unencrypted
            "smtp+ssl://user:pass@mail.example.com?email_use_tls=1",
        ],
    )
    def test_that_cannot_be_used_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(smtp_urls.BadServer) as refusal:
            smtp_urls.read(url)
        assert "user:pass@mail.example.com:99999" not in str(refusal.value)

    def test_is_checked_when_a_mailbox_is_saved(self) -> None:
        from django.core.exceptions import ValidationError

        mailbox: Mailbox = MailboxFactory.build(sends_by="smtp", smtp_url="http://x")
        with pytest.raises(ValidationError) as refusal:
            mailbox.full_clean()
        assert "smtp_url" in refusal.value.message_dict
