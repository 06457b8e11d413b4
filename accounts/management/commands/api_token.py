"""Prints a new API token, and nothing else, so that a script can take it as it is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.services import find_person, make_token
from handyconnect.refusals import Refusal


class Command(BaseCommand):
    help = "Prints a new API token of a user, for `Authorization: Bearer …`. It is shown only this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, username: str, **_options: Any) -> None:
        try:
            token = make_token(find_person(username), at=timezone.now())
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(token)
