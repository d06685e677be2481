"""What administrators do with pools and runs."""

from __future__ import annotations

from odeion.application.shared.clock import Clock
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.ports import EncoderProbe, TranscodeQueries, TranscodingTx
from odeion.application.transcoding.views import (
    GpuList,
    GpuView,
    PoolList,
    PoolView,
    TranscodeDetail,
    TranscodeExport,
    TranscodeFilter,
    TranscodeSummary,
)
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import PoolId, TranscodeSessionId
from odeion.domain.transcoding import Pool, PoolKind

_DEFAULT_POOL = "CPU"


class TranscodePools:
    def __init__(
        self,
        uow: UnitOfWorkFactory[TranscodingTx],
        queries: TranscodeQueries,
        probe: EncoderProbe,
        clock: Clock,
        node: str,
    ) -> None:
        """`node` is the name of this host."""
        self._uow = uow
        self._queries = queries
        self._probe = probe
        self._clock = clock
        self._node = node

    async def ensure_default(self, max_sessions: int) -> None:
        """A server that has no pool yet gets one of its CPU."""
        async with self._uow() as tx:
            if await tx.pools.list_all():
                return
        pool = Pool.create(
            name=_DEFAULT_POOL,
            kind=PoolKind.CPU,
            device=None,
            node=None,
            max_sessions=max_sessions,
            at=self._clock.now(),
        )
        # No transaction is open meanwhile: it takes seconds.
        pool.probed(await self._probe.probe(pool.kind, pool.device), at=self._clock.now())
        try:
            async with self._uow() as tx:
                await tx.pools.save(pool)
                await tx.commit()
        except Conflict:
            # Another process was first.
            return

    async def list(self, viewer: Viewer) -> PoolList:
        viewer.require(Role.ADMIN)
        return PoolList(items=await self._queries.list_pools(viewer, at=self._clock.now()))

    async def gpus(self, viewer: Viewer) -> GpuList:
        viewer.require(Role.ADMIN)
        found = await self._probe.devices()
        items = [
            GpuView(
                vendor=gpu.vendor,
                name=gpu.name,
                device=gpu.device,
                pci_address=gpu.pci_address,
                kinds=sorted(gpu.kinds),
            )
            for gpu in found
        ]
        return GpuList(node=self._node, items=items)

    async def create(
        self, viewer: Viewer, *, name: str, kind: PoolKind, device: str | None, max_sessions: int
    ) -> PoolView:
        """Make a pool on this host and try what it can do; one of a device that is not there can do nothing. Raises
        Invalid for a GPU without a device and a CPU with one, Conflict for a taken name or device."""
        viewer.require(Role.ADMIN)
        pool = Pool.create(
            name=name, kind=kind, device=device, node=self._node, max_sessions=max_sessions, at=self._clock.now()
        )
        pool.probed(await self._probe.probe(kind, device), at=self._clock.now())
        async with self._uow() as tx:
            pool_id = await tx.pools.save(pool)
            await tx.commit()
        return await self._view(viewer, pool_id)

    async def update(
        self,
        viewer: Viewer,
        pool_id: PoolId,
        *,
        name: str | None = None,
        max_sessions: int | None = None,
        enabled: bool | None = None,
        priority: int | None = None,
    ) -> PoolView:
        """None leaves a thing as it is. Raises NotFound, Conflict."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            pool = await tx.pools.get(pool_id)
            pool.name = pool.name if name is None else name
            pool.max_sessions = pool.max_sessions if max_sessions is None else max_sessions
            pool.is_enabled = pool.is_enabled if enabled is None else enabled
            pool.priority = pool.priority if priority is None else priority
            await tx.pools.save(pool)
            await tx.commit()
        return await self._view(viewer, pool_id)

    async def delete(self, viewer: Viewer, pool_id: PoolId) -> None:
        """Raises NotFound, Conflict while something runs on it."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            await tx.pools.delete(await tx.pools.get(pool_id), at=self._clock.now())
            await tx.commit()

    async def probe(self, viewer: Viewer, pool_id: PoolId) -> PoolView:
        """Try again what it can do. Raises NotFound, Conflict for the device of another host."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            pool = await tx.pools.get(pool_id)
        if pool.node not in (None, self._node):
            raise Conflict(f"this device is in the host {pool.node}; ask the server there")
        # No transaction is open meanwhile: it takes seconds.
        found = await self._probe.probe(pool.kind, pool.device)
        async with self._uow() as tx:
            pool = await tx.pools.get(pool_id)
            pool.probed(found, at=self._clock.now())
            await tx.pools.save(pool)
            await tx.commit()
        return await self._view(viewer, pool_id)

    async def _view(self, viewer: Viewer, pool_id: PoolId) -> PoolView:
        pools = await self._queries.list_pools(viewer, at=self._clock.now())
        found = next((pool for pool in pools if pool.id == pool_id), None)
        if found is None:
            raise NotFound("pool not found")
        return found


class TranscodeRuns:
    def __init__(self, queries: TranscodeQueries, clock: Clock, version: str) -> None:
        self._queries = queries
        self._clock = clock
        self._version = version

    async def list(self, viewer: Viewer, where: TranscodeFilter, page: PageRequest) -> Page[TranscodeSummary]:
        viewer.require(Role.MODERATOR)
        return await self._queries.list_sessions(viewer, where, page)

    async def get(self, viewer: Viewer, session_id: TranscodeSessionId) -> TranscodeDetail:
        """Raises NotFound."""
        viewer.require(Role.MODERATOR)
        return await self._queries.get_session(viewer, session_id)

    async def sweep(self) -> int:
        """Close the records of runs whose server went away. Answers how many."""
        return await self._queries.sweep(at=self._clock.now())

    async def export(self, viewer: Viewer, session_id: TranscodeSessionId) -> TranscodeExport:
        """Raises NotFound."""
        return TranscodeExport(
            exported_at=self._clock.now(),
            server_version=self._version,
            transcode_session=await self.get(viewer, session_id),
        )

    async def cancel(self, viewer: Viewer, session_id: TranscodeSessionId) -> TranscodeDetail:
        """End a live run, wherever it is. It ends within seconds; players that still watch start another. Raises
        NotFound, Conflict for one that has ended."""
        viewer.require(Role.ADMIN)
        (await self._queries.get_run(session_id)).require_live()
        await self._queries.request_cancel(session_id)
        return await self._queries.get_session(viewer, session_id)
