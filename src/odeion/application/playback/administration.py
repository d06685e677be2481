"""What administrators do with playback sessions."""

from __future__ import annotations

from datetime import timedelta

from odeion.application.playback.audit import AuditedSessionDetail, PlaybackAuditQueries, PlaybackSessionExport
from odeion.application.playback.ports import PlaybackTx, RenditionProducer
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.playback.session import EndReason
from odeion.domain.shared.ids import PlaybackSessionId

_DEBUG_KEPT = timedelta(days=30)


class PlaybackAdministration:
    def __init__(
        self,
        uow: UnitOfWorkFactory[PlaybackTx],
        queries: PlaybackAuditQueries,
        producer: RenditionProducer,
        clock: Clock,
        version: str,
    ) -> None:
        self._uow = uow
        self._queries = queries
        self._producer = producer
        self._clock = clock
        self._version = version

    async def export(self, viewer: Viewer, session_id: PlaybackSessionId) -> PlaybackSessionExport:
        """Raises NotFound."""
        viewer.require(Role.MODERATOR)
        session = await self._queries.get_session(viewer, session_id)
        around = await self._queries.surroundings(session)
        async with self._uow() as tx:
            debug = await tx.playback_debug.find(session_id)
        now = self._clock.now()
        return PlaybackSessionExport(
            exported_at=now,
            server_version=self._version,
            session=session,
            debug=debug if debug is not None and debug.opened_at >= now - _DEBUG_KEPT else None,
            content=around.content,
            source_file=around.file,
            transcode_sessions=around.transcodes,
        )

    async def terminate(self, viewer: Viewer, session_id: PlaybackSessionId) -> AuditedSessionDetail:
        """End anybody's session for good. Its encoders end with it: here at once, elsewhere with their next beat.
        Raises NotFound, Conflict for one that has ended."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            session = await tx.playback_sessions.get(session_id)
            session.end(EndReason.TERMINATED, at=self._clock.now())
            await tx.playback_sessions.save(session)
            await tx.commit()
        await self._producer.release(session_id)
        return await self._queries.get_session(viewer, session_id)

    async def purge(self) -> None:
        """Drop what was kept for debugging and is old; the sessions stay."""
        async with self._uow() as tx:
            await tx.playback_debug.drop_opened(before=self._clock.now() - _DEBUG_KEPT)
            await tx.commit()
