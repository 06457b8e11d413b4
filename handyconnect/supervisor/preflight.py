"""What has to be in order before anything is started."""

import errno
import socket
import tempfile
from pathlib import Path

from handyconnect.supervisor.errors import StartRefused

LARGEST_PORT = 65535
LARGEST_SYSTEM_PORT = 1023


def check_folder(folder: Path) -> None:
    """Raises StartRefused when the state folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartRefused(
            f"The state folder {folder} cannot be written ({error.strerror or error}). "
            "Choose another one: HANDYCONNECT_VAR=/some/folder"
        ) from error


def parse_port(text: str) -> int:
    """A TCP port. Raises StartRefused for anything else."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_PORT):
        raise StartRefused(f"PORT must be a number from 1 to {LARGEST_PORT}, not {text!r}.")
    return int(text)


def check_port(host: str, port: int) -> None:
    """Raises StartRefused when nothing can listen there, and says how to choose another port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the web server does, so that a port which was closed a second ago counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        other = port + 1 if LARGEST_SYSTEM_PORT < port < LARGEST_PORT else 8000
        if error.errno == errno.EADDRINUSE:
            why = f"Port {port} is taken by another program."
        elif error.errno == errno.EACCES:
            why = f"Port {port} may only be used by the system's administrator."
        else:
            raise StartRefused(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
        raise StartRefused(f"{why} Choose another one: PORT={other}") from error


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def url_of(host: str, port: int) -> str:
    """The address at which a browser on this machine reaches what listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://{f'[{reachable}]' if ':' in reachable and '[' not in reachable else reachable}:{port}"
