"""What threading asks of the database: who knows this Message-ID, and who takes part in its conversation."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from cases.models import Case
from mail_ingest.models import EmailMessage, EmailThread, Mailbox
from mail_ingest.threading import KnownMessage, KnownThread


def own_addresses() -> frozenset[str]:
    """The addresses of all our mailboxes, in lower case."""
    return frozenset(address.lower() for address in Mailbox.objects.values_list("address", flat=True))


class StoredThreads:
    """The `Known` of `mail_ingest.threading`, over the database. Deleted cases are not known."""

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        emails = (
            EmailMessage.objects.filter(message_id__in=ids, thread__case__deleted_at=None)
            .select_related("thread__case__customer")
            .order_by("-id")
        )
        return {
            email.message_id: KnownMessage(
                email.thread_id, email.thread.case_id, participants(email.thread), email.thread.mailbox_id
            )
            for email in emails
        }

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        cases = Case.objects.existing().filter(case_number__in=numbers).select_related("customer")
        return {case.case_number: self._of(case) for case in cases}

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        case = Case.objects.existing().filter(pk=case_id).select_related("customer").first()
        return self._of(case) if case else None

    def _of(self, case: Case) -> KnownThread:
        """The case's newest conversation; whoever takes part in any of them takes part in the case."""
        threads = list(EmailThread.objects.filter(case=case).order_by("-updated_at", "-id"))
        people = frozenset({case.customer.email}).union(*(participants(thread) for thread in threads))
        return KnownThread(threads[0].pk if threads else None, case.pk, people)


def participants(thread: EmailThread) -> frozenset[str]:
    """Everybody who wrote or was written to in a conversation, and its customer: lower-case addresses, without our own."""
    people = {thread.case.customer.email} if thread.case else set()
    for sender, to, cc in thread.emails.values_list("from_email", "to", "cc"):
        people.add(sender.lower())
        people.update(str(address["email"]).lower() for address in (*to, *cc))
    return frozenset(people - own_addresses() - {""})
