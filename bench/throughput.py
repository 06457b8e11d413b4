"""How many mails a second go through the whole pipeline, with little and with much already stored, and beside another help desk.

`python -m bench.throughput`. On PostgreSQL (DATABASE_URL, else the local one) with databases of its own, a broker of its
own and real workers of two processes each. Mails are stored by the call that every source makes, as fast as it goes. Then they
are waited for: until each is filed, and until every listener (rules, notifications, counts) has caught up with the log.
The contestants take turns, so that whatever else the machine does meets all of them. Everything made for it is removed at the end.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from bench.feed import Turn
from bench.peer import NoPeer, Peer
from bench.servers import ROOT, NotThere, database, redis_server, worker
from handyconnect.encryption import new_key

PREFIX = "bench"
RESULTS = ROOT / "bench" / "results" / "throughput.json"
GOAL_PER_SECOND = 40.0
WARM_UP_FROM, WARM_UP_MAILS = 1_000_000, 20


@dataclass
class Product:
    """An installation with so many stored cases, and what its turns have shown."""

    stored: int
    environment: Mapping[str, str]
    worker_pid: int
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self, numbers: range, *, timeout_seconds: float) -> None:
        self.turns.append(self._turn(numbers, timeout_seconds=timeout_seconds))

    def warm_up(self, *, timeout_seconds: float) -> None:
        """A turn that does not count: a worker which has been running for a while has its word lists in memory."""
        self._turn(range(WARM_UP_FROM, WARM_UP_FROM + WARM_UP_MAILS), timeout_seconds=timeout_seconds)

    def _turn(self, numbers: range, *, timeout_seconds: float) -> Turn:
        output = _module(
            "bench.feed",
            *("--first", str(numbers.start), "--mails", str(len(numbers)), "--prefix", PREFIX),
            *("--worker", str(self.worker_pid), "--timeout", str(timeout_seconds)),
            environment=self.environment,
        )
        return Turn(**json.loads(output.splitlines()[-1]))

    @property
    def mails(self) -> int:
        return sum(turn.mails for turn in self.turns)

    @property
    def filed(self) -> int:
        return sum(turn.outcomes.get("filed", 0) for turn in self.turns)

    @property
    def is_whole(self) -> bool:
        return self.filed == self.mails and not any(turn.unfinished for turn in self.turns)

    def report(self) -> dict[str, Any]:
        """Rates in mails a second; CPU in shares of one core while it ran."""
        done = sum(turn.done_seconds for turn in self.turns)
        outcomes, answers = Counter[str](), Counter[str]()
        for turn in self.turns:
            outcomes.update(turn.outcomes)
            answers.update(turn.answers_queued)
        return {
            "stored": self.stored,
            "mails": self.mails,
            "outcomes": dict(outcomes),
            "stored_per_second": self.mails / sum(turn.stored_seconds for turn in self.turns),
            "filed_per_second": self.mails / sum(turn.filed_seconds for turn in self.turns),
            "done_per_second": self.mails / done,
            "done_per_second_by_turn": [turn.mails / turn.done_seconds for turn in self.turns],
            "cpu_worker": sum(turn.worker_cpu_seconds for turn in self.turns) / done,
            "cpu_feeder": sum(turn.feeder_cpu_seconds for turn in self.turns) / done,
            "cpu_database": sum(turn.database_cpu_seconds for turn in self.turns) / done,
            "cpu_others": self._others() / done,
            "cpu_ms_per_mail": self._own_cpu_seconds() * 1000 / self.mails,
            "events_per_mail": sum(turn.events for turn in self.turns) / self.mails,
            "answers": dict(answers),
            "calls": sum(turn.calls for turn in self.turns),
            "unfinished": sum(turn.unfinished for turn in self.turns),
        }

    def _own_cpu_seconds(self) -> float:
        return sum(turn.worker_cpu_seconds + turn.feeder_cpu_seconds + turn.database_cpu_seconds for turn in self.turns)

    def _others(self) -> float:
        """CPU seconds of whatever else the machine did meanwhile: where this is not small, the rates are too low."""
        return max(0.0, sum(turn.machine_cpu_seconds for turn in self.turns) - self._own_cpu_seconds())


@dataclass
class Contender:
    """The other help desk with so many importing processes."""

    peer: Peer
    processes: int
    imported: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def take_turn(self, numbers: range) -> None:
        imported, seconds, cpu_seconds = self.peer.run(
            numbers, prefix=f"{PREFIX}-{self.processes}", processes=self.processes
        )
        self.imported += imported
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds

    @property
    def cpu_ms_per_mail(self) -> float:
        return self.cpu_seconds * 1000 / self.imported if self.imported else 0.0

    @property
    def per_second(self) -> float:
        return self.imported / self.seconds if self.seconds else 0.0


def _module(name: str, *arguments: str, environment: Mapping[str, str]) -> str:
    """What a module of the benchmark prints, run in an installation of its own. Ends the benchmark when it fails."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr[-2000:]}")
    return done.stdout


