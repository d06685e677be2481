"""What every EncoderLeases keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from odeion.adapters.memory.transcoding import MemoryEncoderLeases
from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.tables.transcoding import transcode_sessions
from odeion.adapters.postgres.transcoding import PostgresEncoderLeases, PostgresTranscodeQueries
from odeion.adapters.postgres.uow import PostgresUnitOfWorkFactory
from odeion.application.transcoding.ports import LeaseRequest, RunEnd, RunReport
from odeion.domain.shared.errors import TooManyRequests, Unavailable
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId, TranscodeSessionId, UserId
from odeion.domain.transcoding import (
    LEASE_LIMIT,
    Capabilities,
    Pool,
    PoolKind,
    Throughput,
    TranscodeKind,
    TranscodeState,
)
from tests.harness import Servers

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WATCHER = PlaybackSessionId(7)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine(servers: Servers) -> AsyncIterator[Any]:
    async with servers.database() as url:
        opened = create_engine(url, pool_size=4)
        async with opened.begin() as connection:
            # Files and users are told of by id only; rows for them would need a whole library.
            for constraint in ("fk_transcode_sessions_file_id", "fk_transcode_sessions_user_id"):
                await connection.exec_driver_sql(f"ALTER TABLE transcode_sessions DROP CONSTRAINT {constraint}")
        yield opened
        await opened.dispose()


async def make_pools(engine: Any) -> list[PoolId]:
    """A GPU for H.264 with one place, taken first; the CPU for all with two."""
    made = []
    async with PostgresUnitOfWorkFactory(engine)() as tx:
        for kind, device, places, codecs in (
            (PoolKind.VAAPI, "/dev/dri/renderD128", 1, ("h264",)),
            (PoolKind.CPU, None, 2, ("h264", "hevc")),
        ):
            pool = Pool.create(name=kind, kind=kind, device=device, node="here", max_sessions=places, at=NOW)
            pool.probed(Capabilities(encoders=codecs), at=NOW)
            made.append(await tx.pools.save(pool))
        await tx.commit()
    return made


@pytest.fixture(params=["memory", "postgres"])
async def leases(request: pytest.FixtureRequest, clock: Clock, engine: Any) -> Any:
    if request.param == "memory":
        return MemoryEncoderLeases(
            [
                (PoolId(1), PoolKind.VAAPI, "/dev/dri/renderD128", 1, frozenset({"h264"})),
                (PoolId(2), PoolKind.CPU, None, 2, frozenset({"h264", "hevc"})),
            ]
        )
    await make_pools(engine)
    return PostgresEncoderLeases(engine, clock, "here")


def wanted(codec: str | None = "h264", **more: Any) -> LeaseRequest:
    return LeaseRequest(
        kind=TranscodeKind.LIVE,
        codec=codec,
        file_id=MediaFileId(1),
        stream_kind="video" if codec else "audio",
        output={"codec": codec, "height": 720},
        first_segment=3,
        **{"session_id": WATCHER, **more},
    )


def report(lease_id: TranscodeSessionId) -> RunReport:
    moment = Throughput(elapsed_s=2.0, position_s=8.0, speed=4.0, bytes_made=1000)
    return RunReport(lease_id=lease_id, next_segment=5, throughput=(moment,), sessions=(WATCHER,), stderr_tail="hm")


class TestTake:
    async def test_the_first_pool_that_can(self, leases: Any) -> None:
        lease = await leases.take(wanted())
        assert (lease.pool_kind, lease.device) == (PoolKind.VAAPI, "/dev/dri/renderD128")
        assert (await leases.take(wanted("hevc"))).pool_kind is PoolKind.CPU

    async def test_the_next_one_when_it_is_full_or_to_be_avoided(self, leases: Any) -> None:
        first = await leases.take(wanted())
        assert (await leases.take(wanted())).pool_kind is PoolKind.CPU
        await leases.end(RunEnd(report=report(first.id), state=TranscodeState.COMPLETED))
        avoiding = await leases.take(wanted(avoid=frozenset({first.pool_id})))
        assert avoiding.pool_kind is PoolKind.CPU

    async def test_refuses_when_all_are_taken(self, leases: Any) -> None:
        for _ in range(3):
            await leases.take(wanted())
        with pytest.raises(Unavailable) as refused:
            await leases.take(wanted())
        assert refused.value.retry_after_s

    async def test_refuses_what_no_pool_can(self, leases: Any) -> None:
        with pytest.raises(Unavailable):
            await leases.take(wanted("vp9"))

    async def test_sound_takes_no_place(self, leases: Any) -> None:
        for _ in range(5):
            assert (await leases.take(wanted(None))).pool_id is None
        for _ in range(3):
            await leases.take(wanted())

    async def test_a_place_is_given_once(self, leases: Any) -> None:
        taken = await asyncio.gather(*(leases.take(wanted()) for _ in range(8)), return_exceptions=True)
        assert sum(not isinstance(lease, Unavailable) for lease in taken) == 3

    async def test_one_person_has_no_more_than_their_share(self, leases: Any) -> None:
        mine = {"session_id": None, "user_id": UserId(1), "user_limit": 2}
        first = await leases.take(wanted(None, **mine))
        await leases.take(wanted("hevc", **mine))
        with pytest.raises(TooManyRequests):
            await leases.take(wanted(None, **mine))
        await leases.take(wanted(None, **mine | {"user_id": UserId(2)}))
        await leases.end(RunEnd(report=report(first.id), state=TranscodeState.COMPLETED))
        await leases.take(wanted(None, **mine))


class TestEnd:
    async def test_frees_the_place_once(self, leases: Any) -> None:
        held = [await leases.take(wanted()) for _ in range(3)]
        for _ in range(2):
            await leases.end(RunEnd(report=report(held[0].id), state=TranscodeState.COMPLETED))
        await leases.take(wanted())
        with pytest.raises(Unavailable):
            await leases.take(wanted())


class TestBeat:
    async def test_says_nothing_where_all_is_well(self, leases: Any) -> None:
        lease = await leases.take(wanted())
        answer = await leases.beat([report(lease.id)])
        assert not answer.cancelled and not answer.ended_sessions

    async def test_tells_of_a_lease_that_is_over(self, leases: Any) -> None:
        lease = await leases.take(wanted())
        await leases.end(RunEnd(report=report(lease.id), state=TranscodeState.COMPLETED))
        assert (await leases.beat([report(lease.id)])).cancelled == {lease.id}


class TestInPostgres:
    """What only several processes can show."""

    async def test_a_lease_without_beats_is_free_again(self, engine: Any, clock: Clock) -> None:
        leases = PostgresEncoderLeases(engine, clock, "here")
        await make_pools(engine)
        held = [await leases.take(wanted()) for _ in range(3)]
        clock.at += LEASE_LIMIT - timedelta(seconds=1)
        await leases.beat([report(held[0].id)])
        clock.at += timedelta(seconds=2)
        for _ in range(2):
            await leases.take(wanted())
        with pytest.raises(Unavailable):
            await leases.take(wanted())
        queries = PostgresTranscodeQueries(engine)
        assert await queries.sweep(at=clock.at) == 2
        assert (await queries.get_run(held[1].id)).state is TranscodeState.LOST
        # Its process, if it lives after all, learns that it has to stop.
        assert (await leases.beat([report(held[1].id)])).cancelled == {held[1].id}

    async def test_the_device_of_another_host_is_left_alone(self, engine: Any, clock: Clock) -> None:
        await make_pools(engine)
        elsewhere = PostgresEncoderLeases(engine, clock, "there")
        assert (await elsewhere.take(wanted())).pool_kind is PoolKind.CPU

    async def test_keeps_the_record(self, engine: Any, clock: Clock) -> None:
        leases = PostgresEncoderLeases(engine, clock, "here")
        pools = await make_pools(engine)
        lease = await leases.take(wanted())
        await leases.started(lease.id, ["ffmpeg", "-i", "file:x"])
        await leases.beat([report(lease.id)])
        end = RunEnd(report=report(lease.id), state=TranscodeState.FAILED, exit_status=187, error="it broke")
        await leases.end(end)
        run = await PostgresTranscodeQueries(engine).get_run(lease.id)
        assert (run.state, run.exit_status, run.error, run.pool_id) == (
            TranscodeState.FAILED,
            187,
            "it broke",
            pools[0],
        )
        assert (run.argv, run.first_segment, run.next_segment) == (("ffmpeg", "-i", "file:x"), 3, 5)
        assert run.throughput == report(lease.id).throughput
        assert (run.sessions, run.stderr_tail) == ((WATCHER,), "hm")

    async def test_an_administrators_wish_reaches_the_process(self, engine: Any, clock: Clock) -> None:
        leases = PostgresEncoderLeases(engine, clock, "here")
        await make_pools(engine)
        lease = await leases.take(wanted())
        await PostgresTranscodeQueries(engine).request_cancel(lease.id)
        assert (await leases.beat([report(lease.id)])).cancelled == {lease.id}
        async with engine.connect() as connection:
            row = (await connection.execute(select(transcode_sessions))).one()
        assert row.state == "running"
