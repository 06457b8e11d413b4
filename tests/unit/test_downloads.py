"""What strangers call their files, and what becomes of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail_ingest.downloads import MAX_NAME_BYTES, SAFE_TYPES, clean_name, content_type, disposition, download


class TestCleanName:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("plan.pdf", "plan.pdf"),
            ("  plan.pdf. ", "plan.pdf"),
            ("a\x00b\x07.txt", "ab.txt"),
            ("C:\\temp\\a.txt", "C_temp_a.txt"),
            ("/etc/passwd", "_etc_passwd"),
            ("a\u202egpj.exe", "agpj.exe"),
            ("line\u2028two", "linetwo"),
            ("half \ud800 pair", "half  pair"),
            ("\u00ad", "file"),
            ("", "file"),
        ],
    )
    def test_leaves_what_a_file_may_be_called(self, given: str, expected: str) -> None:
        assert clean_name(given) == expected

    def test_cuts_the_stem_and_keeps_the_ending(self) -> None:
        assert clean_name("ü" * 300 + ".pdf") == "ü" * 98 + ".pdf"
        assert clean_name("a." + "ü" * 300) == "a." + "ü" * 99
        assert clean_name("a" * 300) == "a" * 200


class TestDisposition:
    @given(st.text())
    def test_is_always_one_line_of_ascii_in_its_quotes(self, filename: str) -> None:
        header = disposition(filename)
        assert header.isascii()
        assert header.isprintable()
        plain = header.removeprefix('attachment; filename="').partition('"')[0]
        assert plain.strip(" ._")
        assert not set(plain) & set('"\\/')
        assert len(clean_name(filename).encode()) <= MAX_NAME_BYTES

    def test_holds_for_every_string_of_the_big_list(self, corpora: Path) -> None:
        for text in json.loads((corpora / "naughty_strings" / "blns.json").read_text(encoding="utf-8")):
            response = download(b"x", filename=text, declared_type=text)
            assert response.headers["Content-Disposition"].startswith('attachment; filename="')
            assert response.headers["Content-Type"] == "application/octet-stream"


class TestContentType:
    def test_is_never_one_that_a_browser_runs(self) -> None:
        for declared in (
            "text/html",
            "IMAGE/SVG+XML",
            "application/xml",
            "text/javascript",
            "multipart/related",
            "html",
            "",
        ):
            assert content_type(declared) == "application/octet-stream"

    def test_is_taken_from_the_list_without_its_parameters(self) -> None:
        for safe in SAFE_TYPES:
            assert content_type(f" {safe.upper()} ; charset=utf-7") == safe
