"""Delta rounds: what has changed in a folder since the last time, page by page.

Items come as the server tells them: again and again, in any order, removed ones too. To make one mail of it is the
ledger's work.
"""

from collections.abc import Iterator
from datetime import datetime

from mail_ingest.sources.graph.client import IMMUTABLE_IDS, Graph
from mail_ingest.sources.graph.errors import BadAnswer, DeltaLost, NotThere, Refused, Unreachable
from mail_ingest.sources.graph.items import SELECTED, Page, Served, served, stamp
from mail_ingest.sources.graph.messages import is_healthy, listing
from mail_ingest.sources.graph.retry import PROBE, Policy

PAGE_SIZE = 100
MAX_PAGES = 100_000


def rounds(
    graph: Graph,
    mailbox: str,
    folder: str,
    *,
    link: str = "",
    since: datetime | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[Page]:
    """One round, from `link` (a stored `Page.resume`) or from the beginning, when only mail received from `since` on is told.

    Store each page's `resume` with its items. Raises DeltaLost when the server does not know the link any more: begin again
    without one, and expect known items. `since` is also how far back the folder is listed when a poison message blocks the
    round (None: all of it). Raises what `Graph.call` raises.

    A page that keeps failing is asked for again one message at a time. Where even that fails, the folder is listed past the
    bad message, which is told as Poison, and a new round begins behind it: it hears of all that comes from then on, but not of
    an older message that somebody moves into the folder (the comparison of folder and ledger does).
    """
    url = graph.same_origin(link) if link else first_url(graph, mailbox, folder, since)
    size, small_left, seen = page_size, 0, set[str]()
    while True:
        if url in seen or len(seen) > MAX_PAGES:
            raise BadAnswer("the server's pages lead in a circle")
        try:
            page = _page(graph, mailbox, url, size, policy=None if size == page_size else PROBE)
        except Unreachable as error:
            if not is_healthy(graph, mailbox, folder):
                raise
            if size > 1:  # the same link again, in the smallest steps: what stands before the bad message comes through
                size, small_left = 1, 2 * page_size
                continue
            yield from _around(graph, mailbox, folder, url, since, error, page_size)
            return
        seen.add(url)
        url = graph.same_origin(page.delta_link or page.next_link)
        yield Page(page.items, resume=url, is_complete=bool(page.delta_link))
        if page.delta_link:
            return
        small_left -= 1
        if small_left <= 0:
            size = page_size


def first_url(graph: Graph, mailbox: str, folder: str, since: datetime | None) -> str:
    only = f"receivedDateTime ge {stamp(since)}" if since else None
    return graph.url("users", mailbox, "mailFolders", folder, "messages", "delta", select=SELECTED, filter=only)


def _page(graph: Graph, mailbox: str, url: str, size: int, *, policy: Policy | None = None) -> Served:
    headers = {"Prefer": f"{IMMUTABLE_IDS}, odata.maxpagesize={size}"}
    try:
        page = served(graph.call_json(mailbox, "GET", url, headers=headers, policy=policy))
    except NotThere as error:
        # A link whose place is gone leads nowhere for ever: the folder itself is asked for by the round that begins anew.
        if "token=" in url:
            raise DeltaLost(error.detail, status=error.status, code=error.code, request_id=error.request_id) from error
        raise
    if not page.next_link and not page.delta_link:
        raise BadAnswer("the page says neither how it goes on nor that the round is over")
    return page


def _around(  # noqa: PLR0917
    graph: Graph, mailbox: str, folder: str, blocked: str, since: datetime | None, error: Unreachable, page_size: int
) -> Iterator[Page]:
    """The folder's messages by list, without the bad one, and then a new round from behind it.

    When the bad one is the newest message there is nothing behind it yet: the round stays where it is blocked.
    """
    behind: datetime | None = None
    found_any = False
    for page in listing(graph, mailbox, folder, since=since):
        found_any = True
        yield Page(page.items, page.poison, resume=blocked)
        behind = _newest(page, behind)
    if not found_any:
        raise error
    if behind is None:
        yield Page(resume=blocked)
        return
    try:
        yield from _plain(graph, mailbox, first_url(graph, mailbox, folder, behind), page_size)
    except (Unreachable, Refused):
        yield Page(resume=blocked)


def _newest(page: Page, behind: datetime | None) -> datetime | None:
    """Where a new round can begin: after all that is bad, at a message that was read."""
    stamps = [item.received_at for item in page.items if item.received_at]
    newest = max(stamps, default=None)
    if any(one.before is None or newest is None or one.before > newest for one in page.poison):
        return None
    return max([*stamps, *([behind] if behind else [])], default=None)


def _plain(graph: Graph, mailbox: str, url: str, page_size: int) -> Iterator[Page]:
    while True:
        page = _page(graph, mailbox, url, page_size)
        url = graph.same_origin(page.delta_link or page.next_link)
        yield Page(page.items, resume=url, is_complete=bool(page.delta_link))
        if page.delta_link:
            return
