"""Starting ffmpeg so that it can do no harm: no shell, no network, no file written, no life beyond ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

from odeion.domain.shared.errors import Unavailable

_LAUNCHER = Path(__file__).with_name("launcher.py")
STDERR_TAIL_BYTES = 4096
# Address space, not memory in use: decoders with many threads reserve a lot of it.
_ADDRESS_SPACE_BYTES = 16 << 30
# Who stops reading wants ffmpeg to stop soon: twice this is read all the same, and lies there.
_BUFFER_BYTES = 1 << 14
_QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
# A seek starts two: one of pictures and one of sound. What begins then is to have the processor for itself.
_READY = 2
_REFILL_AFTER_S = 1.0
# What a program needs to find itself; the rest of our environment may hold secrets.
_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "FONTCONFIG_PATH")


@functools.cache
def ffmpeg_path() -> str:
    """The bundled program. Raises Unavailable where it is not there."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise Unavailable("the bundled ffmpeg is missing; install Odeion again") from error


async def spawn_ffmpeg(arguments: Sequence[str], *, given: bytes = b"") -> Process:
    """ffmpeg with `given` for its input and its output in a pipe, in a process group of its own; the kernel kills it
    when the spawning thread ends, so call this from the main thread's loop. It can write no file: all it makes goes
    through the pipe."""
    return _become_ffmpeg(await _start_launcher(), arguments, given)


class ReadyLaunchers:
    """Starts ffmpeg as `spawn_ffmpeg` does, from launchers that were started before they are needed: of what a viewer
    waits for, Python's own start would be a tenth. Each that is ready takes 5 MB. For one event loop."""

    def __init__(self) -> None:
        self._ready: list[Process] = []
        self._filling: asyncio.Task[None] | None = None
        self._refill: asyncio.TimerHandle | None = None
        self._closed = False

    def prepare(self) -> None:
        """Begin to `fill` where that is not under way."""
        self._refill = None
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self.fill())

    async def fill(self) -> None:
        """Start those that are missing."""
        # Where none can be started, whoever needs one is told why.
        with contextlib.suppress(OSError):
            while len(self._ready) < _READY and not self._closed:
                self._ready.append(await _start_launcher())

    async def spawn(self, arguments: Sequence[str]) -> Process:
        launcher = await self._take() or await _start_launcher()
        if self._refill is None and not self._closed:
            self._refill = asyncio.get_running_loop().call_later(_REFILL_AFTER_S, self.prepare)
        return _become_ffmpeg(launcher, arguments)

    async def close(self) -> None:
        self._closed = True
        if self._refill is not None:
            self._refill.cancel()
        if self._filling is not None:
            await self._filling
        while self._ready:
            await end_process(self._ready.pop())

    async def _take(self) -> Process | None:
        while self._ready:
            launcher = self._ready.pop(0)
            if _lives(launcher):
                return launcher
            await end_process(launcher)
        return None


async def _start_launcher() -> Process:
    spec = {
        "parent": os.getpid(),
        "nice": 5,
        "limits": {resource.RLIMIT_AS: _ADDRESS_SPACE_BYTES, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0},
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-B", str(_LAUNCHER), json.dumps(spec)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        start_new_session=True,
        limit=_BUFFER_BYTES,
    )


def _become_ffmpeg(launcher: Process, arguments: Sequence[str], given: bytes = b"") -> Process:
    """The launcher's input is its command, and behind that the input of what it becomes."""
    command = json.dumps([ffmpeg_path(), *_QUIET, *arguments]).encode()
    assert launcher.stdin is not None
    launcher.stdin.write(len(command).to_bytes(4, "big") + command + given)
    launcher.stdin.close()
    return launcher


def _lives(process: Process) -> bool:
    """By the kernel: asyncio learns of an end some time later."""
    try:
        return process.returncode is None and (
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        )
    except ChildProcessError:
        return False


def kill_group(process: Process) -> None:
    """SIGKILL, which a stopped process obeys too."""
    # Not by process.kill(): that looks for the end itself, and asyncio then misses it.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


async def read_tail(stream: asyncio.StreamReader, tail: bytearray) -> None:
    """Read to the end, keeping the last of it in `tail`."""
    while piece := await stream.read(65_536):
        tail += piece
        del tail[:-STDERR_TAIL_BYTES]


async def run_ffmpeg(arguments: Sequence[str], *, given: bytes = b"", limit_s: float, limit_bytes: int) -> bytes:
    """What a short run writes to its output. Raises FfmpegFailed, with the last of what it said, when it ends badly,
    takes longer than `limit_s` or writes more than `limit_bytes`."""
    process = await spawn_ffmpeg(arguments, given=given)
    assert process.stdout is not None and process.stderr is not None
    tail, output = bytearray(), bytearray()
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as tasks:
            tasks.create_task(read_tail(process.stderr, tail))
            while piece := await process.stdout.read(1 << 18):
                output += piece
                if len(output) > limit_bytes:
                    raise FfmpegFailed("it wrote too much")
            await process.wait()
    except TimeoutError as error:
        raise FfmpegFailed("it took too long") from error
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        await end_process(process)
    if process.returncode:
        raise FfmpegFailed(tail.decode(errors="replace").strip() or f"exit status {process.returncode}")
    return bytes(output)


async def end_process(process: Process) -> None:
    """Kill what is left and wait for it."""
    kill_group(process)
    await asyncio.shield(asyncio.ensure_future(_gone(process)))


async def _gone(process: Process) -> None:
    # asyncio tells of the end only when the pipes are read to theirs.
    assert process.stdout is not None
    with contextlib.suppress(ConnectionResetError):
        while await process.stdout.read(1 << 20):
            pass
    await process.wait()


class FfmpegFailed(Exception):
    """ffmpeg ended badly; the message is the last of what it said."""
