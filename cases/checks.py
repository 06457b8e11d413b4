from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from cases import append_only


@register(Tags.database)
def event_log_is_append_only(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """The triggers that protect the event log are in place. Runs with `migrate` and `check --database default`."""
    if not databases or "default" not in databases:
        return []
    return [
        Error(
            f"The event log is not protected: the trigger {name} is missing.",
            hint="Run `python manage.py migrate`, which installs it.",
            id="cases.E001",
        )
        for name in append_only.missing()
    ]
