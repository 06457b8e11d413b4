from django.urls import path

from sla.api import Calendars, CasesInDanger, ClocksOfCase, Policies

urlpatterns = [
    path("cases/<uuid:case_id>/sla", ClocksOfCase.as_view({"get": "retrieve"}), name="case-sla"),
    path("sla/at-risk", CasesInDanger.as_view({"get": "at_risk"}), name="sla-at-risk"),
    path("sla/breached", CasesInDanger.as_view({"get": "breached"}), name="sla-breached"),
    path("sla/policies", Policies.as_view({"get": "list"}), name="sla-policies"),
    path("sla/policies/<slug:slug>", Policies.as_view({"get": "retrieve"}), name="sla-policy"),
    path("sla/calendars", Calendars.as_view({"get": "list"}), name="sla-calendars"),
    path("sla/calendars/<slug:slug>", Calendars.as_view({"get": "retrieve"}), name="sla-calendar"),
]
