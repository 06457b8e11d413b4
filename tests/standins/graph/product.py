"""`make graph-demo`: the whole product against the stand-in, so that the Graph path can be seen without a tenant.

Everything it writes lies in var/graph-demo, and is begun anew each time.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.standins.graph.demo import ADDRESS, arrivals, first_mails
from tests.standins.graph.server import GraphStandIn

ROOT = Path(__file__).resolve().parents[3]
STATE = ROOT / "var" / "graph-demo"
NEW_MAIL_EVERY_SECONDS = 20.0

PROVISION = """
from django.utils import timezone
from accounts.actors import Actor
from accounts.models import Team, User
from cases.services import save_configuration
from mail_ingest.models import Mailbox
import os
at, actor = timezone.now(), Actor.system("graph demo")
Mailbox.objects.update(is_active=False)
save_configuration(Mailbox(
    slug="graph", name="Contoso Support", address=os.environ["GRAPH_DEMO_ADDRESS"], kind=Mailbox.Kind.GRAPH,
    sends_by=Mailbox.SendsBy.GRAPH, after_filing=Mailbox.AfterFiling.MOVE,
), at=at, actor=actor)
User.objects.create_superuser("admin", "admin@contoso.example", os.environ["GRAPH_DEMO_PASSWORD"], role="administrator")
"""


def main() -> int:
    shutil.rmtree(STATE, ignore_errors=True)
    password = secrets.token_urlsafe(9)
    with GraphStandIn() as graph:
        box = graph.mailbox(ADDRESS)
        for raw, folder, at in first_mails(box.address):
            box.add(raw, folder=folder, at=at, is_read=folder != "inbox")
        environment = {
            **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
            "HANDYCONNECT_VAR": str(STATE),
            "DEMO": "0",
            "MICROSOFT_GRAPH_URL": graph.url,
            "MICROSOFT_AUTHORITY_URL": graph.authority_url,
            "MICROSOFT_TENANT_ID": graph.tenant,
            "MICROSOFT_CLIENT_ID": graph.client_id,
            "MICROSOFT_CLIENT_SECRET": graph.client_secret,
            "GRAPH_DEMO_ADDRESS": ADDRESS,
            "GRAPH_DEMO_PASSWORD": password,
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "prepare"], cwd=ROOT, env=environment, check=True)  # noqa: S603 - our own
        subprocess.run([*manage, "shell", "-v", "0", "-c", PROVISION], cwd=ROOT, env=environment, check=True)  # noqa: S603 - our own
        say(f"A stand-in for Microsoft Graph runs at {graph.url}, with the mailbox {ADDRESS}.")
        say(
            f"Every {NEW_MAIL_EVERY_SECONDS:.0f} seconds somebody writes. Sign in as admin, password {password}. Ctrl-C stops it all."
        )
        stop = threading.Event()
        people = threading.Thread(target=write, args=(graph, stop), daemon=True)
        people.start()
        product = subprocess.Popen([*manage, "run", "--stop-with-parent"], cwd=ROOT, env=environment)  # noqa: S603 - our own
        signal.signal(signal.SIGTERM, lambda *_: product.terminate())
        try:
            return product.wait()
        except KeyboardInterrupt:
            return product.wait()
        finally:
            stop.set()


def write(graph: GraphStandIn, stop: threading.Event) -> None:
    box = graph.mailbox(ADDRESS)
    for raw in arrivals(box.address):
        if stop.wait(NEW_MAIL_EVERY_SECONDS):
            return
        box.add(raw)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
