"""Whom a mail goes to, and what stands around its text."""

from datetime import UTC, datetime

import pytest

from mail_ingest import quoting
from mail_ingest.parsing import Address, quotes
from mail_ingest.recipients import (
    BadAddress,
    OwnAddresses,
    Recipients,
    checked,
    is_no_reply,
    key,
    mentions_files,
    reply_all,
    warnings,
    without_repeats,
)

OWN = OwnAddresses(["support@house.example", "Help@House.example", "büro@münchen.example"])
TINA = Address("Tina Tenant", "tina@home.example")
OTTO = Address("Otto", "Otto@Owners.example")


def emails(addresses: tuple[Address, ...]) -> list[str]:
    return [one.email for one in addresses]


class TestReplyAll:
    def test_answers_the_sender_and_copies_whoever_else_it_was_for(self) -> None:
        found = reply_all(
            sender=TINA, to=[Address("", "support@house.example"), OTTO], cc=[Address("", "x@y.example")], own=OWN
        )
        assert emails(found.to) == ["tina@home.example"]
        assert emails(found.cc) == ["Otto@Owners.example", "x@y.example"]

    def test_answers_where_the_mail_asks_for_answers(self) -> None:
        found = reply_all(sender=TINA, reply_to=[OTTO], to=[Address("", "support@house.example")], own=OWN)
        assert (emails(found.to), found.cc) == (["Otto@Owners.example"], ())

    def test_never_answers_ourselves_by_whatever_name(self) -> None:
        ours = ["SUPPORT@house.example", "support+hc-abc@house.example", "help@house.example", "support@HOUSE.EXAMPLE"]
        found = reply_all(
            sender=TINA, to=[Address("", one) for one in ours], cc=[TINA, Address("", "TINA@home.example")], own=OWN
        )
        assert (emails(found.to), found.cc) == (["tina@home.example"], ())

    def test_knows_an_address_in_either_spelling_of_its_domain(self) -> None:
        # RFC 3492's encoding of münchen, as every registry lists it
        assert "büro@xn--mnchen-3ya.example" in OWN
        assert key("A@MÜNCHEN.example") == "a@xn--mnchen-3ya.example"

    def test_passes_over_a_reply_to_that_leads_back_to_us(self) -> None:
        found = reply_all(sender=TINA, reply_to=[Address("", "support@house.example")], own=OWN)
        assert emails(found.to) == ["tina@home.example"]

    def test_passes_over_what_is_no_address(self) -> None:
        found = reply_all(
            sender=Address("", "undisclosed-recipients"), cc=[Address("", "a@b"), Address("", "a b@c.example")], own=OWN
        )
        assert found == Recipients()

    def test_is_bounded(self) -> None:
        crowd = [Address("", f"p{n}@home.example") for n in range(300)]
        assert len(reply_all(sender=TINA, to=crowd, own=OWN).everybody) == 100


