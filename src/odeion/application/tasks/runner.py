"""Running tasks: claim, keep the lease, finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from odeion.application.shared.clock import Clock
from odeion.application.shared.tasks import TaskCancelled, TaskHandler
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.tasks.ports import TaskBoard, TasksTx, TaskWaker
from odeion.domain.shared.errors import NotFound, OdeionError
from odeion.domain.shared.ids import TaskId
from odeion.domain.task import LEASE, Task, TaskType

# Clients see progress this often at most; the row is written by the lease renewal.
_BROADCAST_INTERVAL_S = 0.25

Broadcast = Callable[[Task, float, dict[str, Any]], Awaitable[None]]


class LeaseLost(Exception):
    """Another worker has the task; what this one does no longer counts."""


class TaskRunner:
    def __init__(
        self,
        uow: UnitOfWorkFactory[TasksTx],
        board: TaskBoard,
        waker: TaskWaker,
        handlers: Mapping[TaskType, TaskHandler],
        broadcast: Broadcast,
        clock: Clock,
        worker: str,
        log_crash: Callable[[Task, BaseException], None],
    ) -> None:
        self._uow = uow
        self._board = board
        self._waker = waker
        self._handlers = handlers
        self._broadcast = broadcast
        self._clock = clock
        self._worker = worker
        self._log_crash = log_crash

    async def sweep(self) -> int:
        """Wake workers for what waits without anybody knowing: lost wake-ups, lost workers. Answers how many."""
        waiting = await self._board.claimable(at=self._clock.now())
        for task_id in waiting:
            await self._waker.wake(task_id)
        return len(waiting)

    async def run(self, task_id: TaskId) -> None:
        """Do the task, unless somebody else does it or it is over."""
        task = await self._claim(task_id)
        if task is None:
            return
        progress = _RunningTask(task, self._board, self._broadcast, self._clock, self._worker)
        keeper = asyncio.create_task(progress.keep_lease())
        try:
            detail = await self._handlers[task.type](task.payload, progress)
        except LeaseLost:
            return
        except TaskCancelled:
            await self._end(task_id, lambda t: t.cancelled(self._worker, at=self._clock.now()), progress)
        except OdeionError as error:
            reason = error.message
            await self._end(task_id, lambda t: t.fail(self._worker, reason, at=self._clock.now()), progress)
        except Exception as error:
            self._log_crash(task, error)
            crash = f"unexpected error: {type(error).__name__}"
            await self._end(task_id, lambda t: t.fail(self._worker, crash, at=self._clock.now()), progress)
        else:
            await self._end(task_id, lambda t: t.complete(self._worker, detail, at=self._clock.now()), progress)
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    async def _claim(self, task_id: TaskId) -> Task | None:
        async with self._uow() as tx:
            try:
                task = await tx.tasks.get_for_update(task_id)
            except NotFound:
                return None
            claimed = task.claim(self._worker, at=self._clock.now())
            await tx.tasks.save(task)
            await tx.commit()
        return task if claimed else None

    async def _end(self, task_id: TaskId, finish: Callable[[Task], None], progress: _RunningTask) -> None:
        async with self._uow() as tx:
            task = await tx.tasks.get_for_update(task_id)
            task.percent, task.detail = progress.percent, progress.detail
            finish(task)
            await tx.tasks.save(task)
            await tx.commit()


class _RunningTask:
    """Implements TaskProgress."""

    def __init__(self, task: Task, board: TaskBoard, broadcast: Broadcast, clock: Clock, worker: str) -> None:
        assert task.id is not None
        self._task = task
        self._task_id = task.id
        self._board = board
        self._broadcast = broadcast
        self._clock = clock
        self._worker = worker
        self._next_broadcast_s = 0.0
        self._stop: Exception | None = None
        self.percent = 0.0
        self.detail: dict[str, Any] = {}

    async def report(self, percent: float, detail: dict[str, Any]) -> None:
        if self._stop is not None:
            raise self._stop
        self.percent, self.detail = percent, detail
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_broadcast_s:
            self._next_broadcast_s = now_s + _BROADCAST_INTERVAL_S
            await self._broadcast(self._task, percent, detail)

    async def keep_lease(self) -> None:
        """Renew once a second, which also writes the progress where a reader without events finds it."""
        while True:
            try:
                asked_to_stop = await self._board.renew(
                    self._task_id,
                    self._worker,
                    lease_until=self._clock.now() + LEASE,
                    percent=self.percent,
                    detail=self.detail,
                )
            except OdeionError:
                # The database is away for now; the lease holds for a while yet.
                pass
            else:
                if asked_to_stop is None:
                    self._stop = LeaseLost()
                elif asked_to_stop:
                    self._stop = TaskCancelled()
            await asyncio.sleep(1)
