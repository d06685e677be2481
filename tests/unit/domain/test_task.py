"""Background tasks and their leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from odeion.domain.shared.errors import Conflict
from odeion.domain.task import LEASE, MAX_ATTEMPTS, Task, TaskFinished, TaskQueued, TaskStatus, TaskType

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def queued() -> Task:
    return Task.queue(TaskType.SCAN_LIBRARY, "library:1", {"library_id": 1}, at=NOW)


def test_queueing_is_told() -> None:
    assert [type(event) for event in queued().take_events()] == [TaskQueued]


class TestClaim:
    def test_the_first_worker_gets_it(self) -> None:
        task = queued()
        assert task.claim("a", at=NOW)
        assert not task.claim("b", at=NOW)
        assert (task.status, task.worker) == (TaskStatus.RUNNING, "a")

    def test_a_lost_worker_loses_it(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        assert task.claim("b", at=NOW + LEASE)
        assert task.worker == "b"

    def test_one_that_always_loses_its_worker_fails(self) -> None:
        task = queued()
        for attempt in range(MAX_ATTEMPTS):
            assert task.claim("a", at=NOW + attempt * LEASE)
        assert not task.claim("a", at=NOW + MAX_ATTEMPTS * LEASE)
        assert task.status is TaskStatus.FAILED

    def test_one_that_is_over_is_not_taken_again(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        task.complete("a", {}, at=NOW)
        assert not task.claim("b", at=NOW + timedelta(days=1))


class TestEnd:
    def test_the_holder_completes_it(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        task.take_events()
        task.complete("a", {"files": 3}, at=NOW)
        (event,) = task.take_events()
        assert isinstance(event, TaskFinished) and event.status == "completed"
        assert (task.percent, task.detail) == (100.0, {"files": 3})

    def test_nobody_else_can(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        with pytest.raises(Conflict):
            task.complete("b", {}, at=NOW)

    def test_the_former_holder_cannot_fail_it(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        task.claim("b", at=NOW + LEASE)
        with pytest.raises(Conflict):
            task.fail("a", "late", at=NOW + LEASE)


class TestCancel:
    def test_a_pending_one_ends_at_once(self) -> None:
        task = queued()
        task.cancel(at=NOW)
        assert task.status is TaskStatus.CANCELLED

    def test_a_running_one_is_asked_to(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        task.cancel(at=NOW)
        assert (task.status, task.cancel_requested) == (TaskStatus.RUNNING, True)

    def test_it_is_not_tried_again_after_its_worker_was_lost(self) -> None:
        task = queued()
        task.claim("a", at=NOW)
        task.cancel(at=NOW)
        assert not task.claim("b", at=NOW + LEASE)
        assert task.status is TaskStatus.CANCELLED

    def test_one_that_is_over_cannot_be_cancelled(self) -> None:
        task = queued()
        task.cancel(at=NOW)
        with pytest.raises(Conflict):
            task.cancel(at=NOW)
