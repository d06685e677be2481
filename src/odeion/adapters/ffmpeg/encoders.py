"""Running encoders: who starts and ends them, how far they run ahead, and what a viewer waits for.

Each run of ffmpeg makes the segments of one rendition from some number on and puts them into the cache. Its output is a
pipe that we stop reading when it is far enough ahead, so that it sleeps by itself, and dies by itself when we do.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from odeion.adapters.ffmpeg.cache import SegmentCache
from odeion.adapters.ffmpeg.encoding import Encoding, VideoEncoding, init_of
from odeion.adapters.ffmpeg.process import FfmpegFailed, end_process, kill_group, read_tail, run_ffmpeg, spawn_ffmpeg
from odeion.domain.shared.errors import NotFound, Unavailable
from odeion.domain.shared.ids import PlaybackSessionId

log = logging.getLogger(__name__)

_INIT_NAME = "init.mp4"
_INIT_LIMIT_S, _INIT_LIMIT_BYTES = 20.0, 4 << 20
_READ_BYTES = 1 << 18
_BUSY_RETRY_S = 10
_RETRIES = 1
_STEPS_BACK = 3
_TIDY_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderLimits:
    """`wait_ahead_s`: a segment further ahead of an encoder than this is not waited for, the encoder goes there.
    `run_ahead_s`: how far it may be ahead of what is asked for. `evict_after_s`: unused for so long, it makes room for
    another; `idle_after_s`: it ends anyway. `segment_s`: how long a segment may take."""

    wait_ahead_s: float = 24
    run_ahead_s: float = 60
    evict_after_s: float = 30
    idle_after_s: float = 60
    segment_s: float = 30


@dataclass(eq=False)
class _Rendition:
    """What all who watch one rendition share."""

    key: str
    encoding: Encoding
    folder: Path
    init: bytes
    runs: list[_Run] = field(default_factory=list)
    waiters: list[_Waiter] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake all who wait for something to happen here."""
        self.changed.set()
        self.changed = asyncio.Event()

    def seconds_between(self, first: int, second: int) -> float:
        starts = self.encoding.grid.starts_s
        return starts[min(second, len(starts) - 1)] - starts[min(first, len(starts) - 1)]


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits for a segment. `failures` counts runs that broke meanwhile, `empty_runs` those that ended well
    without making it; `error` is what the last one said."""

    number: int
    session_id: PlaybackSessionId
    failures: int = 0
    empty_runs: int = 0
    error: str = ""


@dataclass(eq=False)
class _Run:
    """A run of ffmpeg. `first` is the segment it began with, `next` the one it makes now. `used` says when each session
    last asked for something of it, and for what. `ended` is set once it makes no more."""

    rendition: _Rendition
    process: Process
    first: int
    next: int
    used: dict[PlaybackSessionId, tuple[float, int]] = field(default_factory=dict)
    stderr: bytearray = field(default_factory=bytearray)
    ended: bool = False
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

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
        kill_group(self.process)
        self.go_on.set()


class Encoders:
    """All encoders of this process. For one event loop."""

    def __init__(
        self,
        limit: int,
        cache: SegmentCache,
        folder: Callable[[], Awaitable[Path]],
        limits: EncoderLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit`: how many encoders of pictures run at once. Sound costs a twentieth of that: twice as many may.
        `clock`: seconds that only go forward."""
        self._limit = limit
        self._cache = cache
        self._folder = folder
        self._limits = limits or EncoderLimits()
        self._clock = clock
        self._renditions: dict[str, _Rendition] = {}
        self._inits: dict[str, asyncio.Task[bytes]] = {}
        self._starting = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    # --- what is asked for ------------------------------------------------------------------------------------------

    async def init_segment(self, key: str, encoding: Encoding) -> bytes:
        """Made once by a short run of the same encoder on nothing. Raises Unavailable."""
        task = self._inits.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._make_init(key, encoding))
            self._inits[key] = task
            if len(self._inits) > 512:
                self._inits.pop(next(iter(self._inits)))
        return await asyncio.shield(task)

    async def segment(self, key: str, encoding: Encoding, number: int, session_id: PlaybackSessionId) -> bytes:
        """Raises NotFound beyond the grid; Unavailable when no encoder is free, one fails twice, or takes long."""
        if not 0 <= number < len(encoding.grid.starts_s):
            raise NotFound("no such segment")
        rendition = self._renditions.get(key)
        if rendition is None:
            init = await self.init_segment(key, encoding)
            folder = await self._folder()
            rendition = self._renditions.setdefault(key, _Rendition(key, encoding, folder, init))
        name = f"{number}.m4s"
        waiter = _Waiter(number, session_id)
        rendition.waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.segment_s):
                while True:
                    changed = rendition.changed
                    data = await asyncio.to_thread(self._cache.find, rendition.folder, key, name)
                    if data is not None:
                        self._used(rendition, waiter)
                        return data
                    run = self._run_for(rendition, number)
                    if run is not None:
                        run.use(session_id, number, at=self._clock())
                    elif waiter.failures > _RETRIES or waiter.empty_runs > _STEPS_BACK:
                        raise Unavailable(f"this part cannot be converted: {waiter.error}", retry_after_s=30)
                    elif self._may_start(rendition, waiter):
                        await self._start(rendition, waiter)
                        continue
                    await changed.wait()
        except TimeoutError as error:
            raise Unavailable("converting this part takes too long", retry_after_s=5) from error
        finally:
            rendition.waiters.remove(waiter)
            # Whoever gave way to this one may go on.
            rendition.tell()
            self._forget(rendition)

    async def release(self, session_id: PlaybackSessionId) -> None:
        """End the runs nobody else uses."""
        ended = []
        for rendition in list(self._renditions.values()):
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

    # --- runs -------------------------------------------------------------------------------------------------------

    def _all_runs(self) -> list[_Run]:
        return [run for rendition in self._renditions.values() for run in rendition.runs]

    def _run_for(self, rendition: _Rendition, number: int) -> _Run | None:
        """The run that will soon make a segment."""
        for run in rendition.runs:
            near = rendition.seconds_between(run.next, number) <= self._limits.wait_ahead_s
            if not run.ended and run.next <= number and near:
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

    async def _start(self, rendition: _Rendition, waiter: _Waiter) -> None:
        """Start a run for a waiter, ending the ones that only this viewer used. Raises Unavailable."""
        async with self._starting:
            if self._closed:
                raise Unavailable("the server is stopping", retry_after_s=_BUSY_RETRY_S)
            if self._run_for(rendition, waiter.number) is not None:
                return
            self._keeper = self._keeper or asyncio.create_task(self._keep_tidy())
            left = [run for run in rendition.runs if set(run.used) <= {waiter.session_id}]
            await self._end(left)
            await self._admit(rendition.encoding)
            # A stretch with nothing in it, at the end of a file: an earlier picture must be held over it.
            first = max(waiter.number - (4**waiter.empty_runs - 1), 0)
            try:
                process = await spawn_ffmpeg(rendition.encoding.arguments(first))
            except OSError as error:
                raise Unavailable("the encoder cannot be started", retry_after_s=_BUSY_RETRY_S) from error
            run = _Run(rendition, process, first, first)
            run.use(waiter.session_id, waiter.number, at=self._clock())
            rendition.runs.append(run)
            run.task = asyncio.create_task(self._follow(run))

    async def _admit(self, encoding: Encoding) -> None:
        """Make room for one more run. Raises Unavailable."""
        pictures = isinstance(encoding, VideoEncoding)
        limit = self._limit if pictures else 2 * self._limit
        alike = [run for run in self._all_runs() if isinstance(run.rendition.encoding, VideoEncoding) == pictures]
        surplus = len(alike) + 1 - limit
        if surplus > 0:
            before = self._clock() - self._limits.evict_after_s
            idle = sorted((run for run in alike if run.last_used < before or run.ended), key=lambda run: run.last_used)
            if len(idle) < surplus:
                raise Unavailable("all encoders are busy", retry_after_s=_BUSY_RETRY_S)
            await self._end(idle[:surplus])

    async def _follow(self, run: _Run) -> None:
        """Put what a run makes into the cache until it ends."""
        rendition = run.rendition
        assert run.process.stdout is not None and run.process.stderr is not None
        listening = asyncio.create_task(read_tail(run.process.stderr, run.stderr))
        cutter = rendition.encoding.cutter(run.first, rendition.init)
        error: str | None = None
        empty = False
        try:
            while not run.ended and (data := await run.process.stdout.read(_READ_BYTES)):
                for number, segment in cutter.feed(data):
                    name = f"{number}.m4s"
                    await asyncio.to_thread(self._cache.put, rendition.folder, rendition.key, name, segment)
                    run.next = number + 1
                    rendition.tell()
                    if run.next == len(rendition.encoding.grid.starts_s) or await self._is_known(run):
                        run.ended = True
                        break
                    await self._stay_near(run)
            if not run.ended:
                status = await run.process.wait()
                if run.next < len(rendition.encoding.grid.starts_s):
                    error, empty = "it ended too early", status == 0
        except Unavailable as failure:
            error = failure.message
        except (ValueError, IndexError, struct.error) as failure:
            error = f"its output makes no sense ({failure})"
        finally:
            run.ended = True
            await end_process(run.process)
            await listening
            if error is not None:
                self._blame(run, run.stderr.decode(errors="replace").strip() or error, empty=empty)
            rendition.runs.remove(run)
            rendition.tell()
            self._forget(rendition)

    async def _stay_near(self, run: _Run) -> None:
        """Wait while the run is far ahead of what is asked for: its pipe fills, and it sleeps."""
        while not run.ended and run.rendition.seconds_between(run.wanted, run.next) > self._limits.run_ahead_s:
            run.go_on.clear()
            await run.go_on.wait()

    async def _is_known(self, run: _Run) -> bool:
        """Whether all that a run might make for now is in the cache already."""
        rendition = run.rendition
        numbers = [
            number
            for number in range(run.next, len(rendition.encoding.grid.starts_s))
            if rendition.seconds_between(run.next, number) <= self._limits.run_ahead_s
        ]
        return await asyncio.to_thread(
            lambda: all(self._cache.has(rendition.folder, rendition.key, f"{number}.m4s") for number in numbers)
        )

    def _blame(self, run: _Run, error: str, *, empty: bool) -> None:
        """A run came to nothing: who waited for it tries again."""
        log.warning("an encoder ended at segment %d: %s", run.next, error)
        for waiter in run.rendition.waiters:
            if run.first <= waiter.number:
                waiter.error = error
                if empty:
                    waiter.empty_runs += 1
                else:
                    waiter.failures += 1

    async def _end(self, runs: list[_Run]) -> None:
        for run in runs:
            run.kill()
        await self._wait_for(runs)

    @staticmethod
    async def _wait_for(runs: list[_Run]) -> None:
        await asyncio.gather(*(run.task for run in runs if run.task is not None), return_exceptions=True)

    def _forget(self, rendition: _Rendition) -> None:
        if not rendition.runs and not rendition.waiters and self._renditions.get(rendition.key) is rendition:
            del self._renditions[rendition.key]

    async def _keep_tidy(self) -> None:
        """End what nobody asked anything of for long."""
        while True:
            await asyncio.sleep(min(_TIDY_EVERY_S, self._limits.idle_after_s))
            before = self._clock() - self._limits.idle_after_s
            await self._end([run for run in self._all_runs() if run.last_used < before])

    async def _make_init(self, key: str, encoding: Encoding) -> bytes:
        folder = await self._folder()
        known = await asyncio.to_thread(self._cache.find, folder, key, _INIT_NAME)
        if known is not None:
            return known
        try:
            output = await run_ffmpeg(encoding.init_arguments(), limit_s=_INIT_LIMIT_S, limit_bytes=_INIT_LIMIT_BYTES)
            init = init_of(output)
        except (FfmpegFailed, OSError, ValueError) as error:
            raise Unavailable(f"the encoder does not work: {error}", retry_after_s=30) from error
        await asyncio.to_thread(self._cache.put, folder, key, _INIT_NAME, init)
        return init
