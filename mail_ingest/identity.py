"""What makes two receipts the same mail: pure functions of its bytes."""

import hashlib
import re
from dataclasses import dataclass

from mail_ingest.parsing import clean
from mail_ingest.parsing.structure import read_headers

_HEADER_BYTES = 256 * 1024
_END_OF_HEADERS = re.compile(rb"\r?\n[ \t]*\r?\n|\r\r")
_BLANKS = re.compile(rb"\s+")
_TELLING = (
    *("message-id", "date", "from", "sender", "reply-to", "to", "cc", "subject", "in-reply-to", "references"),
    *("content-type", "content-transfer-encoding"),
)
_MAX_ID_CHARS = 900
_MAX_ID_BYTES = 2_000  # A row of an index of PostgreSQL holds at most 2,704 bytes.


@dataclass(frozen=True, slots=True)
class Identity:
    """`message_id` stands without brackets, '' when there is none. The two hashes are SHA-256 in hex."""

    message_id: str
    sha256: str
    content_key: str


def identify(raw: bytes) -> Identity:
    """The identity of a mail.

    The content key is the same for two copies of a mail that only went other ways (Received and other trace headers, line
    ends, trailing blanks), and another for other content under the same Message-ID. A mail without Message-ID is only ever the
    same as its very bytes.
    """
    sha256 = hashlib.sha256(raw).hexdigest()
    headers = read_headers(raw[:_HEADER_BYTES])
    message_id = clean.plain("".join(headers.first_raw("message-id").split()).strip("<>"), limit_chars=_MAX_ID_CHARS)
    message_id = message_id.encode()[:_MAX_ID_BYTES].decode(errors="ignore")
    if not message_id:
        return Identity("", sha256, sha256)
    content = hashlib.sha256()
    for name in _TELLING:
        content.update(_BLANKS.sub(b" ", headers.first_raw(name).encode(errors="surrogatepass")).strip() + b"\0")
    end = _END_OF_HEADERS.search(raw)
    body = raw[end.end() :] if end else b""
    content.update(body.replace(b"\r\n", b"\n").rstrip())
    return Identity(message_id, sha256, content.hexdigest())
