"""Real processes for tests of faults: a Celery worker, a broker, a database and an SMTP server, each of the test's own."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from django.conf import settings
from django.db import connection

from handyconnect import broker
from handyconnect.supervisor.preflight import free_port

RECOVERS_WITHIN_SECONDS = 120
STARTS_WITHIN_SECONDS = 60
DIES_WITHIN_SECONDS = 90  # longer than a lease: whoever died before may hold what leads there
CODE = Path(__file__).resolve().parents[2]


def wait_until(done: Callable[[], bool], *, log: Path, seconds: float = RECOVERS_WITHIN_SECONDS) -> float:
    """Wait until something is so; after how many seconds it was. What the processes said is shown when it never is."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            said = log.read_text(errors="replace")[-6000:] if log.exists() else "nothing"
            pytest.fail(f"not done after {seconds} s; the worker said:\n{said}")
        time.sleep(0.25)
    return time.monotonic() - began


def environment(folder: Path, *, redis_url: str = "") -> dict[str, str]:
    """What a process needs to work on the test's database, broker and state folder."""
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    return {
        **os.environ,
        "DATABASE_URL": f"postgres://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
        "REDIS_URL": redis_url or settings.REDIS_URL,
        "EMAIL_URL": f"filemail://{folder / 'mail' / 'sent'}",
        "HANDYCONNECT_VAR": str(folder),
    }


def tied() -> list[str]:
    """Before a command: it cannot outlive this process, whatever ends it."""
    script = CODE / "handyconnect" / "supervisor" / "tied.py"
    return [sys.executable, "-I", "-S", str(script), str(os.getpid()), str(int(signal.SIGKILL))]


class Worker:
    """`celery worker` with its beat, as a process of its own, on the test's database, broker and state folder."""

    def __init__(self, folder: Path, *, name: str = "worker", app: str = "handyconnect", redis_url: str = "") -> None:
        self.folder = folder
        self.name = name
        self.app = app
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = environment(folder, redis_url=redis_url)

    def start(self) -> None:
        options = ["--concurrency", "2", "--without-mingle", "--without-gossip", "-Ofair", "--loglevel", "INFO"]
        beat = ["-B", "-s", str(self.folder / f"{self.name}-beat"), "-n", f"{self.name}@%h"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*tied(), sys.executable, "-m", "celery", "-A", self.app, "worker", *options, *beat],
                cwd=CODE, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        wait_until(lambda: b" ready." in self.log.read_bytes(), log=self.log, seconds=STARTS_WITHIN_SECONDS)

    @property
    def lives(self) -> bool:
        """Whether it is still the process that was started."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """`kill -9`, with all its children."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Mortal:
    """Workers that are shot at a chosen point, one after the other: see `tests.services.dying`."""

    PROGRAM = "import sys, django; django.setup(); from tests.services import dying; dying.main(sys.argv[1])"

    def __init__(self, folder: Path) -> None:
        self.log = folder / "mortal.log"
        self.worker_pid: int | None = None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*tied(), sys.executable, "-c", self.PROGRAM, str(folder)], bufsize=0,
                cwd=CODE, env={**environment(folder), "DJANGO_SETTINGS_MODULE": "handyconnect.settings"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    def live_until(self, point: str) -> None:
        """Start a worker that is shot with all its processes when it comes to `point`, and wait for its death."""
        assert self.process.stdin
        self.process.stdin.write(f"{point}\n".encode())
        self.worker_pid = int(self._answer())
        answer = self._answer()
        self.worker_pid = None
        assert answer == f"{point}: {-signal.SIGKILL}", f"{answer!r}; it said:\n{self.log.read_text()[-4000:]}"

    def _answer(self) -> str:
        assert self.process.stdout
        readable, _writable, _exceptional = select.select([self.process.stdout], [], [], DIES_WITHIN_SECONDS)
        assert readable, f"it does not come to that point; it said:\n{self.log.read_text()[-4000:]}"
        return self.process.stdout.readline().decode().strip()

    def close(self) -> None:
        if self.worker_pid:
            os.killpg(self.worker_pid, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()


class Redis:
    """A broker of the test's own on a free port, which can be shot and started again."""

    def __init__(self, folder: Path) -> None:
        try:
            server = broker.find_server()
        except broker.NoBroker as error:
            pytest.skip(f"no Redis-speaking server can be started: {error}")
        self.embedded = broker.prepare(folder / "redis", server=server, port=free_port())
        self.log = folder / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.embedded.url

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*tied(), *self.embedded.command], env={**os.environ, "LC_ALL": "C"}, stdout=log, stderr=log
            )
        wait_until(lambda: broker.answers(self.url), log=self.log, seconds=15)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Cluster:
    """A PostgreSQL cluster of the test's own, which can be stopped in the middle of everything."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.port = free_port()
        self.as_user: list[str] = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            self.as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """At once, as in a power cut: nobody's transaction is finished."""
        self._run("pg_ctl", "stop", "-m", "immediate")

    def create(self, name: str) -> None:
        at = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(at, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}".encode())

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder.parent / "cluster.log").open("ab") as log:
            subprocess.run(  # noqa: S603 - our own command
                [*self.as_user, str(self.programs / program), "-D", str(self.folder / "db"), *arguments],
                cwd=self.folder, check=True, timeout=60, stdout=log, stderr=log,
            )  # fmt: skip


@contextmanager
def folder_for_everybody() -> Iterator[Path]:
    """A folder that other users reach: those of pytest belong to whoever runs it alone."""
    with TemporaryDirectory() as name:
        outer = Path(name)
        outer.chmod(0o755)
        (outer / "cluster").mkdir()
        yield outer / "cluster"


def postgresql_programs() -> Path | None:
    """The newest installed folder that holds initdb."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: float(path.parent.parent.name), default=None)
    return newest.parent if newest else None


class Sink:
    """An SMTP server that takes every mail. Of those to `silent_for` it says nothing more, though it has taken them."""

    def __init__(self) -> None:
        self.silent_for: set[str] = set()
        self._lock = threading.Lock()
        self._taken: list[tuple[str, bytes]] = []
        # A name that it need not ask anybody for.
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port(), server_hostname="sink.example")
        self._controller.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._controller.port}"

    def taken(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        with self._lock:
            return Counter(str(message_from_bytes(raw)["Message-ID"]).strip("<>") for _recipient, raw in self._taken)

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name for it
        with self._lock:
            self._taken.append((envelope.rcpt_tos[0], bytes(envelope.content)))
        if envelope.rcpt_tos[0] in self.silent_for:
            server.transport.abort()
            await asyncio.sleep(0)
        return "250 OK"

    def close(self) -> None:
        self._controller.stop()


@contextmanager
def database_at(*, port: int, name: str) -> Iterator[None]:
    """Have this process work on another database of this machine for a while."""
    values = connection.settings_dict
    usual = {key: values[key] for key in ("HOST", "PORT", "NAME", "USER", "PASSWORD")}
    connection.close()
    values.update(HOST="127.0.0.1", PORT=port, NAME=name, USER="postgres", PASSWORD="")
    try:
        yield
    finally:
        connection.close()
        values.update(usual)
