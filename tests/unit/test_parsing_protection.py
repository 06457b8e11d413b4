"""Signed and encrypted mail: S/MIME (RFC 8551) in DER and BER, PGP/MIME (RFC 3156) and armour within the text (RFC 9580)."""

import base64

import pytest

from mail_ingest.parsing import ParsedMail, Protection, cms, parse, protection

TOP = b"From: Ada Tenant <ada@example.com>\r\nSubject: Boiler\r\n"
SIGNED = bytes.fromhex("06092a864886f70d010702")
DATA = bytes.fromhex("06092a864886f70d010701")
ENVELOPED = bytes.fromhex("06092a864886f70d010703")
AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
INNER = b"Content-Type: text/plain\r\n\r\nThe boiler is cold.\r\n"


def der(tag: int, value: bytes) -> bytes:
    """X.690, 8.1: an element with its length."""
    if len(value) < 128:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + value


def ber(tag: int, value: bytes) -> bytes:
    """X.690, 8.1.3.6: an element with an open length."""
    return bytes((tag, 0x80)) + value + b"\0\0"


def signed(content: bytes) -> bytes:
    body = der(0x02, b"\x01") + der(0x31, b"") + der(0x30, DATA + der(0xA0, der(0x04, content))) + der(0x31, b"")
    return der(0x30, SIGNED + der(0xA0, der(0x30, body)))


def signed_in_pieces(content: bytes) -> bytes:
    half = len(content) // 2
    pieces = ber(0x24, der(0x04, content[:half]) + ber(0x24, der(0x04, content[half:])))
    body = der(0x02, b"\x01") + ber(0x31, ber(0x30, DATA)) + ber(0x30, DATA + ber(0xA0, pieces)) + der(0x31, b"")
    return ber(0x30, SIGNED + ber(0xA0, ber(0x30, body)))


def smime(data: bytes, *, claim: bytes = b"", kind: bytes = b"application/pkcs7-mime") -> ParsedMail:
    head = b"Content-Type: " + kind + (b"; smime-type=" + claim if claim else b"")
    return parse(TOP + head + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data))


class TestSmime:
    @pytest.mark.parametrize("wrap", [signed, signed_in_pieces])
    @pytest.mark.parametrize("content", [INNER, INNER * 20])
    def test_that_is_only_signed_is_opened(self, wrap: object, content: bytes) -> None:
        data = wrap(content)  # type: ignore[operator] # a function
        assert cms.signed_content(data) == content
        parsed = smime(data, claim=b"signed-data")
        assert parsed.text.startswith("The boiler is cold.")
        assert (parsed.protection, parsed.attachments) == (Protection.SMIME_SIGNED, ())

    @pytest.mark.parametrize("kind", [b"application/x-pkcs7-mime", b"application/octet-stream; name=smime.p7m"])
    def test_is_known_under_other_names(self, kind: bytes) -> None:
        assert smime(signed(INNER), kind=kind).text == "The boiler is cold."

    def test_that_is_opened_may_be_signed_again_but_not_for_ever(self) -> None:
        data = INNER
        for _ in range(5):
            data = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + signed(data)
        parsed = parse(TOP + data)
        assert parsed.protection == Protection.SMIME_SIGNED
        assert [file.filename for file in parsed.attachments] == ["smime.p7m"]

    @pytest.mark.parametrize("kind", [ENVELOPED, AUTH_ENVELOPED])
    def test_that_is_encrypted_is_kept_as_a_file(self, kind: bytes) -> None:
        data = der(0x30, kind + der(0xA0, der(0x30, b"")))
        parsed = smime(data)
        assert (parsed.protection, parsed.text) == (Protection.SMIME_ENCRYPTED, "")
        assert [(file.filename, file.content) for file in parsed.attachments] == [("smime.p7m", data)]
        assert parsed.protection.is_encrypted

    @pytest.mark.parametrize(
        ("claim", "expected"),
        [
            (b"enveloped-data", Protection.SMIME_ENCRYPTED),
            (b"signed-data", Protection.SMIME_SIGNED),
            (b"certs-only", Protection.NONE),
            (b"compressed-data", Protection.NONE),
        ],
    )
    def test_that_cannot_be_opened_is_what_it_claims(self, claim: bytes, expected: Protection) -> None:
        parsed = smime(b"rubbish", claim=claim)
        assert parsed.protection == expected
        assert [file.filename for file in parsed.attachments] == ["smime.p7m"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x30",
            b"\x30\x05\x06",
            b"\x02\x01\x01",
            b"\x30\x03\x02\x01\x01",
            b"\x1f\x1f\x01",
            b"\x30\x89" + b"\1" * 9,
            der(0x30, DATA),
            der(0x30, SIGNED + der(0xA0, der(0x30, der(0x02, b"\1")))),
            der(0x30, SIGNED + der(0xA0, der(0x30, der(0x02, b"\1") + der(0x31, b"") + der(0x30, DATA)))),
            der(0x30, SIGNED + der(0xA0, der(0x30, der(0x02, b"\1") + der(0x30, b"") + der(0x30, DATA)))),
            der(
                0x30,
                SIGNED
                + der(0xA0, der(0x30, der(0x02, b"\1") + der(0x31, b"") + der(0x30, DATA + der(0xA0, der(0x05, b""))))),
            ),
            ber(0x30, SIGNED + ber(0xA0, b"\x30\x80\x02\x01\x01" + b"\x31\x80" * 40)),
            der(0x30, SIGNED + der(0xA0, der(0x30, der(0x02, b"\1") + b"\x01\x80"))),
            der(0x30, SIGNED + der(0xA0, ber(0x30, der(0x02, b"\1") + ber(0x31, b"\x02\x01\x01" * 100_001)))),
        ],
    )
    def test_refuses_what_is_none(self, data: bytes) -> None:
        with pytest.raises(cms.Broken):
            cms.signed_content(data)

    @pytest.mark.parametrize("cut", range(1, 120, 7))
    def test_is_read_when_cut(self, cut: int) -> None:
        assert smime(signed(INNER)[:cut]).subject == "Boiler"


