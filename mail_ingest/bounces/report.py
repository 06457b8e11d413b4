"""What a report says, in our own words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Kind(StrEnum):
    """What a report is about. Only FAILURE means that somebody will not get the mail."""

    FAILURE = "failure"
    DELAY = "delay"
    SUCCESS = "success"
    READ = "read"
    COMPLAINT = "complaint"


class Action(StrEnum):
    """What became of the mail for one recipient: RFC 3464, 2.3.3, and the dispositions of RFC 8098, 3.2.6."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    DISPLAYED = "displayed"
    DELETED = "deleted"


class Reason(StrEnum):
    """Why. The values are stored and never change."""

    USER_UNKNOWN = "user_unknown"
    HOST_UNKNOWN = "host_unknown"
    MOVED = "moved"
    SUSPENDED = "suspended"
    MAILBOX_FULL = "mailbox_full"
    MESSAGE_TOO_BIG = "message_too_big"
    NOT_ACCEPTING = "not_accepting"
    FILTERED = "filtered"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    SPAM = "spam"
    VIRUS = "virus"
    AUTH_FAILURE = "auth_failure"
    POLICY = "policy"
    RELAYING_DENIED = "relaying_denied"
    EXPIRED = "expired"
    NETWORK = "network"
    SYSTEM_FULL = "system_full"
    SYSTEM_ERROR = "system_error"
    FEEDBACK = "feedback"
    DELIVERED = "delivered"
    UNDEFINED = "undefined"

    @property
    def label(self) -> "_StrPromise":
        """For people."""
        return _LABELS[self]


_LABELS: dict[Reason, "_StrPromise"] = {
    Reason.USER_UNKNOWN: _("There is no such address. Check how it is spelled."),
    Reason.HOST_UNKNOWN: _("There is no such mail domain. Check what stands behind the @."),
    Reason.MOVED: _("The recipient has moved and left no new address."),
    Reason.SUSPENDED: _("The recipient's mailbox is switched off."),
    Reason.MAILBOX_FULL: _("The recipient's mailbox is full. Try again later."),
    Reason.MESSAGE_TOO_BIG: _("The mail is too big. Send it again with smaller attachments."),
    Reason.NOT_ACCEPTING: _("The recipient's domain takes no mail."),
    Reason.FILTERED: _("The recipient takes no mail from you, or from outside."),
    Reason.REJECTED: _("The recipient's server does not accept your sender address."),
    Reason.BLOCKED: _("The recipient's server does not accept mail from your mail server."),
    Reason.RATE_LIMITED: _("Too much mail in a short time. Try again later."),
    Reason.SPAM: _("The recipient's server took the mail for spam."),
    Reason.VIRUS: _("The recipient's server took an attachment for harmful."),
    Reason.AUTH_FAILURE: _("The mail failed the checks of your domain (SPF, DKIM, DMARC). Tell your administrator."),
    Reason.POLICY: _("The rules of the recipient's server forbid the mail."),
    Reason.RELAYING_DENIED: _("A server on the way refused to pass the mail on. Tell your administrator."),
    Reason.EXPIRED: _("The recipient's server could not be reached in time."),
    Reason.NETWORK: _("The way to the recipient's server is broken. Try again later."),
    Reason.SYSTEM_FULL: _("The recipient's server has no room left. Try again later."),
    Reason.SYSTEM_ERROR: _("The recipient's server has a fault. Try again later."),
    Reason.FEEDBACK: _("The recipient, or the recipient's provider, complained about the mail."),
    Reason.DELIVERED: _("The mail arrived."),
    Reason.UNDEFINED: _("The report gives no reason."),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the mail for one recipient.

    `recipient` is the address that was tried at last, `original_recipient` the one that the mail was sent to, where the report
    knows of both; both are lower-case, and '' when unknown. `status` is an enhanced status code (RFC 3463) such as `5.1.1`, `smtp_code` a
    reply code (RFC 5321, 4.2) such as `550`; '' when there is none. `diagnostic` is what the server said, on one line of at most 500
    characters. `is_permanent` means that the same mail will never arrive there.
    """

    recipient: str
    action: Action
    reason: Reason
    original_recipient: str = ""
    status: str = ""
    smtp_code: str = ""
    diagnostic: str = ""
    is_permanent: bool = False

    @property
    def recipients(self) -> frozenset[str]:
        """Every address that this result is about."""
        return frozenset({self.recipient, self.original_recipient}) - {""}


@dataclass(frozen=True, slots=True)
class BounceReport:
    """A report, and what it reports on. `rule` names the standard or vendor whose form it has.

    `original_message_ids` are the Message-IDs of the mail that it is about, without angle brackets, the surest first: from the returned mail, from
    the fields of the report, then from In-Reply-To and References. `original_senders` are the addresses that the returned mail came
    from (with their plus tags), `original_subject` its subject.
    """

    kind: Kind
    rule: str
    results: tuple[Result, ...]
    original_message_ids: tuple[str, ...] = ()
    original_senders: tuple[str, ...] = ()
    original_subject: str = ""
