from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailIngestConfig(AppConfig):
    name = "mail_ingest"
    verbose_name = _("Mail")

    def ready(self) -> None:
        from mail_ingest import receivers  # noqa: PLC0415 - models are loaded only now

        receivers.connect()
