"""Starts children, keeps them running, and stops them in order."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

from handyconnect.supervisor.backoff import RestartPolicy
from handyconnect.supervisor.child import Child
from handyconnect.supervisor.errors import ChildKeepsDying

TICK_SECONDS = 0.1
IMPATIENT_AFTER_SECONDS = 0.3  # two signals closer together are one: a terminal and `make` may both send it


class Supervisor:
    """Children are started in the order given to `add` and stopped in the order of `stop_order`."""

    def __init__(
        self,
        *,
        stop_order: Sequence[str],
        say: Callable[[str], None],
        policy: RestartPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.children: dict[str, Child] = {}
        self._stop_order = stop_order
        self._say = say
        self._policy = policy or RestartPolicy()
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._wanted = threading.Event()
        self._first_signal_at: float | None = None
        self._is_impatient = False

    # --- signals ---

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask for an orderly stop; a second SIGINT asks for an immediate one."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now = self._monotonic()
        if self._first_signal_at is None:
            self._first_signal_at = now
        elif number == signal.SIGINT and now - self._first_signal_at > IMPATIENT_AFTER_SECONDS:
            self._is_impatient = True
        self._wanted.set()

    @property
    def is_stopping(self) -> bool:
        return self._wanted.is_set()

    # --- running ---

    def add(self, child: Child) -> None:
        """Starts a child and looks after it from now on."""
        self.children[child.spec.name] = child
        child.start()

    def run_once(self, child: Child) -> int | None:
        """Runs a child to its end. Its exit code, or None when a stop was asked for meanwhile."""
        child.start()
        while child.is_running and not self.is_stopping:
            self.tend()
            self._wanted.wait(TICK_SECONDS)
        if child.is_running:
            child.signal(signal.SIGTERM)
            self._wait_for_end(child)
            child.kill()
            return None
        child.drain()
        return child.exit_code

    def tend(self) -> None:
        """Notices the dead and starts again whoever is due. Raises ChildKeepsDying when one dies again and again."""
        now = self._monotonic()
        for name, child in self.children.items():
            if child.is_running:
                continue
            if name not in self._due:
                self._due[name] = now + self._delay_after_death(child, now=now)
            if self._due[name] <= now:
                del self._due[name]
                child.start()

    def _delay_after_death(self, child: Child, *, now: float) -> float:
        exit_code = child.exit_code
        child.kill()  # a dead parent may have left workers behind, which would hold its port
        child.drain()
        child.deaths.append(now)
        delay = self._policy.delay_seconds(child.deaths, now=now)
        if delay is None:
            raise ChildKeepsDying(child.spec.name, exit_code=exit_code, last_lines=list(child.last_lines))
        self._say(f"{child.spec.name} stopped unexpectedly (exit code {exit_code}); starting it again in {delay:.1f} s")
        return delay

    def wait_for(self, is_done: Callable[[], bool], *, timeout_seconds: float, every_seconds: float = 0.25) -> bool:
        """Tends the children until `is_done` says so. False when the time is over or a stop was asked for."""
        deadline = self._monotonic() + timeout_seconds
        while not self.is_stopping:
            self.tend()
            if is_done():
                return True
            if self._monotonic() >= deadline:
                return False
            self._wanted.wait(every_seconds)
        return False

    def watch(self) -> None:
        """Tends the children until a stop is asked for."""
        while not self._wanted.wait(TICK_SECONDS):
            self.tend()

    # --- stopping ---

    def stop(self) -> None:
        """Ends every child: politely and in order, then by force."""
        self._wanted.set()
        for child in self._in_stop_order():
            if child.is_running and not self._is_impatient:
                child.signal(signal.SIGTERM)
                if not self._wait_for_end(child):
                    self._say(f"{child.spec.name} does not stop; it is killed")
            child.kill()
            child.drain()
            child.close()

    def _in_stop_order(self) -> Iterable[Child]:
        named = [self.children[name] for name in self._stop_order if name in self.children]
        rest = [child for name, child in self.children.items() if name not in self._stop_order]
        return [*rest, *named]

    def _wait_for_end(self, child: Child) -> bool:
        deadline = self._monotonic() + child.spec.stop_timeout_seconds
        while child.is_running:
            if self._is_impatient or self._monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True
