from argparse import ArgumentParser
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max, Min
from django.utils import timezone

from analytics.models import DailyCount
from analytics.services import recount
from cases.models import TimelineEvent


class Command(BaseCommand):
    help = "Counts the daily figures again from the event log, and says how many were wrong. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--first", type=day, help="The first UTC day, such as 2026-03-01. By default the oldest there is."
        )
        parser.add_argument("--last", type=day, help="The last UTC day. By default the newest there is.")

    def handle(self, *_args: Any, **options: Any) -> None:
        oldest, newest = known_days(now=timezone.now())
        first, last = options["first"] or oldest, options["last"] or newest
        if first > last:
            raise CommandError(f"The first day, {first}, comes after the last one, {last}.")
        wrong = recount(first=first, last=last)
        self.stdout.write(f"{first} to {last}: {wrong} figures put right.")


def day(text: str) -> date:
    return date.fromisoformat(text)


def known_days(*, now: datetime) -> tuple[date, date]:
    """The oldest and the newest day on which there is anything to count, or a figure."""
    log = TimelineEvent.objects.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    rows = DailyCount.objects.aggregate(first=Min("day"), last=Max("day"))
    days = [moment.astimezone(UTC).date() for moment in (log["first"] or now, log["last"] or now)]
    return min(days[0], rows["first"] or days[0]), max(days[1], rows["last"] or days[1])
