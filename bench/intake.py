"""How long a dropped mail takes to become a complete case, and how many mails a second the pipeline works through.

Starts an empty embedded product in a temporary folder, drops mails into its inbox one after the other as a mail client
would (write beside, then rename), and watches the database until each is a complete case: filed, with a due date, its
tasks, and the acknowledgment in the sent-mail folder. Then stops it and runs the pipeline alone, in this process.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import django

from bench.letters import mail
from handyconnect.supervisor.preflight import free_port

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def running() -> Iterator[float]:
    """The embedded product, empty, while the block runs; yields the seconds that its start took."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "--stop-with-parent"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(free_port()), "DEMO": "0", "BIND": "127.0.0.1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    is_ready = threading.Event()

    def show() -> None:
        for line in process.stdout or ():
            print(f"    {line.rstrip()}", flush=True)
            if line.strip().startswith("Ready after"):
                is_ready.set()

    reader = threading.Thread(target=show, daemon=True)
    reader.start()
    try:
        while not is_ready.wait(0.1):
            if process.poll() is not None:
                sys.exit("The product did not start; the reason stands above.")
        yield time.monotonic() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        reader.join(timeout=5)


def summary(name: str, seconds: list[float]) -> str:
    if not seconds:
        return f"{name:<44} none"
    ordered = sorted(seconds)
    return f"{name:<44} min {ordered[0]:6.2f}  median {median(ordered):6.2f}  max {ordered[-1]:6.2f}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=30, help="mails to drop")
    options.add_argument("--spacing", type=float, default=1.0, help="seconds between two of them")
    options.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the last one")
    options.add_argument("--throughput", type=int, default=200, help="mails for the pipeline alone; 0 leaves that out")
    chosen = options.parse_args()

    with tempfile.TemporaryDirectory(prefix="handyconnect-bench-") as folder:
        for name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
            os.environ.pop(name, None)
        os.environ.update(HANDYCONNECT_VAR=folder, DJANGO_SETTINGS_MODULE="handyconnect.settings")
        django.setup()
        from bench import probe  # noqa: PLC0415 - models can be imported only now

        with running() as start_seconds:
            print(
                f"Started in {start_seconds:.1f} s. Dropping {chosen.mails} mails, one every {chosen.spacing:g} s …",
                flush=True,
            )
            drops = [mail(number, prefix="bench") for number in range(chosen.mails)]
            outcomes = probe.drop_and_watch(drops, spacing_seconds=chosen.spacing, timeout_seconds=chosen.timeout)
        print(summary("seconds from drop to complete case", [one.from_drop_seconds for one in outcomes]))
        print(summary("seconds from stored to complete case", [one.from_stored_seconds for one in outcomes]))
        print(summary("of these until filed", [one.stored_to_filed_seconds for one in outcomes]))
        print(f"complete: {len(outcomes)} of {chosen.mails}; with tasks: {sum(one.tasks > 0 for one in outcomes)}")
        if chosen.throughput:
            letters = [mail(number, prefix="alone") for number in range(chosen.throughput)]
            try:
                rate = probe.messages_per_second(letters)
            except RuntimeError as error:
                sys.exit(str(error))
            print(f"process_message alone, one process: {rate:.1f} messages a second")
        return 0 if len(outcomes) == chosen.mails else 1


if __name__ == "__main__":
    sys.exit(main())
