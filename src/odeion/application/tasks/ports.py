"""What running background tasks needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from odeion.application.shared.tasks import TaskRepository
from odeion.application.shared.unit_of_work import Transaction
from odeion.domain.shared.ids import TaskId


class TasksTx(Transaction, Protocol):
    @property
    def tasks(self) -> TaskRepository: ...


class TaskBoard(Protocol):
    """The running tasks' side of the table: small updates outside of any unit of work."""

    async def renew(
        self, task_id: TaskId, worker: str, *, lease_until: datetime, percent: float, detail: dict[str, Any]
    ) -> bool | None:
        """Renew the lease and write the progress. Answers whether the task was asked to stop; None when the lease is
        lost to another worker."""

    async def claimable(self, *, at: datetime) -> list[TaskId]:
        """Pending tasks and those whose lease ran out, oldest first."""


class TaskWaker(Protocol):
    async def wake(self, task_id: TaskId) -> None:
        """Tell some worker that this task waits. It may be told more than once, or be lost: the sweep finds it."""