def multipart(kind: bytes, *parts: bytes) -> ParsedMail:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return parse(TOP + b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + body + b"--b--\r\n")


class TestMultipart:
    @pytest.mark.parametrize(
        ("kind", "expected", "name"),
        [
            (b"pkcs7-signature", Protection.SMIME_SIGNED, "attachment-1.p7s"),
            (b"x-pkcs7-signature", Protection.SMIME_SIGNED, "attachment-1.p7s"),
            (b"pgp-signature", Protection.PGP_SIGNED, "attachment-1.asc"),
            (b"unknown", Protection.NONE, "attachment-1.bin"),
        ],
    )
    def test_signed_shows_what_was_signed(self, kind: bytes, expected: Protection, name: str) -> None:
        parsed = multipart(
            b"signed; protocol=application/" + kind, INNER, b"Content-Type: application/" + kind + b"\r\n\r\nsig"
        )
        assert (parsed.protection, parsed.text) == (expected, "The boiler is cold.")
        assert [file.filename for file in parsed.attachments] == [name]

    def test_encrypted_keeps_the_parts(self) -> None:
        parsed = multipart(
            b"encrypted; protocol=application/pgp-encrypted",
            b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1",
            b"Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----",
        )
        assert (parsed.protection, parsed.text) == (Protection.PGP_ENCRYPTED, "")
        assert [file.filename for file in parsed.attachments] == ["version.asc", "encrypted.asc"]

    def test_of_a_list_still_tells_of_the_signature(self) -> None:
        inner = b"Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n" + INNER
        inner += b"--c\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--c--\r\n"
        parsed = multipart(b"mixed", inner, b"\r\nthe list's footer")
        assert parsed.protection == Protection.PGP_SIGNED


ARMOUR = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n=aaaa\n-----END PGP MESSAGE-----"
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----"
CLEAR = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nIt is cold.\n- -- \n- From Ada\n- one\n{SIGNATURE}\nafter"


class TestUnarmour:
    def test_shows_what_was_signed_as_it_was_written(self) -> None:
        found = protection.unarmour(f"before\n{CLEAR}")
        assert found.text == "before\nIt is cold.\n-- \nFrom Ada\n- one\n\nafter"
        assert found.protection == Protection.PGP_SIGNED
        assert found.files == [("signature.asc", SIGNATURE.encode())]

    def test_takes_out_what_is_encrypted(self) -> None:
        parsed = parse(TOP + b"\r\nHello,\r\n" + ARMOUR.replace("\n", "\r\n").encode() + b"\r\nAda\r\n")
        assert parsed.text == "Hello,\n\nAda"
        assert parsed.protection == Protection.PGP_ENCRYPTED
        assert [(file.filename, file.content) for file in parsed.attachments] == [("encrypted.asc", ARMOUR.encode())]
        assert parse(TOP + b"\r\n" + f"{ARMOUR}\n{CLEAR}".encode()).protection == Protection.PGP_ENCRYPTED

    def test_takes_out_keys(self) -> None:
        key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nmQEN\n-----END PGP PUBLIC KEY BLOCK-----"
        found = protection.unarmour(f"my key:\n{key}")
        assert (found.text, found.protection) == ("my key:\n", Protection.NONE)
        assert found.files == [("public-key.asc", key.encode())]

    @pytest.mark.parametrize(
        "text",
        [
            "words",
            "> -----BEGIN PGP MESSAGE-----\n> x",
            "-----BEGIN PGP MESSAGE-----\nno end",
            "-----BEGIN PGP NOTHING-----",
        ],
    )
    def test_leaves_other_text_alone(self, text: str) -> None:
        assert protection.unarmour(text) == protection.Unarmoured(text)

    def test_takes_out_so_many_and_no_more(self) -> None:
        assert len(protection.unarmour(f"{ARMOUR}\n" * 50).files) == 20

    def test_forgives_a_signature_without_a_beginning(self) -> None:
        assert protection.unarmour(f"- -- \n{SIGNATURE}").text == "- -- \n"
