"""The sample settings file and the code name the same variables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"""(?:\benv\.[a-z_]+|\b(?:required|generated)_secret)\(\s*["']([A-Z][A-Z_]+)["']""")
OFFERED = re.compile(r"^#?([A-Z][A-Z_]+)=", re.MULTILINE)


def python_files() -> list[Path]:
    apps = [path.parent for path in ROOT.glob("*/apps.py")]
    return [path for app in apps for path in app.rglob("*.py")]


class TestEnvExample:
    def test_offers_exactly_what_the_code_reads(self) -> None:
        read = {name for path in python_files() for name in READ.findall(path.read_text(encoding="utf-8"))}
        offered = set(OFFERED.findall((ROOT / ".env.example").read_text(encoding="utf-8")))
        assert len(read) > 10
        assert offered == read

    def test_sets_nothing(self) -> None:
        lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
        assert all(line.startswith("#") or not line for line in lines)
