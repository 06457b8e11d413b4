"""Which source reads which kind of mailbox."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.utils.module_loading import import_string

from mail_ingest.models import Mailbox
from mail_ingest.sources.base import Reader

# Each is a function (mailbox) that gives a context manager, which opens, and in the end closes, a Reader.
OPENERS: dict[str, str] = {
    Mailbox.Kind.MAILDIR: "mail_ingest.sources.maildir.opened",
    Mailbox.Kind.IMAP: "mail_ingest.sources.imap.opened",
    Mailbox.Kind.GRAPH: "mail_ingest.sources.graph.reader.opened",
}


@contextmanager
def opened(mailbox: Mailbox) -> Iterator[Reader]:
    """The mailbox's reader. Raises SourceUnavailable when it does not open. Modules are imported when first needed."""
    opener: Callable[[Mailbox], AbstractContextManager[Reader]] = import_string(OPENERS[mailbox.kind])
    with opener(mailbox) as reader:
        yield reader
