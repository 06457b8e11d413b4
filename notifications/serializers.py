"""The shapes of notifications, for the OpenAPI document."""

from typing import Any

from rest_framework import serializers


class NotificationSerializer(serializers.Serializer[Any]):
    """What one person is told in the desk."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    body = serializers.CharField(allow_blank=True)
    case_id = serializers.UUIDField(allow_null=True)
    case_number = serializers.CharField(allow_null=True)
    event_id = serializers.IntegerField(help_text="What it tells of.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class UnreadCountSerializer(serializers.Serializer[Any]):
    unread = serializers.IntegerField()


class MarkedSerializer(serializers.Serializer[Any]):
    marked = serializers.IntegerField(help_text="How many were unread before.")
    unread = serializers.IntegerField()
