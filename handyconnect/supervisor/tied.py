"""Becomes another program that cannot outlive the process which started it.

Run as a script (`python -I -S tied.py PARENT_PID SIGNAL COMMAND…`): it asks the kernel to send SIGNAL when the parent
dies, then turns into COMMAND. A script of its own, because code between fork and exec is unsafe in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tie(*, parent_pid: int, death_signal: int) -> None:
    """From here on, this process gets `death_signal` when its parent dies. Exits at once if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above took effect
        raise SystemExit(1)


if __name__ == "__main__":
    tie(parent_pid=int(sys.argv[1]), death_signal=int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - the supervisor's own command, no shell is wanted
