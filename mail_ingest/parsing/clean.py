"""Text that a database, a screen and a file system can take."""

import re

# NUL is refused by PostgreSQL; the other controls have no place in mail text and upset terminals and XML exports.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_BREAKS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
_SPACES = re.compile(r"[\s\x00-\x20]+")
# Direction marks make "exe.fdp" look like "pdf.exe"; invisible characters make two names look like one.
_TRICKS = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def body(value: str) -> str:
    """Many lines, ended by \\n alone."""
    value = _BREAKS.sub("\n", value)
    return _CONTROLS.sub("", _SURROGATES.sub("\ufffd", value))


def line(value: str, *, limit_chars: int = 10_000) -> str:
    """One line with single spaces, cut to `limit_chars`."""
    value = _SPACES.sub(" ", _BREAKS.sub(" ", value[: limit_chars * 2]))
    return _CONTROLS.sub("", _SURROGATES.sub("\ufffd", value)).strip()[:limit_chars]


def plain(value: str, *, limit_chars: int = 10_000) -> str:
    """One line without direction marks and invisible characters, for file names and names of people."""
    return line(_TRICKS.sub("", value[: limit_chars * 4]), limit_chars=limit_chars)
