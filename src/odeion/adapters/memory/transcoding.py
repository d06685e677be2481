"""Fakes of what converting needs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from odeion.application.transcoding.ports import BeatAnswer, GpuDevice, Lease, LeaseRequest, RunEnd, RunReport
from odeion.domain.shared.errors import TooManyRequests, Unavailable
from odeion.domain.shared.ids import PlaybackSessionId, PoolId, TranscodeSessionId, UserId
from odeion.domain.transcoding import Capabilities, PoolKind


class MemoryEncoderProbe:
    """Says of each kind of pool what it was told; everything of the CPU, nothing of the others, unless told."""

    def __init__(self, found: Mapping[PoolKind, Capabilities] | None = None, devices: Sequence[GpuDevice] = ()) -> None:
        everything = Capabilities(encoders=("h264", "hevc", "av1", "vp9"), tone_mapping=True)
        self.found = {PoolKind.CPU: everything, **(found or {})}
        self._devices = list(devices)

    async def probe(self, kind: PoolKind, device: str | None) -> Capabilities:
        return self.found.get(kind, Capabilities(errors={"h264": "there is no such device"}))

    async def devices(self) -> list[GpuDevice]:
        return self._devices


class MemoryEncoderLeases:
    """Places in pools of this process. `pools` are (id, kind, device, places, codecs), the first one taken first."""

    def __init__(self, pools: Sequence[tuple[PoolId, PoolKind, str | None, int, frozenset[str]]] | None = None) -> None:
        cpu = (PoolId(1), PoolKind.CPU, None, 64, frozenset({"h264", "hevc", "av1", "vp9"}))
        self._pools = list(pools if pools is not None else [cpu])
        self._numbers = itertools.count(1)
        self.running: dict[TranscodeSessionId, Lease] = {}
        self._owners: dict[TranscodeSessionId, UserId] = {}
        self.argv: dict[TranscodeSessionId, tuple[str, ...]] = {}
        self.ended: list[RunEnd] = []
        self.cancelled: set[TranscodeSessionId] = set()
        self.ended_sessions: set[PlaybackSessionId] = set()

    async def take(self, wanted: LeaseRequest) -> Lease:
        own = sum(owner == wanted.user_id for owner in self._owners.values())
        if wanted.user_limit is not None and own >= wanted.user_limit:
            raise TooManyRequests("as many as you may have are being converted already", retry_after_s=10)
        lease_id = TranscodeSessionId(next(self._numbers))
        if wanted.codec is None:
            lease = Lease(id=lease_id, pool_id=None)
        else:
            lease = self._place(lease_id, wanted.codec, wanted.avoid)
        self.running[lease_id] = lease
        if wanted.user_id is not None:
            self._owners[lease_id] = wanted.user_id
        return lease

    def _place(self, lease_id: TranscodeSessionId, codec: str, avoid: frozenset[PoolId]) -> Lease:
        able = [pool for pool in self._pools if codec in pool[4] and pool[0] not in avoid]
        if not able:
            raise Unavailable(f"no pool of encoders can make {codec} now", retry_after_s=30)
        for pool_id, kind, device, places, _ in able:
            if sum(lease.pool_id == pool_id for lease in self.running.values()) < places:
                return Lease(id=lease_id, pool_id=pool_id, pool_kind=kind, device=device)
        raise Unavailable("all encoders are busy", retry_after_s=10)

    async def started(self, lease_id: TranscodeSessionId, argv: Sequence[str]) -> None:
        self.argv[lease_id] = tuple(argv)

    async def beat(self, reports: Sequence[RunReport]) -> BeatAnswer:
        ours = {report.lease_id for report in reports}
        watching = {session for report in reports for session in report.sessions}
        gone = self.cancelled | {lease_id for lease_id in ours if lease_id not in self.running}
        return BeatAnswer(cancelled=frozenset(ours & gone), ended_sessions=frozenset(watching & self.ended_sessions))

    async def end(self, ended: RunEnd) -> None:
        self._owners.pop(ended.report.lease_id, None)
        if self.running.pop(ended.report.lease_id, None) is not None:
            self.ended.append(ended)
