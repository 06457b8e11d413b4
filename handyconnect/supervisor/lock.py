"""One running product for each state folder. The kernel drops the lock when its holder dies, so none is ever stale."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handyconnect.supervisor.errors import StartRefused


@contextmanager
def state_lock(folder: Path, *, address: str) -> Iterator[None]:
    """Holds the lock of a state folder while the block runs.

    Raises StartRefused, which names the process and the address of whoever holds it.
    """
    path = folder / "run.lock"
    # Opened without truncating: the text is the holder's until the lock is ours.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartRefused(_already_running(folder, text=file.read())) from None
        except OSError as error:
            raise StartRefused(
                f"{folder} cannot be locked ({error.strerror}). Choose a folder on a local disk: HANDYCONNECT_VAR=/some/folder"
            ) from error
        _write(file.fileno(), json.dumps({"pid": os.getpid(), "address": address}))
        try:
            yield
        finally:
            _write(file.fileno(), "")


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _already_running(folder: Path, *, text: str) -> str:
    try:
        holder = json.loads(text)
        who = f"process {int(holder['pid'])}, {holder['address']}"
    except (ValueError, KeyError, TypeError):
        who = "it is just starting or stopping"
    return (
        f"HandyConnect already runs in {folder} ({who}). "
        "Stop it first, or start a second one in a folder of its own: HANDYCONNECT_VAR=/some/folder PORT=8001"
    )
