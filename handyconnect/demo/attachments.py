"""Small real files to attach: a picture, a page and an invitation, the same bytes every time."""

import functools
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

WIDTH, HEIGHT = 240, 160


@dataclass(frozen=True, slots=True)
class File:
    name: str
    maintype: str
    subtype: str
    content: bytes


def make(name: str, *, text: str, at: datetime) -> File:
    """The file that the ending of its name asks for; `text` is what it says, `at` when an invitation begins."""
    match PurePosixPath(name).suffix.lower():
        case ".png":
            return File(name, "image", "png", png(seed=text or name))
        case ".pdf":
            return File(name, "application", "pdf", pdf(text or name))
        case ".ics":
            return File(name, "text", "calendar", ics(text or name, at=at))
        case _:
            return File(name, "text", "plain", f"{text or name}\n".encode())


@functools.cache
def png(*, seed: str) -> bytes:
    """A picture of a stain on a wall, its place and colour chosen by the seed."""
    number = zlib.crc32(seed.encode())
    centre_x, centre_y = 60 + number % 120, 40 + (number >> 8) % 80
    radius = 20 + (number >> 16) % 30
    stain = (120 + (number >> 20) % 40, 100 + (number >> 12) % 30, 70)
    rows = bytearray()
    for y in range(HEIGHT):
        rows.append(0)
        for x in range(WIDTH):
            away = ((x - centre_x) ** 2 + (y - centre_y) ** 2) ** 0.5
            share = max(0.0, 1 - away / radius)
            light = 226 - y // 6
            rows += bytes(round(light + (tone - light) * share) for tone in stain)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def pdf(text: str) -> bytes:
    """One page with the text's lines (separated by `|`) in Helvetica; the format is PDF 1.4."""
    lines = [line.strip().replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.split("|")]
    drawn = " ".join(f"({line}) Tj T*" for line in lines)
    page = f"BT /F1 12 Tf 16 TL 72 760 Td {drawn} ET".encode("cp1252", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def ics(summary: str, *, at: datetime) -> bytes:
    """An invitation of one hour (RFC 5545)."""
    begins = at.astimezone(UTC)
    stamps = [f"{moment:%Y%m%dT%H%M%SZ}" for moment in (begins, begins + timedelta(hours=1))]
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Example//Calendar//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        f"UID:{zlib.crc32(summary.encode()):08x}@liftwerk.example",
        f"DTSTAMP:{stamps[0]}",
        f"DTSTART:{stamps[0]}",
        f"DTEND:{stamps[1]}",
        f"SUMMARY:{summary}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()
