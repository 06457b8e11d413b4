from typing import Any

from django.urls import path

from workflows.api import Rules, Runs, Statistics

one: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("workflows/rules", Rules.as_view({"get": "list", "post": "create"}), name="rules"),
    path("workflows/rules/<int:rule_id>", Rules.as_view(one), name="rule"),
    path("workflows/runs", Runs.as_view({"get": "list"}), name="rule-runs"),
    path("workflows/runs/<int:run_id>", Runs.as_view({"get": "retrieve"}), name="rule-run"),
    path("workflows/statistics", Statistics.as_view({"get": "list"}), name="rule-statistics"),
]
