from django.urls import path

from analytics.api import CaseAnalytics, DeskAnalytics

urlpatterns = [
    path(f"{scope}/{name}", view.as_view({"get": name}), name=f"{prefix}-{name}")
    for scope, view, prefix in (
        ("cases/analytics", CaseAnalytics, "cases-analytics"),
        ("analytics", DeskAnalytics, "analytics"),
    )
    for name in ("dashboard", "trends", "performance", "reports")
]
