"""Which hosts are this machine itself: the only ones to which secrets may travel unencrypted."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host's name or address (an IPv6 one with or without brackets) can only mean this machine."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