class TestAnAddress:
    @pytest.mark.parametrize(
        "email",
        [
            "tina@home.example",
            "o'neil+tag@sub.home.example",
            "tina@münchen.example",
            "tina@xn--mnchen-3ya.example",
            "double..dot.@docomo.example",
            "a" * 64 + "@home.example",
        ],
    )
    def test_can_be_written_to(self, email: str) -> None:
        assert checked(f" {email} ").email == email

    @pytest.mark.parametrize(
        ("email", "name"),
        [
            ("tina@home.example\r\nBcc: all@home.example", ""),
            ("tina@home.example\n", ""),
            ("tina@home.example", "Tina\nBcc: all@home.example"),
            ("tina@home.example", "Tina\x00"),
            ("tina", ""),
            ("@home.example", ""),
            ("tina@", ""),
            ("tina@home", ""),
            ("tina@-home.example", ""),
            ("tina@home..example", ""),
            ("tina@home.example, x@y.example", ""),
            ("tina <tina@home.example>", ""),
            ("tïna@home.example", ""),
            ("tina@" + "ä" * 70 + ".example", ""),
            ("a" * 65 + "@home.example", ""),
            ("tina@" + "a.b" * 100 + ".example", ""),
            ("tina@straße.example", ""),  # IDNA 2003 makes strasse of it, another domain
            ("unknown-sender+7@invalid", ""),
        ],
    )
    def test_that_cannot_be_is_refused_by_name(self, email: str, name: str) -> None:
        if email.endswith("\n") and email.strip() == "tina@home.example":
            assert checked(email).email == "tina@home.example"  # blanks around it are no attack
            return
        with pytest.raises(BadAddress) as refusal:
            checked(email, name)
        assert email.split("@", maxsplit=1)[0][:60] in str(refusal.value)

    @pytest.mark.parametrize(
        ("email", "expected"),
        [
            ("noreply@shop.example", True),
            ("no-reply@shop.example", True),
            ("no_reply+123@shop.example", True),
            ("do-not-reply@shop.example", True),
            ("donotreply@shop.example", True),
            ("billing-noreply@shop.example", True),
            ("keine-antwort@laden.example", True),
            ("ne-pas-repondre@magasin.example", True),
            ("MAILER-DAEMON@mx.example", True),
            ("norepli@shop.example", False),
            ("noreen@shop.example", False),
            ("reply@shop.example", False),
            ("tina@noreply.example", False),
        ],
    )
    def test_that_nobody_reads_is_told(self, email: str, expected: bool) -> None:
        assert is_no_reply(email) is expected


class TestRecipients:
    def test_stand_once_at_the_most_visible_place(self) -> None:
        again = Address("T", "TINA@HOME.example")
        found = without_repeats(Recipients(to=(TINA, again), cc=(again, OTTO), bcc=(OTTO, Address("", "z@z.example"))))
        assert [emails(part) for part in (found.to, found.cc, found.bcc)] == [
            ["tina@home.example"],
            ["Otto@Owners.example"],
            ["z@z.example"],
        ]


class TestWarnings:
    def test_tell_a_new_domain_a_new_address_and_a_machine(self) -> None:
        new = Address("", "plumber@pipes.example")
        found = warnings(
            Recipients(
                to=(TINA,), cc=(Address("", "tom@home.example"), new), bcc=(Address("", "noreply@home.example"),)
            ),
            known={"tina@home.example", "noreply@home.example"},
            known_domains={"home.example"},
        )
        assert [(one.code, one.email) for one in found] == [
            ("new_address", "tom@home.example"),
            ("new_domain", "plumber@pipes.example"),
            ("no_reply", "noreply@home.example"),
        ]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Please find the plan attached.", True),
            ("See the attachment.", True),
            ("Enclosed is the contract.", True),
            ("Anbei der Plan.", True),
            ("Den Plan finden Sie im Anhang.", True),
            ("Ich habe den Plan beigefügt.", True),
            ("Vous trouverez le plan ci-joint.", True),
            ("Le plan est en pièce jointe.", True),
            ("Adjunto el plano.", True),
            ("Le adjuntamos el contrato.", True),
            ("Segue em anexo o contrato.", True),
            ("O contrato está no anexo.", True),
            ("The plumber comes tomorrow.", False),
            ("Die Anlage wird morgen gewartet.", False),  # the plant, not the enclosure
            ("We are detached from that.", False),
            ("OK.\n> I have attached the plan.", False),
        ],
    )
    def test_tell_a_forgotten_file(self, text: str, expected: bool) -> None:
        assert mentions_files(text) is expected
        found = warnings(Recipients(), known=(), known_domains=(), text=text, has_files=False)
        assert [one.code for one in found] == (["attachment_missing"] if expected else [])
        assert warnings(Recipients(), known=(), known_domains=(), text=text, has_files=True) == []


