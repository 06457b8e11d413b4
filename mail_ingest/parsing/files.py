"""Attachments under names and types of our own making."""

import re

from mail_ingest.parsing import clean, structure
from mail_ingest.parsing.headers import decode_words
from mail_ingest.parsing.mail import ParsedAttachment
from mail_ingest.parsing.structure import Part

MAX_FILES = 200
_MAX_NAME_CHARS = 150
_MAX_ENDING_CHARS = 12
_OCTETS = "application/octet-stream"

# Types that a browser may be told. Whatever can act in a browser (HTML, SVG, XML, scripts) is only bytes to us.
_SAFE_TYPES = {
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.ms-outlook": ".msg",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/ms-tnef": ".dat",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/pgp-encrypted": ".asc",
    "application/pgp-keys": ".asc",
    "application/pgp-signature": ".asc",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "video/3gpp": ".3gp",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
}
_OTHER_NAMES = {
    "application/ics": "text/calendar",
    "application/x-gzip": "application/gzip",
    "application/x-pdf": "application/pdf",
    "application/x-pkcs7-mime": "application/pkcs7-mime",
    "application/x-pkcs7-signature": "application/pkcs7-signature",
    "application/x-zip-compressed": "application/zip",
    "application/vnd.ms-tnef": "application/ms-tnef",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "message/global": "message/rfc822",
    "text/rtf": "application/rtf",
    "text/x-vcard": "text/vcard",
    # Reports of mail servers are for people to read.
    "message/delivery-status": "text/plain",
    "message/global-delivery-status": "text/plain",
    "message/disposition-notification": "text/plain",
    "message/feedback-report": "text/plain",
    "message/partial": "text/plain",
    "text/rfc822-headers": "text/plain",
    "message/global-headers": "text/plain",
}
_BY_ENDING = {ending: kind for kind, ending in reversed(_SAFE_TYPES.items())} | {".jpeg": "image/jpeg", ".htm": _OCTETS}
_REPORT = re.compile(
    r"(?:message|text)/(?:global-)?(delivery-status|disposition-notification|feedback-report|rfc822-headers|headers)"
)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_DRIVE = re.compile(r"^[A-Za-z]:")


def read(part: Part, *, number: int, shown: frozenset[str], max_bytes: int) -> ParsedAttachment:
    """The attachment in a leaf part. `number` is used where a name has to be made up; `shown` are the ids in the HTML."""
    content = part.content()
    content_id = part.content_id
    too_big = len(content) > max_bytes
    return ParsedAttachment(
        filename=_filename(part, content, number=number),
        content_type=safe_type(part.content_type),
        content=b"" if too_big else content,
        content_id=content_id,
        is_inline=bool(content_id) and content_id.lower() in shown,
        size_bytes=len(content),
        refused_reason=f"larger than {max_bytes} bytes" if too_big else "",
    )


def safe_type(content_type: str) -> str:
    """The type to store and to serve: one of a fixed list, else application/octet-stream."""
    known = _OTHER_NAMES.get(content_type, content_type)
    return known if known in _SAFE_TYPES else _OCTETS


def type_of_name(filename: str) -> str:
    """The type that the ending of a file name stands for, for a file that came without any."""
    ending = f".{filename.lower().rpartition('.')[2]}"
    return _BY_ENDING.get(ending, _OCTETS)


def safe_name(name: str) -> str:
    """A file name without path, control characters, direction marks and what file systems refuse; '' if nothing is left."""
    name = _DRIVE.sub("", clean.plain(name, limit_chars=4_000)).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", name).strip().strip(".").strip()
    if len(name) > _MAX_NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) < _MAX_ENDING_CHARS else ""
        name = name[: _MAX_NAME_CHARS - len(ending)].rstrip(" .") + ending
    return name


def _filename(part: Part, content: bytes, *, number: int) -> str:
    headers = part.headers
    for declared in (
        headers.param("content-disposition", "filename"),
        headers.param("content-type", "name"),
        decode_words(headers.first_raw("content-location"))
        if "cid:" not in headers.first_raw("content-location")
        else "",
    ):
        if name := safe_name(declared):
            return name
    if part.fallback_name:
        return part.fallback_name
    kind = safe_type(part.content_type)
    ending = _SAFE_TYPES.get(kind, ".bin")
    if kind == "message/rfc822":
        subject = safe_name(structure.read_headers(content).text("subject").replace("/", "-").replace("\\", "-"))
        return f"{subject[: _MAX_NAME_CHARS - 4]}{ending}" if subject else f"message-{number}{ending}"
    if report := _REPORT.fullmatch(part.content_type):
        return f"{report.group(1)}.txt"
    if kind == "text/calendar":
        return "invite.ics"
    family = kind.partition("/")[0]
    return f"{family if family in {'image', 'audio', 'video'} else 'attachment'}-{number}{ending}"
