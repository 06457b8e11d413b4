from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from handyconnect.provision import load_defaults


class Command(BaseCommand):
    help = "Loads the default categories, calendars, policies, rules and templates that are missing. Safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        loaded = load_defaults(at=timezone.now())
        self.stdout.write(f"Loaded {loaded} defaults." if loaded else "All defaults are there already.")
