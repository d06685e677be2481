"""What helps to debug playback sessions, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.tables.playback import playback_session_debug
from odeion.application.playback.ports import MAX_PROBLEMS, PlaybackDebug, PlaybackProblem
from odeion.domain.shared.ids import PlaybackSessionId

_PROBLEMS = TypeAdapter(tuple[PlaybackProblem, ...])


class PostgresPlaybackDebug:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, session_id: PlaybackSessionId, debug: PlaybackDebug) -> None:
        await self._connection.execute(
            insert(playback_session_debug).values(
                session_id=session_id,
                opened_at=debug.opened_at,
                user_agent=debug.user_agent,
                request=debug.request,
                master_playlist=debug.master_playlist,
                problems=_PROBLEMS.dump_python(debug.problems, mode="json"),
            )
        )

    async def find(self, session_id: PlaybackSessionId) -> PlaybackDebug | None:
        query = select(playback_session_debug).where(playback_session_debug.c.session_id == session_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return PlaybackDebug(
            opened_at=row.opened_at,
            user_agent=row.user_agent,
            request=row.request,
            master_playlist=row.master_playlist,
            problems=_PROBLEMS.validate_python(row.problems),
        )

    async def note_playlist(self, session_id: PlaybackSessionId, master_playlist: str) -> None:
        await self._update(session_id, master_playlist=master_playlist)

    async def note_problem(self, session_id: PlaybackSessionId, problem: PlaybackProblem) -> None:
        noted = bindparam("noted", _PROBLEMS.dump_python((problem,), mode="json"), type_=JSONB)
        kept: ColumnElement[Any] = literal_column(f"'$[last - {MAX_PROBLEMS - 1} to last]'::jsonpath")
        problems = playback_session_debug.c.problems.op("||")(noted)
        await self._update(session_id, problems=func.jsonb_path_query_array(problems, kept))

    async def drop_opened(self, *, before: datetime) -> None:
        await self._connection.execute(
            delete(playback_session_debug).where(playback_session_debug.c.opened_at < before)
        )

    async def _update(self, session_id: PlaybackSessionId, **values: Any) -> None:
        statement = update(playback_session_debug).where(playback_session_debug.c.session_id == session_id)
        await self._connection.execute(statement.values(**values))
