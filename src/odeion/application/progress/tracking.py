"""Saving how far somebody is."""

from __future__ import annotations

from odeion.application.progress.ports import ProgressQueries, ProgressState, ProgressTx
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef
from odeion.domain.progress import WatchProgress
from odeion.domain.shared.errors import NotFound


class ProgressTracking:
    def __init__(self, uow: UnitOfWorkFactory[ProgressTx], queries: ProgressQueries, clock: Clock) -> None:
        self._uow = uow
        self._queries = queries
        self._clock = clock

    async def update(
        self,
        viewer: Viewer,
        media: MediaRef,
        *,
        position_ms: int,
        duration_ms: int | None = None,
        completed: bool | None = None,
    ) -> ProgressState:
        """Raises NotFound for unknown content, Invalid for a position beyond the end."""
        now = self._clock.now()
        async with self._uow() as tx:
            known_ms = await tx.progress.duration_ms(viewer, media)
            progress = await tx.progress.find(viewer.id, media) or WatchProgress(
                user_id=viewer.id, media=media, updated_at=now
            )
            # The player knows the length of what it plays; without it the file's is taken.
            progress.watched_to(
                position_ms, duration_ms=duration_ms or known_ms or progress.duration_ms, completed=completed, at=now
            )
            await tx.progress.save(progress)
            await tx.commit()
        return await self._queries.get_state(viewer, media)

    async def delete(self, viewer: Viewer, media: MediaRef) -> None:
        """Forget it. Raises NotFound where there is none."""
        async with self._uow() as tx:
            if not await tx.progress.delete(viewer.id, media):
                raise NotFound("no progress is known for this")
            await tx.commit()

    async def clear(self, viewer: Viewer) -> None:
        """Forget all of the viewer's history."""
        async with self._uow() as tx:
            await tx.progress.delete_all(viewer.id)
            await tx.commit()
