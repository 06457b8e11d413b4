"""Ids that prove themselves, and case numbers in subjects."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail_ingest import message_ids

CASE = UUID("0195f1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
KEY, OTHER = b"k" * 32, b"o" * 32
# The signature comes from elsewhere: printf handyconnect:id:v1:agk7dit4hv7e7cs3nr6y5hykdm.n1 |
# openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk -binary | head -c16 | base32
ID = "hc.agk7dit4hv7e7cs3nr6y5hykdm.n1."
SIGNATURE = "we6eyhyfg47y66kp6abmguxen4"


def an_id(case_id: UUID = CASE, *, key: bytes = KEY, nonce: str = "n1") -> str:
    return message_ids.make(case_id, domain="example.org", key=key, nonce=nonce)


class TestMake:
    def test_writes_an_id_that_fits_a_header(self) -> None:
        made = an_id()
        assert made == f"{ID}{SIGNATURE}@example.org"
        assert len(made) < 120
        assert made == made.lower()
        assert "<" not in made

    def test_is_another_for_another_nonce(self) -> None:
        assert an_id(nonce="a") != an_id(nonce="b")

    @pytest.mark.parametrize("nonce", ["", "A", "a.b", "a\n", "ä", "x" * 41])
    def test_refuses_a_nonce_that_would_not_survive(self, nonce: str) -> None:
        with pytest.raises(ValueError, match="nonce"):
            an_id(nonce=nonce)


class TestRead:
    @given(st.uuids(), st.from_regex(r"\A[a-z0-9]{1,40}\Z"))
    def test_gives_back_the_case(self, case_id: UUID, nonce: str) -> None:
        made = message_ids.make(case_id, domain="example.org", key=KEY, nonce=nonce)
        assert message_ids.read(made, keys=[KEY]) == case_id

    def test_forgives_brackets_blanks_and_case(self) -> None:
        assert message_ids.read(f" <{an_id().upper()}> ", keys=[KEY]) == CASE

    def test_takes_older_keys(self) -> None:
        assert message_ids.read(an_id(key=OTHER), keys=[KEY, OTHER]) == CASE

    def test_refuses_other_keys_and_none(self) -> None:
        assert message_ids.read(an_id(), keys=[OTHER]) is None
        assert message_ids.read(an_id(), keys=[]) is None

    @pytest.mark.parametrize("place", range(3, 60))
    def test_notices_every_changed_letter(self, place: int) -> None:
        made = an_id()
        changed = made[:place] + ("a" if made[place] != "a" else "b") + made[place + 1 :]
        assert message_ids.read(changed, keys=[KEY]) is None

    def test_refuses_the_signature_of_another_case(self) -> None:
        other = an_id(UUID(int=7))
        mixed = f"{ID}{other.split('.')[3]}"
        assert message_ids.read(mixed, keys=[KEY]) is None

    @pytest.mark.parametrize("message_id", ["", "x@example.org", "hc..n1.@example.org", "hc.a.b.c@d", "<>", "é" * 100])
    def test_refuses_what_is_not_ours(self, message_id: str) -> None:
        assert message_ids.read(message_id, keys=[KEY]) is None


class TestTags:
    def test_give_back_the_case_and_fit_an_address(self) -> None:
        tag = message_ids.make_tag(CASE, key=KEY)
        assert len(f"office+{tag}") <= 64
        assert message_ids.read_tag(tag.upper(), keys=[OTHER, KEY]) == CASE

    def test_are_refused_when_changed_foreign_or_an_id(self) -> None:
        tag = message_ids.make_tag(CASE, key=KEY)
        assert message_ids.read_tag(tag[:-1] + ("a" if tag[-1] != "a" else "b"), keys=[KEY]) is None
        assert message_ids.read_tag(tag, keys=[OTHER]) is None
        assert message_ids.read_tag("invoices", keys=[KEY]) is None
        assert message_ids.read(f"{tag}@example.org", keys=[KEY]) is None

    def test_are_found_behind_the_plus(self) -> None:
        emails = ["desk+abc@example.org", "desk@example.org", "a+b+c@example.org", "x+y", ""]
        assert message_ids.tags_in(emails) == ("abc", "b+c")


class TestCaseNumbersIn:
    @pytest.mark.parametrize(
        ("subject", "numbers"),
        [
            ("Re: Boiler [HC-10427]", ("HC-10427",)),
            ("hc-10427 and HC-5, HC-10427 again", ("HC-10427", "HC-5")),
            ("HC\u201110427 HC\u20135", ("HC-10427", "HC-5")),
            ("(HC-7)", ("HC-7",)),
            ("XHC-10427 HC-12x34", ("HC-12",)),
            ("HC10427 HC- HC-x", ()),
            ("HC-1234567890123456789", ()),
            ("HC-\u0661\u0662", ()),
            ("", ()),
        ],
    )
    def test_finds(self, subject: str, numbers: tuple[str, ...]) -> None:
        assert message_ids.case_numbers_in(subject) == numbers

    def test_stops_at_a_number(self) -> None:
        assert len(message_ids.case_numbers_in(" ".join(f"HC-{number}" for number in range(50)))) == 10
