"""A background task: asked for once, done at least once, by whichever worker holds its lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from odeion.domain.shared.errors import Conflict
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import TaskId

# A worker renews its lease every third of this; without renewal the task goes to another one.
LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3


class TaskType(StrEnum):
    SCAN_LIBRARY = "scan_library"
    INDEX_LIBRARY = "index_library"


class TaskStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQueued(Event):
    name = "task.queued"
    type: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinished(Event):
    name = "task.finished"
    task_id: int
    type: str
    subject: str
    status: str
    error: str | None
    detail: dict[str, Any]


@dataclass(kw_only=True)
class Task(RecordsEvents):
    """`subject` says what it is about (`library:7`): there is at most one active task per type and subject. `detail`
    is what the task tells of its progress beside the percentage, as JSON."""

    id: TaskId | None
    type: TaskType
    subject: str
    payload: dict[str, Any]
    status: TaskStatus = TaskStatus.PENDING
    percent: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    attempts: int = 0
    cancel_requested: bool = False
    worker: str | None = None
    lease_until: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int = 1

    @classmethod
    def queue(cls, type: TaskType, subject: str, payload: dict[str, Any], *, at: datetime) -> Task:
        task = cls(id=None, type=type, subject=subject, payload=payload, created_at=at)
        task._record(TaskQueued(at=at, type=type.value, subject=subject))
        return task

    @property
    def is_over(self) -> bool:
        return self.status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)

    def claim(self, worker: str, *, at: datetime) -> bool:
        """Take the lease, if nobody holds it. A task whose workers were lost too often fails instead."""
        expired = self.status is TaskStatus.RUNNING and (self.lease_until is None or self.lease_until <= at)
        if not (self.status is TaskStatus.PENDING or expired):
            return False
        if self.cancel_requested:
            self._finish(TaskStatus.CANCELLED, at=at)
            return False
        if self.attempts >= MAX_ATTEMPTS:
            self._finish(TaskStatus.FAILED, error="the worker was lost each time this was tried", at=at)
            return False
        self.status, self.worker = TaskStatus.RUNNING, worker
        self.attempts += 1
        self.started_at = self.started_at or at
        self.lease_until = at + LEASE
        return True

    def complete(self, worker: str, detail: dict[str, Any], *, at: datetime) -> None:
        self._require_held_by(worker)
        self.percent, self.detail = 100.0, detail
        self._finish(TaskStatus.COMPLETED, at=at)

    def fail(self, worker: str, error: str, *, at: datetime) -> None:
        self._require_held_by(worker)
        self._finish(TaskStatus.FAILED, error=error, at=at)

    def cancelled(self, worker: str, *, at: datetime) -> None:
        self._require_held_by(worker)
        self._finish(TaskStatus.CANCELLED, at=at)

    def cancel(self, *, at: datetime) -> None:
        """A pending task ends at once, a running one is asked to. Raises Conflict when it is over."""
        if self.is_over:
            raise Conflict("this has already ended")
        self.cancel_requested = True
        if self.status is TaskStatus.PENDING:
            self._finish(TaskStatus.CANCELLED, at=at)

    def _require_held_by(self, worker: str) -> None:
        if self.status is not TaskStatus.RUNNING or self.worker != worker:
            raise Conflict("another worker has this task now")

    def _finish(self, status: TaskStatus, *, at: datetime, error: str | None = None) -> None:
        self.status, self.error, self.finished_at, self.lease_until = status, error, at, None
        self._record(
            TaskFinished(
                at=at,
                task_id=self.id or 0,
                type=self.type.value,
                subject=self.subject,
                status=status.value,
                error=error,
                detail=self.detail,
            )
        )
