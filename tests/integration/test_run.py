"""`manage.py run`, as a person starts it: everything in real processes, in an empty state folder."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from pathlib import Path

import pytest

from handyconnect.supervisor.preflight import free_port
from handyconnect.supervisor.readiness import ask
from tests.integration.test_supervisor import eventually, is_alive

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0  # a machine that does other things as well
OWN_SETTINGS = ("ALLOWED_HOSTS", "BASE_URL", "DATABASE_URL", "EMAIL_URL", "REDIS_URL", "SECRET_KEY")

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent"),
]


class Running:
    """A product in a state folder of its own, and what it printed."""

    def __init__(self, state: Path, *, port: int) -> None:
        self.state = state
        self.address = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        kept = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=ROOT,
            env={**kept, "HANDYCONNECT_VAR": str(state), "PORT": str(port), "DEMO": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def is_ready(self) -> bool:
        return "Ready after" in self.said

    def children(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def wait(self) -> int:
        exit_code = self.process.wait(timeout=PATIENCE_SECONDS)
        self._reader.join(timeout=5)
        return exit_code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def begin(*, port: int, folder: str = "var") -> Running:
        made.append(Running(tmp_path / folder, port=port))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.wait()


def value(state: Path, query: str) -> object:
    database = sqlite3.connect(f"file:{state / 'handyconnect.sqlite3'}?mode=ro", uri=True)
    try:
        [[found]] = database.execute(query).fetchall()
    finally:
        database.close()
    return found


def letter() -> bytes:
    mail = EmailMessage()
    mail["From"] = "Tina Tenant <tina@example.org>"
    mail["To"] = "support@example.com"
    mail["Subject"] = "The heating is cold"
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = "<first@mail.example.org>"
    mail.set_content("The radiator in the bathroom has been cold since this morning.\n")
    return mail.as_bytes()


class TestRun:
    def test_turns_a_dropped_mail_into_a_case_and_stops_cleanly(self, start: Callable[..., Running]) -> None:
        port = free_port()
        running = start(port=port)
        assert eventually(running.is_ready, within_seconds=PATIENCE_SECONDS), running.said
        assert ask(running.address, host_header="127.0.0.1").is_ready
        children = running.children()
        assert len(children) == 4

        draft = running.state / "draft.eml"
        draft.write_bytes(letter())
        draft.rename(running.state / "mail" / "inbox" / "first.eml")
        assert eventually(
            lambda: value(running.state, "SELECT count(*) FROM cases_case") == 1, within_seconds=PATIENCE_SECONDS
        )
        sent = running.state / "mail" / "sent"
        assert eventually(lambda: sent.is_dir() and any(sent.glob("*.eml")), within_seconds=PATIENCE_SECONDS)

        same_folder = start(port=free_port())
        assert same_folder.wait() == 1
        assert f"process {running.process.pid}, {running.address}" in same_folder.said
        same_port = start(port=port, folder="other")
        assert same_port.wait() == 1
        assert f"Port {port} is taken" in same_port.said

        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0, running.said
        assert not any(is_alive(pid) for pid in children)

        events = value(running.state, "SELECT count(*) FROM cases_timelineevent")
        again = start(port=port)
        assert eventually(again.is_ready, within_seconds=PATIENCE_SECONDS), again.said
        again.process.send_signal(signal.SIGTERM)
        assert again.wait() == 0
        assert value(running.state, "SELECT count(*) FROM cases_timelineevent") == events

    def test_leaves_nothing_running_when_it_is_killed(self, start: Callable[..., Running]) -> None:
        running = start(port=free_port())
        assert eventually(
            lambda: "processes" in running.said and len(running.children()) == 4, within_seconds=PATIENCE_SECONDS
        )
        children = running.children()
        running.process.kill()
        assert eventually(lambda: not any(is_alive(pid) for pid in children), within_seconds=20)
        assert not ask(running.address, host_header="127.0.0.1").is_ready
