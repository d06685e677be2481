"""Runs the processes of one installation (API, worker) as one: starts them, starts again what crashes, ends them
together. Knows nothing of what they do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odeion.adapters.embedded.process import signal_group, spawn_guarded, stop_process

# What a child ends with to say "I can never start like this" (EX_CONFIG of sysexits.h): it is not started again.
STATUS_DO_NOT_RESTART = 78

log = logging.getLogger(__name__)


class ChildFailed(Exception):
    """A child cannot be kept running. `status` is its exit status, negative for a signal."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} ended with {describe_status(status)} and does not come up")
        self.name = name
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One process to keep running. `env` is its whole environment; None means ours."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How crashes are met. The pause doubles with each crash in a row, up to a limit; a child that ran for
    `healthy_after_s` starts from the first pause again. One that never got that far is given up after
    `give_up_after` crashes: it has a fault that time does not heal."""

    first_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    healthy_after_s: float = 20.0
    give_up_after: int = 6


def describe_status(status: int) -> str:
    """An exit status of asyncio in words: `status 1`, `SIGKILL`."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


class Supervisor:
    """Keeps its children running from `run` until `stop`, SIGTERM or SIGINT.

    Children live in process groups of their own, and the kernel kills them if we die, so nothing is left behind
    however we end. `run` must be awaited in the main thread."""

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        stop_deadline_s: float = 10.0,
        restarts: RestartPolicy | None = None,
    ) -> None:
        self._children = tuple(children)
        self._stop_deadline_s = stop_deadline_s
        self._restarts = restarts or RestartPolicy()
        self._stopping = asyncio.Event()
        self._processes: dict[str, Process] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the children that run now, by name."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    def stop(self) -> None:
        """Begin to stop: each child gets SIGTERM and its seconds. Called again: everything is killed at once."""
        if self._stopping.is_set():
            for process in self._processes.values():
                signal_group(process, signal.SIGKILL)
        self._stopping.set()

    async def run(self) -> None:
        """Run until told to stop; then stop every child and return. Raises ChildFailed when one cannot be kept
        running, after stopping the others."""
        loop = asyncio.get_running_loop()
        handled = (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                for child in self._children:
                    tasks.create_task(self._keep(child), name=f"keep {child.name} running")
        except ExceptionGroup as failures:
            # One reason is enough for the person at the console; the others were stopped because of it.
            raise failures.exceptions[0] from None
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def _keep(self, child: ChildSpec) -> None:
        pause_s = self._restarts.first_pause_s
        crashes = 0
        was_healthy = False
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started_at = loop.time()
            status = await self._run_once(child)
            if self._stopping.is_set():
                return
            if loop.time() - started_at >= self._restarts.healthy_after_s:
                was_healthy, crashes, pause_s = True, 0, self._restarts.first_pause_s
            crashes += 1
            if status == STATUS_DO_NOT_RESTART or (not was_healthy and crashes >= self._restarts.give_up_after):
                raise ChildFailed(child.name, status)
            log.error("%s ended with %s; starting it again in %.2g s", child.name, describe_status(status), pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(pause_s * 2, self._restarts.longest_pause_s)

    async def _run_once(self, child: ChildSpec) -> int:
        """Run the child to its end, or until we stop. Its exit status."""
        # SIGKILL if we die: a graceful end may take longer than an orphan is allowed to live, and every task of a
        # child survives its loss.
        process = await spawn_guarded(child.command, env=child.env, death_signal=signal.SIGKILL)
        self._processes[child.name] = process
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            ended.cancel()
            await asyncio.gather(ended, stopping, return_exceptions=True)
            # If it ended by itself, this only clears away what it left in its group.
            await stop_process(process, ((signal.SIGTERM, self._stop_deadline_s),))
            del self._processes[child.name]
        return await process.wait()
