"""Everybody's own notifications over HTTP: the bell in the desk. Nobody sees anybody else's."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from accounts.requests import actor_of, person_of
from handyconnect.api.fields import StrictBody
from handyconnect.api.views import Pages
from notifications import services
from notifications.filters import NotificationFilter
from notifications.models import Notification
from notifications.querysets import NotificationQuerySet
from notifications.serializers import MarkedSerializer, NotificationSerializer, UnreadCountSerializer


class Notifications(Pages[Notification]):
    """What the caller is told in the desk."""

    queryset = Notification.objects.select_related("case")
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    ordering = "-created_at,-id"
    ordering_fields = ("created_at", "id")
    open_actions = frozenset({"list", "unread_count", "read", "read_all"})

    def get_queryset(self) -> NotificationQuerySet:
        return Notification.objects.bell_of(person_of(self.request)).select_related("case")

    @extend_schema(responses=NotificationSerializer(many=True))
    def list(self, request: Request, **_kwargs: Any) -> Response:
        """The caller's notifications, newest first."""
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([notification_row(one) for one in found])

    @extend_schema(responses=UnreadCountSerializer)
    def unread_count(self, request: Request, **_kwargs: Any) -> Response:
        """The number on the bell."""
        self.refuse_parameters(request)
        return Response({"unread": self._unread()})

    @extend_schema(request=None, responses=NotificationSerializer)
    @idempotent
    def read(self, request: Request, notification_id: int, **_kwargs: Any) -> Response:
        """Notes that the caller has seen one. Repeating it does nothing."""
        self.refuse_parameters(request)
        self.body(StrictBody, request)
        services.mark_read(notification_id, recipient=person_of(request), at=timezone.now(), actor=actor_of(request))
        return Response(notification_row(self.get_queryset().get(pk=notification_id)))

    @extend_schema(request=None, responses=MarkedSerializer)
    @idempotent
    def read_all(self, request: Request, **_kwargs: Any) -> Response:
        """Notes that the caller has seen all there is."""
        self.refuse_parameters(request)
        self.body(StrictBody, request)
        marked = services.mark_all_read(recipient=person_of(request), at=timezone.now(), actor=actor_of(request))
        return Response({"marked": marked, "unread": self._unread()})

    def _unread(self) -> int:
        return Notification.objects.bell_of(person_of(self.request)).unread().order_by().count()


def notification_row(notification: Notification) -> dict[str, Any]:
    """Read it with `case`."""
    return {
        "id": notification.pk,
        "kind": notification.kind,
        "title": notification.title,
        "body": notification.body,
        "case_id": notification.case_id,
        "case_number": notification.case.case_number if notification.case else None,
        "event_id": notification.event_id,
        "created_at": notification.created_at,
        "read_at": notification.read_at,
    }
