"""Runs inside django-helpdesk's own environment: `prepare`, or import the files of a folder through its importer.

The importer is the call that its POP3, IMAP and local-folder readers make for each mail. Nothing of this project is
imported here. `import` waits for a line on standard input, so that several processes begin at the same moment.
"""

import json
import logging
import os
import sys
import time
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings


def configure(folder: Path) -> None:
    """A minimal installation: PostgreSQL, mails that go out written to files, as the other side does."""
    settings.configure(
        SECRET_KEY="only-for-a-benchmark",  # noqa: S106 - nobody signs in here
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.humanize",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.sites",
            "django.contrib.staticfiles",
            "rest_framework",
            "helpdesk",
        ],
        SITE_ID=1,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ["PEER_NAME"],
                "HOST": os.environ["PEER_HOST"],
                "PORT": os.environ["PEER_PORT"],
                "USER": os.environ["PEER_USER"],
                "PASSWORD": os.environ["PEER_PASSWORD"],
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        ROOT_URLCONF="",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        EMAIL_BACKEND="django.core.mail.backends.filebased.EmailBackend",
        EMAIL_FILE_PATH=str(folder / "sent"),
        DEFAULT_FROM_EMAIL="support@example.com",
        MEDIA_ROOT=str(folder / "media"),
        STATIC_URL="/static/",
        USE_TZ=True,
        HELPDESK_TEAMS_MODE_ENABLED=False,
        HELPDESK_TEAMS_MODEL="auth.User",
        HELPDESK_TEAMS_MIGRATION_DEPENDENCIES=[],
    )
    django.setup()
    from django.urls import include, path  # noqa: PLC0415 - its addresses need its models

    settings.ROOT_URLCONF = (path("", include("helpdesk.urls", namespace="helpdesk")),)


def prepare() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - needs settings

    call_command("migrate", verbosity=0)
    call_command("loaddata", "emailtemplate.json", verbosity=0)
    import_module("helpdesk.models").Queue.objects.create(
        title="Support",
        slug="support",
        email_address="support@example.com",
        allow_email_submission=True,
        email_box_type="local",
    )


def import_folder(folder: Path) -> None:
    """Prints JSON: how many mails were imported and refused, the reasons, the seconds that it took, and CPU seconds."""
    from django.db import connection  # noqa: PLC0415

    extract = import_module("helpdesk.email").extract_email_metadata
    queue = import_module("helpdesk.models").Queue.objects.get(slug="support")
    logger = logging.getLogger("bench")
    logger.setLevel(logging.CRITICAL)
    files = sorted(folder.iterdir())
    print("ready", flush=True)
    sys.stdin.readline()
    connection.ensure_connection()
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    started, cpu = time.monotonic(), cpu_seconds(server)
    imported = 0
    refused: dict[str, int] = {}
    for file in files:
        try:
            if extract(message=file.read_text(), queue=queue, logger=logger):
                imported += 1
                file.unlink()
        except Exception as error:  # noqa: BLE001 - what it does not take is counted and told
            name = f"{type(error).__name__}: {error}"[:200]
            refused[name] = refused.get(name, 0) + 1
    seconds = time.monotonic() - started
    cpu = cpu_seconds(server) - cpu
    print(json.dumps({"imported": imported, "refused": refused, "seconds": seconds, "cpu": cpu}))


def cpu_seconds(server: Path) -> float:
    """Of this process and, where it can be seen, of the database's process that serves it."""
    try:
        return time.process_time() + int(server.read_text().split()[0]) / 1e9
    except OSError:
        return time.process_time()


if __name__ == "__main__":
    state = Path(sys.argv[2])
    configure(state)
    if sys.argv[1] == "prepare":
        prepare()
    else:
        import_folder(Path(sys.argv[3]))
