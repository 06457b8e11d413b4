from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from cases.lifecycle import hooks  # noqa: PLC0415 - models are loaded only now
        from tasks.services import open_required_tasks  # noqa: PLC0415

        hooks.guards.append(open_required_tasks)
