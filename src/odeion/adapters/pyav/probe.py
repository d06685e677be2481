"""Probing many media files at once, in child processes that may crash or hang."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pydantic import TypeAdapter, ValidationError

from odeion.application.libraries.ports import ProbeRefusal, ProbeSession
from odeion.domain.media_file import TechnicalInfo
from odeion.sandbox.child import Child, ChildFailed, python_module

_CHILD = python_module("odeion.adapters.pyav.probe_worker")
# One path is in the pipe while the child works on another, so that it never waits for us.
_PATHS_AHEAD = 2
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
    """A child process and the paths taken for it."""

    def __init__(self, command: tuple[str, ...], time_limit_s: float) -> None:
        self._child = Child(command, time_limit_s, _ANSWER_LIMIT_BYTES)
        self._time_limit_s = time_limit_s
        self._unanswered: deque[str] = deque()
        self._sent = 0  # how many of them it was sent

    async def next_result(self, paths: Iterator[str]) -> tuple[str, TechnicalInfo | ProbeRefusal] | None:
        """The result of the next path; None when there are no more."""
        while len(self._unanswered) < _PATHS_AHEAD and (path := next(paths, None)) is not None:
            self._unanswered.append(path)
        if not self._unanswered:
            return None
        await self._child.start()
        while self._sent < len(self._unanswered):
            self._child.send(os.fsencode(self._unanswered[self._sent]))
            self._sent += 1
        result: TechnicalInfo | ProbeRefusal
        try:
            result = _ANSWER.validate_json(await self._child.receive())
            self._sent -= 1
        except ChildFailed as failed:
            self._sent = 0
            result = (
                ProbeRefusal("timeout", f"probing took longer than {self._time_limit_s:g} seconds")
                if failed.timed_out
                else ProbeRefusal("crashed", "the file crashed its probe")
            )
        except ValidationError:
            await self.kill()
            result = ProbeRefusal("crashed", "the file crashed its probe")
        return self._unanswered.popleft(), result

    async def forget_paths(self) -> None:
        """Get ready for other paths: a child that still owes answers is ended."""
        if self._unanswered:
            self._unanswered.clear()
            await self.kill()

    async def kill(self) -> None:
        self._sent = 0
        await self._child.kill()
