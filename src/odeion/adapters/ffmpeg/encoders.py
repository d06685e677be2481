"""Running encoders: who starts and ends them, how far they run ahead, and what a viewer waits for.

Each run of ffmpeg makes the segments of one rendition from some number on. What it makes is handed to those who wait as
it comes, and each whole segment goes into the cache. Its output is a pipe that we stop reading when it is far enough
ahead, so that it sleeps by itself, and dies by itself when we do. A run holds a lease on a place in a pool; when it
breaks, the next one is tried in another pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from odeion.adapters.ffmpeg.cache import SegmentCache
from odeion.adapters.ffmpeg.encoding import Encoding, init_of
from odeion.adapters.ffmpeg.hardware import Encoder
from odeion.adapters.ffmpeg.process import FfmpegFailed, ReadyLaunchers, end_process, kill_group, read_tail, run_ffmpeg
from odeion.application.playback.ports import SegmentBytes
from odeion.application.transcoding.ports import EncoderLeases, Lease, LeaseRequest, RunEnd, RunReport
from odeion.domain.shared.errors import Gone, NotFound, OdeionError, Unavailable
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId
from odeion.domain.transcoding import (
    BEAT_INTERVAL_S,
    PoolKind,
    Throughput,
    TranscodeKind,
    TranscodeSettings,
    TranscodeState,
    note_moment,
)

log = logging.getLogger(__name__)

_INIT_NAME = "init.mp4"
_INIT_LIMIT_S, _INIT_LIMIT_BYTES = 20.0, 4 << 20
_READ_BYTES = 1 << 18
_BUSY_RETRY_S = 10
_RETRIES = 1
_STEPS_BACK = 3
# Sound costs a twentieth of pictures and takes no place in a pool; this many at once are too many all the same.
_SOUND_LIMIT = 32
# How long a pool that just failed at a rendition is left out for it.
_AVOID_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderLimits:
    """`wait_ahead_s`: a segment further ahead of an encoder than this is not waited for, the encoder goes there.
    `run_ahead_s`: how far it may be ahead of what is asked for; `sound_ahead_s`: one of sound, which would be done in a
    few seconds, and take the processor from the pictures that are waited for meanwhile. `evict_after_s`: unused for so
    long, it makes room for another; `idle_after_s`: it ends anyway. `segment_s`: how long a segment may take."""

    wait_ahead_s: float = 6
    run_ahead_s: float = 60
    sound_ahead_s: float = 2
    evict_after_s: float = 30
    idle_after_s: float = 60
    segment_s: float = 30


@dataclass(eq=False)
class _Rendition:
    """What all who watch one rendition share. `avoid` says until when a pool is left out, `starts` how many runs are
    about to begin."""

    key: str
    file_id: MediaFileId
    encoding: Encoding
    folder: Path
    init: bytes
    runs: list[_Run] = field(default_factory=list)
    waiters: list[_Waiter] = field(default_factory=list)
    avoid: dict[PoolId, float] = field(default_factory=dict)
    starts: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake all who wait for something to happen here."""
        self.changed.set()
        self.changed = asyncio.Event()

    def seconds_between(self, first: int, second: int) -> float:
        starts = self.encoding.grid.starts_s
        return starts[min(second, len(starts) - 1)] - starts[min(first, len(starts) - 1)]

    @property
    def count(self) -> int:
        return len(self.encoding.grid.starts_s)


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits for a segment. `failures` counts runs that broke meanwhile, `empty_runs` those that ended well
    without making it; `error` is what the last one said. `released`: their session has ended."""

    number: int
    session_id: PlaybackSessionId
    released: bool = False
    failures: int = 0
    empty_runs: int = 0
    error: str = ""


@dataclass(eq=False)
class _Making:
    """A segment in the making."""

    number: int
    pieces: list[bytes] = field(default_factory=list)
    whole: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stretch of a run, made by one process: the segments from `first` to before `end`."""

    first: int
    end: int
    encoder: Encoder


