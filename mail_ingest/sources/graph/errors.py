"""What can go wrong with Graph, sorted by what the caller should do about it.

Lasting errors need a person (`lasting`); all others pass by themselves. None of them holds a token or a secret.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

SHOWN_CHARS = 300

# What Exchange answers when the mailbox itself is what cannot be found.
NO_MAILBOX_CODES = frozenset(
    {
        "errorinvaliduser",
        "errornonexistentmailbox",
        "errormailboxnotfound",
        "mailboxnotenabledforrestapi",
        "mailboxnotsupportedforrestapi",
        "mailboxnotfound",
        "request_resourcenotfound",
        "resourcenotfound",
    }
)
LOST_STATE_CODES = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "errorinvalidsyncstatedata"})

_AADSTS = re.compile(r"\bAADSTS(\d{4,8})\b")
_SECRET_LIKE = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}|(?i:bearer\s+\S+|(?:client_secret|authtoken|password)=[^\s&]+)"
)


class GraphError(Exception):
    """`status` is the HTTP status (0: there was no answer), `code` Graph's own, or AADSTS and a number, as served."""

    lasting = False

    def __init__(self, detail: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        self.detail = scrub(detail)
        self.status = status
        self.code = code
        self.request_id = request_id
        super().__init__(" ".join(part for part in (str(status or ""), code, self.detail) if part))


class Misconfigured(GraphError):
    """A setting cannot be used; nothing was sent."""

    lasting = True


class Refused(GraphError):
    """The server understood and says no (4xx): asking again the same way changes nothing."""

    lasting = True


class LoginRefused(Refused):
    """No token: wrong tenant, unknown client, bad or expired secret, no consent, conditional access."""


class AccessDenied(Refused):
    """The token is good and does not open this mailbox (403), or is refused although it is new (401)."""


class MailboxMissing(Refused):
    """There is no such mailbox, or it does not live in Exchange Online."""


class NotThere(Refused):
    """The thing asked for does not exist (404)."""

    lasting = False


class MessageGone(NotThere):
    """The message does not exist any more: deleted, or moved while it had a mutable id."""


class SubscriptionGone(NotThere):
    """Graph does not know the subscription any more: create a new one."""


class TooLarge(Refused):
    """The answer is larger than what we are willing to hold."""

    lasting = False


class DeltaLost(GraphError):
    """The server has forgotten the state of the round: begin anew without a link. Zero new mails may come of it."""


class UntrustedLink(GraphError):
    """The server gave a link that leads elsewhere; it was not followed."""


class Throttled(GraphError):
    """Certainly not done. Leave this mailbox alone until `retry_at` and go on with the others."""

    def __init__(
        self, detail: str, *, retry_at: datetime, status: int = 429, code: str = "", request_id: str = ""
    ) -> None:
        super().__init__(detail, status=status, code=code, request_id=request_id)
        self.retry_at = retry_at


class Unreachable(GraphError):
    """No usable answer after all tries: 5xx, time-outs, broken connections, truncated or foreign answers."""


class BadAnswer(Unreachable):
    """An answer came that is not Graph's: cut short, not JSON, a page of HTML from something in between."""


class NotSent(GraphError):
    """The mail was certainly not sent. `cause` says why, and whether trying again can help (`lasting`)."""

    def __init__(self, cause: GraphError) -> None:
        super().__init__(cause.detail, status=cause.status, code=cause.code, request_id=cause.request_id)
        self.cause = cause
        self.lasting = cause.lasting


class MaybeSent(GraphError):
    """Nobody knows whether the mail was sent. Never send it again without looking (`sending.sent_copy`)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The error that stands in a JSON answer, as far as there is one."""

    code: str = ""
    message: str = ""
    request_id: str = ""

    @property
    def known(self) -> bool:
        return bool(self.code)


def scrub(text: str) -> str:
    """The text without anything that looks like a token or a secret, cut to what a person reads."""
    return _SECRET_LIKE.sub("…", " ".join(text.split()))[:SHOWN_CHARS]


def problem_in(body: bytes) -> Problem:
    """Reads `{"error": {"code", "message", "innerError"}}` and the login authority's `{"error", "error_description"}`."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Problem()
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        text = str(answer.get("error_description") or "")
        found = _AADSTS.search(text)
        return Problem(f"AADSTS{found[1]}" if found else error, text, str(answer.get("trace_id") or ""))
    if not isinstance(error, dict):
        return Problem()
    inner = error.get("innerError") or error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    request_id = inner.get("request-id") or inner.get("requestId") or ""
    return Problem(str(error.get("code") or ""), str(error.get("message") or ""), str(request_id))


def refusal(status: int, problem: Problem, *, fallback: str = "") -> GraphError:
    """The error for an answer that no retry changes."""
    code = problem.code.casefold()
    kind: type[GraphError] = Refused
    if status == 410 or (400 <= status < 500 and code in LOST_STATE_CODES):  # noqa: PLR2004
        kind = DeltaLost
    elif code.startswith("aadsts"):
        kind = LoginRefused
    elif code in NO_MAILBOX_CODES and status in {400, 403, 404}:
        kind = MailboxMissing
    elif status in {401, 403}:
        kind = AccessDenied
    elif status == 404:  # noqa: PLR2004
        kind = NotThere
    elif status == 413:  # noqa: PLR2004
        kind = TooLarge
    return kind(
        problem.message or fallback or "refused", status=status, code=problem.code, request_id=problem.request_id
    )
