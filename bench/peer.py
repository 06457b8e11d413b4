"""django-helpdesk as it is published, in an environment and a database of its own, to compare with."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bench.letters import mixed
from bench.servers import ROOT

PACKAGES = ("django-helpdesk", "psycopg[binary]")
SCRIPT = ROOT / "bench" / "peer_import.py"


class NoPeer(Exception):
    """It cannot be installed or set up here; says why."""


@dataclass
class Peer:
    """An installation in `folder` with the (empty) database at `url`."""

    folder: Path
    url: str
    version: str = ""
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def _python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def install(self) -> None:
        """Raises NoPeer."""
        venv.create(self.folder / "venv", with_pip=True)
        self._do("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        self.version = self._do("-c", "import importlib.metadata as m; print(m.version('django-helpdesk'))").strip()
        self._do(str(SCRIPT), "prepare", str(self.folder))

    def _do(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own command
            [self._python, *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoPeer((done.stderr or done.stdout).strip()[-600:])
        return done.stdout

    def _environment(self) -> dict[str, str]:
        at = urlsplit(self.url)
        return {
            **os.environ,
            "PEER_NAME": at.path.removeprefix("/"),
            "PEER_HOST": at.hostname or "127.0.0.1",
            "PEER_PORT": str(at.port or 5432),
            "PEER_USER": unquote(at.username or ""),
            "PEER_PASSWORD": unquote(at.password or ""),
        }

    def run(self, numbers: range, *, prefix: str, processes: int) -> tuple[int, float, float]:
        """Imports these mails, shared out over so many processes; how many it took, the seconds of the slowest, all CPU seconds.

        Raises NoPeer.
        """
        folders = [self.folder / f"{prefix}-{numbers.start}-{one}" for one in range(processes)]
        for folder in folders:
            folder.mkdir()
        for number in numbers:
            # What answers goes the way of what it answers, so that the one is there when the other comes.
            share = folders[number // 10 % processes]
            (share / f"{number:08d}.eml").write_bytes(mixed(number, prefix=prefix).as_bytes())
        results = self._together(folders)
        for result in results:
            for reason, count in result["refused"].items():
                self.refused[reason] = self.refused.get(reason, 0) + count
        return (
            sum(result["imported"] for result in results),
            max(result["seconds"] for result in results),
            sum(result["cpu"] for result in results),
        )

    def _together(self, folders: Sequence[Path]) -> list[dict[str, Any]]:
        running = [
            subprocess.Popen(  # noqa: S603 - our own command
                [self._python, str(SCRIPT), "import", str(self.folder), str(folder)],
                env=self._environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True,
            )
            for folder in folders
        ]  # fmt: skip
        try:
            for process in running:
                if process.stdout is None or process.stdout.readline().strip() != "ready":
                    raise NoPeer("Its importer does not start; the reason stands above.")
            for process in running:
                if process.stdin:
                    process.stdin.write("go\n")
                    process.stdin.flush()
            return [json.loads(process.communicate()[0]) for process in running]
        finally:
            for process in running:
                process.kill()
                process.wait()
