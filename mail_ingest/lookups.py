"""What the database is asked that Django has no word for."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import JSONField, Lookup
from django.db.models.sql.compiler import SQLCompiler


@JSONField.register_lookup
class HoldsAny(Lookup[Any]):
    """`references__holds_any=[…]`: whether a JSON list of texts holds one of these texts.

    On PostgreSQL a GIN index on the column serves it.
    """

    lookup_name = "holds_any"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, params = self.process_lhs(compiler, connection)
        texts = [str(text) for text in self.rhs]
        if connection.vendor == "postgresql":
            return f"{column} ?| %s", (*params, texts)
        marks = ", ".join(["%s"] * len(texts)) or "NULL"
        # Nothing of a mail is in the statement: its ids are parameters.
        sql = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value IN ({marks}))"  # noqa: S608
        return sql, (*params, *texts)
