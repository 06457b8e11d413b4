from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkflowsConfig(AppConfig):
    name = "workflows"
    verbose_name = _("Rules")

    def ready(self) -> None:
        from workflows import receivers  # noqa: PLC0415 - models are loaded only now

        receivers.connect()
