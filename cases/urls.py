from typing import Any

from django.urls import path

from cases.api.merges import Merges
from cases.api.views import Cases, CaseSearch, CasesInBulk, Categories, Notes, Timeline

one: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("cases", Cases.as_view({"get": "list", "post": "create"}), name="cases"),
    path("cases/search", CaseSearch.as_view({"get": "list"}), name="cases-search"),
    path("cases/stats", Cases.as_view({"get": "stats"}), name="cases-stats"),
    path("cases/bulk/status", CasesInBulk.as_view({"patch": "status"}), name="cases-bulk-status"),
    path("cases/bulk/assign", CasesInBulk.as_view({"patch": "assign"}), name="cases-bulk-assign"),
    path("cases/number/<str:case_number>", Cases.as_view({"get": "by_number"}), name="case-by-number"),
    path("cases/<uuid:case_id>", Cases.as_view(one), name="case"),
    path("cases/<uuid:case_id>/status", Cases.as_view({"patch": "status"}), name="case-status"),
    path("cases/<uuid:case_id>/assign", Cases.as_view({"patch": "assign"}), name="case-assign"),
    path("cases/<uuid:case_id>/restore", Cases.as_view({"post": "restore"}), name="case-restore"),
    path("cases/<uuid:case_id>/merge", Merges.as_view({"post": "merge"}), name="case-merge"),
    path("cases/<uuid:case_id>/unmerge", Merges.as_view({"post": "unmerge"}), name="case-unmerge"),
    path("cases/<uuid:case_id>/timeline", Timeline.as_view({"get": "list"}), name="case-timeline"),
    path("cases/<uuid:case_id>/notes", Notes.as_view({"get": "list", "post": "create"}), name="case-notes"),
    path("categories", Categories.as_view({"get": "list"}), name="categories"),
    path("categories/<slug:slug>", Categories.as_view({"get": "retrieve"}), name="category"),
]
