"""An installation that has been at work for a year: `python -m bench.stored CASES` makes it in an empty PostgreSQL database.

Rows are written by the database itself, straight into the tables, in the shape that the pipeline leaves: for each case a
customer's conversation of three mails with their bytes, triage, a task, two clocks, ten sealed events, a run of a rule. Only the
hashes of those events chain nothing.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, models
from django.utils import timezone

EVENTS_PER_CASE = 10
AGENTS = 5
CASE_ID = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
CREATED = "(now() - interval '20 minutes' - (%(cases)s - n) * (interval '365 days' / %(cases)s))"
WORDS = "repeat(md5(n::text) || ' water drips through the ceiling of my bathroom since the morning. ', {times})"


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the rows of `cases` cases: `n` is the number of a case, from 1, in the order in which they came."""

    cases: int

    def insert(self, model: type[models.Model], *, over: str = "", **values: str) -> None:
        """One INSERT. `values` maps a column to SQL; other columns get what the model says for them.

        Raises LookupError for a column that has neither.
        """
        columns: list[str] = []
        given: list[str] = []
        fills: dict[str, Any] = {}
        for field in model._meta.concrete_fields:  # noqa: SLF001 - Django's public name for it
            column = field.column or field.name
            if column in values:
                given.append(values[column])
            elif field.has_default():
                fills[column] = field.get_db_prep_save(field.get_default(), connection)
                given.append(f"%({column})s")
            elif isinstance(field, (models.CharField, models.TextField)) and not field.null:
                given.append("''")
            elif field.null:
                given.append("NULL")
            elif isinstance(field, models.AutoField):
                continue
            else:
                raise LookupError(f"{model.__name__}.{column} has no default: say what it is to be.")
            columns.append(connection.ops.quote_name(column))
        table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001
        over = over or "generate_series(1, %(cases)s) AS n"
        statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(given)} FROM {over}"  # noqa: S608
        self.run(statement, **fills)
        self._move_sequence(model)

    def run(self, statement: str, **values: Any) -> None:
        statement = statement.replace("%(cases)s", str(self.cases))
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)

    def _move_sequence(self, model: type[models.Model]) -> None:
        key = model._meta.pk  # noqa: SLF001
        if isinstance(key, models.AutoField):
            table = model._meta.db_table  # noqa: SLF001
            self.run(f"SELECT setval(pg_get_serial_sequence('{table}', '{key.column}'), max(id)) FROM {table}")  # noqa: S608


def make(cases: int) -> None:
    """Migrations, defaults, a mailbox, a team, and so many stored cases; every listener stands at the end of the log."""
    from accounts.models import Team, User  # noqa: PLC0415 - models can be imported only now
    from accounts.services import create_user  # noqa: PLC0415
    from cases import listeners  # noqa: PLC0415
    from cases.models import ListenerCursor, LogHead  # noqa: PLC0415
    from handyconnect.provision import load_defaults  # noqa: PLC0415
    from mail_ingest.models import Mailbox  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    now = timezone.now()
    load_defaults(at=now)
    team = Team.objects.create(name="Support", slug="support")
    for number in range(AGENTS):
        create_user(username=f"agent{number}", role=User.Role.AGENT, email=f"agent{number}@example.com", teams=(team,))
    Mailbox.objects.create(slug="support", name="Support", address="support@example.com", team=team)
    listeners.create_cursors()
    listeners.drain(now=now)
    if cases:
        Fill(Rows(cases), mailbox=Mailbox.objects.get().pk, team=team.pk).fill()
        head = LogHead.objects.get()
        head.position += cases * EVENTS_PER_CASE
        head.save()
        ListenerCursor.objects.update(position=head.position)
    with connection.cursor() as cursor:  # what autovacuum has done long ago where rows come day by day
        cursor.execute("VACUUM ANALYZE")


