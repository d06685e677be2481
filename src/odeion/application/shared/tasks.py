"""Asking for background work, and telling how far it is."""

from __future__ import annotations

from typing import Any, Protocol

from odeion.domain.shared.ids import TaskId
from odeion.domain.task import Task, TaskType


class TaskRepository(Protocol):
    async def get_for_update(self, task_id: TaskId) -> Task:
        """Locks the row until the transaction ends. Raises NotFound."""

    async def find_active(self, type: TaskType, subject: str) -> Task | None:
        """The pending or running one, locked until the transaction ends."""

    async def save(self, task: Task) -> TaskId:
        """Insert or update. Raises Conflict for a second active task of a type and subject, StaleVersion."""


class TaskCancelled(Exception):
    """Raised inside a task that was asked to stop."""


class TaskProgress(Protocol):
    """Handed to a running task."""

    async def report(self, percent: float, detail: dict[str, Any]) -> None:
        """Tell how far it is, as often as it likes. Raises TaskCancelled once the task was asked to stop."""


class TaskHandler(Protocol):
    """Does one type of task. It must be idempotent: a lost worker means that it runs again."""

    async def __call__(self, payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
        """Answers the last `detail`. An OdeionError fails the task with its message."""
