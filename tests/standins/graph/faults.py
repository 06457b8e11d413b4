"""The switches: what goes wrong, where, and how often."""

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal, TypedDict, Unpack

from tests.standins.graph.mailbox import Message

How = Literal["answer", "hang", "drop", "truncate", "cut", "html"]


class Where(TypedDict, total=False):
    """Which requests a fault hits; `path` is a pattern found anywhere in the target."""

    mailbox: str
    method: str
    path: str
    after: bool


@dataclass(eq=False)
class Fault:
    """`times` None: until it is taken away. `after`: the request is carried out first, and only the answer is lost.

    `how`: "answer" gives `status`; "hang" is silent for `seconds` and hangs up; "drop" hangs up at once; "truncate" promises
    more bytes than it sends; "cut" sends half of the answer as if that were all; "html" gives a page for people.
    """

    how: How = "answer"
    status: int = 503
    code: str = "UnknownError"
    message: str = ""
    retry_after: str | None = None
    times: int | None = 1
    mailbox: str = ""
    method: str = ""
    path: str = ""
    after: bool = False
    seconds: float = 30.0
    used: int = 0

    def fits(self, method: str, target: str, mailbox: str) -> bool:
        return (
            (self.times is None or self.used < self.times)
            and ("/oauth2/" not in target or "oauth2" in self.path)  # what fails is Graph, unless the login is named
            and (not self.mailbox or self.mailbox.casefold() == mailbox.casefold())
            and (not self.method or self.method == method)
            and (not self.path or re.search(self.path, target, re.IGNORECASE) is not None)
        )


@dataclass
class Poison:
    """`in_value`: its bytes cannot be read either. `id_readable`: a page of nothing but ids may hold it."""

    message: Message
    in_value: bool = False
    id_readable: bool = False


@dataclass
class Faults:
    """What is switched on. The short methods put a `Fault` into `active`; the flags are habits that last."""

    active: list[Fault] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    repeated_items: bool = False
    unordered: bool = False
    empty_pages: bool = False
    removed_in_first_round: bool = False
    concurrency_limit: int | None = 4
    slowness_seconds: float = 0.0
    login: tuple[int, str, str] | None = None  # status, error, description
    foreign_links: str = ""  # links lead to this origin instead
    notifications_twice: bool = False
    notifications_reversed: bool = False
    notifications_lost: int = 0
    notifications_client_state: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self.active.remove(fault)

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self.active.clear()
            self.poisons.clear()
        self.repeated_items = self.unordered = self.empty_pages = self.removed_in_first_round = False
        self.concurrency_limit, self.slowness_seconds, self.login, self.foreign_links = 4, 0.0, None, ""
        self.notifications_twice = self.notifications_reversed = False
        self.notifications_lost, self.notifications_client_state = 0, None

    def take(self, method: str, target: str, mailbox: str) -> Fault | None:
        """The fault that hits this request, which uses it up once."""
        with self._lock:
            for fault in self.active:
                if fault.fits(method, target, mailbox):
                    fault.used += 1
                    return fault
        return None

    def throttle(self, times: int | None = 1, *, retry_after: str | None = "1", **where: Unpack[Where]) -> Fault:
        """429, as over the MailboxConcurrency limit. `retry_after` is sent as it is; None leaves it out."""
        code, text = "ApplicationThrottled", "Application is over its MailboxConcurrency limit."
        return self.add(Fault(status=429, code=code, message=text, retry_after=retry_after, times=times, **where))

    def throttle_until(self, seconds: float, times: int | None = 1, **where: Unpack[Where]) -> Fault:
        """429 with the wait as an HTTP date."""
        at = format_datetime(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds), usegmt=True)
        return self.throttle(times, retry_after=at, **where)

    def answer(
        self,
        status: int,
        times: int | None = 1,
        *,
        code: str = "UnknownError",
        message: str = "",
        **where: Unpack[Where],
    ) -> Fault:
        return self.add(Fault(status=status, code=code, message=message, times=times, **where))

    def mailbox_down(self, mailbox: str, times: int | None = None) -> Fault:
        """503 for everything in one mailbox, until the fault is removed."""
        text = "Target resource is currently on backend 'Unknown'"
        return self.add(Fault(status=503, code="MailboxInfoStale", message=text, mailbox=mailbox, times=times))

    def revoke_consent(self, mailbox: str = "", times: int | None = None) -> Fault:
        text = "Access is denied. Check credentials and try again."
        return self.add(Fault(status=403, code="ErrorAccessDenied", message=text, mailbox=mailbox, times=times))

    def access_policy(self, mailbox: str, times: int | None = None) -> Fault:
        text = "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."
        return self.add(Fault(status=403, code="ErrorAccessDenied", message=text, mailbox=mailbox, times=times))

    def lose_delta_links(self, status: int = 410, *, code: str = "SyncStateNotFound", times: int | None = 1) -> Fault:
        text = "The sync state generation is not found; generation=149;[highest=157][157][155][156]."
        return self.add(Fault(status=status, code=code, message=text, path="deltatoken", times=times))

    def lose_next_links(self, status: int = 410, *, code: str = "SyncStateNotFound", times: int | None = 1) -> Fault:
        text = "The sync state generation is not found; generation=149;[highest=157][157][155][156]."
        return self.add(Fault(status=status, code=code, message=text, path="skiptoken", times=times))

    def expire_secret(self) -> None:
        self.refuse_login(
            7000222, "The provided client secret keys for app are expired. Visit the Azure portal to create new keys."
        )

    def refuse_login(self, number: int, text: str, *, status: int = 401, error: str = "invalid_client") -> None:
        """The token endpoint refuses with AADSTS and this number until `login` is None again."""
        self.login = (status, error, f"AADSTS{number}: {text}")

    def poison(self, message: Message, *, in_value: bool = False, id_readable: bool = False) -> Poison:
        """Any page that holds this message answers 504."""
        poison = Poison(message, in_value, id_readable)
        self.poisons.append(poison)
        return poison

    def hits(self, messages: list[Message], selected: set[str]) -> bool:
        return any(one.message in messages and not (one.id_readable and selected == {"id"}) for one in self.poisons)
