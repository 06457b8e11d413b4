"""Brings an installation up to date. Safe to repeat: what is done is not done again."""

import sys
from argparse import ArgumentParser
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from mail_ingest.models import Mailbox
from mail_ingest.sources.folder import folder_of


class Command(BaseCommand):
    help = "Migrates the database and loads the default policies, rules and templates (with --demo: the demo, once)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="load the demo, if nothing was ever loaded here")

    def handle(self, *_args: Any, demo: bool = False, **_options: Any) -> None:
        self._migrate()
        said = StringIO()
        call_command("load_defaults", stdout=said, stderr=self.stderr)
        self._step("defaults", said.getvalue().strip() or "up to date")
        if demo:
            # Not through this command's stdout, which would end each step of the progress with a new line.
            call_command("load_demo", if_first=True)
        for mailbox in Mailbox.objects.filter(kind=Mailbox.Kind.FOLDER, is_active=True):
            folder_of(mailbox).mkdir(parents=True, exist_ok=True)  # so that mail can be dropped as soon as it runs
        if not User.objects.exists():
            self._step("people", "nobody can sign in yet; make the first administrator, in another terminal:")
            self._step("", f"HANDYCONNECT_VAR={settings.VAR} {sys.executable} manage.py createsuperuser")

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if missing:
            self._step("database", f"applying {missing} migrations …")
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout, stderr=self.stderr)
        self._step("database", "up to date")

    def _step(self, name: str, text: str) -> None:
        self.stdout.write(f"  {name:<10} {text}")
