"""What children print: kept in bounded files, and what matters of it shown on the terminal."""

import json
import logging
import re
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_LOG_BYTES = 5 * 1024 * 1024
KEPT_LOGS = 3
LONGEST_ECHO = 600
SHOWN_ONCE = 20
OWN_QUESTION = "/health/ready"  # asked again and again during the start, and rightly answered with an error

# How Celery ("[<time>: WARNING/MainProcess] …"), granian ("[ERROR] …") and plain logging begin such a line.
_LOUD = re.compile(r"^(?:\[[^\]]{0,60}?\b)?(?:WARNING|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)
_LOUD_LEVELS = frozenset({"warning", "error", "critical", "exception"})


class LogFile(RotatingFileHandler):
    """A log file that starts empty, keeps its predecessors, and never grows past a limit."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_LOG_BYTES, kept: int = KEPT_LOGS) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=kept, encoding="utf-8", errors="replace", delay=True)
        if path.exists() and path.stat().st_size:
            self.doRollover()

    def write(self, line: str) -> None:
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """A full disk must not stop the child that is being listened to."""


class Echo:
    """Picks the lines that a person at the terminal wants to see: warnings, errors, and how a traceback ended.

    What was shown just before is not shown again: the log file has every line.
    """

    def __init__(self) -> None:
        self._in_traceback = False
        self._shown: deque[str] = deque(maxlen=SHOWN_ONCE)

    def pick(self, line: str) -> str | None:
        """The line as it should be shown, or None for one that belongs in the log file only."""
        text = self._pick(line)
        if text is None or text in self._shown:
            return None
        self._shown.append(text)
        return text[:LONGEST_ECHO]

    def _pick(self, line: str) -> str | None:
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback = True
            return None
        if self._in_traceback:
            self._in_traceback = line.startswith((" ", "\t")) or not line
            return None if self._in_traceback else line
        if OWN_QUESTION in line:
            return None
        if line.startswith("{"):
            return _pick_json(line)
        return line if _LOUD.match(line) else None


def _pick_json(line: str) -> str | None:
    try:
        entry = json.loads(line)
        level, event = str(entry["level"]), str(entry["event"])
    except (ValueError, KeyError, TypeError):
        return None
    if level not in _LOUD_LEVELS or (level == "warning" and entry.get("logger") == "django.request"):
        return None  # a page that does not exist, a log-in that is missing: the visitor's trouble
    source = f" ({entry['logger']})" if entry.get("logger") else ""
    trouble = str(entry.get("exception") or "").strip().rpartition("\n")[2]
    return f"{level}: {event}{source}{': ' + trouble if trouble else ''}"
