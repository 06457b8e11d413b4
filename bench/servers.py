"""What the throughput benchmark starts and takes away again: databases, a broker, workers. Knows nothing of Django."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from handyconnect import broker
from handyconnect.supervisor.preflight import free_port

ROOT = Path(__file__).resolve().parent.parent
TIED = ROOT / "handyconnect" / "supervisor" / "tied.py"
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
BROKER_WITHIN_SECONDS = 15.0
WORKER_WITHIN_SECONDS = 60.0
WORKER_READY = b"ready."
# As the product starts its worker: see handyconnect/supervisor/product.py.
WORKER = ("worker", "--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle", "-Ofair")


class NotThere(Exception):
    """A server that the benchmark needs does not answer; says which and what to do."""


@contextlib.contextmanager
def database(name: str) -> Iterator[str]:
    """The URL of an empty database of that name beside the one of DATABASE_URL. It is dropped at the end. Raises NotThere."""
    server = urlsplit(os.environ.get("DATABASE_URL") or SERVER)
    at = server._replace(scheme="postgresql", path="/postgres").geturl()
    _administer(at, sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    try:
        yield server._replace(scheme="postgres", path=f"/{name}").geturl()
    finally:
        _administer(at, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(at: str, statement: sql.Composed) -> None:
    try:
        with psycopg.connect(at, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)
    except psycopg.OperationalError as error:
        raise NotThere(f"No PostgreSQL answers, or it refuses: {error}. Set DATABASE_URL to one that does.") from error


def is_local(url: str) -> bool:
    """Whether the processes of the server at this URL can be seen in /proc."""
    return (urlsplit(url).hostname or "localhost") in {"localhost", "127.0.0.1", "::1"} and Path("/proc/self").exists()


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A broker of the benchmark's own, as the embedded product starts it; yields its URL without the database's number."""
    own = broker.prepare(folder, server=broker.find_server(), port=free_port())
    with _running(own.command, folder / "redis.log", {"LC_ALL": "C"}):
        deadline = time.monotonic() + BROKER_WITHIN_SECONDS
        while not broker.answers(own.url):
            if time.monotonic() > deadline:
                raise NotThere(f"The broker does not start: {(folder / 'redis.log').read_text()[-500:]}")
            time.sleep(0.05)
        yield own.url.removesuffix("/0")


@contextlib.contextmanager
def worker(environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """A Celery worker with two processes, as in production; yields its process id once it is ready. Raises NotThere."""
    command = (sys.executable, "-m", "celery", "-A", "handyconnect", *WORKER, "--loglevel=INFO")
    with _running(command, log, environment) as process:
        deadline = time.monotonic() + WORKER_WITHIN_SECONDS
        while WORKER_READY not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotThere(f"The worker does not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield process.pid


@contextlib.contextmanager
def _running(command: tuple[str, ...], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that cannot outlive this one; it is asked to stop at the end, and then made to."""
    tied = (sys.executable, "-I", "-S", str(TIED), str(os.getpid()), str(int(signal.SIGTERM)), *command)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            tied, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds, by process id; of processes that have ended in between nothing is known."""

    seconds: Mapping[int, float]

    def since(self, earlier: "Used") -> float:
        return sum(seconds - earlier.seconds.get(pid, 0.0) for pid, seconds in self.seconds.items())


def used_by_tree(pid: int) -> Used:
    """Of a process and those that it has started itself."""
    return _used([pid, *_children(pid)])


def used_by_machine() -> Used:
    """Of everything that runs here, under process id 0. Empty where /proc does not tell."""
    with contextlib.suppress(OSError):
        user, nice, system, _idle, _waiting, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:9])
        return Used({0: (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")})
    return Used({})


def used_by_database(url: str) -> Used:
    """Of the server's processes that serve this database. Empty where they cannot be seen."""
    if not is_local(url):
        return Used({})
    with psycopg.connect(url.replace("postgres://", "postgresql://", 1)) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
    return _used([pid for (pid,) in rows])


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _used(pids: list[int]) -> Used:
    seconds = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended, or there is no /proc
            seconds[pid] = _seconds_of(Path(f"/proc/{pid}"))
    return Used(seconds)


def _seconds_of(process: Path) -> float:
    """The scheduler's own count where the kernel keeps one: a database works in strokes that fall between two ticks."""
    with contextlib.suppress(FileNotFoundError):
        each = [(thread / "schedstat").read_text().split()[0] for thread in (process / "task").iterdir()]
        return sum(map(int, each)) / 1e9  # nanoseconds: Documentation/scheduler/sched-stats.rst
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime: proc(5), fields 14 and 15
