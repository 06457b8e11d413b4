"""Whom a mail goes to. Pure: what is our own and who is known is handed in.

A reply answers everybody whom the mail was for, without ourselves. What a person types counts more, is checked, and
where it looks like a slip (somebody new, a machine, a forgotten file) a warning says so: nothing is held back for it.
"""

import contextlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from mail_ingest.parsing import Address

MAX_RECIPIENTS = 100
MAX_NAME_CHARS = 200
_MAX_LOCAL = 64  # octets, RFC 5321, 4.5.3.1.1
_MAX_DOMAIN = 253
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")  # dots anywhere: some providers give out such addresses
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Python's codec follows IDNA 2003, which turns these into others: the mail would go to somebody else's domain.
_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
_NO_REPLY = re.compile(
    r"(?:.*[._-])?(?:no|not|do[._-]?not|dont|never|keine?|nicht|ne[._-]?pas|no[._-]?contestar|nao|non)"
    r"[._-]?(?:reply|replies|respond|response|antwort(?:en)?|repondre|responder|responda|respuesta|rispondere)(?:[._+-].*)?"
    r"|mailer-daemon|postmaster|bounces?(?:[._+-].*)?",
    re.IGNORECASE,
)
_FILES = re.compile(
    r"\b(?:"
    r"attached|attachments?|attaching|(?:please\s+find|find|is|are|i\s+have)\s+enclosed|enclosed\s+(?:is|are|please|you)"
    r"|anbei|im\s+anhang|angeh(?:ä|ae)ngte?[nrsm]?|beigef(?:ü|ue)gte?[nrsm]?|beiliegende?[nrsm]?|in\s+der\s+anlage|als\s+anlage"
    r"|pi(?:è|e)ces?\s+jointes?|ci[-\s]joint(?:e?s?)|en\s+pj"
    r"|adjunt(?:o|a|os|as|amos|ado|ada|ados|adas)|archivos?\s+anexos?"
    r"|(?:em|segue(?:m)?(?:\s+em)?|no|nos|ficheiros?|arquivos?|documentos?)\s+anexos?|anexad[oa]s?|anexei|anexamos"
    r")\b",
    re.IGNORECASE,
)


class BadAddress(ValueError):
    """It cannot be written to. The message says which and why, for people."""


class WarningCode(StrEnum):
    NEW_ADDRESS = "new_address"
    NEW_DOMAIN = "new_domain"
    NO_REPLY = "no_reply"
    ATTACHMENT_MISSING = "attachment_missing"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that looks like a slip. `email` is the address that it is about, if it is about one."""

    code: WarningCode
    detail: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Recipients:
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()

    @property
    def everybody(self) -> tuple[Address, ...]:
        return (*self.to, *self.cc, *self.bcc)


class OwnAddresses:
    """Our mailboxes' addresses and their other ones. With a tag behind a plus they are still ours."""

    def __init__(self, emails: Iterable[str]) -> None:
        self._keys = frozenset(key(email) for email in emails if email)

    def __contains__(self, email: object) -> bool:
        found = key(str(email))
        local, _at, domain = found.rpartition("@")
        return found in self._keys or f"{local.partition('+')[0]}@{domain}" in self._keys


def key(email: str) -> str:
    """The form to compare with: lower-case, the domain as it travels (RFC 5890's A-labels)."""
    local, at, domain = email.strip().rpartition("@")
    with contextlib.suppress(ValueError):  # no domain at all is compared as it is
        domain = to_ascii(domain)
    return f"{local}{at}{domain}".casefold()


def to_ascii(domain: str) -> str:
    """A domain as it travels. Raises ValueError (UnicodeError is one) when it can be none."""
    return domain if domain.isascii() else domain.encode("idna").decode("ascii")


def travelling(email: str) -> str:
    """The address as it is written into headers and envelopes. Raises BadAddress."""
    local, _at, domain = email.rpartition("@")
    try:
        return (
            f"{local}@{to_ascii(domain)}"
            if local.isascii()
            else _refuse(email, _("has letters before the @ that mail servers do not take"))
        )
    except ValueError:
        return _refuse(email, _("has a domain that cannot be"))


