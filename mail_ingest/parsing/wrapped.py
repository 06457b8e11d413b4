"""Files that stand in something else than a part of their own: in a winmail.dat, or uuencoded within the text."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

from mail_ingest.parsing import clean, files, structure, tnef
from mail_ingest.parsing.structure import Part

_MAX_UU_FILES = 50
_WINMAIL = {"application/ms-tnef", "application/vnd.ms-tnef"}
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} (\S[^\n]{0,200})\n", re.MULTILINE)
_UU_LINE = re.compile(r"[ -`]{1,90}\Z")
_UU_END = re.compile(r"^end[ \t]*$\n?", re.MULTILINE)


def is_winmail(part: Part) -> bool:
    """Whether the part looks like Outlook's wrapping, whatever it is called."""
    if part.content_type in _WINMAIL:
        return True
    return part.name.lower().endswith(("winmail.dat", "win.dat")) or (
        part.content_type == "application/octet-stream" and part.opening().startswith(tnef.SIGNATURE)
    )


def open_winmail(part: Part) -> tuple[tnef.Message, list[Part]]:
    """The mail in a winmail.dat, and its files as parts. Raises tnef.Broken."""
    message = tnef.read(part.content())
    return message, [_part(file) for file in message.files]


def _part(file: tnef.File) -> Part:
    if file.message:
        return structure.made("message/rfc822", "", _mail(file.message))
    content_type = file.content_type or files.type_of_name(file.filename)
    return structure.made(content_type, file.filename, file.content, content_id=file.content_id)


def _mail(message: tnef.Message) -> bytes:
    """A mail as others write it."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = clean.line(message.subject, limit_chars=500)
    mail.set_content(message.text, cte="base64")
    if message.html:
        mail.add_alternative(message.html, subtype="html", cte="base64")
    for file in message.files:
        part = _part(file)
        main, _, sub = files.safe_type(part.content_type).partition("/")
        if main == "message":
            main, sub = "application", "octet-stream"
        name = files.safe_name(file.filename) or ("message.eml" if file.message else "file.bin")
        mail.add_attachment(part.content(), maintype=main, subtype=sub, filename=name)
    return mail.as_bytes()


def take_uuencoded(text: str) -> tuple[str, list[Part]]:
    """The text without the files that are uuencoded in it, and those files. What is not wholly there stays text."""
    if "\nend" not in text or not _UU_BEGIN.search(text):
        return text, []
    pieces: list[str] = []
    found: list[Part] = []
    at = 0
    for start, end, name, content in _uuencoded(text):
        pieces.append(text[at:start])
        found.append(structure.made(files.type_of_name(name), name, content))
        at = end
    return "".join((*pieces, text[at:])), found


def _uuencoded(text: str) -> Iterator[tuple[int, int, str, bytes]]:
    at = 0
    for _ in range(_MAX_UU_FILES):
        begin = _UU_BEGIN.search(text, at)
        end = _UU_END.search(text, begin.end()) if begin else None
        if not begin or not end:
            return
        at = end.end()
        rows = text[begin.end() : end.start()].splitlines()
        if rows and all(_UU_LINE.match(row) for row in rows):
            content = structure.from_uu(text[begin.start() : end.end()].encode())
            yield begin.start(), end.end(), begin.group(1).strip(), content
