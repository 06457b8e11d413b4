from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        from cases.embed import embed  # noqa: PLC0415
        from cases.lifecycle import Merger, hooks  # noqa: PLC0415 - models are loaded only now
        from tasks.representation import task_ids_of_cases  # noqa: PLC0415
        from tasks.services import move_open_tasks, move_tasks_back, open_required_tasks  # noqa: PLC0415

        hooks.guards.append(open_required_tasks)
        hooks.mergers.append(Merger("tasks", move_open_tasks, move_tasks_back))
        embed("tasks", task_ids_of_cases, empty=list)
