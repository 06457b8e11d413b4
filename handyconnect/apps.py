from django.apps import AppConfig


class HandyConnectConfig(AppConfig):
    name = "handyconnect"

    def ready(self) -> None:
        # Registers the system checks, and makes our Celery app the one that every process hands its tasks to.
        from handyconnect import celery, checks  # noqa: F401, PLC0415 - needs the apps
