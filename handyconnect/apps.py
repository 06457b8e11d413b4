from django.apps import AppConfig


class HandyConnectConfig(AppConfig):
    name = "handyconnect"

    def ready(self) -> None:
        from handyconnect import checks  # noqa: F401, PLC0415 - registers the system checks