def checked(email: str, name: str = "") -> Address:
    """An address that can be written to, as somebody typed it. Raises BadAddress.

    Letters of any script may stand behind the @. What could add a header is refused, not cleaned: nobody types it by mistake.
    """
    if _CONTROLS.search(email.strip()) or _CONTROLS.search(name.strip()):
        _refuse(_CONTROLS.sub(" ", email), _("holds a line break or another control character"))
    email, name = email.strip(), " ".join(name.split())[:MAX_NAME_CHARS]
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain:
        _refuse(email, _("is no e-mail address: it looks like name@example.com"))
    if any(letter in _DEVIATIONS for letter in domain):
        _refuse(email, _("has a domain that servers read in two ways; write it in its xn-- form"))
    sent = travelling(email)
    labels = sent.rpartition("@")[2].split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - a name and a top level
        _refuse(email, _("has a domain that cannot be"))
    if not _LOCAL.fullmatch(local) or len(local) > _MAX_LOCAL or len(sent.rpartition("@")[2]) > _MAX_DOMAIN:
        _refuse(email, _("is no e-mail address: it looks like name@example.com"))
    return Address(name=name, email=email)


def is_usable(address: Address) -> bool:
    """Whether somebody could write to it."""
    try:
        checked(address.email, address.name)
    except BadAddress:
        return False
    return True


def reply_all(
    *,
    sender: Address | None,
    reply_to: Sequence[Address] = (),
    to: Sequence[Address] = (),
    cc: Sequence[Address] = (),
    own: OwnAddresses,
) -> Recipients:
    """Who gets the answer to a mail: where it asks for answers, else its sender; in copy whoever else it was for.

    Our own addresses, whoever comes twice and what is no address are left out, so it may be that nobody is left.
    """
    first = _others(reply_to, own=own) or _others([sender] if sender else [], own=own)
    rest = _others([*to, *cc], own=own, without=first)
    return Recipients(tuple(first), tuple(rest[: MAX_RECIPIENTS - len(first)]))


def without_repeats(recipients: Recipients) -> Recipients:
    """Everybody once, at the most visible place."""
    seen: set[str] = set()

    def once(addresses: Iterable[Address]) -> tuple[Address, ...]:
        found = []
        for address in addresses:
            if (known := key(address.email)) not in seen:
                seen.add(known)
                found.append(address)
        return tuple(found)

    return Recipients(once(recipients.to), once(recipients.cc), once(recipients.bcc))


def is_no_reply(email: str) -> bool:
    """Whether the address says of itself that nobody reads it."""
    return _NO_REPLY.fullmatch(email.rpartition("@")[0]) is not None


def mentions_files(text: str) -> bool:
    """Whether the writer says that something is attached: English, German, French, Spanish, Portuguese. Quotes do not count."""
    own = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))
    return _FILES.search(own) is not None


def warnings(
    recipients: Recipients,
    *,
    known: Collection[str],
    known_domains: Collection[str],
    text: str = "",
    has_files: bool = True,
) -> list[Warned]:
    """What looks like a slip. `known` are keys of addresses, `known_domains` domains that mail was exchanged with."""
    found: list[Warned] = []
    for address in recipients.everybody:
        email = address.email
        domain = key(email).rpartition("@")[2]
        if key(email) not in known and domain not in known_domains:
            detail = _("Nobody at %(domain)s has ever been in touch with us. Is the address right?") % {
                "domain": domain
            }
            found.append(Warned(WarningCode.NEW_DOMAIN, detail, email))
        elif key(email) not in known:
            detail = _("%(email)s has never been in touch with us. Is the address right?") % {"email": email}
            found.append(Warned(WarningCode.NEW_ADDRESS, detail, email))
        if is_no_reply(email):
            detail = _("%(email)s looks like an address that nobody reads.") % {"email": email}
            found.append(Warned(WarningCode.NO_REPLY, detail, email))
    if not has_files and mentions_files(text):
        found.append(Warned(WarningCode.ATTACHMENT_MISSING, _("The text speaks of an attachment, and there is none.")))
    return found


def _others(addresses: Iterable[Address], *, own: OwnAddresses, without: Iterable[Address] = ()) -> list[Address]:
    seen = {key(address.email) for address in without}
    found = []
    for address in addresses:
        if address.email in own or key(address.email) in seen or not is_usable(address):
            continue
        seen.add(key(address.email))
        found.append(address)
    return found


def _refuse(email: str, why: str) -> str:
    raise BadAddress(_("“%(email)s” %(why)s.") % {"email": email[:100], "why": why})
