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
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

from odeion.domain.shared.errors import Unavailable

_LAUNCHER = Path(__file__).with_name("launcher.py")
STDERR_TAIL_BYTES = 4096
# Address space, not memory in use: decoders with many threads reserve a lot of it.
_ADDRESS_SPACE_BYTES = 16 << 30
_QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
# What a program needs to find itself; the rest of our environment may hold secrets.
_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "FONTCONFIG_PATH")


@functools.cache
def ffmpeg_path() -> str:
    """The bundled program. Raises Unavailable where it is not there."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise Unavailable("the bundled ffmpeg is missing; install Odeion again") from error


async def spawn_ffmpeg(arguments: Sequence[str], *, stdin: int = DEVNULL) -> Process:
    """ffmpeg with its output in a pipe, in a process group of its own; the kernel kills it when the spawning thread
    ends, so call this from the main thread's loop. It can write no file: all it makes goes through the pipe."""
    spec = {
        "parent": os.getpid(),
        "nice": 5,
        "limits": {resource.RLIMIT_AS: _ADDRESS_SPACE_BYTES, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", "-B", str(_LAUNCHER), json.dumps(spec)),
        *(ffmpeg_path(), *_QUIET, *arguments),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
        env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        start_new_session=True,
        limit=1 << 20,
    )


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


async def run_ffmpeg(
    arguments: Sequence[str], *, given: bytes | None = None, limit_s: float, limit_bytes: int
) -> bytes:
    """What a short run writes to its output. Raises FfmpegFailed, with the last of what it said, when it ends badly,
    takes longer than `limit_s` or writes more than `limit_bytes`."""
    process = await spawn_ffmpeg(arguments, stdin=DEVNULL if given is None else PIPE)
    assert process.stdout is not None and process.stderr is not None
    tail, output = bytearray(), bytearray()
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as tasks:
            tasks.create_task(read_tail(process.stderr, tail))
            if given is not None:
                tasks.create_task(_feed(process, given))
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


async def _feed(process: Process, given: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(given)
        await process.stdin.drain()
    process.stdin.close()


class FfmpegFailed(Exception):
    """ffmpeg ended badly; the message is the last of what it said."""