@dataclass(eq=False)
class _Run:
    """A run of ffmpeg. `first` is the segment it began with, `making` the one it makes now. `used` says when each
    session last asked for something of it, and for what. `ended` is set once it makes no more; `cancelled` where that
    was an administrator's wish."""

    rendition: _Rendition
    lease: Lease
    first: int
    making: _Making
    started_at: float
    used: dict[PlaybackSessionId, tuple[float, int]] = field(default_factory=dict)
    process: Process | None = None
    stderr: bytearray = field(default_factory=bytearray)
    bytes_made: int = 0
    throughput: list[Throughput] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def next(self) -> int:
        return self.making.number

    def use(self, session_id: PlaybackSessionId, number: int, *, at: float) -> None:
        self.used[session_id] = at, number
        self.go_on.set()

    @property
    def last_used(self) -> float:
        return max((at for at, _ in self.used.values()), default=0.0)

    @property
    def wanted(self) -> int:
        """The segment furthest on that a viewer is at."""
        return max((number for _, number in self.used.values()), default=self.first)

    def kill(self) -> None:
        """It makes no more from now on; its task clears up."""
        self.ended = True
        if self.process is not None:
            kill_group(self.process)
        self.go_on.set()

    def measure(self, *, at: float) -> None:
        """Note how far it is."""
        elapsed_s = at - self.started_at
        position_s = self.rendition.seconds_between(self.first, self.next)
        before = (
            self.throughput[-1] if self.throughput else Throughput(elapsed_s=0, position_s=0, speed=0, bytes_made=0)
        )
        passed_s = elapsed_s - before.elapsed_s
        start_s = self.rendition.encoding.grid.starts_s[self.first]
        made_s = position_s + start_s - (before.position_s if self.throughput else start_s)
        if passed_s < 0.5 or made_s <= 0:
            return
        moment = Throughput(
            elapsed_s=round(elapsed_s, 2),
            position_s=round(start_s + position_s, 2),
            speed=round(made_s / passed_s, 2),
            bytes_made=self.bytes_made,
        )
        note_moment(self.throughput, moment)

    def report(self) -> RunReport:
        return RunReport(
            lease_id=self.lease.id,
            next_segment=self.next,
            throughput=tuple(self.throughput),
            sessions=tuple(self.used),
            stderr_tail=self.stderr.decode(errors="replace"),
        )


