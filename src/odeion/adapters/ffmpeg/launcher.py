"""The last step before a child process becomes ffmpeg: limit what it may use, tie its life to ours, wait for a
command, exec.

Run as a script (`python -I -S launcher.py SPEC`), so it imports nothing but what it needs. SPEC is JSON: `parent`
(process id that must be our parent), `nice` (how far to step back), `limits` (resource number to bytes or seconds). The
command is read from standard input: its length in four bytes, and a JSON list. What follows there is the input of what
we become. Ends with status 126 if the parent is gone already or the program cannot be executed, with 0 where it is
told nothing.
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


def main(spec_json: str) -> None:
    """Become what we are told to; returns only by raising OSError or SystemExit."""
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
    command = json.loads(_read(int.from_bytes(_read(4), "big")))
    os.execv(command[0], command)  # noqa: S606


def _read(size: int) -> bytes:
    """So many bytes of standard input, and none of those behind them."""
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.stderr.write(f"cannot start the encoder: {error}\n")
        sys.exit(126)
