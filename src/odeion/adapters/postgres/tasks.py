"""Background tasks in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading, translated_errors
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.work import tasks
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import TaskId
from odeion.domain.task import Task, TaskStatus, TaskType


class PostgresTasks:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get_for_update(self, task_id: TaskId) -> Task:
        row = (
            await self._connection.execute(select(tasks).where(tasks.c.id == task_id).with_for_update())
        ).one_or_none()
        if row is None:
            raise NotFound("task not found")
        return _task(row)

    async def find_active(self, type: TaskType, subject: str) -> Task | None:
        query = select(tasks).where(
            tasks.c.type == type.value,
            tasks.c.subject == subject,
            tasks.c.status.in_([TaskStatus.PENDING.value, TaskStatus.RUNNING.value]),
        )
        row = (await self._connection.execute(query.with_for_update())).one_or_none()
        return _task(row) if row else None

    async def save(self, task: Task) -> TaskId:
        values = {
            "type": task.type.value,
            "subject": task.subject,
            "payload": task.payload,
            "status": task.status.value,
            "percent": task.percent,
            "detail": task.detail,
            "error": task.error,
            "attempts": task.attempts,
            "cancel_requested": task.cancel_requested,
            "worker": task.worker,
            "lease_until": task.lease_until,
            "created_at": task.created_at,
            "started_at": task.started_at,
            "finished_at": task.finished_at,
        }
        return TaskId(await save_versioned(self._connection, self._events, tasks, task, values))


class PostgresTaskBoard:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def renew(
        self, task_id: TaskId, worker: str, *, lease_until: datetime, percent: float, detail: dict[str, Any]
    ) -> bool | None:
        # The version stays: a renewal must not make the request to cancel, which does count it up, go stale.
        statement = (
            update(tasks)
            .where(tasks.c.id == task_id, tasks.c.worker == worker, tasks.c.status == TaskStatus.RUNNING.value)
            .values(lease_until=lease_until, percent=percent, detail=detail)
            .returning(tasks.c.cancel_requested)
        )
        async with translated_errors(), self._engine.begin() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return row.cancel_requested if row else None

    async def claimable(self, *, at: datetime) -> list[TaskId]:
        lost = and_(tasks.c.status == TaskStatus.RUNNING.value, tasks.c.lease_until < at)
        query = (
            select(tasks.c.id)
            .where(or_(tasks.c.status == TaskStatus.PENDING.value, lost))
            .order_by(tasks.c.created_at, tasks.c.id)
            .limit(1000)
        )
        async with reading(self._engine) as connection:
            return [TaskId(task_id) for task_id in (await connection.execute(query)).scalars()]


def _task(row: Row[Any]) -> Task:
    return Task(**{**row._mapping, "type": TaskType(row.type), "status": TaskStatus(row.status)})