def _environment(*, url: str, redis_url: str, state: Path) -> dict[str, str]:
    """The production profile, with secrets and a state folder of its own; mail that goes out is written there."""
    return {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "EMAIL_URL": f"filemail://{state / 'mail' / 'sent'}",
        "HANDYCONNECT_VAR": str(state),
        "DJANGO_SETTINGS_MODULE": "handyconnect.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "FIELD_ENCRYPTION_KEYS": new_key(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
    }


def _peer(stack: contextlib.ExitStack, folder: Path) -> Peer | None:
    """None, and the reason told, where it cannot be had."""
    print("Installing django-helpdesk …", flush=True)
    url = stack.enter_context(database(f"handyconnect_bench_{os.getpid()}_peer"))
    (folder / "peer").mkdir()
    peer = Peer(folder / "peer", url)
    try:
        peer.install()
    except NoPeer as error:
        print(f"It cannot be compared with here: {error}", flush=True)
        return None
    print(f"  django-helpdesk {peer.version}", flush=True)
    return peer


def _product(stack: contextlib.ExitStack, folder: Path, *, stored: int, number: int, redis_url: str) -> Product:
    print(f"Making an installation with {stored:,} stored cases …", flush=True)
    url = stack.enter_context(database(f"handyconnect_bench_{os.getpid()}_{number}"))
    state = folder / f"state-{number}"
    state.mkdir()
    environment = _environment(url=url, redis_url=f"{redis_url}/{number}", state=state)
    _module("bench.stored", str(stored), environment=environment)
    pid = stack.enter_context(worker({**environment, "LOG_LEVEL": "INFO"}, folder / f"worker-{number}.log"))
    return Product(stored, environment, pid)


