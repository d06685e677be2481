"""The life of a child process."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

_MEMORY_LIMIT_BYTES = 2 << 30


def serve(answer: Callable[[bytes], bytes]) -> None:
    """Answer each request on stdin on stdout, until stdin ends. A message is four bytes of length and the content; the
    first, empty, says that the child is ready. The program's argument is the processor time in seconds that one request
    may take."""
    time_limit_s = int(sys.argv[1])
    _die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not write between the messages
    _send(answers, b"")
    while header := requests.read(4):
        request = requests.read(int.from_bytes(header, "big"))
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed_s = math.ceil(used.ru_utime + used.ru_stime) + time_limit_s
        resource.setrlimit(resource.RLIMIT_CPU, (allowed_s, resource.RLIM_INFINITY))
        _send(answers, answer(request))


def _send(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(len(content).to_bytes(4, "big") + content)
    pipe.flush()


def _die_with_parent() -> None:
    parent = os.getppid()
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit()  # it died before the call
