"""`python -m tests.standins.graph --port 9400`: Graph on this machine, with a mailbox in which something happens."""

import argparse
import threading

from tests.standins.graph.demo import ADDRESS, arrivals, first_mails
from tests.standins.graph.server import GraphStandIn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.graph", description=__doc__)
    parser.add_argument("--port", type=int, default=9400)
    parser.add_argument("--mailbox", default=ADDRESS)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between new mails; 0: no new ones")
    options = parser.parse_args()
    with GraphStandIn(port=options.port) as standin:
        box = standin.mailbox(options.mailbox)
        for raw, folder, at in first_mails(box.address):
            box.add(raw, folder=folder, at=at, is_read=folder != "inbox")
        print(f"Graph for {box.address} at {standin.url}; start the product with:", flush=True)
        for name, value in (
            ("MICROSOFT_GRAPH_URL", standin.url),
            ("MICROSOFT_AUTHORITY_URL", standin.authority_url),
            ("MICROSOFT_TENANT_ID", standin.tenant),
            ("MICROSOFT_CLIENT_ID", standin.client_id),
            ("MICROSOFT_CLIENT_SECRET", standin.client_secret),
        ):
            print(f"  {name}={value}", flush=True)
        stop = threading.Event()
        try:
            for raw in arrivals(box.address) if options.every > 0 else ():
                if stop.wait(options.every):
                    break
                box.add(raw)
            stop.wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
