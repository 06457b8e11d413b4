"""Signed and encrypted mail: recognised, and opened where no key is needed (RFC 8551, RFC 3156, RFC 9580)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail_ingest.parsing import cms, structure
from mail_ingest.parsing.mail import Protection
from mail_ingest.parsing.structure import Part, Tree

_MAX_OPENED = 3
_MAX_BLOCKS = 20
_ENVELOPES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_SMIME_SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature"}
_SIGNED, _SIGNATURE, _MESSAGE, _KEY = "SIGNED MESSAGE", "SIGNATURE", "MESSAGE", "PUBLIC KEY BLOCK"
_BEGIN = re.compile(rf"^-----BEGIN PGP ({_SIGNED}|{_SIGNATURE}|{_MESSAGE}|{_KEY})-----[ \t]*$", re.MULTILINE)
_HASH_LINES = re.compile(r"(?:\n(?:Hash|Charset|NotDashEscaped):[^\n]{0,200}){0,5}\n?(?:[ \t]*\n)?")
_DASH_ESCAPE = re.compile(r"^- (?=-|From )", re.MULTILINE)
_NAMES = {_SIGNATURE: "signature.asc", _MESSAGE: "encrypted.asc", _KEY: "public-key.asc"}


@dataclass(slots=True)
class Unarmoured:
    """`text` without OpenPGP's armour, which became `files`: their names and contents."""

    text: str
    protection: Protection = Protection.NONE
    files: list[tuple[str, bytes]] = field(default_factory=list)


def read(tree: Tree) -> Protection:
    """How the mail is protected. What is only signed is opened: the signed content takes its place in the tree."""
    found: set[Protection] = set()
    opened = 0
    todo = [tree.root]
    while todo:
        part = todo.pop()
        if part.is_multipart:
            found.add(_of_multipart(part))
            todo += reversed(part.children)
        elif _is_envelope(part):
            kind, inner = _of_envelope(part)
            found.add(kind)
            if inner and opened < _MAX_OPENED:
                opened += 1
                structure.replace(part, inner, tree)
                todo.append(part)
    strongest = (Protection.SMIME_ENCRYPTED, Protection.PGP_ENCRYPTED, Protection.SMIME_SIGNED, Protection.PGP_SIGNED)
    return next((kind for kind in strongest if kind in found), Protection.NONE)


def _of_multipart(part: Part) -> Protection:
    if part.content_type not in {"multipart/signed", "multipart/encrypted"}:
        return Protection.NONE
    protocol = part.headers.param("content-type", "protocol").lower()
    kinds = {protocol, *(child.content_type for child in part.children)}
    if part.content_type == "multipart/encrypted":
        for child in part.children:
            child.fallback_name = (
                "version.asc" if child.content_type == "application/pgp-encrypted" else "encrypted.asc"
            )
        return Protection.PGP_ENCRYPTED
    if kinds & _SMIME_SIGNATURES:
        return Protection.SMIME_SIGNED
    return Protection.PGP_SIGNED if "application/pgp-signature" in kinds else Protection.NONE


def _is_envelope(part: Part) -> bool:
    """Some gateways relabel it: then its name tells."""
    if part.content_type in _ENVELOPES:
        return True
    return part.content_type == "application/octet-stream" and part.name.lower() == "smime.p7m"


def _of_envelope(part: Part) -> tuple[Protection, bytes]:
    """How it is protected, and the content, b'' where it cannot be had."""
    part.fallback_name = "smime.p7m"
    claim = part.headers.param("content-type", "smime-type").lower()
    content = part.content()
    try:
        if cms.is_encrypted(content):
            return Protection.SMIME_ENCRYPTED, b""
        return Protection.SMIME_SIGNED, cms.signed_content(content)
    except cms.Broken:
        if claim in {"certs-only", "compressed-data"}:
            return Protection.NONE, b""
        return (Protection.SMIME_SIGNED if claim == "signed-data" else Protection.SMIME_ENCRYPTED), b""


def unarmour(text: str) -> Unarmoured:
    """Take OpenPGP's armour out of a text. What was signed stays as it was written; blocks without an end stay too."""
    if "-----BEGIN PGP " not in text:
        return Unarmoured(text)
    found = Unarmoured("")
    pieces: list[str] = []
    at = signed_from = 0
    for start, end, kind in _blocks(text):
        pieces.append(text[at:start])
        at = end
        if kind == _SIGNED:
            signed_from = len(pieces)
            continue
        if kind == _SIGNATURE and signed_from:
            pieces[signed_from:] = [_DASH_ESCAPE.sub("", piece) for piece in pieces[signed_from:]]
        found.files.append((_NAMES[kind], text[start:end].encode()))
        if kind == _MESSAGE:
            found.protection = Protection.PGP_ENCRYPTED
        elif kind == _SIGNATURE and not found.protection:
            found.protection = Protection.PGP_SIGNED
    found.text = "".join((*pieces, text[at:]))
    return found


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of each block of armour; of a signed text only what stands above it."""
    at = 0
    for _ in range(_MAX_BLOCKS):
        begin = _BEGIN.search(text, at)
        if not begin:
            return
        kind = begin.group(1)
        if kind == _SIGNED:
            at = (_HASH_LINES.match(text, begin.end()) or begin).end()
        else:
            mark = f"\n-----END PGP {kind}-----"
            stop = text.find(mark, begin.end())
            if stop < 0:
                return
            at = stop + len(mark)
        yield begin.start(), at, kind
