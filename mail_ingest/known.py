"""What threading asks of the database: who knows this Message-ID, and who takes part in its conversation."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Q

from cases.models import Case
from cases.services import absorbed_ids, came_with, living_id
from mail_ingest import lookups  # noqa: F401  (it registers `holds_any`)
from mail_ingest.models import EmailMessage, EmailThread, Mailbox
from mail_ingest.recipients import OwnAddresses
from mail_ingest.threading import KnownMessage, KnownThread, Reason

MAX_NAMING = 200
MAX_NAMING_THREADS = 20


def own_addresses() -> frozenset[str]:
    """The addresses of all our mailboxes, and their other ones, in lower case."""
    rows = Mailbox.objects.values_list("address", "aliases")
    return frozenset(str(email).strip().lower() for address, aliases in rows for email in (address, *aliases))


class StoredThreads:
    """The `Known` of `mail_ingest.threading`, over the database. Deleted cases are not known, merged ones where they went."""

    def by_message_id(self, ids: Sequence[str]) -> Mapping[str, KnownMessage]:
        emails = (
            EmailMessage.objects.filter(message_id__in=ids, thread__case__deleted_at=None)
            .select_related("thread__case__customer")
            .order_by("-id")
        )
        return {
            email.message_id: KnownMessage(
                email.thread_id,
                email.thread.case_id,
                participants(email.thread),
                email.thread.mailbox_id,
                is_moved=email.threaded_by == Reason.MOVED,
            )
            for email in emails
        }

    def by_reference(self, ids: Sequence[str]) -> Mapping[str, Sequence[KnownMessage]]:
        emails = list(
            EmailMessage.objects.filter(Q(in_reply_to__holds_any=ids) | Q(references__holds_any=ids))
            .filter(thread__case__deleted_at=None)
            .select_related("thread__case__customer")
            .order_by("id")[:MAX_NAMING]
        )
        # An id that so many mails name is no mail's: some programs write the same one into all that they send.
        if len(emails) == MAX_NAMING:
            return {}
        threads = {email.thread_id: email.thread for email in emails}
        known = {
            pk: KnownMessage(pk, thread.case_id, participants(thread), thread.mailbox_id)
            for pk, thread in list(threads.items())[:MAX_NAMING_THREADS]
        }
        naming = {
            one: dict.fromkeys(
                email.thread_id for email in emails if one in email.in_reply_to or one in email.references
            )
            for one in ids
        }
        return {one: [known[pk] for pk in pks if pk in known] for one, pks in naming.items() if pks}

    def by_case_number(self, numbers: Sequence[str]) -> Mapping[str, KnownThread]:
        cases = Case.objects.filter(case_number__in=numbers).values_list("case_number", "pk")
        return {number: thread for number, case_id in cases if (thread := self.case_thread(case_id))}

    def case_thread(self, case_id: UUID) -> KnownThread | None:
        case = Case.objects.existing().filter(pk=living_id(case_id)).first()
        return self._of(case, named=case_id) if case else None

    def _of(self, case: Case, *, named: UUID) -> KnownThread:
        """The case's newest conversation; whoever takes part in any of them takes part in the case.

        Of a case that was merged into it (`named`), the newest of those that it brought: should the merge be taken back,
        the mail goes with them.
        """
        threads = list(EmailThread.objects.filter(case=case).order_by("-updated_at", "-id"))
        customers = Case.objects.filter(pk__in=[case.pk, *absorbed_ids(case.pk)]).values_list(
            "customer__email", flat=True
        )
        people = frozenset(customers).union(*(participants(thread) for thread in threads))
        brought = set(came_with(named, "threads")) if named != case.pk else set()
        ids = [thread.pk for thread in threads]
        newest = next((pk for pk in ids if pk in brought), ids[0] if ids else None)
        return KnownThread(newest, case.pk, people)


def participants(thread: EmailThread) -> frozenset[str]:
    """Everybody who wrote or was written to in a conversation, and its customer: lower-case addresses, without our own."""
    people = {thread.case.customer.email} if thread.case else set()
    for sender, to, cc in thread.emails.values_list("from_email", "to", "cc"):
        people.add(sender.lower())
        people.update(str(address["email"]).lower() for address in (*to, *cc))
    own = OwnAddresses(own_addresses())
    return frozenset(one for one in people if one and one not in own)
