"""The last step before a child process becomes itself: drop privileges, tie its life to ours, exec.

Run as a script (`python -I -S guard.py SPEC PROGRAM ARG...`), so it imports nothing but what it needs. Doing this in a
small program of its own rather than in `preexec_fn` keeps Python code out of a fork of a threaded process, and works
with every event loop.

SPEC is JSON: `parent` (process id that must be our parent), `death_signal` (number, sent when the parent's spawning
thread ends), `uid`/`gid` (numbers to drop to, or null). Ends with status 126 if the parent is gone already or the
program cannot be executed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def _set_process_control(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def main(spec_json: str, command: list[str]) -> None:
    """Become `command`; returns only by raising OSError or SystemExit."""
    spec = json.loads(spec_json)
    if spec["uid"] is not None:
        os.setgroups([])
        os.setresgid(spec["gid"], spec["gid"], spec["gid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    os.umask(0o077 if spec["private"] else 0o022)
    if sys.platform == "linux":
        _set_process_control(_PR_SET_NO_NEW_PRIVS, 1)
        # A change of credentials clears the death signal, so it is set after dropping them.
        _set_process_control(_PR_SET_PDEATHSIG, spec["death_signal"])
    # The parent may have died before the signal was armed; then it would never be sent.
    if os.getppid() != spec["parent"]:
        sys.exit(126)
    # The interpreter ignores these; an ignored signal stays ignored across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[2]}: {error}\n")
        sys.exit(126)
