"""Which hosts are this machine itself."""

import pytest

from handyconnect.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.0.0.9", "::1", "[::1]"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "10.0.0.1", "192.0.2.1", "0.0.0.0", "::", "localhost.example", "127.0.0.1.example.com", "127.example.com"],  # noqa: S104
)
def test_what_can_be_another_machine_is_not(host: str) -> None:
    assert not is_loopback(host)