class Encoders:
    """All encoders of this process. For one event loop."""

    def __init__(
        self,
        leases: EncoderLeases,
        settings: Callable[[], Awaitable[TranscodeSettings]],
        cache: SegmentCache,
        folder: Callable[[], Awaitable[Path]],
        limits: EncoderLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are asked when a run begins. `clock`: seconds that only go forward."""
        self._leases = leases
        self._settings = settings
        self._cache = cache
        self._folder = folder
        self._limits = limits or EncoderLimits()
        self._clock = clock
        self._renditions: dict[str, _Rendition] = {}
        self._inits: dict[str, asyncio.Task[bytes]] = {}
        self._starting = asyncio.Lock()
        self._launchers = ReadyLaunchers()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    # --- what is asked for ------------------------------------------------------------------------------------------

    async def init_segment(self, key: str, encoding: Encoding) -> bytes:
        """Made once by a short run of a like encoder on nothing. Raises Unavailable."""
        # What is asked for next is a segment.
        self._launchers.prepare()
        return await self._init(key, encoding)

    async def _init(self, key: str, encoding: Encoding) -> bytes:
        task = self._inits.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._make_init(key, encoding))
            self._inits[key] = task
            if len(self._inits) > 512:
                self._inits.pop(next(iter(self._inits)))
        return await asyncio.shield(task)

    async def segment(
        self, key: str, file_id: MediaFileId, encoding: Encoding, number: int, session_id: PlaybackSessionId
    ) -> SegmentBytes:
        """The segment in pieces, as they are made; the first one is there when this returns. Raises NotFound beyond the
        grid; Gone when the session ends meanwhile; Unavailable when no encoder is free, one fails twice, or takes long;
        in mid-segment too."""
        if not 0 <= number < len(encoding.grid.starts_s):
            raise NotFound("no such segment")
        rendition = self._renditions.get(key)
        if rendition is None:
            init = await self._init(key, encoding)
            folder = await self._folder()
            rendition = self._renditions.setdefault(key, _Rendition(key, file_id, encoding, folder, init))
        waiter = _Waiter(number, session_id)
        rendition.waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.segment_s):
                return await self._wait_for_segment(rendition, waiter)
        except TimeoutError as error:
            raise Unavailable("converting this part takes too long", retry_after_s=5) from error
        finally:
            rendition.waiters.remove(waiter)
            # Whoever gave way to this one may go on.
            rendition.tell()
            self._forget(rendition)

    async def _wait_for_segment(self, rendition: _Rendition, waiter: _Waiter) -> SegmentBytes:
        number = waiter.number
        while True:
            changed = rendition.changed
            if waiter.released:
                raise Gone("this playback session has ended; start a new one")
            making = self._making(rendition, number)
            if making is not None:
                self._used(rendition, waiter)
                return SegmentBytes(self._follow_making(rendition, making))
            data = await asyncio.to_thread(self._cache.find, rendition.folder, rendition.key, f"{number}.m4s")
            if data is not None:
                self._used(rendition, waiter)
                return SegmentBytes(_once(data), len(data))
            run = self._run_for(rendition, waiter)
            if run is not None:
                run.use(waiter.session_id, number, at=self._clock())
            elif waiter.failures > _RETRIES or waiter.empty_runs > _STEPS_BACK:
                raise Unavailable(f"this part cannot be converted: {waiter.error}", retry_after_s=30)
            elif self._may_start(rendition, waiter):
                # A viewer who goes away meanwhile must not leave a lease behind that nobody holds.
                await asyncio.shield(self._begin(rendition, waiter))
                continue
            await changed.wait()

    @staticmethod
    def _making(rendition: _Rendition, number: int) -> _Making | None:
        """The segment, if a run has begun to make it and goes on."""
        runs = (run for run in rendition.runs if not run.ended and run.next == number)
        return next((run.making for run in runs if run.making.pieces), None)

    async def _follow_making(self, rendition: _Rendition, making: _Making) -> AsyncGenerator[bytes]:
        given = 0
        try:
            async with asyncio.timeout(self._limits.segment_s):
                while True:
                    changed = rendition.changed
                    while given < len(making.pieces):
                        given += 1
                        yield making.pieces[given - 1]
                    if making.whole:
                        return
                    if making.broken:
                        raise Unavailable("the encoder ended in the middle; ask again", retry_after_s=1)
                    await changed.wait()
        except TimeoutError as error:
            raise Unavailable("converting this part takes too long", retry_after_s=5) from error

    async def release(self, session_id: PlaybackSessionId) -> None:
        """End the runs nobody else uses, and let nobody start another for this session."""
        ended = []
        for rendition in list(self._renditions.values()):
            for waiter in rendition.waiters:
                waiter.released = waiter.released or waiter.session_id == session_id
            rendition.tell()
            for run in list(rendition.runs):
                run.used.pop(session_id, None)
                if not run.used:
                    run.kill()
                    ended.append(run)
        await self._wait_for(ended)

    async def close(self) -> None:
        """End everything, for good."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for task in self._inits.values():
            task.cancel()
        await asyncio.gather(*self._inits.values(), return_exceptions=True)
        async with self._starting:
            runs = self._all_runs()
            for run in runs:
                run.kill()
        await self._wait_for(runs)
        await self._launchers.close()

    # --- runs -------------------------------------------------------------------------------------------------------

    def _all_runs(self) -> list[_Run]:
        return [run for rendition in self._renditions.values() for run in rendition.runs]

    def _run_for(self, rendition: _Rendition, waiter: _Waiter) -> _Run | None:
        """The run that will soon make a segment. One that was begun earlier on purpose, as nothing comes of later ones,
        is waited for however long its way is."""
        for run in rendition.runs:
            way_s = rendition.seconds_between(run.next, waiter.number)
            near = way_s <= self._limits.wait_ahead_s or waiter.empty_runs > 0
            if not run.ended and run.next <= waiter.number and near:
                return run
        return None

    def _used(self, rendition: _Rendition, waiter: _Waiter) -> None:
        """A segment was taken: the run that is ahead of it may go on."""
        ahead = [run for run in rendition.runs if not run.ended and run.first <= waiter.number]
        if ahead:
            run = min(ahead, key=lambda run: abs(run.next - waiter.number))
            if rendition.seconds_between(waiter.number, run.next) <= self._limits.run_ahead_s * 2:
                run.use(waiter.session_id, waiter.number, at=self._clock())

    @staticmethod
    def _may_start(rendition: _Rendition, waiter: _Waiter) -> bool:
        """A viewer who seeks asks for many things and wants the last: the newest request goes first."""
        newest = [other for other in rendition.waiters if other.session_id == waiter.session_id][-1]
        return newest is waiter

    def _begin(self, rendition: _Rendition, waiter: _Waiter) -> asyncio.Task[None]:
        """`_start`, to be waited for or not."""

        def is_over(task: asyncio.Task[None]) -> None:
            rendition.starts -= 1
            self._forget(rendition)
            # Looked at, so that nobody complains if the one who waited is gone.
            task.cancelled() or task.exception()

        rendition.starts += 1
        task = asyncio.create_task(self._start(rendition, waiter))
        task.add_done_callback(is_over)
        return task

    async def _start(self, rendition: _Rendition, waiter: _Waiter) -> None:
        """Start a run for a waiter, ending the ones that only this viewer used. Raises Unavailable."""
        async with self._starting:
            if self._closed:
                raise Unavailable("the server is stopping", retry_after_s=_BUSY_RETRY_S)
            is_gone = waiter not in rendition.waiters or waiter.released
            if is_gone or self._run_for(rendition, waiter) is not None:
                return
            self._keeper = self._keeper or asyncio.create_task(self._keep())
            left = [run for run in rendition.runs if set(run.used) <= {waiter.session_id}]
            await self._end(left)
            # A stretch with nothing in it, at the end of a file: an earlier picture must be held over it.
            first = max(waiter.number - (4**waiter.empty_runs - 1), 0)
            lease = await self._lease(rendition, first, waiter.session_id)
            run = _Run(rendition, lease, first, _Making(first), self._clock())
            run.use(waiter.session_id, waiter.number, at=self._clock())
            rendition.runs.append(run)
            run.task = asyncio.create_task(self._follow(run))
            if waiter.released:
                # While a place was looked for.
                run.kill()

    async def _lease(self, rendition: _Rendition, first: int, session_id: PlaybackSessionId) -> Lease:
        """A place for one more run, made by ending idle ones if need be. Raises Unavailable."""
        encoding = rendition.encoding
        if encoding.codec is None:
            sound = [run for run in self._all_runs() if run.rendition.encoding.codec is None]
            if len(sound) >= _SOUND_LIMIT and not await self._evict(sound, session_id):
                raise Unavailable("all encoders are busy", retry_after_s=_BUSY_RETRY_S)
        now = self._clock()
        avoid = frozenset(pool_id for pool_id, until in rendition.avoid.items() if until > now)
        request = LeaseRequest(
            kind=TranscodeKind.LIVE,
            codec=encoding.codec,
            file_id=rendition.file_id,
            stream_kind="audio" if encoding.codec is None else "video",
            output=encoding.output,
            first_segment=first,
            session_id=session_id,
            avoid=avoid,
        )
        try:
            return await self._leases.take(request)
        except Unavailable:
            # Rather a pool that just failed than none; and a run that is not needed makes room.
            pictures = [run for run in self._all_runs() if run.rendition.encoding.codec is not None]
            evicted = await self._evict(pictures, session_id)
            if not avoid and not evicted:
                raise
            return await self._leases.take(replace(request, avoid=frozenset()))

    async def _evict(self, runs: list[_Run], session_id: PlaybackSessionId) -> bool:
        """End the one of these runs that nobody asked anything of for longest; one that only this viewer used counts,
        who has gone over to another rung. False where all are in use."""
        before = self._clock() - self._limits.evict_after_s
        left = [run for run in runs if run.last_used < before or run.ended or set(run.used) <= {session_id}]
        if not left:
            return False
        await self._end([min(left, key=lambda run: run.last_used)])
        return True

    async def _stages(self, run: _Run) -> list[_Stage]:
        """The first segments after a start or a seek are made in a hurry and with less effort, to be there sooner."""
        settings = await self._settings()
        steady = Encoder(kind=run.lease.pool_kind, device=run.lease.device, preset=settings.preset)
        count = run.rendition.count
        opening = run.first + 2
        quick = replace(steady, preset=settings.start_preset, hurries=True)
        # x265 knows no numbers for parameter sets: all of it is made as the init segment says.
        if run.lease.pool_kind is not PoolKind.CPU or run.rendition.encoding.codec in (None, "hevc"):
            return [_Stage(run.first, count, steady)]
        if opening >= count:
            return [_Stage(run.first, count, quick)]
        return [_Stage(run.first, opening, quick), _Stage(opening, count, steady)]

    async def _follow(self, run: _Run) -> None:
        """Hand on what a run makes until it ends."""
        rendition = run.rendition
        error: str | None = None
        empty = False
        waiting: list[asyncio.Task[Process]] = []
        try:
            stages = await self._stages(run)
            for position, stage in enumerate(stages):
                if run.ended:
                    break
                run.process = await (waiting.pop() if waiting else self._spawn(run, stage))
                following = stages[position + 1] if position + 1 < len(stages) else None
                error, empty = await self._read(run, stage, following, waiting)
                if error is not None:
                    break
        except OdeionError as failure:
            error = failure.message
        except OSError as failure:
            error = f"the encoder cannot be started: {failure.strerror}"
        finally:
            run.ended = True
            run.making.broken = not run.making.whole
            for task in waiting:
                with contextlib.suppress(OSError, OdeionError):
                    await end_process(await task)
            if error is not None:
                error = run.stderr.decode(errors="replace").strip() or error
                self._blame(run, error, empty=empty)
            try:
                # First of all: whoever waits for this run to end wants its place.
                await self._give_back(run, error)
            finally:
                rendition.runs.remove(run)
                rendition.tell()
                self._forget(rendition)

    async def _spawn(self, run: _Run, stage: _Stage) -> Process:
        arguments = run.rendition.encoding.arguments(stage.first, stage.end, stage.encoder)
        process = await self._launchers.spawn(arguments)
        with contextlib.suppress(Unavailable):
            await self._leases.started(run.lease.id, ["ffmpeg", *arguments])
        return process

    async def _read(
        self, run: _Run, stage: _Stage, following: _Stage | None, waiting: list[asyncio.Task[Process]]
    ) -> tuple[str | None, bool]:
        """Read what one process makes; the process of the following stage is started shortly before it is needed.
        Answers what went wrong, and whether the process thought that all was well."""
        process = run.process
        assert process is not None and process.stdout is not None and process.stderr is not None
        listening = asyncio.create_task(read_tail(process.stderr, run.stderr))
        cutter = run.rendition.encoding.cutter(stage.first, run.rendition.init)
        try:
            while not run.ended and (data := await process.stdout.read(_READ_BYTES)):
                for piece in cutter.feed(data):
                    run.making.pieces.append(piece.data)
                    run.bytes_made += len(piece.data)
                    run.rendition.tell()
                    if not piece.completes:
                        continue
                    await self._keep_segment(run)
                    if run.ended or run.next == stage.end:
                        return None, False
                    if following is not None and not waiting and run.next == stage.end - 1:
                        waiting.append(asyncio.create_task(self._spawn(run, following)))
                    await self._stay_near(run)
            if run.ended:
                return None, False
            status = await process.wait()
            return ("it ended too early", status == 0) if run.next < stage.end else (None, False)
        except Unavailable as failure:
            return failure.message, False
        except (ValueError, IndexError, struct.error) as failure:
            return f"its output makes no sense ({failure})", False
        finally:
            await end_process(process)
            await listening

    async def _keep_segment(self, run: _Run) -> None:
        """A segment is whole: cache it and go on to the next, unless all that might be made for now is there already.
        Raises Unavailable where there is no room."""
        rendition, made = run.rendition, run.making
        made.whole = True
        rendition.tell()
        await asyncio.to_thread(
            self._cache.put, rendition.folder, rendition.key, f"{made.number}.m4s", b"".join(made.pieces)
        )
        run.making = _Making(made.number + 1)
        run.measure(at=self._clock())
        rendition.tell()
        if run.next < rendition.count and await self._is_known(run):
            run.ended = True

    async def _stay_near(self, run: _Run) -> None:
        """Wait while the run is far ahead of what is asked for: its pipe fills, and it sleeps."""
        limits, is_sound = self._limits, run.rendition.encoding.codec is None
        limit_s = limits.sound_ahead_s if is_sound else limits.run_ahead_s
        while not run.ended and run.rendition.seconds_between(run.wanted, run.next) > limit_s:
            run.go_on.clear()
            await run.go_on.wait()

    async def _is_known(self, run: _Run) -> bool:
        """Whether all that a run might make for now is in the cache already."""
        rendition = run.rendition
        numbers = [
            number
            for number in range(run.next, rendition.count)
            if rendition.seconds_between(run.next, number) <= self._limits.run_ahead_s
        ]
        return await asyncio.to_thread(
            lambda: all(self._cache.has(rendition.folder, rendition.key, f"{number}.m4s") for number in numbers)
        )

    def _blame(self, run: _Run, error: str, *, empty: bool) -> None:
        """A run came to nothing: who waited for it tries again, elsewhere if there is a place."""
        log.warning("an encoder ended at segment %d: %s", run.next, error)
        if run.lease.pool_id is not None and not empty:
            run.rendition.avoid[run.lease.pool_id] = self._clock() + _AVOID_S
        for waiter in run.rendition.waiters:
            if run.first <= waiter.number:
                waiter.error = error
                if empty:
                    waiter.empty_runs += 1
                else:
                    waiter.failures += 1

    async def _give_back(self, run: _Run, error: str | None) -> None:
        state = TranscodeState.CANCELLED if run.cancelled else TranscodeState.COMPLETED
        status = run.process.returncode if run.process is not None else None
        ended = RunEnd(
            report=run.report(),
            state=TranscodeState.FAILED if error is not None else state,
            exit_status=status if error is not None else None,
            error=error,
        )
        # If it cannot be told now, the lease runs out by itself.
        with contextlib.suppress(Unavailable):
            await self._leases.end(ended)

    async def _end(self, runs: list[_Run]) -> None:
        for run in runs:
            run.kill()
        await self._wait_for(runs)

    @staticmethod
    async def _wait_for(runs: list[_Run]) -> None:
        await asyncio.gather(*(run.task for run in runs if run.task is not None), return_exceptions=True)

    def _forget(self, rendition: _Rendition) -> None:
        in_use = rendition.runs or rendition.waiters or rendition.starts
        if not in_use and self._renditions.get(rendition.key) is rendition:
            del self._renditions[rendition.key]

    async def _keep(self) -> None:
        """Keep the leases, do what others want of the runs, and end what nobody asked anything of for long."""
        while True:
            await asyncio.sleep(min(BEAT_INTERVAL_S, self._limits.idle_after_s))
            before = self._clock() - self._limits.idle_after_s
            await self._end([run for run in self._all_runs() if run.last_used < before])
            runs = {run.lease.id: run for run in self._all_runs() if not run.ended}
            if not runs:
                continue
            try:
                answer = await self._leases.beat([run.report() for run in runs.values()])
            except Unavailable:
                continue
            for lease_id in answer.cancelled & runs.keys():
                runs[lease_id].cancelled = True
                await self._end([runs[lease_id]])
            for session_id in answer.ended_sessions:
                await self.release(session_id)

    async def _make_init(self, key: str, encoding: Encoding) -> bytes:
        folder = await self._folder()
        known = await asyncio.to_thread(self._cache.find, folder, key, _INIT_NAME)
        if known is not None:
            return known
        try:
            runs = [
                run_ffmpeg(arguments, limit_s=_INIT_LIMIT_S, limit_bytes=_INIT_LIMIT_BYTES)
                for arguments in encoding.init_runs()
            ]
            init = init_of(await asyncio.gather(*runs))
        except (FfmpegFailed, OSError, ValueError) as error:
            raise Unavailable(f"the encoder does not work: {error}", retry_after_s=30) from error
        await asyncio.to_thread(self._cache.put, folder, key, _INIT_NAME, init)
        return init


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data
