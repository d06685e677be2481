"""What converting needs from the world outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.settings import SettingRepository
from odeion.application.shared.unit_of_work import Transaction
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.views import PoolView, TranscodeDetail, TranscodeFilter, TranscodeSummary
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId, TranscodeSessionId, UserId
from odeion.domain.transcoding import (
    Capabilities,
    Pool,
    PoolKind,
    Throughput,
    TranscodeKind,
    TranscodeRun,
    TranscodeState,
)


class PoolRepository(Protocol):
    async def get(self, pool_id: PoolId) -> Pool:
        """Raises NotFound."""

    async def list_all(self) -> list[Pool]:
        """In the order in which they are taken: by priority, then by id."""

    async def save(self, pool: Pool) -> PoolId:
        """Insert or update. Raises Conflict for a taken name or device, StaleVersion."""

    async def delete(self, pool: Pool, *, at: datetime) -> None:
        """Raises Conflict while something runs on it."""


class TranscodingTx(Transaction, Protocol):
    @property
    def pools(self) -> PoolRepository: ...

    @property
    def settings(self) -> SettingRepository: ...


class EncoderProbe(Protocol):
    """Finds out what a device can do, by using it."""

    async def probe(self, kind: PoolKind, device: str | None) -> Capabilities:
        """A trial encode with each encoder of this kind. Never raises for a device that cannot: that is the result."""

    async def devices(self) -> list[GpuDevice]:
        """The GPUs of this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDevice:
    """`kinds` are the pools it can be bound to; `pci_address` is like 0000:01:00.0, None where it is not known."""

    vendor: str
    name: str
    device: str
    pci_address: str | None
    kinds: tuple[PoolKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """What is to be run. `codec` is that of the pictures to make, None for sound and copies, which take no place in a
    pool. `avoid` are pools that just failed at it. What feeds players is for a `session_id`, a download for a
    `user_id`, who may have no more than `user_limit` at once."""

    kind: TranscodeKind
    codec: str | None
    file_id: MediaFileId
    stream_kind: str
    output: dict[str, Any]
    first_segment: int
    session_id: PlaybackSessionId | None = None
    user_id: UserId | None = None
    user_limit: int | None = None
    avoid: frozenset[PoolId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run ffmpeg once; `pool_kind` and `device` say with which encoder. `pool_id` is None for what takes
    no place."""

    id: TranscodeSessionId
    pool_id: PoolId | None
    pool_kind: PoolKind = PoolKind.CPU
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run is doing."""

    lease_id: TranscodeSessionId
    next_segment: int
    throughput: tuple[Throughput, ...]
    sessions: tuple[PlaybackSessionId, ...]
    stderr_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatAnswer:
    """What others want of the runs of this process: `cancelled` are to end (by an administrator, or because their lease
    ran out meanwhile), `ended_sessions` watch no more."""

    cancelled: frozenset[TranscodeSessionId] = frozenset()
    ended_sessions: frozenset[PlaybackSessionId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended."""

    report: RunReport
    state: TranscodeState
    exit_status: int | None = None
    error: str | None = None


class EncoderLeases(Protocol):
    """Places in the pools, shared by all processes on all hosts. A lease lives by its beats."""

    async def take(self, wanted: LeaseRequest) -> Lease:
        """The best free place. Raises Unavailable when all are taken, or no pool can; TooManyRequests beyond a user's
        limit."""

    async def started(self, lease_id: TranscodeSessionId, argv: Sequence[str]) -> None: ...

    async def beat(self, reports: Sequence[RunReport]) -> BeatAnswer:
        """Keep the leases. Raises Unavailable while it cannot be told; the runs go on."""

    async def end(self, ended: RunEnd) -> None:
        """Free the place and keep the record. May be called twice."""


class TranscodeQueries(Protocol):
    async def list_pools(self, viewer: Viewer, *, at: datetime) -> list[PoolView]: ...

    async def list_sessions(
        self, viewer: Viewer, where: TranscodeFilter, page: PageRequest
    ) -> Page[TranscodeSummary]: ...

    async def get_session(self, viewer: Viewer, session_id: TranscodeSessionId) -> TranscodeDetail:
        """Raises NotFound."""

    async def get_run(self, session_id: TranscodeSessionId) -> TranscodeRun:
        """Raises NotFound."""

    async def request_cancel(self, session_id: TranscodeSessionId) -> None:
        """The process that runs it learns so with its next beat."""

    async def sweep(self, *, at: datetime) -> int:
        """Close the records of runs whose server went away. Answers how many."""
