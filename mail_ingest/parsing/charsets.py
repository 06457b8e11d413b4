"""From bytes in whatever charset the sender claims to text. Nothing here raises."""

import codecs
import re
from functools import lru_cache

import charset_normalizer

# What mail says, to what Python knows. Browsers read Latin-1 as Windows-1252 and GB2312 as its superset, and so do
# mail programs: https://encoding.spec.whatwg.org/#names-and-labels
_ALIASES = {
    "ascii": "ascii",
    "us-ascii": "ascii",
    "ansi-x3.4-1968": "ascii",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "ansi": "cp1252",
    "x-ansi": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "windows-874": "cp874",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "utf-7-imap": "utf-7",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "chinese": "gb18030",
    "gb-2312": "gb18030",
    "gb2312-80": "gb18030",
    "gb-2312-80": "gb18030",
    "big5": "cp950",
    "big5-tw": "cp950",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "ms-kanji": "cp932",
    "windows-31j": "cp932",
    "ks-c-5601-1987": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "windows-949": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman",
    "mac": "mac-roman",
    "koi8": "koi8-r",
}
# Python's `idna`, `punycode` and `unicode_escape` also claim to be text encodings; two of them take quadratic time.
_SAFE = re.compile(
    r"(ascii|utf[-_]?(7|8|8[-_]sig|16|16[-_][bl]e|32|32[-_][bl]e)|cp\d+|iso8859[-_]\d+|iso2022[-_]\w+|koi8[-_][rut]|mac[-_]\w+"
    r"|gb18030|gb2312|gbk|hz|big5|big5hkscs|shift_jis\w*|euc_\w+|johab|tis[-_]620|ptcp154|kz1048|hp[-_]roman8|latin\w*)\Z"
)
# Python keeps every name that it was ever asked for, known or not: senders do not get to fill that memory.
_PLAUSIBLE = re.compile(
    r"(ascii|utf|cp|windows|iso|ibm|koi|mac|gb|big|shift|euc|hz|johab|tis|latin|hp|kz|pt)[a-z0-9_-]{0,16}\Z"
)
_GUESS_BYTES = 4096  # Guessing takes up to a few milliseconds per kilobyte.
_FEW_BYTES = 8
_HIGH = re.compile(rb"[\x80-\xff]")
_JIS_PAIR = re.compile(rb"[\x21-\x7e]{2}")
_JIS_RUN = re.compile(rb"\x1b(\$@|\$B|\$\(D|\([BJI])([^\x1b]*)")


@lru_cache(maxsize=512)
def codec_for(label: str) -> str:
    """Python's name for a charset label, '' when it knows none that is safe to use."""
    name = label.strip(" \t\r\n\"'<>").lower().partition("*")[0].replace("_", "-")[:64]
    for candidate in (name, name.removeprefix("x-"), name.removeprefix("iso-"), name.removeprefix("charset=")):
        known = _ALIASES.get(candidate, candidate)
        if not _PLAUSIBLE.match(known):
            continue
        try:
            codec = codecs.lookup(known).name
        except (LookupError, ValueError):
            continue
        if _SAFE.match(codec):
            return _ALIASES.get(codec, codec)
    return ""


def decode(data: bytes, label: str = "") -> str:
    """The text of `data`, by the declared charset where that works, else by what the bytes look like.

    UTF-8 is believed over any other label, because text that happens to be valid UTF-8 almost always is.
    """
    return declared(data, label) or data.decode(guess(data), "replace")


def declared(data: bytes, label: str) -> str:
    """The text of `data` as ASCII, UTF-8 or what `label` says; '' when it is none of them. Costs no guessing."""
    codec = codec_for(label)
    if codec.startswith("iso2022_jp"):
        return _japanese(data)
    # In these, bytes that look like ASCII or UTF-8 mean something else.
    apart = codec.startswith(("utf-16", "utf-32", "iso2022")) or codec in {"utf-7", "hz"}
    if data.isascii() and not apart:
        return data.decode("ascii")
    for strict in (codec,) if apart else ("utf-8", codec):
        text = _strictly(data, strict)
        if text:
            return text.removeprefix("\ufeff")
    if codec not in {"", "ascii"}:
        text = data.decode(codec, "replace")
        # A few broken bytes are damage on the way; many are a wrong label.
        if text.count("\ufffd") <= 1 + len(text) // 50:
            return text.removeprefix("\ufeff")
    return ""


def guess(data: bytes) -> str:
    """The codec that the first bytes look like. Takes milliseconds, so ask once for many short strings together."""
    sample = data[:_GUESS_BYTES]
    if sample.count(b"\x00") * 4 > len(sample):
        return "utf-16-le" if sample[1:2] == b"\x00" else "utf-16-be"
    odd = len(_HIGH.findall(sample))
    if odd < _FEW_BYTES and odd * 3 <= len(sample):
        return "cp1252"  # An umlaut or a dash or two, too few to tell anything else by.
    found = charset_normalizer.from_bytes(sample, steps=3, chunk_size=256).best()
    return (codec_for(found.encoding) if found else "") or "cp1252"


def _strictly(data: bytes, codec: str) -> str:
    if codec in {"", "ascii"}:
        return ""
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        return ""


def _japanese(data: bytes) -> str:
    """ISO-2022-JP as it is written, with the vendor characters (①, ㈱) that the standard and Python's codec lack."""
    out: list[str] = []
    at = 0
    for run in _JIS_RUN.finditer(data):
        out.append(_outside(data[at : run.start()]))
        at = run.end()
        mode, chars = run.group(1), run.group(2)
        if mode in {b"$@", b"$B"}:
            out.append(_jis_pairs(chars))
        elif mode == b"(I":
            out.append(bytes(byte | 0x80 for byte in chars).decode("cp932", "replace"))
        elif mode == b"$(D":
            out.append((run.group() + b"\x1b(B").decode("iso2022_jp_ext", "replace"))
        else:
            out.append(_outside(chars))
    out.append(_outside(data[at:]))
    return "".join(out)


def _outside(data: bytes) -> str:
    """What stands outside of the escapes: ASCII, or Shift_JIS under the wrong name. A single odd byte is damage."""
    return data.decode("cp932" if len(_HIGH.findall(data)) > 1 else "ascii", "replace")


def _jis_pairs(data: bytes) -> str:
    """JIS X 0208 pairs moved to where Windows-31J has them (JIS X 0208:1997, annex 1). Line ends stay what they are."""
    return _JIS_PAIR.sub(_to_windows_31j, data).decode("cp932", "replace")


def _to_windows_31j(pair: re.Match[bytes]) -> bytes:
    first, second = pair.group()
    lead = (first - 0x21) // 2 + (0x81 if pair.group() < b"\x5f" else 0xC1)
    trail = second + (0x1F + (pair.group()[1:] >= b"\x60") if first % 2 else 0x7E)
    return bytes((lead, trail))
