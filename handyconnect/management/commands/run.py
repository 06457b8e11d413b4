"""Runs the whole product on this machine until Ctrl-C."""

import contextlib
import ctypes
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from handyconnect.env import BASE_DIR, env
from handyconnect.supervisor import preflight
from handyconnect.supervisor.errors import StartRefused
from handyconnect.supervisor.product import Product, Start
from handyconnect.supervisor.tied import PR_SET_PDEATHSIG

NO = frozenset({"0", "no", "off", "false"})


class Command(BaseCommand):
    help = (
        "Starts web, worker, beat and broker together, prints the address when they are ready, and stops them on "
        "Ctrl-C. Reads PORT (8000), BIND (127.0.0.1), HANDYCONNECT_VAR (var/) and DEMO (0 starts empty)."
    )
    requires_system_checks = ()  # `prepare` makes them; the start itself should be quick

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stop-with-parent", action="store_true", help="stop when the calling program is gone")

    def handle(self, *_args: Any, stop_with_parent: bool = False, **_options: Any) -> None:
        if stop_with_parent and sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        try:
            exit_code = Start(self._product(), say=self._say).run()
        except StartRefused as refusal:
            self._say(str(refusal))
            exit_code = 1
        if exit_code:
            sys.exit(exit_code)

    def _product(self) -> Product:
        host = env.str("BIND", default="") or "127.0.0.1"
        return Product(
            code=BASE_DIR,
            state=settings.VAR,
            host=host,
            port=preflight.parse_port(env.str("PORT", default="") or "8000"),
            redis_url=settings.REDIS_URL,
            with_demo=settings.EMBEDDED and (env.str("DEMO", default="") or "1").lower() not in NO,
            host_header=host_header(settings.ALLOWED_HOSTS, host=host),
            is_embedded=settings.EMBEDDED,
        )

    def _say(self, text: str) -> None:
        # The terminal may be gone (SIGHUP, `| head`): the children are stopped in order all the same.
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stdout.fileno(), f"{text}\n".encode())


def host_header(allowed_hosts: Sequence[str], *, host: str) -> str:
    """A Host header that this installation answers to, for asking it about its own health."""
    names = [name for name in allowed_hosts if name and name != "*"]
    if not names or host in names:
        return host
    return "127.0.0.1" if "127.0.0.1" in names else names[0].lstrip(".")
