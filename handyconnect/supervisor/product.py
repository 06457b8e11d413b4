"""The embedded product: which processes it has, in which order they start, and when it counts as ready."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from handyconnect import broker
from handyconnect.loopback import is_loopback
from handyconnect.supervisor import preflight, readiness
from handyconnect.supervisor.child import Child, ChildSpec, Shown
from handyconnect.supervisor.errors import ChildKeepsDying, StartRefused
from handyconnect.supervisor.lock import state_lock
from handyconnect.supervisor.supervisor import Supervisor

READY_WITHIN_SECONDS = 180.0
BROKER_WITHIN_SECONDS = 20.0
WAITING_SHOWN_AFTER_SECONDS = 4.0
WAITING_SHOWN_EVERY_SECONDS = 8.0
STOP_ORDER = ("prepare", "web", "beat", "worker", "broker")
LOGINS_FILE = "demo-logins.txt"


@dataclass(frozen=True, kw_only=True)
class Product:
    """What a start needs to know. `redis_url` empty: an embedded broker is started."""

    code: Path
    state: Path
    host: str
    port: int
    redis_url: str
    with_demo: bool
    host_header: str
    is_embedded: bool
    ready_within_seconds: float = READY_WITHIN_SECONDS

    @property
    def address(self) -> str:
        return preflight.url_of(self.host, self.port)

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    def environment(self, *, redis_url: str) -> dict[str, str]:
        """What every child process gets to see."""
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "handyconnect.settings"),
            "HANDYCONNECT_VAR": str(self.state),
            "PORT": str(self.port),
            "REDIS_URL": redis_url,
        }

    def prepare_spec(self) -> ChildSpec:
        demo = ("--demo",) if self.with_demo else ()
        return ChildSpec(
            name="prepare",
            command=(sys.executable, "manage.py", "prepare", *demo),
            cwd=self.code,
            shown=Shown.EVERYTHING,
        )

    def specs(self) -> tuple[ChildSpec, ...]:
        """The processes that make up the running product, besides the broker."""
        granian = (sys.executable, "-m", "granian", "handyconnect.asgi:application")
        celery = (sys.executable, "-m", "celery", "-A", "handyconnect")
        # Without a kill timeout granian hangs for ever when it is asked to stop while it is still starting.
        web = ["--interface=asginl", "--workers-kill-timeout=5", "--no-ws"]
        worker = ["worker", "--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle", "-Ofair"]
        beat = ["beat", "--pidfile=", f"--schedule={self.state / 'beat-schedule'}"]
        return (
            ChildSpec(
                name="web",
                command=(*granian, *web, f"--host={self.host}", f"--port={self.port}"),
                cwd=self.code,
                death_signal=signal.SIGTERM,
            ),
            ChildSpec(
                name="worker",
                command=(*celery, *worker, "--loglevel=INFO"),
                cwd=self.code,
                stop_timeout_seconds=20.0,
            ),
            ChildSpec(
                name="beat",
                command=(*celery, *beat, "--loglevel=INFO"),
                cwd=self.code,
                stop_timeout_seconds=5.0,
            ),
        )


class Start:
    """One run of the product, from the first check to the last stopped process."""

    def __init__(self, product: Product, *, say: Callable[[str], None]) -> None:
        self._product = product
        self._say = say
        self._started_at = time.monotonic()
        self._supervisor = Supervisor(stop_order=STOP_ORDER, say=say)

    def run(self) -> int:
        """The exit code: 0 after an orderly stop. Raises StartRefused before anything was started."""
        product = self._product
        preflight.check_folder(product.state)
        with state_lock(product.state, address=product.address):
            preflight.check_port(product.host, product.port)
            product.logs.mkdir(mode=0o700, exist_ok=True)
            self._supervisor.listen()
            self._say(f"HandyConnect starts. State folder: {product.state}")
            try:
                return self._run_locked()
            except ChildKeepsDying as trouble:
                self._tell_trouble(f"{trouble} and is given up.", name=trouble.name, lines=trouble.last_lines)
                return 1
            finally:
                self._stop()

    def _run_locked(self) -> int:
        environment = self._product.environment(redis_url=self._start_broker())
        if self._supervisor.is_stopping:
            return 0
        if not self._prepare(environment):
            return 0 if self._supervisor.is_stopping else 1
        specs = self._product.specs()
        self._step("processes", f"starting {', '.join(spec.name for spec in specs)}")
        for spec in specs:
            self._supervisor.add(self._child(spec, environment))
        if not self._wait_until_ready():
            return 0 if self._supervisor.is_stopping else 1
        self._tell_ready()
        self._supervisor.watch()
        return 0

    def _stop(self) -> None:
        if self._supervisor.children:
            self._say("Stopping …")
            self._supervisor.stop()
            self._say("Stopped.")

    def _child(self, spec: ChildSpec, environment: dict[str, str]) -> Child:
        return Child(spec, env=environment, logs=self._product.logs, say=self._say)

    def _step(self, name: str, text: str) -> None:
        self._say(f"  {name:<10} {text}")

    # --- the steps ---

    def _start_broker(self) -> str:
        """The address of a broker that answers."""
        if url := self._product.redis_url:
            if not broker.answers(url):
                raise StartRefused(
                    f"Nothing answers at REDIS_URL ({broker.without_password(url)}). "
                    "Start that server, or unset REDIS_URL to use the embedded one."
                )
            self._step("broker", broker.without_password(url))
            return url
        try:
            server = broker.find_server()
        except broker.NoBroker as error:
            raise StartRefused(f"No broker: {error}. Install redis-server, or set REDIS_URL.") from error
        embedded = broker.prepare(self._product.state / "broker", server=server, port=preflight.free_port())
        spec = ChildSpec(
            name="broker",
            command=embedded.command,
            cwd=self._product.state,
            stop_timeout_seconds=5.0,
            shown=Shown.NOTHING,
        )
        # A locale that this machine does not have would end the server ("Failed to configure LOCALE").
        child = self._child(spec, {**os.environ, "LC_ALL": "C"})
        self._supervisor.add(child)
        is_there = self._supervisor.wait_for(
            lambda: broker.answers(embedded.url), timeout_seconds=BROKER_WITHIN_SECONDS, every_seconds=0.05
        )
        if not is_there and not self._supervisor.is_stopping:
            self._tell_trouble("The broker does not answer.", name="broker", lines=list(child.last_lines))
            raise StartRefused("Without a broker nothing can work. Set REDIS_URL to use a server of your own.")
        self._step("broker", f"{server.name} on 127.0.0.1:{embedded.port}")
        return embedded.url

    def _prepare(self, environment: dict[str, str]) -> bool:
        """Brings the database up to date. False when that failed, which has been told."""
        child = self._child(self._product.prepare_spec(), environment)
        exit_code = self._supervisor.run_once(child)
        child.close()
        if exit_code:
            self._say("The database could not be made ready; the reason stands above. Nothing is running.")
        return exit_code == 0

    def _wait_until_ready(self) -> bool:
        product, last = self._product, readiness.Readiness(is_ready=False, missing=("web",))
        show_at = time.monotonic() + WAITING_SHOWN_AFTER_SECONDS

        def is_ready() -> bool:
            nonlocal last, show_at
            last = readiness.ask(product.address, host_header=product.host_header)
            if not last.is_ready and time.monotonic() >= show_at:
                show_at = time.monotonic() + WAITING_SHOWN_EVERY_SECONDS
                self._step("", f"waiting for {', '.join(last.missing)}")
            return last.is_ready

        if self._supervisor.wait_for(is_ready, timeout_seconds=product.ready_within_seconds):
            return True
        if not self._supervisor.is_stopping:
            missing = ", ".join(last.missing)
            self._say(f"Not ready after {product.ready_within_seconds:.0f} seconds. Missing: {missing}")
            for name in self._suspects(last.missing):
                self._tell_trouble("", name=name, lines=list(self._supervisor.children[name].last_lines))
        return False

    def _suspects(self, missing: Sequence[str]) -> list[str]:
        """The children whose logs may say why: those that the missing checks name, else all of Python's."""
        named = [name for name in self._supervisor.children if any(name in check for check in missing)]
        return named or [spec.name for spec in self._product.specs()]

    # --- what is told ---

    def _tell_trouble(self, text: str, *, name: str, lines: Sequence[str]) -> None:
        if text:
            self._say(text)
        self._say(f"Last lines of {self._product.logs / f'{name}.log'}:")
        for line in lines or ["(nothing was written)"]:
            self._say(f"    {line}")

    def _tell_ready(self) -> None:
        product = self._product
        self._say(f"\nReady after {time.monotonic() - self._started_at:.1f} s: {product.address}/")
        self._say(f"Logs: {product.logs}. Stop with Ctrl-C.")
        if product.is_embedded:
            self._say(f"Drop an .eml file into {product.state / 'mail' / 'inbox'} (by renaming it) to open a case.")
        if not is_loopback(product.host):
            self._say("This address can be reached from other machines: change every demo password first.")
        logins = product.state / LOGINS_FILE
        if logins.is_file():
            self._say("\n" + logins.read_text(encoding="utf-8").rstrip() + "\n")
