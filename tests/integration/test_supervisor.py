"""The supervisor with real, trivial children."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handyconnect import broker
from handyconnect.supervisor import preflight
from handyconnect.supervisor.backoff import RestartPolicy
from handyconnect.supervisor.child import Child, ChildSpec, Shown
from handyconnect.supervisor.errors import ChildKeepsDying
from handyconnect.supervisor.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENT = RestartPolicy(first_delay_seconds=0.05)


def eventually(is_true: Callable[[], bool], *, within_seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Stage:
    """A supervisor, its children, and what they said."""

    def __init__(self, folder: Path, *, policy: RestartPolicy = PATIENT) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(stop_order=("first", "second", "last"), say=self.said.append, policy=policy)

    def child(self, name: str, code: str, *, stop_timeout_seconds: float = 5.0, shown: Shown = Shown.TROUBLE) -> Child:
        spec = ChildSpec(
            name=name,
            command=(sys.executable, "-I", "-S", "-u", "-c", textwrap.dedent(code)),
            cwd=self.folder,
            stop_timeout_seconds=stop_timeout_seconds,
            shown=shown,
        )
        return Child(spec, env=dict(os.environ), logs=self.folder, say=self.said.append)

    def add(self, name: str, code: str, *, stop_timeout_seconds: float = 5.0) -> Child:
        child = self.child(name, code, stop_timeout_seconds=stop_timeout_seconds)
        self.supervisor.add(child)
        return child

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.supervisor.stop()


POLITE = """
import signal, sys, time
def leave(*_):
    with open("order", "a") as file: file.write({name!r} + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up")
while True: time.sleep(0.05)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up")
while True: time.sleep(1)
"""


class TestStop:
    def test_ends_the_children_one_after_the_other_in_the_given_order(self, stage: Stage) -> None:
        for name in ("last", "second", "first"):
            stage.add(name, POLITE.format(name=name))
        assert eventually(lambda: all("up" in stage.log(name) for name in ("first", "second", "last")))
        stage.supervisor.stop()
        assert (stage.folder / "order").read_text().split() == ["first", "second", "last"]

    def test_kills_a_child_that_does_not_listen(self, stage: Stage) -> None:
        child = stage.add("first", STUBBORN, stop_timeout_seconds=0.3)
        assert eventually(lambda: "up" in stage.log("first"))
        stage.supervisor.stop()
        assert child.exit_code == -signal.SIGKILL
        assert stage.said == ["first does not stop; it is killed"]

    def test_takes_along_what_a_child_has_started(self, stage: Stage) -> None:
        child = stage.add(
            "first",
            """
            import os, time
            if pid := os.fork():
                print("up", pid)
            while True: time.sleep(1)
            """,
        )
        assert eventually(lambda: "up" in stage.log("first"))
        grandchild = int(stage.log("first").split()[1])
        stage.supervisor.stop()
        assert not child.is_running
        assert eventually(lambda: not is_alive(grandchild))


class TestTend:
    def test_starts_a_dead_child_again(self, stage: Stage) -> None:
        child = stage.add("first", "import time; print('up'); time.sleep(60)")
        assert eventually(lambda: "up" in stage.log("first"))
        before = child.pid
        os.kill(before or 0, signal.SIGKILL)
        assert stage.supervisor.wait_for(lambda: child.is_running and child.pid != before, timeout_seconds=10)
        assert stage.said == ["first stopped unexpectedly (exit code -9); starting it again in 0.1 s"]

    def test_gives_up_on_a_child_that_dies_again_and_again(self, stage: Stage) -> None:
        stage.add("first", "print('no key'); raise SystemExit(3)")
        with pytest.raises(ChildKeepsDying) as caught:
            stage.supervisor.wait_for(lambda: False, timeout_seconds=30)
        assert (caught.value.name, caught.value.exit_code) == ("first", 3)
        assert caught.value.last_lines[-1] == "no key"

    def test_shows_what_a_child_complains_about(self, stage: Stage) -> None:
        stage.add("first", "print('all is well'); print('WARNING: low on ink'); import time; time.sleep(60)")
        assert eventually(lambda: "  first | WARNING: low on ink" in stage.said)
        assert stage.log("first") == "all is well\nWARNING: low on ink\n"


class TestRunOnce:
    def test_gives_the_exit_code_and_shows_everything(self, stage: Stage) -> None:
        child = stage.child("prepare", "print('step one'); raise SystemExit(4)", shown=Shown.EVERYTHING)
        assert stage.supervisor.run_once(child) == 4
        child.close()
        assert stage.said == ["step one"]


SUPERVISED = """
import sys
from pathlib import Path
from handyconnect.supervisor.child import Child, ChildSpec
from handyconnect.supervisor.supervisor import Supervisor

folder = Path(sys.argv[1])
code = "import signal, time, os, sys\\n" + sys.argv[2]
supervisor = Supervisor(stop_order=("first", "second"), say=lambda text: print(text, flush=True))
supervisor.listen()
for name in ("second", "first"):
    spec = ChildSpec(name=name, command=(sys.executable, "-u", "-c", code), cwd=folder, stop_timeout_seconds=20)
    supervisor.add(Child(spec, env={}, logs=folder))
print("pids", *(child.pid for child in supervisor.children.values()), flush=True)
supervisor.watch()
supervisor.stop()
print("stopped", flush=True)
"""
WAIT = "print('up')\nwhile True: time.sleep(1)"
WAIT_STUBBORNLY = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT


class Supervised:
    """A supervisor in a process of its own, so that it can be signalled and killed."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(  # noqa: S603 - this file's own program
            [sys.executable, "-c", SUPERVISED, str(folder), code],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.pids = [int(pid) for pid in self.output.readline().split()[1:]]
        assert eventually(lambda: all("up" in self._log(name) for name in ("first", "second")))

    def _log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        for pid in (self.process.pid, *self.pids):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    made: list[Supervised] = []

    def make(code: str) -> Supervised:
        made.append(Supervised(tmp_path, code))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_stop_everything_and_count_as_success(
        self, supervised: Callable[[str], Supervised], number: signal.Signals
    ) -> None:
        running = supervised(WAIT)
        running.process.send_signal(number)
        assert running.process.wait(timeout=10) == 0
        assert "stopped" in running.output.read()
        assert not any(is_alive(pid) for pid in running.pids)

    def test_kill_at_once_when_ctrl_c_comes_a_second_time(self, supervised: Callable[[str], Supervised]) -> None:
        running = supervised(WAIT_STUBBORNLY)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.6)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=5) == 0
        assert not any(is_alive(pid) for pid in running.pids)

    def test_stay_patient_when_the_same_ctrl_c_arrives_twice(self, supervised: Callable[[str], Supervised]) -> None:
        running = supervised(WAIT_STUBBORNLY)
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.6)
        assert running.process.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
