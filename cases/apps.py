from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CasesConfig(AppConfig):
    name = "cases"
    verbose_name = _("Cases")

    def ready(self) -> None:
        from cases import checks, receivers  # noqa: F401, PLC0415 - models are loaded only now

        receivers.connect()
        post_migrate.connect(prepare_event_log, sender=self, dispatch_uid="cases.prepare_event_log")


def prepare_event_log(*, using: str, **_kwargs: Any) -> None:
    """After every migration: the log's triggers, and a cursor for every listener."""
    from cases import append_only, listeners  # noqa: PLC0415 - models are loaded only now

    if using == "default" and append_only.table_exists():
        append_only.install()
        listeners.create_cursors()
