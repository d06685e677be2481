"""Probing many media files at once, in child processes that may crash or hang."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import cast

from pydantic import TypeAdapter, ValidationError

from odeion.application.libraries.ports import ProbeRefusal, ProbeSession
from odeion.domain.media_file import TechnicalInfo

_CHILD = (sys.executable, "-P", "-m", "odeion.adapters.pyav.probe_worker")
# What Python needs to find itself; the rest may hold secrets, and a child parses hostile bytes.
_CHILD_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONUTF8")
# One path is in the pipe while the child works on another, so that it never waits for us.
_PATHS_AHEAD = 2
_START_LIMIT_S = 60.0
_END_LIMIT_S = 2.0
_ANSWER_LIMIT_BYTES = 64 << 20
_ANSWER: TypeAdapter[TechnicalInfo | ProbeRefusal] = TypeAdapter(TechnicalInfo | ProbeRefusal)


class PyAvMediaProbe:
    """MediaProbe with libavformat in `workers` child processes. A file that takes longer than `time_limit_s`
    seconds, or crashes its child, is refused, and the child replaced."""

    def __init__(self, workers: int, time_limit_s: float, *, command: tuple[str, ...] = _CHILD) -> None:
        """`command` starts a child; a test may give another."""
        self._workers, self._time_limit_s, self._command = workers, time_limit_s, command

    def session(self) -> AbstractAsyncContextManager[ProbeSession]:
        """See MediaProbe. The children start with the first files."""
        return self._session()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ProbeSession]:
        children = [_Child(self._command, self._time_limit_s) for _ in range(self._workers)]
        try:
            yield _Session(children)
        finally:
            await asyncio.gather(*(child.kill() for child in children))


class _Session:
    def __init__(self, children: list[_Child]) -> None:
        self._children = children
        self._in_use = asyncio.Lock()

    async def probe_all(self, paths: Iterable[str]) -> AsyncIterator[tuple[str, TechnicalInfo | ProbeRefusal]]:
        """See ProbeSession. Takes no more from `paths` than the children have use for; a second call waits until
        the first has ended. Raises ChildProcessError when children cannot be started at all."""
        async with self._in_use:
            remaining = iter(paths)
            next_results = {asyncio.create_task(child.next_result(remaining)): child for child in self._children}
            try:
                while next_results:
                    done, _ = await asyncio.wait(next_results, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        child, result = next_results.pop(task), task.result()
                        if result is not None:
                            next_results[asyncio.create_task(child.next_result(remaining))] = child
                            yield result
            finally:
                for task in next_results:
                    task.cancel()
                await asyncio.gather(*next_results, return_exceptions=True)
                await asyncio.gather(*(child.forget_paths() for child in self._children))


class _Child:
    """A child process, started when there is work, replaced when it fails."""

    def __init__(self, command: tuple[str, ...], time_limit_s: float) -> None:
        self._command = (*command, str(math.ceil(time_limit_s)))
        self._time_limit_s = time_limit_s
        self._process: Process | None = None
        self._unanswered: deque[str] = deque()  # paths taken for this child
        self._sent = 0  # how many of them it was sent

    async def next_result(self, paths: Iterator[str]) -> tuple[str, TechnicalInfo | ProbeRefusal] | None:
        """The result of the next path; None when there are no more."""
        while len(self._unanswered) < _PATHS_AHEAD and (path := next(paths, None)) is not None:
            self._unanswered.append(path)
        if not self._unanswered:
            return None
        process = await self._started()
        try:
            async with asyncio.timeout(self._time_limit_s):
                result = await self._ask(process)
        except TimeoutError:
            await self.kill()
            result = ProbeRefusal("timeout", f"probing took longer than {self._time_limit_s:g} seconds")
        except (asyncio.IncompleteReadError, ConnectionError, ValidationError, ValueError):
            status = await self._ended()
            result = (
                ProbeRefusal("timeout", "probing took too much processor time")
                if status == -signal.SIGXCPU
                else ProbeRefusal("crashed", "the file crashed its probe")
            )
        self._sent -= bool(self._sent)
        return self._unanswered.popleft(), result

    async def forget_paths(self) -> None:
        """Get ready for other paths: a child that still owes answers is ended."""
        if self._unanswered:
            self._unanswered.clear()
            await self.kill()

    async def kill(self) -> int | None:
        """End the process; returns its exit status, if there was one running."""
        process, self._process, self._sent = self._process, None, 0
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

    async def _started(self) -> Process:
        if self._process is None:
            environment = {name: os.environ[name] for name in _CHILD_VARIABLES if name in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
            )
            try:
                async with asyncio.timeout(_START_LIMIT_S):
                    await _receive(self._process)  # empty: it is ready, and the time of the first file starts
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                status = await self._ended()
                raise ChildProcessError(f"the probe's child process does not start (exit status {status})") from error
        return self._process

    async def _ask(self, process: Process) -> TechnicalInfo | ProbeRefusal:
        to_child = cast(asyncio.StreamWriter, process.stdin)
        while self._sent < len(self._unanswered):
            path = os.fsencode(self._unanswered[self._sent])
            to_child.write(len(path).to_bytes(4, "big") + path)
            self._sent += 1
        await to_child.drain()
        return _ANSWER.validate_json(await _receive(process))


async def _receive(process: Process) -> bytes:
    from_child = cast(asyncio.StreamReader, process.stdout)
    size = int.from_bytes(await from_child.readexactly(4), "big")
    if size > _ANSWER_LIMIT_BYTES:
        raise ValueError("an impossible answer")
    return await from_child.readexactly(size)
