from django.urls import path

from notifications.api import Notifications

urlpatterns = [
    path("notifications", Notifications.as_view({"get": "list"}), name="notifications"),
    path("notifications/unread-count", Notifications.as_view({"get": "unread_count"}), name="notifications-unread"),
    path("notifications/read-all", Notifications.as_view({"post": "read_all"}), name="notifications-read-all"),
    path("notifications/<int:notification_id>/read", Notifications.as_view({"post": "read"}), name="notification-read"),
]
