"""The server's side of a child process that answers one request after another."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import cast

# What Python needs to find itself; the rest may hold secrets, and a child parses hostile bytes.
_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONUTF8")
_START_LIMIT_S = 60.0
_END_LIMIT_S = 2.0


class ChildFailed(Exception):
    """The child did not answer. `timed_out` tells those that took too long from those that crashed."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("took too long" if timed_out else "crashed")
        self.timed_out = timed_out


def python_module(name: str) -> tuple[str, ...]:
    """The command that runs a module of ours as a child."""
    return sys.executable, "-P", "-m", name


class Child:
    """A child process running `sandbox.worker.serve`, started by the first request, replaced when it fails. Requests
    may be sent ahead; answers come in their order."""

    def __init__(self, command: tuple[str, ...], time_limit_s: float, answer_limit_bytes: int) -> None:
        self._command = (*command, str(math.ceil(time_limit_s)))
        self._time_limit_s = time_limit_s
        self._answer_limit_bytes = answer_limit_bytes
        self._process: Process | None = None

    async def start(self) -> Process:
        """Unless it runs. Raises ChildProcessError when it cannot be started at all."""
        if self._process is not None:
            return self._process
        environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
        )
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await self._receive()  # empty: it is ready, and the time of the first request starts
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            status = await self._ended()
            raise ChildProcessError(f"a child process does not start (exit status {status})") from error
        return self._process

    def send(self, request: bytes) -> None:
        to_child = cast(asyncio.StreamWriter, cast(Process, self._process).stdin)
        to_child.write(len(request).to_bytes(4, "big") + request)

    async def receive(self) -> bytes:
        """The next answer. Raises ChildFailed; the child is then gone."""
        process = cast(Process, self._process)
        try:
            async with asyncio.timeout(self._time_limit_s):
                await cast(asyncio.StreamWriter, process.stdin).drain()
                return await self._receive()
        except TimeoutError:
            await self.kill()
            raise ChildFailed(timed_out=True) from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            raise ChildFailed(timed_out=await self._ended() == -signal.SIGXCPU) from None
        except asyncio.CancelledError:
            # What it owes would be taken for the answer to another request.
            await self.kill()
            raise

    async def ask(self, request: bytes) -> bytes:
        """Start it if need be, send, receive."""
        await self.start()
        self.send(request)
        return await self.receive()

    async def kill(self) -> int | None:
        """End the process; returns its exit status, if there was one running."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        return await process.wait()

    async def _ended(self) -> int | None:
        """The exit status of a process that broke off the talk; one that does not end by itself is killed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_LIMIT_S):
                await cast(Process, self._process).wait()
        return await self.kill()

    async def _receive(self) -> bytes:
        from_child = cast(asyncio.StreamReader, cast(Process, self._process).stdout)
        size = int.from_bytes(await from_child.readexactly(4), "big")
        if size > self._answer_limit_bytes:
            raise ValueError("an impossible answer")
        return await from_child.readexactly(size)
