from typing import Any

from django.urls import path

from tasks.api import Tasks, TaskSearch, TasksOfCase

one: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("cases/<uuid:case_id>/tasks", TasksOfCase.as_view({"get": "list"}), name="case-tasks"),
    path("tasks", Tasks.as_view({"get": "list", "post": "create"}), name="tasks"),
    path("tasks/search", TaskSearch.as_view({"get": "list"}), name="tasks-search"),
    path("tasks/stats", Tasks.as_view({"get": "stats"}), name="tasks-stats"),
    path("tasks/<int:task_id>", Tasks.as_view(one), name="task"),
    path("tasks/<int:task_id>/status", Tasks.as_view({"patch": "status"}), name="task-status"),
    path("tasks/<int:task_id>/assign", Tasks.as_view({"patch": "assign"}), name="task-assign"),
]
