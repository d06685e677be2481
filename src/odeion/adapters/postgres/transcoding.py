"""Pools, leases and runs of encoders in PostgreSQL."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, and_, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading, translated_errors
from odeion.adapters.postgres.identity import PostgresSettings
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import users
from odeion.adapters.postgres.tables.libraries import media_files
from odeion.adapters.postgres.tables.playback import playback_sessions
from odeion.adapters.postgres.tables.transcoding import transcode_sessions, transcoder_pools
from odeion.application.shared.clock import Clock
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.ports import BeatAnswer, Lease, LeaseRequest, RunEnd, RunReport
from odeion.application.transcoding.settings import SETTING, read_settings
from odeion.application.transcoding.views import (
    AttachedSession,
    CapabilitiesView,
    PoolView,
    ThroughputView,
    TranscodeDetail,
    TranscodeFilter,
    TranscodeSummary,
)
from odeion.domain.shared.errors import Conflict, NotFound, TooManyRequests, Unavailable
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId, TranscodeSessionId
from odeion.domain.transcoding import (
    LEASE_LIMIT,
    Capabilities,
    HardwarePreference,
    Pool,
    PoolKind,
    Throughput,
    TranscodeKind,
    TranscodeRun,
    TranscodeState,
)

_CAPABILITIES = TypeAdapter(Capabilities)
_BUSY_RETRY_S = 10
_RUNNING = transcode_sessions.c.state == TranscodeState.RUNNING.value


def _alive(at: datetime) -> Any:
    """Runs that hold their place: heard of lately."""
    return and_(_RUNNING, transcode_sessions.c.heartbeat_at > at - LEASE_LIMIT)


class PostgresPools:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, pool_id: PoolId) -> Pool:
        query = select(transcoder_pools).where(transcoder_pools.c.id == pool_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("pool not found")
        return _pool(row)

    async def list_all(self) -> list[Pool]:
        query = select(transcoder_pools).order_by(transcoder_pools.c.priority, transcoder_pools.c.id)
        return [_pool(row) for row in await self._connection.execute(query)]

    async def save(self, pool: Pool) -> PoolId:
        capabilities = _CAPABILITIES.dump_python(pool.capabilities, mode="json") if pool.capabilities else None
        values = {
            "name": pool.name,
            "kind": pool.kind.value,
            "device": pool.device,
            "node": pool.node,
            "max_sessions": pool.max_sessions,
            "is_enabled": pool.is_enabled,
            "priority": pool.priority,
            "capabilities": capabilities,
            "probed_at": pool.probed_at,
            "created_at": pool.created_at,
        }
        return PoolId(await save_versioned(self._connection, self._events, transcoder_pools, pool, values))

    async def delete(self, pool: Pool, *, at: datetime) -> None:
        # Nobody takes a place in it meanwhile: `take` holds the pools as well.
        await self._connection.execute(
            select(transcoder_pools.c.id).where(transcoder_pools.c.id == pool.id).with_for_update()
        )
        busy = select(func.count()).where(transcode_sessions.c.pool_id == pool.id, _alive(at))
        if (await self._connection.execute(busy)).scalar_one():
            raise Conflict("something runs on this pool; end it first")
        await self._connection.execute(delete(transcoder_pools).where(transcoder_pools.c.id == pool.id))


class PostgresEncoderLeases:
    """Implements EncoderLeases for one host."""

    def __init__(self, engine: AsyncEngine, clock: Clock, node: str) -> None:
        self._engine = engine
        self._clock = clock
        self._node = node

    async def take(self, wanted: LeaseRequest) -> Lease:
        now = self._clock.now()
        async with translated_errors(), self._engine.begin() as connection:
            if wanted.codec is not None or wanted.user_limit is not None:
                # One after the other, over all hosts: two who look at once would both see the last place.
                await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('odeion.encoder_leases'))"))
            await self._require_room(connection, wanted, now)
            pool = await self._free_pool(connection, wanted, now) if wanted.codec is not None else None
            statement = (
                insert(transcode_sessions)
                .values(
                    kind=wanted.kind.value,
                    state=TranscodeState.RUNNING.value,
                    node=self._node,
                    pool_id=pool.id if pool else None,
                    file_id=wanted.file_id,
                    stream_kind=wanted.stream_kind,
                    output=wanted.output,
                    first_segment=wanted.first_segment,
                    next_segment=wanted.first_segment,
                    user_id=wanted.user_id,
                    sessions=[] if wanted.session_id is None else [wanted.session_id],
                    started_at=now,
                    heartbeat_at=now,
                )
                .returning(transcode_sessions.c.id)
            )
            lease_id = TranscodeSessionId((await connection.execute(statement)).scalar_one())
        if pool is None:
            return Lease(id=lease_id, pool_id=None)
        return Lease(id=lease_id, pool_id=pool.id, pool_kind=pool.kind, device=pool.device)

    async def _require_room(self, connection: AsyncConnection, wanted: LeaseRequest, now: datetime) -> None:
        """Raises TooManyRequests where the user has as many as they may."""
        if wanted.user_id is None or wanted.user_limit is None:
            return
        own = select(func.count()).where(_alive(now), transcode_sessions.c.user_id == wanted.user_id)
        if (await connection.execute(own)).scalar_one() >= wanted.user_limit:
            raise TooManyRequests(
                f"{wanted.user_limit} files are being converted for you already; wait for one",
                retry_after_s=_BUSY_RETRY_S,
            )

    async def _free_pool(self, connection: AsyncConnection, wanted: LeaseRequest, now: datetime) -> Pool:
        options = read_settings(await PostgresSettings(connection).find(SETTING))
        query = select(transcoder_pools).order_by(transcoder_pools.c.priority, transcoder_pools.c.id)
        pools = [_pool(row) for row in await connection.execute(query)]
        count = (
            select(transcode_sessions.c.pool_id, func.count().label("runs"))
            .where(_alive(now), transcode_sessions.c.pool_id.is_not(None))
            .group_by(transcode_sessions.c.pool_id)
        )
        running = {row.pool_id: row.runs for row in await connection.execute(count)}
        if options.max_sessions is not None and sum(running.values()) >= options.max_sessions:
            raise Unavailable("all encoders are busy", retry_after_s=_BUSY_RETRY_S)
        able = [
            pool
            for pool in pools
            if pool.may_serve(wanted.codec or "", node=self._node)
            and pool.id not in wanted.avoid
            and (pool.kind is PoolKind.CPU or options.hardware is HardwarePreference.PREFER)
        ]
        if not able:
            raise Unavailable(f"no pool of encoders can make {wanted.codec} now", retry_after_s=30)
        for pool in able:
            if running.get(pool.id, 0) < pool.max_sessions:
                return pool
        raise Unavailable("all encoders are busy", retry_after_s=_BUSY_RETRY_S)

    async def started(self, lease_id: TranscodeSessionId, argv: Sequence[str]) -> None:
        statement = update(transcode_sessions).where(transcode_sessions.c.id == lease_id).values(argv=list(argv))
        async with translated_errors(), self._engine.begin() as connection:
            await connection.execute(statement)

    async def beat(self, reports: Sequence[RunReport]) -> BeatAnswer:
        now = self._clock.now()
        cancelled: set[TranscodeSessionId] = set()
        watching = {session for report in reports for session in report.sessions}
        async with translated_errors(), self._engine.begin() as connection:
            # In one order everywhere, so that two beats never wait for each other.
            for report in sorted(reports, key=lambda report: report.lease_id):
                statement = (
                    update(transcode_sessions)
                    .where(transcode_sessions.c.id == report.lease_id, _RUNNING)
                    .values(**_progress(report), heartbeat_at=now)
                    .returning(transcode_sessions.c.cancel_requested)
                )
                row = (await connection.execute(statement)).one_or_none()
                if row is None or row.cancel_requested:
                    cancelled.add(report.lease_id)
            ended = select(playback_sessions.c.id).where(
                playback_sessions.c.id.in_(sorted(watching)), playback_sessions.c.state != "active"
            )
            gone = {PlaybackSessionId(row.id) for row in await connection.execute(ended)} if watching else set()
        return BeatAnswer(cancelled=frozenset(cancelled), ended_sessions=frozenset(gone))

    async def end(self, ended: RunEnd) -> None:
        statement = (
            update(transcode_sessions)
            .where(transcode_sessions.c.id == ended.report.lease_id, _RUNNING)
            .values(
                **_progress(ended.report),
                state=ended.state.value,
                exit_status=ended.exit_status,
                error=ended.error,
                ended_at=self._clock.now(),
            )
        )
        async with translated_errors(), self._engine.begin() as connection:
            await connection.execute(statement)


class PostgresTranscodeQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_pools(self, viewer: Viewer, *, at: datetime) -> list[PoolView]:
        live = (
            select(func.count())
            .where(transcode_sessions.c.pool_id == transcoder_pools.c.id, _alive(at))
            .scalar_subquery()
        )
        query = select(transcoder_pools, live.label("live")).order_by(
            transcoder_pools.c.priority, transcoder_pools.c.id
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [_pool_view(_pool(row), row.live) for row in rows]

    async def list_sessions(self, viewer: Viewer, where: TranscodeFilter, page: PageRequest) -> Page[TranscodeSummary]:
        conditions = [
            *([_RUNNING] if where.active_only else []),
            *([transcode_sessions.c.state == where.state.value] if where.state else []),
            *([transcode_sessions.c.pool_id == where.pool_id] if where.pool_id is not None else []),
            *([transcode_sessions.c.file_id == where.file_id] if where.file_id is not None else []),
        ]
        count = select(func.count()).select_from(transcode_sessions).where(*conditions)
        query = (
            _run_query()
            .where(*conditions)
            .order_by(transcode_sessions.c.started_at.desc(), transcode_sessions.c.id.desc())
            .limit(page.per_page)
            .offset(page.offset)
        )
        async with reading(self._engine) as connection:
            total = (await connection.execute(count)).scalar_one()
            rows = (await connection.execute(query)).all()
        return Page.of([TranscodeSummary(**_summary(row)) for row in rows], page, total)

    async def get_session(self, viewer: Viewer, session_id: TranscodeSessionId) -> TranscodeDetail:
        async with reading(self._engine) as connection:
            query = _run_query().where(transcode_sessions.c.id == session_id)
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFound("transcode session not found")
            attached = (
                select(playback_sessions, users.c.username)
                .outerjoin(users, users.c.id == playback_sessions.c.user_id)
                .where(playback_sessions.c.id.in_(row.sessions))
                .order_by(playback_sessions.c.id)
            )
            sessions = (await connection.execute(attached)).all()
        return TranscodeDetail(
            **_summary(row),
            argv=list(row.argv),
            stderr_tail=row.stderr_tail,
            exit_status=row.exit_status,
            throughput=[ThroughputView(**moment) for moment in row.throughput],
            sessions=[
                AttachedSession(
                    id=session.id,
                    user_id=session.user_id,
                    username=session.username,
                    title=session.title,
                    state=session.state,
                    mode=session.mode,
                )
                for session in sessions
            ],
            source=row.technical,
            heartbeat_at=row.heartbeat_at,
        )

    async def get_run(self, session_id: TranscodeSessionId) -> TranscodeRun:
        query = select(transcode_sessions).where(transcode_sessions.c.id == session_id)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("transcode session not found")
        return _run(row)

    async def request_cancel(self, session_id: TranscodeSessionId) -> None:
        statement = (
            update(transcode_sessions)
            .where(transcode_sessions.c.id == session_id, _RUNNING)
            .values(cancel_requested=True)
        )
        async with translated_errors(), self._engine.begin() as connection:
            await connection.execute(statement)

    async def sweep(self, *, at: datetime) -> int:
        statement = (
            update(transcode_sessions)
            .where(_RUNNING, transcode_sessions.c.heartbeat_at <= at - LEASE_LIMIT)
            .values(state=TranscodeState.LOST.value, ended_at=at, error="its server went away")
        )
        async with translated_errors(), self._engine.begin() as connection:
            return (await connection.execute(statement)).rowcount


def _progress(report: RunReport) -> dict[str, Any]:
    return {
        "next_segment": report.next_segment,
        "throughput": [asdict(moment) for moment in report.throughput],
        "sessions": sorted(report.sessions),
        "stderr_tail": report.stderr_tail.replace("\0", ""),
    }


def _run_query() -> Any:
    return (
        select(
            transcode_sessions,
            transcoder_pools.c.name.label("pool_name"),
            media_files.c.relative_path,
            media_files.c.technical,
            users.c.username,
        )
        .outerjoin(transcoder_pools, transcoder_pools.c.id == transcode_sessions.c.pool_id)
        .outerjoin(media_files, media_files.c.id == transcode_sessions.c.file_id)
        .outerjoin(users, users.c.id == transcode_sessions.c.user_id)
    )


def _summary(row: Row[Any]) -> dict[str, Any]:
    latest = row.throughput[-1] if row.throughput else None
    name = os.fsencode(posixpath.basename(row.relative_path)).decode("utf-8", "replace") if row.relative_path else None
    return {
        "id": row.id,
        "kind": TranscodeKind(row.kind),
        "state": TranscodeState(row.state),
        "node": row.node,
        "pool_id": row.pool_id,
        "pool_name": row.pool_name,
        "file_id": row.file_id,
        "file_name": name,
        "user_id": row.user_id,
        "username": row.username,
        "stream_kind": row.stream_kind,
        "output": row.output,
        "first_segment": row.first_segment,
        "next_segment": row.next_segment,
        "position_s": latest["position_s"] if latest else None,
        "speed": latest["speed"] if latest else None,
        "viewers": len(row.sessions),
        "error": row.error,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _pool(row: Row[Any]) -> Pool:
    return Pool(
        id=PoolId(row.id),
        name=row.name,
        kind=PoolKind(row.kind),
        device=row.device,
        node=row.node,
        max_sessions=row.max_sessions,
        is_enabled=row.is_enabled,
        priority=row.priority,
        capabilities=_CAPABILITIES.validate_python(row.capabilities) if row.capabilities else None,
        probed_at=row.probed_at,
        created_at=row.created_at,
        version=row.version,
    )


def _pool_view(pool: Pool, live: int) -> PoolView:
    found = pool.capabilities
    assert pool.id is not None
    return PoolView(
        id=pool.id,
        name=pool.name,
        kind=pool.kind,
        device=pool.device,
        node=pool.node,
        max_sessions=pool.max_sessions,
        live_sessions=live,
        enabled=pool.is_enabled,
        priority=pool.priority,
        capabilities=CapabilitiesView(
            encoders=list(found.encoders),
            decoders=list(found.decoders),
            tone_mapping=found.tone_mapping,
            errors=dict(found.errors),
        )
        if found
        else None,
        probed_at=pool.probed_at,
        created_at=pool.created_at,
    )


def _run(row: Row[Any]) -> TranscodeRun:
    return TranscodeRun(
        id=TranscodeSessionId(row.id),
        kind=TranscodeKind(row.kind),
        state=TranscodeState(row.state),
        node=row.node,
        pool_id=row.pool_id,
        file_id=MediaFileId(row.file_id) if row.file_id is not None else None,
        stream_kind=row.stream_kind,
        output=row.output,
        argv=tuple(row.argv),
        first_segment=row.first_segment,
        next_segment=row.next_segment,
        throughput=tuple(Throughput(**moment) for moment in row.throughput),
        stderr_tail=row.stderr_tail,
        exit_status=row.exit_status,
        error=row.error,
        sessions=tuple(PlaybackSessionId(session) for session in row.sessions),
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        ended_at=row.ended_at,
    )