class TestKilledSupervisor:
    def test_leaves_no_child_behind(self, supervised: Callable[[str], Supervised]) -> None:
        running = supervised(WAIT_STUBBORNLY)
        assert len(running.pids) == 2
        assert all(is_alive(pid) for pid in running.pids)
        running.process.kill()
        assert eventually(lambda: not any(is_alive(pid) for pid in running.pids))


class TestEmbeddedBroker:
    @pytest.mark.parametrize("path", [None, ""], ids=["from the path or the wheel", "from the wheel"])
    def test_answers_to_its_password_alone(self, stage: Stage, path: str | None) -> None:
        made = broker.prepare(
            stage.folder / "a folder", server=broker.find_server(path=path), port=preflight.free_port()
        )
        spec = ChildSpec(name="last", command=made.command, cwd=stage.folder, shown=Shown.NOTHING)
        stage.supervisor.add(Child(spec, env={**os.environ, "LC_ALL": "C"}, logs=stage.folder))
        assert stage.supervisor.wait_for(lambda: broker.answers(made.url), timeout_seconds=10)
        assert not broker.answers(f"redis://127.0.0.1:{made.port}/0")
        assert not broker.answers(f"redis://:wrong@127.0.0.1:{made.port}/0")
        with socket.create_connection(("127.0.0.1", made.port)) as stranger:
            stranger.sendall(b"GET x\r\n")
            assert stranger.recv(100).startswith(b"-NOAUTH")
