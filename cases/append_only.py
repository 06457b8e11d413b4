"""The database's own refusal to change the event log, on SQLite and on PostgreSQL.

The one exception is the seal: an unsealed row may be given its position and hash, once. The triggers are installed
after every migration (rebuilding a table drops them) and `cases.checks` verifies that they are there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from cases.models import TimelineEvent

TABLE = TimelineEvent._meta.db_table  # noqa: SLF001 - Django's public name for it
SEAL = ("position", "hash")
REFUSAL = "the event log is append-only"


def _kept_columns() -> list[str]:
    return [str(field.column) for field in TimelineEvent._meta.concrete_fields if field.column not in SEAL]  # noqa: SLF001


def _triggers(vendor: str) -> dict[str, str]:
    """The name of each trigger and the statement that makes it."""
    if vendor == "postgresql":
        changed = " OR ".join(f'NEW."{column}" IS DISTINCT FROM OLD."{column}"' for column in _kept_columns())
        refuse = "EXECUTE FUNCTION handyconnect_event_log_refuse()"
        return {
            "event_log_no_update": f"CREATE TRIGGER event_log_no_update BEFORE UPDATE ON {TABLE} FOR EACH ROW "
            f"WHEN (OLD.position IS NOT NULL OR {changed}) {refuse}",
            "event_log_no_delete": f"CREATE TRIGGER event_log_no_delete BEFORE DELETE ON {TABLE} FOR EACH ROW {refuse}",
            "event_log_no_truncate": f"CREATE TRIGGER event_log_no_truncate BEFORE TRUNCATE ON {TABLE} {refuse}",
        }
    changed = " OR ".join(f'NEW."{column}" IS NOT OLD."{column}"' for column in _kept_columns())
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    return {
        "event_log_no_update": f"CREATE TRIGGER event_log_no_update BEFORE UPDATE ON {TABLE} "
        f"WHEN OLD.position IS NOT NULL OR {changed} {refuse}",
        "event_log_no_delete": f"CREATE TRIGGER event_log_no_delete BEFORE DELETE ON {TABLE} {refuse}",
    }


def install(database: BaseDatabaseWrapper = connection) -> None:
    """Put the triggers in place. Repeating it changes nothing."""
    lift(database)
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute(
                "CREATE OR REPLACE FUNCTION handyconnect_event_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
        for statement in _triggers(database.vendor).values():
            cursor.execute(statement)


def lift(database: BaseDatabaseWrapper = connection) -> None:
    """Take the triggers away. For the tests' flush, and for nothing else."""
    with database.cursor() as cursor:
        for name in _triggers(database.vendor):
            on_table = f" ON {TABLE}" if database.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


@contextmanager
def lifted() -> Iterator[None]:
    """The tests' flush helper: without the triggers inside, with them again after."""
    lift()
    try:
        yield
    finally:
        install()


def missing(database: BaseDatabaseWrapper = connection) -> list[str]:
    """The names of the triggers that should be there and are not; empty also while the table does not exist yet."""
    if not table_exists():
        return []
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled <> 'D'",
                [TABLE],
            )
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [TABLE])
        present = {row[0] for row in cursor.fetchall()}
    return [name for name in _triggers(database.vendor) if name not in present]


def table_exists() -> bool:
    """False when migrations were taken back to before the log."""
    return TABLE in connection.introspection.table_names()
