"""Every address of the house. Each app serves its own part of the API in its `urls.py`."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import include, path, re_path
from django.views import defaults
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from handyconnect import health
from handyconnect.api import errors
from handyconnect.middleware import API

API_APPS = ("accounts", "cases", "tasks", "sla", "mail_ingest", "notifications", "workflows", "analytics")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    *(path("api/", include(f"{app}.urls")) for app in API_APPS),
    # Also in DEBUG: whoever speaks to the API gets its answer in the API's language.
    re_path(r"^api(/.*)?$", errors.not_found, name="api-unknown"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("desk.urls")),
]


def handler404(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path_info.startswith(API):
        return errors.not_found(request, exception)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(API):
        return errors.server_error(request)
    answer: HttpResponse = defaults.server_error(request)
    return answer


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path_info.startswith(API):
        return errors.bad_request(request, exception)
    return defaults.bad_request(request, exception)
