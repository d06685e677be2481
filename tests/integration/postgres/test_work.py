"""Tasks with leases and the outbox, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.outbox import PostgresOutbox
from odeion.adapters.postgres.tables.work import tasks
from odeion.adapters.postgres.tasks import PostgresTaskBoard
from odeion.adapters.postgres.uow import PostgresUnitOfWorkFactory
from odeion.adapters.system.clock import SystemClock
from odeion.application.shared.outbox import OutboxMessage, OutboxRelay
from odeion.application.shared.tasks import TaskHandler, TaskProgress
from odeion.application.tasks.runner import TaskRunner
from odeion.domain.shared.errors import Invalid
from odeion.domain.shared.ids import TaskId
from odeion.domain.task import Task, TaskStatus, TaskType
from tests.harness import Servers

CLOCK = SystemClock()


@pytest.fixture
async def engine(servers: Servers) -> AsyncIterator[AsyncEngine]:
    async with servers.database() as url:
        opened = create_engine(url, pool_size=5)
        yield opened
        await opened.dispose()


class Wakes:
    def __init__(self) -> None:
        self.woken: list[TaskId] = []

    async def wake(self, task_id: TaskId) -> None:
        self.woken.append(task_id)


class Crashes:
    def __init__(self) -> None:
        self.seen: list[BaseException] = []

    def __call__(self, task: Task, error: BaseException) -> None:
        self.seen.append(error)


def runner(engine: AsyncEngine, handler: TaskHandler, worker: str = "one", **parts: Any) -> TaskRunner:
    async def broadcast(task: Task, percent: float, detail: dict[str, Any]) -> None:
        return None

    return TaskRunner(
        PostgresUnitOfWorkFactory(engine),
        PostgresTaskBoard(engine),
        parts.get("waker", Wakes()),
        {TaskType.SCAN_LIBRARY: handler},
        broadcast,
        CLOCK,
        worker,
        parts.get("log_crash", Crashes()),
    )


async def queue(engine: AsyncEngine, subject: str = "library:1") -> TaskId:
    async with PostgresUnitOfWorkFactory(engine)() as tx:
        task_id = await tx.tasks.save(Task.queue(TaskType.SCAN_LIBRARY, subject, {"n": 1}, at=CLOCK.now()))
        await tx.commit()
    return task_id


async def load(engine: AsyncEngine, task_id: TaskId) -> Task:
    async with PostgresUnitOfWorkFactory(engine)() as tx:
        return await tx.tasks.get_for_update(task_id)


async def well(payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
    await progress.report(50.0, {"half": True})
    return {"done": payload["n"]}


class TestRunning:
    async def test_a_task_is_done_once(self, engine: AsyncEngine) -> None:
        task_id = await queue(engine)
        await asyncio.gather(*(runner(engine, well, f"worker {n}").run(task_id) for n in range(4)))
        task = await load(engine, task_id)
        assert (task.status, task.detail, task.percent, task.attempts) == (TaskStatus.COMPLETED, {"done": 1}, 100.0, 1)

    async def test_an_error_of_ours_is_told(self, engine: AsyncEngine) -> None:
        async def fails(payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
            raise Invalid("the folder is empty")

        task_id = await queue(engine)
        await runner(engine, fails).run(task_id)
        task = await load(engine, task_id)
        assert (task.status, task.error) == (TaskStatus.FAILED, "the folder is empty")

    async def test_a_crash_is_logged_and_told_without_its_inside(self, engine: AsyncEngine) -> None:
        async def crashes(payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
            raise RuntimeError("a secret detail")

        seen = Crashes()
        task_id = await queue(engine)
        await runner(engine, crashes, log_crash=seen).run(task_id)
        task = await load(engine, task_id)
        assert (task.status, task.error) == (TaskStatus.FAILED, "unexpected error: RuntimeError")
        assert [str(error) for error in seen.seen] == ["a secret detail"]

    async def test_a_request_to_cancel_reaches_it(self, engine: AsyncEngine) -> None:
        async def endless(payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
            while True:
                await progress.report(1.0, {})
                await asyncio.sleep(0.01)

        task_id = await queue(engine)
        running = asyncio.create_task(runner(engine, endless).run(task_id))
        while (await load(engine, task_id)).status is not TaskStatus.RUNNING:
            await asyncio.sleep(0.01)
        async with PostgresUnitOfWorkFactory(engine)() as tx:
            task = await tx.tasks.get_for_update(task_id)
            task.cancel(at=CLOCK.now())
            await tx.tasks.save(task)
            await tx.commit()
        await asyncio.wait_for(running, 10)
        assert (await load(engine, task_id)).status is TaskStatus.CANCELLED

    async def test_a_lost_worker_is_replaced_and_may_say_no_more(self, engine: AsyncEngine) -> None:
        go_on = asyncio.Event()

        async def slow(payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
            await go_on.wait()
            while True:
                await progress.report(1.0, {"from": "the lost one"})
                await asyncio.sleep(0.01)

        task_id = await queue(engine)
        lost = asyncio.create_task(runner(engine, slow, "lost").run(task_id))
        while (await load(engine, task_id)).status is not TaskStatus.RUNNING:
            await asyncio.sleep(0.01)
        past = CLOCK.now() - timedelta(seconds=1)
        async with engine.begin() as connection:
            await connection.execute(update(tasks).values(lease_until=past, worker="gone"))
        waker = Wakes()
        assert await runner(engine, well, waker=waker).sweep() == 1
        assert waker.woken == [task_id]
        await runner(engine, well, "next").run(task_id)
        go_on.set()
        await asyncio.wait_for(lost, 10)
        task = await load(engine, task_id)
        assert (task.status, task.worker, task.attempts) == (TaskStatus.COMPLETED, "next", 2)

    async def test_the_sweep_finds_what_nobody_was_told_of(self, engine: AsyncEngine) -> None:
        first, second = await queue(engine), await queue(engine, "library:2")
        waker = Wakes()
        await runner(engine, well, waker=waker).sweep()
        assert waker.woken == [first, second]


class TestOutbox:
    async def test_what_was_not_committed_is_not_told(self, engine: AsyncEngine) -> None:
        async with PostgresUnitOfWorkFactory(engine)() as tx:
            await tx.tasks.save(Task.queue(TaskType.SCAN_LIBRARY, "library:1", {}, at=CLOCK.now()))
        assert await OutboxRelay(PostgresOutbox(engine), [], CLOCK).drain() == 0

    async def test_each_event_is_handed_on_in_order(self, engine: AsyncEngine) -> None:
        for number in range(3):
            await queue(engine, f"library:{number}")
        seen: list[OutboxMessage] = []

        async def consume(message: OutboxMessage) -> None:
            seen.append(message)

        relay = OutboxRelay(PostgresOutbox(engine), [consume], CLOCK)
        assert await relay.drain() == 3
        assert await relay.drain() == 0
        assert [message.data["subject"] for message in seen] == ["library:0", "library:1", "library:2"]
        assert len({message.event_id for message in seen}) == 3

    async def test_two_relays_share_the_work(self, engine: AsyncEngine) -> None:
        for number in range(20):
            await queue(engine, f"library:{number}")
        seen: list[OutboxMessage] = []

        async def consume(message: OutboxMessage) -> None:
            await asyncio.sleep(0)
            seen.append(message)

        relays = [OutboxRelay(PostgresOutbox(engine), [consume], CLOCK) for _ in range(2)]
        assert sum(await asyncio.gather(*(relay.drain() for relay in relays))) == 20
        assert len({message.event_id for message in seen}) == len(seen) == 20

    async def test_a_consumer_that_fails_loses_nothing(self, engine: AsyncEngine) -> None:
        await queue(engine)

        async def fails(message: OutboxMessage) -> None:
            raise OSError("away")

        with pytest.raises(Exception, match=r"away|not reachable"):
            await OutboxRelay(PostgresOutbox(engine), [fails], CLOCK).drain()
        assert await OutboxRelay(PostgresOutbox(engine), [], CLOCK).drain() == 1