def _shares(mails: int, turns: int) -> list[range]:
    """The numbers of the mails of each turn; whole tens, so that answers and what they answer are cut alike."""
    size = max(10, -(-mails // (turns * 10)) * 10)
    return [range(start, min(start + size, mails)) for start in range(0, mails, size)]


def _print_products(products: list[Product]) -> None:
    header = (
        "stored",
        "mails",
        "stored/s",
        "filed/s",
        "done/s",
        "worker",
        "feeder",
        "database",
        "others",
        "events",
        "calls",
    )
    print("\n" + "  ".join(f"{name:>9}" for name in header))
    for product in products:
        row = product.report()
        cells = (
            f"{product.stored:,}", row["mails"], f"{row['stored_per_second']:.1f}", f"{row['filed_per_second']:.1f}",
            f"{row['done_per_second']:.1f}", f"{row['cpu_worker']:.2f}", f"{row['cpu_feeder']:.2f}",
            f"{row['cpu_database']:.2f}", f"{row['cpu_others']:.2f}", f"{row['cpu_ms_per_mail']:.1f}",
            f"{row['events_per_mail']:.1f}", row["calls"],
        )  # fmt: skip
        print("  ".join(f"{cell:>9}" for cell in cells))
        by_turn = ", ".join(f"{rate:.1f}" for rate in row["done_per_second_by_turn"])
        print(f"           by turn {by_turn}; outcomes {row['outcomes']}; automatic mail {row['answers']}")
    print(
        "stored/s: into the ledger; filed/s: until each mail is on its case; done/s: until every listener has caught up."
    )
    print("worker … others: cores in use meanwhile, others by what else the machine did.")
    print("ms/mail: CPU of our own; events: of the log, for each mail; calls: by sweeps after a stall.")


def _print_ratio(products: list[Product]) -> None:
    if len(products) > 1:
        least, most = min(products, key=lambda one: one.stored), max(products, key=lambda one: one.stored)
        few, many = least.report(), most.report()
        print(
            f"With {most.stored:,} stored cases it runs at {many['done_per_second'] / few['done_per_second']:.0%} of the rate "
            f"with {least.stored:,}, for {many['cpu_ms_per_mail'] / few['cpu_ms_per_mail']:.0%} of the CPU."
        )
    slowest = min(product.report()["done_per_second"] for product in products)
    verdict = "reached" if slowest >= GOAL_PER_SECOND else "missed"
    print(f"The goal of {GOAL_PER_SECOND:.0f} mails a second is {verdict}: {slowest:.1f}.")


def _print_peer(peer: Peer, contenders: list[Contender], products: list[Product]) -> None:
    ours = products[0].report()["done_per_second"]
    for one in contenders:
        if one.per_second:
            print(
                f"django-helpdesk {peer.version}, {one.processes} importing process(es): {one.per_second:.1f} mails a second "
                f"({one.imported} imported, {one.cpu_ms_per_mail:.1f} ms of CPU each); ours with {products[0].stored:,} stored: {ours / one.per_second:.1f} times that."
            )
    for reason, count in peer.refused.items():
        print(f"  refused by it: {count} × {reason}")  # noqa: RUF001 - a multiplication sign


def _stopped(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)  # so that everything is cleared away also after a SIGTERM


def run(chosen: argparse.Namespace) -> int:
    """The exit code: 1 when a mail was not filed. Raises NotThere."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="handyconnect-bench-")))
        redis_url = stack.enter_context(redis_server(folder))
        peer = _peer(stack, folder) if chosen.peer else None
        products = [
            _product(stack, folder, stored=stored, number=number, redis_url=redis_url)
            for number, stored in enumerate(chosen.stored)
        ]
        for product in products:
            product.warm_up(timeout_seconds=chosen.timeout)
        contenders = [Contender(peer, 1), Contender(peer, 2)] if peer else []
        shares = _shares(chosen.mails, chosen.turns)
        for turn, numbers in enumerate(shares, start=1):
            print(f"Turn {turn} of {len(shares)}: {len(numbers)} mails each …", flush=True)
            for product in products:
                product.take_turn(numbers, timeout_seconds=chosen.timeout)
            for one in contenders:
                one.take_turn(numbers)
        _print_products(products)
        _print_ratio(products)
        if peer:
            _print_peer(peer, contenders, products)
        if chosen.json:
            _write(products, peer, contenders)
        for product in products:
            if not product.is_whole:
                print(
                    f"NOT FILED: {product.mails - product.filed} of {product.mails} mails, {product.stored:,} stored."
                )
        return 0 if all(product.is_whole for product in products) else 1


def _write(products: list[Product], peer: Peer | None, contenders: list[Contender]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "ours": [product.report() for product in products],
        "peer": peer and {
            "name": f"django-helpdesk {peer.version}",
            "per_second": {str(one.processes): one.per_second for one in contenders},
            "cpu_ms_per_mail": {str(one.processes): one.cpu_ms_per_mail for one in contenders},
            "refused": peer.refused,
        },
    }  # fmt: skip
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"Written to {RESULTS.relative_to(ROOT)}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mails", type=int, default=1000, help="mails for each contestant")
    options.add_argument(
        "--stored",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[1_000, 100_000],
        help="stored cases to begin with; several sizes with commas (1000,100000)",
    )
    options.add_argument("--turns", type=int, default=4, help="in how many parts each works through them")
    options.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for the mails of one turn")
    options.add_argument("--peer", action="store_true", help="compare with django-helpdesk (from the package index)")
    options.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, _stopped)
    try:
        return run(chosen)
    except NotThere as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; everything that was made for it is removed.")


if __name__ == "__main__":
    sys.exit(main())