class Fill:
    """The cases and all that hangs on them, in the order in which one table refers to another."""

    def __init__(self, rows: Rows, *, mailbox: int, team: int) -> None:
        self.rows, self.mailbox, self.team = rows, str(mailbox), str(team)
        self.customers = max(1, rows.cases * 2 // 5)
        self.customer = f"(1 + mod(n::bigint * 7919, {self.customers}))"
        self.is_open = f"(n > {rows.cases} * 0.9)"
        self.email = f"'stored-' || {self.customer} || '@example.org'"

    def fill(self) -> None:
        self._cases()
        self._mail()
        self._work()
        self._effects(self._log())

    def _cases(self) -> None:
        from accounts.models import User  # noqa: PLC0415
        from cases.models import Case, CaseNumber, Customer  # noqa: PLC0415
        from cases.numbers import FIRST, PREFIX  # noqa: PLC0415

        first_agent = User.objects.order_by("pk").values_list("pk", flat=True)[0]
        self.agent = f"({first_agent} + mod(n, {AGENTS}))"
        self.rows.insert(
            Customer, over=f"generate_series(1, {self.customers}) AS n",
            id="n", email="'stored-' || n || '@example.org'", name="'Tenant ' || n", created_at="now() - interval '365 days'",
        )  # fmt: skip
        self.rows.insert(CaseNumber, id="n", issued_at=CREATED)
        done = f"CASE WHEN {self.is_open} THEN NULL ELSE {CREATED} + interval '2 minutes' END"
        self.rows.insert(
            Case, id=CASE_ID, case_number=f"'{PREFIX}' || ({FIRST} + n) || mod(n, 10)",
            title="'Water through the ceiling, flat ' || mod(n, 400)", description=WORDS.format(times=3),
            status=f"CASE WHEN {self.is_open} THEN (ARRAY['new', 'in_progress', 'awaiting_customer'])[1 + mod(n, 3)] "
            "WHEN mod(n, 10) = 0 THEN 'resolved' ELSE 'closed' END",
            priority="(ARRAY['low', 'medium', 'high', 'urgent'])[1 + mod(n, 4)]", language="'en'",
            customer_id=self.customer, assigned_to_id=self.agent, assigned_team_id=self.team,
            sla_status=f"CASE WHEN {self.is_open} THEN 'on_time' ELSE 'met' END",
            sla_due_date=f"{CREATED} + interval '2 days'", received_at=CREATED, created_at=CREATED, updated_at=CREATED,
            status_changed_at=CREATED, resolved_at=done, closed_at=f"CASE WHEN mod(n, 10) = 0 THEN NULL ELSE {done} END",
            first_response_at=CREATED, last_activity_at=CREATED,
        )  # fmt: skip

    def _mail(self) -> None:
        from mail_ingest.models import EmailMessage, EmailThread, InboundMessage, InboundRaw, TriageResult  # noqa: PLC0415

        self.rows.insert(
            EmailThread, id="n", mailbox_id=self.mailbox, case_id=CASE_ID, subject="'Water through the ceiling'",
            created_at=CREATED, updated_at=CREATED,
        )  # fmt: skip
        three = "generate_series(1, %(cases)s) AS n, generate_series(0, 2) AS k"
        first_id = "'stored-' || n || '-0@mail.example.org'"
        us = "'support@example.com'"
        self.rows.insert(
            EmailMessage, over=three, id="3 * n - 2 + k", thread_id="n",
            direction="CASE WHEN k = 1 THEN 'outbound' ELSE 'inbound' END",
            message_id="'stored-' || n || '-' || k || '@mail.example.org'",
            in_reply_to=f"CASE WHEN k = 0 THEN '[]'::jsonb ELSE jsonb_build_array({first_id}) END",
            references=f"CASE WHEN k = 0 THEN '[]'::jsonb ELSE jsonb_build_array({first_id}) END",
            subject="'Water through the ceiling'", from_email=f"CASE WHEN k = 1 THEN {us} ELSE {self.email} END",
            to=f"jsonb_build_array(jsonb_build_object('name', '', 'email', CASE WHEN k = 1 THEN {self.email} ELSE {us} END))",
            headers="jsonb_build_array(jsonb_build_array('Received', repeat(md5(n::text), 6)))",
            text=WORDS.format(times=6), visible_text=WORDS.format(times=3), quoted_text=WORDS.format(times=3),
            threaded_by="CASE WHEN k = 0 THEN 'new' ELSE 'in_reply_to' END", sent_at=CREATED, received_at=CREATED,
            created_at=CREATED,
        )  # fmt: skip
        two = "generate_series(1, %(cases)s) AS n, generate_series(0, 1) AS k"
        key = "md5('stored' || n || '-' || k)"
        self.rows.insert(
            InboundMessage, over=two, id="2 * n - 1 + k", mailbox_id=self.mailbox, source_id=key,
            message_id="'stored-' || n || '-' || 2 * k || '@mail.example.org'", content_key=f"{key} || {key}",
            sha256=f"{key} || {key}", size_bytes="1500", state="'filed'", received_at=CREATED, stored_at=CREATED,
            finished_at=CREATED, attempts="1", email_id="3 * n - 2 + 2 * k", case_id=CASE_ID,
        )  # fmt: skip
        self.rows.insert(
            InboundRaw, over=two, inbound_id="2 * n - 1 + k", content=f"convert_to({WORDS.format(times=15)}, 'UTF8')"
        )
        self.rows.insert(
            TriageResult, over=two, id="2 * n - 1 + k", email_id="3 * n - 2 + 2 * k", source="'offline'", created_at=CREATED,
            reader_version="'1'", labels="jsonb_build_object('priority', 'high', 'summary', 'Water drips.')",
            confidence="jsonb_build_object('priority', 0.9)",
        )  # fmt: skip

    def _work(self) -> None:
        from sla.models import ClockSegment, SLAClock, SLAPolicy  # noqa: PLC0415
        from tasks.models import Task  # noqa: PLC0415

        done = f"CASE WHEN {self.is_open} THEN NULL ELSE {CREATED} + interval '2 minutes' END"
        self.rows.insert(
            Task, id="n", case_id=CASE_ID, subject="'Send a plumber'", assigned_to_id=self.agent, thread_id="n",
            status=f"CASE WHEN {self.is_open} THEN 'new' ELSE 'closed' END", created_at=CREATED, updated_at=CREATED,
            resolved_at=done,
        )  # fmt: skip
        policy = SLAPolicy.objects.all()[0]
        two = "generate_series(1, %(cases)s) AS n, generate_series(0, 1) AS k"
        self.rows.insert(
            SLAClock, over=two, id="2 * n - 1 + k", case_id=CASE_ID, policy_id=str(policy.pk), target_minutes="480",
            kind="(ARRAY['first_response', 'resolution'])[1 + k]", terms="jsonb_build_object('policy', 'standard')",
            state=f"CASE WHEN {self.is_open} THEN 'running' ELSE 'met' END", started_at=CREATED,
            due_at=f"{CREATED} + interval '400 days'", stopped_at=done,
            next_check_at=f"CASE WHEN {self.is_open} THEN {CREATED} + interval '400 days' END",
        )  # fmt: skip
        self.rows.insert(
            ClockSegment, over=two, id="2 * n - 1 + k", clock_id="2 * n - 1 + k", started_at=CREATED, ended_at=done
        )

    def _log(self) -> int:
        """Ten sealed events for each case; the number behind which they begin."""
        from cases.models import EventDetail, LogHead, TimelineEvent  # noqa: PLC0415

        first = TimelineEvent.objects.order_by("-id").values_list("id", flat=True)[0]
        position = LogHead.objects.get().position
        kinds = (
            "mail_stored", "mail_threaded", "mail_analysed", "case_created", "task_created", "message_received",
            "outbound_queued", "outbound_sent", "mail_stored", "message_received",
        )  # fmt: skip
        source = f"generate_series(1, %(cases)s) AS n, generate_series(1, {len(kinds)}) AS k"
        row = f"{EVENTS_PER_CASE} * (n::bigint - 1) + k"
        self.rows.insert(
            TimelineEvent, over=source, id=f"{first} + {row}",
            kind=f"(ARRAY[{', '.join(repr(kind) for kind in kinds)}])[k]", case_id=CASE_ID,
            subject_type="'inboundmessage'", subject_id="n::text", actor_kind="'system'", actor_reference="'pipeline'",
            occurred_at=CREATED, recorded_at=CREATED, changes="'{}'::jsonb",
            data="jsonb_build_object('thread_id', n, 'because', 'new', 'sha256', md5(n::text))",
            position=f"{position} + {row}", hash="md5(n::text) || md5(k::text)",
        )  # fmt: skip
        self.rows.insert(
            EventDetail, over="generate_series(1, %(cases)s) AS n, unnest(ARRAY[4, 6, 10]) AS k",
            event_id=f"{first} + {row}", salt="md5(n::text)",
            body="jsonb_build_object('subject', 'Water through the ceiling', 'sender', md5(n::text))",
        )  # fmt: skip
        return first

    def _effects(self, first_event: int) -> None:
        """What the listeners made of those events."""
        from analytics.models import DailyCount  # noqa: PLC0415
        from mail_ingest.models import OutboundMessage  # noqa: PLC0415
        from notifications.models import Notification  # noqa: PLC0415
        from workflows.models import RuleRun, WorkflowRule  # noqa: PLC0415

        received = f"{first_event} + {EVENTS_PER_CASE} * (n::bigint - 1) + 6"
        self.rows.insert(
            OutboundMessage, id="n", mailbox_id=self.mailbox, case_id=CASE_ID, thread_id="n", email_id="3 * n - 1",
            event_id=received, purpose="'acknowledgment'", recipient=self.email, subject="'We have got your message'",
            body=WORDS.format(times=3), message_id="'stored-' || n || '-1@mail.example.org'", state="'sent'",
            send_after=CREATED, created_at=CREATED, finished_at=CREATED, attempts="1",
        )  # fmt: skip
        rule = WorkflowRule.objects.all()[0]
        self.rows.insert(
            RuleRun, id="n", rule_id=str(rule.pk), event_id=f"{received} - 2", case_id=CASE_ID, outcome="'not_matched'",
            ran_at=CREATED,
        )  # fmt: skip
        self.rows.insert(
            Notification, over="generate_series(1, %(cases)s, 3) AS n", id="n", event_id=f"{received} - 2",
            recipient_id=self.agent, channel="'in_app'", kind="'assigned'", case_id=CASE_ID, title="'A case for you'",
            created_at=CREATED, read_at=f"CASE WHEN {self.is_open} THEN NULL ELSE {CREATED} END",
        )  # fmt: skip
        self.rows.insert(
            DailyCount, over="generate_series(1, 364) AS n, unnest(ARRAY['arrived', 'resolved', 'messages_in']) AS metric",
            id="1000 * n + length(metric)", day="current_date - n", metric="metric", count="%(cases)s / 365",
        )  # fmt: skip


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cases", type=int)
    django.setup()
    make(options.parse_args().cases)
    sys.exit(0)
