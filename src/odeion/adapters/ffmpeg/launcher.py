"""The last step before a child process becomes ffmpeg: limit what it may use, tie its life to ours, exec.

Run as a script (`python -I -S launcher.py SPEC PROGRAM ARG...`), so it imports nothing but what it needs. SPEC is JSON:
`parent` (process id that must be our parent), `nice` (how far to step back), `limits` (resource number to bytes or
seconds). Ends with status 126 if the parent is gone already or the program cannot be executed.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main(spec_json: str, command: list[str]) -> None:
    """Become `command`; returns only by raising OSError or SystemExit."""
    spec = json.loads(spec_json)
    os.nice(spec["nice"])
    for number, limit in spec["limits"].items():
        _, hard = resource.getrlimit(int(number))
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(int(number), (allowed, allowed))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
        if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no death signal can be set")
    # The parent may have died before the signal was armed; then it would never be sent.
    if os.getppid() != spec["parent"]:
        sys.exit(126)
    # The interpreter ignores it; an ignored signal stays ignored across exec. SIGXFSZ stays so: fontconfig tries to
    # write a cache of fonts, and is to go on when it may not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[2]}: {error}\n")
        sys.exit(126)
