# ruff: noqa: RUF001 # many languages
"""What of a reply is new. Nothing may be lost, and something must always be visible."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail_ingest.parsing import parse, quote_headers, quotes

QUOTE = "> Is the boiler on?\n> Please look."


def lines_of(text: str) -> Counter[str]:
    return Counter(line.rstrip() for line in text.split("\n") if line.strip() and line != "\ue000")


class TestSplit:
    @pytest.mark.parametrize(
        "announcement",
        [
            "On Mon, Mar 2, 2026 at 10:15 AM Desk <desk@example.org> wrote:",
            "On Mon, Mar 2, 2026 at 10:15 AM Desk\n<desk@example.org> wrote:",
            ' On Mar 2, 2026 10:15 AM, "Desk" <\ndesk@example.org> wrote:',
            "On Mar 2, 2026, at 10:15 AM, Desk <\ndesk@example.org>\nwrote:",
            "Am 02.03.2026 um 10:15 schrieb Desk:",
            "Am Montag, den 2. März 2026 um 10:15 schrieb Desk <desk@example.org>:",
            "Le lun. 2 mars 2026 à 10:15, Desk <desk@example.org> a écrit :",
            "El lun, 2 mar 2026 a las 10:15, Desk (<desk@example.org>) escribió:",
            "Il giorno lun 2 mar 2026 alle ore 10:15 Desk <desk@example.org> ha scritto:",
            "Op ma 2 mrt 2026 om 10:15 schreef Desk <desk@example.org>:",
            "W dniu 2026-03-02 o 10:15, Desk napisał(a):",
            "Em seg., 2 de mar. de 2026 às 10:15, Desk <desk@example.org> escreveu:",
            "Den 2 mars 2026 10:15 skrev Desk <desk@example.org>:",
            "пн, 2 мар. 2026 года, 10:15, Desk <desk@example.org>:",
            "Desk <desk@example.org> wrote:",
            "-----Original Message-----",
            "-----Ursprüngliche Nachricht-----",
            "________________________________\nFrom: Desk <desk@example.org>\nSent: Monday, 2 March 2026 10:15\nTo: Ada\nSubject: Boiler",
            "Von: Desk\nGesendet: Montag, 2. März 2026 10:15\nAn: Ada\nBetreff: Boiler",
            "*De :* Desk <desk@example.org>\n*Envoyé :* lundi 2 mars 2026\n*Objet :* Boiler",
            "From: desk@example.org Date: Mon, 2 Mar 2026 10:15",
            "-----Antwort Nachricht-----",
            "-------- Original message --------",
            "-------- Message d'origine --------\nDe : Desk\nDate : 02/03/2026",
            "Mensagem original\nDe: Desk\nData: 02/03/2026",
            "-----Desk <desk@example.org> wrote: -----",
            "---- On Mon, 02 Mar 2026 10:15:00 +0100 Desk <desk@example.org> wrote ----",
            "Desk <desk@example.org> schrieb am Mo., 2. März 2026, 10:15:",
            "Desk <desk@example.org> ezt írta (időpont: 2026. márc. 2., H, 10:15):",
            "desk@example.org escribió el 02/03/2026:",
            "Quoting Desk <desk@example.org>:",
            "Zitat von Desk <desk@example.org>:",
            "On Mon, Mar 2, 2026 at 10:15 AM The Desk of a very long\ndepartment <desk.with.a.long.name@example.org>\nwrote:",
            "Op 17-feb.-2026, om 13:18 heeft Desk <desk@example.org> het volgende geschreven:",
            "På 14 september 2026 på 02:23:18, Desk (desk@example.org) skrev:",
            "2026年3月2日(月) 10:15 Desk <desk@example.org>:",
            "Kimden: Desk <desk@example.org>\nGönderildi: 2 Mart 2026 Pazartesi 10:15\nKime: Ada\nKonu: YNT: y",
            "Feladó: Desk <desk@example.org>\nElküldve: 2026. március 2., hétfő 10:15\nCímzett: Ada\nTárgy: RE: y",
            "De la: Desk <desk@example.org>\nTrimis: luni, 2 martie 2026 10:15\nCătre: Ada\nSubiect: RE: y",
            "Από: Desk <desk@example.org>\nΣτάλθηκε: Δευτέρα\nΠρος: Ada\nΘέμα: y",
            "Від: Desk <desk@example.org>\nНадіслано: 2 березня 2026 р.\nКому: Ada\nТема: y",
            "מאת: Desk <desk@example.org>\nנשלח: יום שני 02 מרץ 2026\nאל: Ada\nנושא: y",
            "من: Desk <desk@example.org>\nتاريخ الإرسال: 2 مارس\nإلى: Ada\nالموضوع: y",
            "差出人: Desk <desk@example.org>\n送信日時: 2026年3月2日 10:15\n宛先: Ada\n件名: RE: y",
            "\tDesk <desk@example.org>\n\t02.03.2026 10:15\n\n\t\tTo\n\t\tada@example.com\n\t\tcc\n\n\t\tSubject\n\t\tBoiler",
            "\tDesk\n\t02.03.2026 10:15\n\n\t\tAn\n\t\tada@example.com\n\n\t\tThema:\n\t\tBetreff",
            "> On 2 March 2026 at 10:15 Desk <desk@example.org> wrote:",
        ],
    )
    @pytest.mark.parametrize("history", [QUOTE, "Is the boiler on?\nPlease look."])
    @pytest.mark.parametrize("gap", ["\n\n", "\n"])
    def test_folds_what_is_announced(self, announcement: str, history: str, gap: str) -> None:
        if announcement.startswith(">") and history != QUOTE:
            history = QUOTE
        reply = quotes.split(f"It is on now.\nThank you{gap}{announcement}\n\n{history}")
        assert reply.visible == "It is on now.\nThank you"
        assert lines_of(reply.quoted) == lines_of(f"{announcement}\n{history}")

    @pytest.mark.parametrize("announcement", ["Desk wrote:", "_____________\nFrom: desk@example.org"])
    def test_believes_little_only_where_a_quote_follows(self, announcement: str) -> None:
        assert quotes.split(f"It is on.\n\n{announcement}\n\n{QUOTE}").visible == "It is on."
        assert quotes.split(f"It is on.\n\n{announcement}\n\nno quote").quoted == ""
        assert quotes.split(f"It is on.\n\n{announcement}\n\n>>> no quote <<<").quoted == ""

    @pytest.mark.parametrize(
        "words",
        [
            "Please see my answers below.",
            "Meine Antworten unten in rot",
            "mes réponses en rouge",
            "zie hieronder",
            "vedi sotto",
            "comments inline",
        ],
    )
    def test_shows_history_that_the_sender_points_at(self, words: str) -> None:
        text = f"{words}\n\nFrom: Desk <desk@example.org>\nSent: Monday\nSubject: x\n\nIs it on? Yes.\nIs it warm? No."
        assert quotes.split(text) == quotes.Reply(text, "")

    def test_folds_a_link_that_a_program_broke_or_put_between_quoted_lines(self) -> None:
        start = "new\n\nDesk <desk@example.org> wrote:\n> one\n"
        assert quotes.split(f"{start}> see (https://desk.example/a\nb=3dd518)\n> two").visible == "new"
        assert quotes.split(f"{start} (https://desk.example/a) >\n> two").visible == "new"
        assert "(my answer)" in quotes.split(f"{start}(my answer)\n> two").visible

    def test_takes_no_signature_for_an_answer_below_a_quote(self) -> None:
        text = "Desk <desk@example.org> wrote:\n> Is it on?\n\nYes.\n\n> Bye\n\n-- \nAda"
        assert quotes.split(text).visible == "Desk <desk@example.org> wrote:\n> Is it on?\n\nYes."

    def test_shows_an_answer_below_the_quote(self) -> None:
        reply = quotes.split(f"Desk <desk@example.org> wrote:\n{QUOTE}\n\nIt is on now.")
        assert reply.visible == "It is on now."

    def test_shows_an_answer_around_the_quote(self) -> None:
        reply = quotes.split(f"Hello,\n\nDesk <desk@example.org> wrote:\n{QUOTE}\n\nIt is on now.")
        assert reply.visible == "Hello,\n\nIt is on now."

    def test_shows_answers_between_quotes_together_with_what_they_answer(self) -> None:
        text = "Desk <desk@example.org> wrote:\n> Is it on?\n\nYes.\n\n> Is it warm?\n\nNo.\n\n> Bye"
        reply = quotes.split(text)
        assert reply.visible == text.removesuffix("\n\n> Bye")
        assert reply.quoted == "> Bye"

    def test_takes_a_few_marked_lines_without_announcement_for_the_senders(self) -> None:
        assert quotes.split(f"see\n{QUOTE}") == quotes.Reply(f"see\n{QUOTE}", "")
        assert quotes.split(f"see\n{QUOTE}\n> Bye").visible == "see"

    def test_keeps_what_was_forwarded(self) -> None:
        text = "FYI\n\n---------- Forwarded message ----------\nFrom: bo@example.net\nDate: Mon, 2 Mar 2026\nSubject: x\n\nText"
        assert quotes.split(text) == quotes.Reply(text, "")
        assert quotes.split(text.replace("---------- F", "\ue000\n---------- F")).quoted == ""
        assert quotes.split(f"FYI\n\nBegin forwarded message:\n\n{QUOTE}\n> Bye").quoted == ""

    def test_folds_a_forward_within_history(self) -> None:
        reply = quotes.split("ok\n\n-----Original Message-----\nFYI\n---------- Forwarded message ----------\nText")
        assert reply.visible == "ok"

    def test_keeps_everything_of_a_mail_that_is_a_forward_by_its_subject(self) -> None:
        text = "please see\n\nFrom: bo@example.net\nSent: Monday\nTo: Ada\nSubject: x\n\nText"
        assert quotes.split(text, is_forward=True).visible == text
        assert quotes.split(text).visible == "please see"

    def test_believes_the_mark_of_a_mail_program(self) -> None:
        assert quotes.split("new\n\ue000\nold words\nmore") == quotes.Reply("new", "old words\nmore")

    @pytest.mark.parametrize(
        "text",
        [
            "On your remote host you can run:\n\n  telnet",
            "From: Monday\nTo: Friday\nwe are away",
            "Please call Bob <bob@example.com>:\nhe knows",
            "Blah\nOn blah-blah-blah",
            "One question:\n- a\n- b",
            "Date: tomorrow",
            "a -- b\n\n--",
            "The options are\n- Kitchen\n- Bathroom",
            "Sent from my desk, is much easier than the phone.",
            "Obtained from the Outlook for the next year.",
            "On Monday\nthe plumber came:\nhe wrote it down",
            "My landlord\n02.03.2026 10:15\nrang the bell",
            "My landlord\n02.03.2026 10:15\nSubject\nwas the boiler",
        ],
    )
    def test_folds_nothing_that_only_looks_like_history(self, text: str) -> None:
        assert quotes.split(text).visible.startswith(text[:5])
        assert quotes.split(text).quoted.strip("-") == ""

    @pytest.mark.parametrize(
        "signature",
        [
            "-- \nAda Tenant\nFlat 12",
            "--\nAda",
            "Sent from my iPhone",
            "Gesendet von meinem Telefon",
            "Get Outlook for iOS",
            "Get Outlook for iOS<https://aka.example/o0ukef>",
            "Sent from Mail<https://go.example/fwlink/?LinkId=550986> for Windows 10",
            "Sent via the Samsung Galaxy S10, an AT&T 5G smartphone",
            "Sent from my mobile. Please excuse brevity.",
            "Sent with Proton Mail secure email.",
            "Von meinem Samsung Galaxy Smartphone gesendet.",
            "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
            "Outlook für iOS beziehen",
            "Envoyé de mon iPhone",
            "Obtenir Outlook pour iOS",
            "Enviado desde mi iPhone",
            "Enviado do meu iPhone",
            "Inviato dal mio iPhone",
            "Outlook voor iOS downloaden",
            "Skickat från min iPhone",
            "Sendt fra min iPhone",
            "Lähetetty iPhonesta",
            "Wysłane z iPhone'a",
            "Odesláno z iPhonu",
            "iPhone'umdan gönderildi",
            "Отправлено из мобильной Яндекс.Почты",
            "iPhoneから送信",
            "发自我的iPhone",
            "나의 iPhone에서 보냄",
            "-Ada Tenant",
            "_________________________________\ntenants mailing list\nhttps://lists.example.org",
        ],
    )
    def test_folds_signatures(self, signature: str) -> None:
        assert quotes.split(f"It is on now.\n\n{signature}") == quotes.Reply("It is on now.", signature)
        reply = quotes.split(f"It is on now.\n\n{signature}\n\nDesk <desk@example.org> wrote:\n{QUOTE}")
        assert reply.visible == "It is on now."

    @pytest.mark.parametrize(
        "text",
        [
            "-- \nAda",
            "Sent from my iPhone",
            "Desk <desk@example.org> wrote:\n> x",
            "-----Original Message-----\nold",
            "From: a@example.com\nSubject: x",
        ],
    )
    def test_folds_nothing_when_nothing_would_be_left(self, text: str) -> None:
        assert quotes.split(text) == quotes.Reply(text, "")

    def test_cuts_a_line_that_the_reply_shares_with_the_announcement(self) -> None:
        reply = quotes.split("it is on--- On Mon, Mar 2, 2026 at 3:59 PM, desk@example.org wrote:\n> Hi")
        assert reply.visible == "it is on"

    @pytest.mark.parametrize("day", ["Wed, Apr 4, 2026", "4 Apr 2026", "2026-04-04", "Apr 4, 2026"])
    def test_cuts_it_also_without_dashes(self, day: str) -> None:
        assert quotes.split(f"it is on. On {day} at 3:59 PM, desk@example.org wrote:\n> Hi").visible == "it is on."
        assert quote_headers.unglue("see On the day that he wrote:") == ("see On the day that he wrote:",)

    def test_treats_lines_beyond_the_limit_as_the_last_before_it(self) -> None:
        start = "new\n\nDesk <desk@example.org> wrote:\n\n"
        reply = quotes.split(start + "old\n" * (quotes.MAX_LINES + 10))
        assert reply.visible == "new"

    def test_gives_up_on_too_many_doubtful_places(self) -> None:
        doubt = "wrote something to x@example.com:\n\n" * 400
        text = doubt + "Desk <desk@example.org> wrote:\n\nold"
        assert quotes.split(text).quoted == ""
        assert quotes.split("Date: 1 @\n\n" * 400 + "From: a@example.com\nSubject: x\n\nold").quoted == ""

    @given(
        st.lists(
            st.sampled_from(
                [
                    *(
                        "words",
                        "",
                        "> quoted",
                        ">> deep",
                        "-- ",
                        "\ue000",
                        "-----Original Message-----",
                        "Ada <a@example.com> wrote:",
                    ),
                    *(
                        "From: a@example.com",
                        "Subject: x",
                        "---- Forwarded message ----",
                        "Sent from my iPhone",
                        "_" * 32,
                        "-Ada",
                    ),
                    *("a--- On 2 March 2026, a@example.com wrote:", " > On 2 March 2026 Ada <a@example.com> wrote:"),
                ]
            ),
            max_size=25,
        ),
        st.booleans(),
    )
    def test_loses_and_invents_nothing(self, lines: list[str], is_forward: bool) -> None:
        text = "\n".join(lines)
        reply = quotes.split(text, is_forward=is_forward)
        given_lines = lines_of("\n".join(part for line in lines for part in quote_headers.unglue(line)))
        assert lines_of(reply.visible) + lines_of(reply.quoted) == given_lines
        assert bool(reply.visible.strip()) == bool(given_lines)


class TestIsForwardSubject:
    @pytest.mark.parametrize(
        ("subject", "expected"),
        [
            ("Fwd: x", True),
            ("WG: x", True),
            ("VB: x", True),
            ("VS: x", False),
            ("FW:x", True),
            ("Re: Fwd: x", False),
            ("Forward planning: x", False),
        ],
    )
    def test_answers(self, subject: str, expected: bool) -> None:
        assert quote_headers.is_forward_subject(subject) is expected


class TestHtmlReplies:
    def test_fold_what_the_mail_program_marked(self) -> None:
        parsed = parse(
            b'Subject: Re: Boiler\r\nContent-Type: text/html\r\n\r\n<div>It is on.</div><br><div class="gmail_quote"><div>Desk, yesterday, on the boiler:</div>'
            b"<blockquote>Is it on?</blockquote></div>"
        )
        assert parsed.visible_text == "It is on."
        assert parsed.text == "It is on.\n\nDesk, yesterday, on the boiler:\n\n> Is it on?"

    def test_fold_history_that_is_one_quote(self) -> None:
        parsed = parse(
            b"Content-Type: text/html\r\n\r\nIt is on.<blockquote><p>On 2 March 2026, Desk &lt;desk@example.org&gt; wrote:</p><p>Is it?</p></blockquote>"
        )
        assert parsed.visible_text == "It is on."

    def test_keep_a_forwarded_mail(self) -> None:
        parsed = parse(
            b'Subject: Fwd: Boiler\r\nContent-Type: text/html\r\n\r\nsee<div class="gmail_quote">From: a@example.com<br>Subject: x<br><br>words</div>'
        )
        assert parsed.quoted_text == ""
        assert "words" in parsed.visible_text