class TestTheSubject:
    @pytest.mark.parametrize(
        ("subject", "expected"),
        [
            ("Heating", "Re: Heating [HC-10006]"),
            ("RE: AW: Re: Antw: Heating", "Re: Heating [HC-10006]"),
            ("Re[2]: SV: Heating", "Re: Heating [HC-10006]"),
            ("RE : 回复\uff1aHeating", "Re: Heating [HC-10006]"),
            ("Re: Heating [HC-10006]", "Re: Heating [HC-10006]"),
            ("Fwd: Heating", "Re: Fwd: Heating [HC-10006]"),
            ("Rent: due", "Re: Rent: due [HC-10006]"),
            ("Heating\r\nBcc: x", "Re: Heating Bcc: x [HC-10006]"),
            ("", "Re: [HC-10006]"),
        ],
    )
    def test_answers_once_and_names_the_case(self, subject: str, expected: str) -> None:
        assert quoting.reply_subject(subject, "HC-10006") == expected

    def test_keeps_the_number_when_it_is_cut(self) -> None:
        cut = quoting.reply_subject("x" * 900, "HC-10006")
        assert len(cut) == 250
        assert cut.endswith(" [HC-10006]")


class TestTheReferences:
    def test_are_those_of_the_answered_mail_and_its_id(self) -> None:
        assert quoting.references_of(["a@x", "b@x"], "c@x") == ["a@x", "b@x", "c@x"]

    def test_keep_the_oldest_and_the_newest(self) -> None:
        found = quoting.references_of([f"{n}@x" for n in range(50)], "last@x")
        assert (len(found), found[0], found[1], found[-1]) == (20, "0@x", "32@x", "last@x")

    def test_leave_out_what_would_break_a_header(self) -> None:
        assert quoting.references_of(["a b@x", "c@x\r\nBcc: y", "<d@x>", "ä@x", ""], "ok@x") == ["ok@x"]


class TestTheHistory:
    @pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "nl", "xx", ""])
    def test_is_folded_by_whoever_gets_it(self, language: str) -> None:
        history = quoting.history(
            "It is cold.\n\n> deeper",
            name="Tina Tenant",
            sent_at=datetime(2026, 3, 4, 12, 5, tzinfo=UTC),
            language=language,
        )
        split = quotes.split("Somebody comes.\n\n" + quoting.below("Linden & Partner", history))
        assert split.visible == "Somebody comes."
        assert "> It is cold.\n>\n>> deeper" in split.quoted
        assert "2026-03-04" in split.quoted
        assert "12:05" in split.quoted

    def test_speaks_the_language_of_the_mail(self) -> None:
        at = datetime(2026, 3, 4, 12, 5, tzinfo=UTC)
        assert quoting.history("Kalt.", name="T", sent_at=at, language="de-AT").startswith(
            "Am 2026-03-04 um 12:05 schrieb T:"
        )
        assert quoting.history("Cold.", name="T", sent_at=at, language="ja").startswith(
            "On 2026-03-04 at 12:05, T wrote:"
        )

    def test_is_nothing_where_nothing_was_said(self) -> None:
        assert quoting.history(" \n ", name="T", sent_at=datetime(2026, 3, 4, tzinfo=UTC)) == ""
        assert quoting.below("", "") == ""

    def test_is_bounded(self) -> None:
        found = quoting.history("y" * 30_000, name="T", sent_at=datetime(2026, 3, 4, tzinfo=UTC))
        assert found.endswith("\n> […]")
        assert len(found) < 20_100

    def test_is_quoted_in_html_too_and_runs_nothing(self) -> None:
        assert quoting.as_html("On Monday:\n> <b>x</b>\n>> y\nend") == (
            'On Monday:<br>\n<blockquote type="cite">&lt;b&gt;x&lt;/b&gt;<br>\n<blockquote type="cite">y<br>\n'
            "</blockquote></blockquote>end<br>\n"
        )
