"""S/MIME's envelope (RFC 5652) opened as far as anybody can: what kind it is, and the content of one that is only signed.

Nothing is decrypted and no signature is checked. Mail programs write it in BER: lengths may be left open and strings come in pieces.
"""

from collections.abc import Iterator

_ENCRYPTED = {
    bytes.fromhex("2a864886f70d010703"),  # 1.2.840.113549.1.7.3, enveloped-data
    bytes.fromhex("2a864886f70d010706"),  # 1.2.840.113549.1.7.6, encrypted-data
    bytes.fromhex("2a864886f70d0109100117"),  # 1.2.840.113549.1.9.16.1.23, auth-enveloped-data (RFC 5083)
}
_SIGNED = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_OID, _OCTETS, _SEQUENCE, _SET, _EXPLICIT, _CONSTRUCTED = 0x06, 0x04, 0x30, 0x31, 0xA0, 0x20
_OPEN, _MANY, _MOST = 0x80, 0x1F, 0x84  # an open length, a tag of several bytes, a length of four bytes
_MAX_DEPTH = 12
_MAX_PIECES = 100_000


class Broken(Exception):
    """The data is not such an envelope, or not all of it is there."""


def is_encrypted(data: bytes) -> bool:
    """Whether the envelope is an encrypted one. Raises Broken."""
    return _kind(data)[0] in _ENCRYPTED


def signed_content(data: bytes) -> bytes:
    """The mail in a signed envelope. Raises Broken, also when the content is not in it or it is another kind."""
    kind, at, end = _kind(data)
    if kind != _SIGNED:
        raise Broken("not signed-data")
    at, end = _enter(data, at, end, _EXPLICIT)
    at, end = _enter(data, at, end, _SEQUENCE)
    parts = _elements(data, at, end, depth=1)
    next(parts, None)  # the version
    digests = next(parts, None)
    content = next(parts, None)
    if not digests or not content or data[digests[0]] != _SET:
        raise Broken("no content")
    at, end = _enter(data, content[0], content[1], _SEQUENCE)
    inside = _elements(data, at, end, depth=2)
    next(inside, None)  # the kind of the content
    content = next(inside, None)
    if not content:
        raise Broken("the content stands elsewhere")
    at, end = _enter(data, content[0], content[1], _EXPLICIT)
    return b"".join(_octets(data, at, end, depth=3))


def _kind(data: bytes) -> tuple[bytes, int, int]:
    """The kind of the envelope, and where its content stands."""
    at, end = _enter(data, 0, len(data), _SEQUENCE)
    tag, start, stop = _head(data, at, end)
    if tag != _OID or stop < 0:
        raise Broken("no kind")
    return data[start:stop], stop, end


def _head(data: bytes, at: int, limit: int) -> tuple[int, int, int]:
    """Tag, start and end of the element at `at`; the end is -1 where the length is left open."""
    if at + 2 > limit:
        raise Broken("cut off")
    tag, size = data[at], data[at + 1]
    start = at + 2
    if tag & _MANY == _MANY or size > _MOST:
        raise Broken("nothing that stands in such an envelope")
    if size == _OPEN:
        return tag, start, -1
    if size > _OPEN:
        start += size - _OPEN
        size = int.from_bytes(data[at + 2 : start], "big")
    if start + size > limit:
        raise Broken("cut off")
    return tag, start, start + size


def _enter(data: bytes, at: int, limit: int, wanted: int) -> tuple[int, int]:
    tag, start, end = _head(data, at, limit)
    if tag != wanted:
        raise Broken("not as the format says")
    return start, limit if end < 0 else end


def _elements(data: bytes, at: int, end: int, *, depth: int) -> Iterator[tuple[int, int]]:
    """Where each element begins and ends, up to `end` or the mark that closes an open length."""
    for _ in range(_MAX_PIECES):
        if at >= end or data[at : at + 2] == b"\0\0":
            return
        after = _after(data, at, end, depth=depth)
        yield at, after
        at = after
    raise Broken("too many pieces")


def _after(data: bytes, at: int, limit: int, *, depth: int) -> int:
    """Where the next element stands."""
    tag, start, end = _head(data, at, limit)
    if end >= 0:
        return end
    if depth >= _MAX_DEPTH or not tag & _CONSTRUCTED:
        raise Broken("too deep")
    last = start
    for _, last in _elements(data, start, limit, depth=depth + 1):  # noqa: B007 # its end is wanted
        pass
    return last + 2


def _octets(data: bytes, at: int, end: int, *, depth: int) -> Iterator[bytes]:
    tag, start, stop = _head(data, at, end)
    if tag == _OCTETS and stop >= 0:
        yield data[start:stop]
    elif tag == _OCTETS | _CONSTRUCTED and depth < _MAX_DEPTH:
        for piece, after in _elements(data, start, end if stop < 0 else stop, depth=depth):
            yield from _octets(data, piece, after, depth=depth + 1)
    else:
        raise Broken("no content")
