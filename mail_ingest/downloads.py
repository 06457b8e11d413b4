"""How bytes that strangers sent us leave the house: as a download that no browser runs, shows or guesses the type of.

What a mail says of its files is not believed: the type is one of a short list or none, the name is cleaned.
"""

import re
import unicodedata
from urllib.parse import quote

from django.http import HttpResponse

UNKNOWN = "application/octet-stream"
MAX_NAME_BYTES = 200

# Types that no browser runs as a page. Whatever is not here (HTML, SVG, XML, scripts) leaves as bytes of no type.
SAFE_TYPES = frozenset(
    {
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/zip",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/bmp",
        "image/gif",
        "image/heic",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "text/csv",
        "text/plain",
        "video/mp4",
        "video/quicktime",
        "video/webm",
    }
)

_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|]+')
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ._()+=,@-]+")


def download(content: bytes, *, filename: str, declared_type: str, sha256: str = "") -> HttpResponse:
    """An answer that is only ever saved: never run, shown or sniffed. `sha256` becomes its ETag."""
    response = HttpResponse(content, content_type=content_type(declared_type))
    response.headers["Content-Disposition"] = disposition(filename)
    response.headers["Content-Length"] = str(len(content))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if sha256:
        response.headers["ETag"] = f'"{sha256}"'
    return response


def content_type(declared: str) -> str:
    """The type that a file leaves with: what it says it is, if that is on the list, without any parameters."""
    bare = declared.partition(";")[0].strip().lower()
    return bare if bare in SAFE_TYPES else UNKNOWN


def disposition(filename: str) -> str:
    """`Content-Disposition` of a download (RFC 6266): the name in plain ASCII, and as it is (RFC 8187) if that differs."""
    name = clean_name(filename)
    plain = _NOT_PLAIN.sub("_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()).strip()
    plain = plain if plain.strip("._ ") else "file"
    plain = f"file{plain}" if plain.startswith(".") else plain
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(filename: str) -> str:
    """A name that a file may be saved under: no folders, no controls, nothing that turns the writing direction."""
    visible = "".join(
        letter for letter in filename.strip() if unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    name = _NOT_IN_NAMES.sub("_", visible).strip(" .")
    stem, dot, ending = name.rpartition(".")
    while len(name.encode()) > MAX_NAME_BYTES:  # the ending says what it is, so it is the stem that is cut
        if not dot or len(ending.encode()) > MAX_NAME_BYTES // 2:
            stem, dot, ending = name, "", ""
        stem = stem[:-1]
        name = stem + dot + ending
    return name or "file"
