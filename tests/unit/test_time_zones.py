"""Dates are shown in the zone of the reader."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.utils import timezone

from handyconnect.api.time_zones import activate_zone_of


@pytest.fixture(autouse=True)
def nobody_reads_afterwards() -> Iterator[None]:
    yield
    timezone.deactivate()


class TestActivateZoneOf:
    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("Europe/Berlin", "Europe/Berlin"),
            ("", "UTC"),
            ("Mars/Olympus", "UTC"),
            ("../etc/passwd", "UTC"),
            ("\x00", "UTC"),
        ],
    )
    def test_takes_the_readers_zone_or_utc(self, name: str, zone: str) -> None:
        timezone.activate("Asia/Tokyo")
        activate_zone_of(SimpleNamespace(time_zone=name))
        assert timezone.get_current_timezone_name() == zone

    def test_takes_utc_for_strangers(self) -> None:
        activate_zone_of(None)
        assert timezone.get_current_timezone_name() == "UTC"
