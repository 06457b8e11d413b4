from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from accounts.models import User
    from notifications.models import Notification, NotificationTemplate


class NotificationQuerySet(models.QuerySet["Notification"]):
    def bell_of(self, user: "User") -> Self:
        """What this person sees in the desk, newest first."""
        return self.filter(recipient=user, channel="in_app").order_by("-created_at", "-id")

    def unread(self) -> Self:
        return self.filter(read_at=None)


class TemplateQuerySet(models.QuerySet["NotificationTemplate"]):
    def worded(self, *, key: str, channel: str, language: str) -> "NotificationTemplate | None":
        """The template in this language ("pt" serves "pt-br"), else in English; None when there is neither."""
        code = language.strip().lower().replace("_", "-")
        wanted = [code, code.partition("-")[0], "en"]
        there = {row.language: row for row in self.filter(key=key, channel=channel, language__in=wanted)}
        return next((there[language] for language in wanted if language in there), None)
