from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from handyconnect.demo.load import NotHere, is_first, load_demo


class Command(BaseCommand):
    help = (
        "Loads the demo: people of every role and five weeks of mail, through the real pipeline. Embedded profile only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--if-first", action="store_true", help="do nothing if anything was ever done here")

    def handle(self, *_args: Any, if_first: bool = False, **_options: Any) -> None:
        if not is_first():
            if if_first:
                return
            raise CommandError("The demo needs an empty installation: people or mail are here already.")
        try:
            count = load_demo(now=timezone.now(), say=self._progress)
        except NotHere as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"\r  demo       {count} mails and the work on them are loaded ")

    def _progress(self, done: int, total: int) -> None:
        if done == total or done % 5 == 0:
            self.stdout.write(f"\r  demo       {done} of {total} deeds of five weeks ", ending="")
            self.stdout.flush()
