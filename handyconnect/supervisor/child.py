"""One child process: started tied to its parent, in a process group of its own, with its output read line by line."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader
from pathlib import Path

from handyconnect.supervisor.logs import Echo, LogFile

TIED = Path(__file__).with_name("tied.py")
KEPT_LINES = 15
LONGEST_LINE_BYTES = 64 * 1024
PASSING_EVERY_SECONDS = 2.0

_LINE_END = re.compile(rb"(\r?\n|\r)")


class Shown(Enum):
    """What of a child's output is shown on the terminal. All of it is in its log file."""

    EVERYTHING = "everything"
    TROUBLE = "trouble"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """How a child is started and stopped.

    `death_signal` is what the kernel sends it when the supervisor is killed. SIGTERM for programs that have children
    of their own and must take them along; SIGKILL for all others.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path
    stop_timeout_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    shown: Shown = Shown.TROUBLE


class Child:
    """A child process that can be started again. Start it from the main thread only: the tie is to the thread."""

    def __init__(
        self, spec: ChildSpec, *, env: Mapping[str, str], logs: Path, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.spec = spec
        self.deaths: list[float] = []
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._env = dict(env)
        self._say = say
        self._log = LogFile(logs / f"{spec.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._is_cleared = True
        self._echo = Echo()
        self._passing_shown_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        spec = self.spec
        tie = (sys.executable, "-I", "-S", str(TIED), str(os.getpid()), str(int(spec.death_signal)))
        self._process = subprocess.Popen(  # noqa: S603 - the supervisor's own commands
            [*tie, *spec.command],
            cwd=spec.cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops its children in order
        )
        self._is_cleared = False
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def signal(self, number: signal.Signals) -> None:
        """Signals the process itself; a program with children of its own passes it on."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kills the process and whatever it left in its process group."""
        if self._process is None or self._is_cleared:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._is_cleared = True  # from here on its number may belong to somebody else

    def drain(self) -> None:
        """Waits shortly until the last lines of a dead process are read."""
        if self._reader:
            self._reader.join(timeout=1.0)

    def close(self) -> None:
        self._log.close()

    def _read(self, pipe: BufferedReader) -> None:
        with pipe:
            for line, is_passing in lines(pipe):
                if is_passing:
                    self._show_passing(line)
                    continue
                self.last_lines.append(line)
                self._log.write(line)
                if self.spec.shown is Shown.EVERYTHING:
                    self._say(line)
                elif self.spec.shown is Shown.TROUBLE and (text := self._echo.pick(line)) is not None:
                    self._say(f"{self.spec.name:>7} | {text}")

    def _show_passing(self, line: str) -> None:
        now = time.monotonic()
        if self.spec.shown is Shown.EVERYTHING and now - self._passing_shown_at >= PASSING_EVERY_SECONDS:
            self._passing_shown_at = now
            self._say(line)


def lines(pipe: BufferedReader) -> Iterator[tuple[str, bool]]:
    """Each line as soon as it is there, and whether it is a passing one: a progress line that the next one overwrites."""
    rest = b""
    while chunk := pipe.read1(LONGEST_LINE_BYTES):
        *whole, rest = _LINE_END.split(rest + chunk)
        for text, end in zip(whole[::2], whole[1::2], strict=True):
            if text or end != b"\r":
                yield text.decode("utf-8", errors="replace"), end == b"\r"
        if len(rest) > LONGEST_LINE_BYTES:
            yield rest.decode("utf-8", errors="replace"), False
            rest = b""
    if rest:
        yield rest.decode("utf-8", errors="replace"), False
