"""Telling clients how far a scan is, and how it ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from odeion.application.libraries.scan import ScanCounts
from odeion.application.shared.clock import Clock
from odeion.application.shared.outbox import OutboxMessage
from odeion.application.shared.realtime import RealtimeBus, RealtimeMessage
from odeion.domain.task import Task, TaskStatus, TaskType

_NAME = "library.scan.progress"


class ScanNews:
    """The event `library.scan.progress`, with a whole ScanStatus as its data. It can get lost; the truth is the
    task."""

    def __init__(self, bus: RealtimeBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def progressed(self, task: Task, percent: float, detail: dict[str, Any]) -> None:
        """The broadcast of running tasks."""
        if task.type is TaskType.SCAN_LIBRARY:
            started_at = task.started_at.isoformat() if task.started_at else None
            await self._tell(task.subject, TaskStatus.RUNNING, percent, detail, started_at=started_at)

    async def finished(self, message: OutboxMessage) -> None:
        """A consumer of the outbox: completed, failed and cancelled scans say so."""
        if message.name == "task.finished" and message.data["type"] == TaskType.SCAN_LIBRARY.value:
            status = TaskStatus(message.data["status"])
            percent = 100.0 if status is TaskStatus.COMPLETED else 0.0
            detail = {**message.data["detail"], "phase": None}
            at = message.at.isoformat()
            await self._tell(
                message.data["subject"], status, percent, detail, finished_at=at, error=message.data["error"]
            )

    async def _tell(
        self, subject: str, status: TaskStatus, percent: float, detail: dict[str, Any], **more: str | None
    ) -> None:
        data = {
            **asdict(ScanCounts()),
            "library_id": int(subject.rpartition(":")[2]),
            "state": status.value,
            "percent": round(percent, 1),
            "started_at": None,
            "finished_at": None,
            "error": None,
            **detail,
            **more,
        }
        at = self._clock.now().isoformat().replace("+00:00", "Z")
        await self._bus.publish(RealtimeMessage(_NAME, data, None, at))
