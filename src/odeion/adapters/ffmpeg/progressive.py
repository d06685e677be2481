"""Whole files made by ffmpeg while they are fetched: fragmented MP4, or WebM.

A run reads no faster than its client does: its output is a pipe, and it sleeps while that is full. It holds a lease as
the encoders of HLS do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from odeion.adapters.ffmpeg.encoding import (
    ONE_GRAPH,
    SAMPLE_RATE_HZ,
    at_constant_rate,
    finished,
    fitted,
    frame_rate,
    in_one_form,
    of_one_size,
)
from odeion.adapters.ffmpeg.fmp4 import tell_duration
from odeion.adapters.ffmpeg.hardware import Encoder, device_arguments, encoder_arguments
from odeion.adapters.ffmpeg.keys import video_stream
from odeion.adapters.ffmpeg.levels import h264_level
from odeion.adapters.ffmpeg.media_stream import check_source, demuxer
from odeion.adapters.ffmpeg.process import STDERR_TAIL_BYTES, end_process, kill_group, spawn_ffmpeg
from odeion.application.playback.ports import MediaSource
from odeion.application.transcoding.ports import EncoderLeases, Lease, LeaseRequest, RunEnd, RunReport
from odeion.domain.playback.plan import AudioPlan, Treatment, VideoPlan
from odeion.domain.playback.progressive import ProgressivePlan
from odeion.domain.shared.errors import Unavailable
from odeion.domain.shared.ids import PoolId, UserId
from odeion.domain.transcoding import (
    BEAT_INTERVAL_S,
    MAX_DOWNLOADS_PER_USER,
    Throughput,
    TranscodeKind,
    TranscodeSettings,
    TranscodeState,
    note_moment,
)

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 18
_HEAD_LIMIT_BYTES = 16 << 20
_KEYFRAME_S = 2
_AUDIO_ENCODERS = {"aac": "aac", "opus": "libopus"}
# A part can be played when its fragment is whole. The head of the file waits for the first packets: only they say what
# AC-3 is like.
_MP4 = ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof", "-frag_duration", "2000000")
_FORMATS = {"mp4": _MP4, "webm": ("-f", "webm", "-cluster_time_limit", "2000")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressiveLimits:
    """`first_bytes_s`: how long the first of a file may take. `idle_after_s`: a client that takes nothing for so long
    has gone, or sleeps, and makes room for others."""

    first_bytes_s: float = 30
    idle_after_s: float = 300


@dataclass(eq=False)
class _Run:
    """A run of ffmpeg and what is known of it. `position_s` is how far it is in the file, `taken_at` when its client
    took something last; `is_read` while somebody waits for its output. `over` is set once all is cleared up."""

    lease: Lease
    process: Process
    started_at: float
    taken_at: float
    position_s: float
    listening: asyncio.Task[None] | None = None
    bytes_made: int = 0
    throughput: list[Throughput] = field(default_factory=list)
    stderr: bytearray = field(default_factory=bytearray)
    cancelled: bool = False
    is_read: bool = False
    is_over: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def measure(self, *, at: float) -> None:
        """Note how far it is."""
        elapsed_s = at - self.started_at
        before_s, before_at = (
            (self.throughput[-1].position_s, self.throughput[-1].elapsed_s)
            if self.throughput
            else (self.position_s, elapsed_s)
        )
        passed_s = elapsed_s - before_at
        moment = Throughput(
            elapsed_s=round(elapsed_s, 2),
            position_s=round(self.position_s, 2),
            speed=round((self.position_s - before_s) / passed_s, 2) if passed_s > 0 else 0,
            bytes_made=self.bytes_made,
        )
        note_moment(self.throughput, moment)

    def report(self) -> RunReport:
        return RunReport(
            lease_id=self.lease.id,
            next_segment=0,
            throughput=tuple(self.throughput),
            sessions=(),
            stderr_tail=self.stderr.decode(errors="replace"),
        )


class FfmpegProgressiveTranscoder:
    """Implements ProgressiveTranscoder. For one event loop."""

    def __init__(
        self,
        leases: EncoderLeases,
        settings: Callable[[], Awaitable[TranscodeSettings]],
        limits: ProgressiveLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are asked when a run begins. `clock`: seconds that only go forward."""
        self._leases = leases
        self._settings = settings
        self._limits = limits or ProgressiveLimits()
        self._clock = clock
        self._runs: set[_Run] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    async def begin(
        self, source: MediaSource, plan: ProgressivePlan, *, start_s: float, user_id: UserId
    ) -> AsyncGenerator[bytes]:
        """See ProgressiveTranscoder. A pool whose encoder makes nothing is left for another one, once."""
        await asyncio.to_thread(check_source, source)
        request = _request(source, plan, user_id)
        try:
            run, first = await self._start(source, plan, start_s, request)
        except _NothingMade as failure:
            if failure.pool_id is None:
                raise
            avoiding = replace(request, avoid=frozenset({failure.pool_id}))
            try:
                run, first = await self._start(source, plan, start_s, avoiding)
            except Unavailable:
                raise failure from None
        return self._rest(run, first)

    async def close(self) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        runs = list(self._runs)
        for run in runs:
            await self._stop(run)
        for run in runs:
            await run.over.wait()
        await asyncio.gather(*self._endings, return_exceptions=True)

    async def _start(
        self, source: MediaSource, plan: ProgressivePlan, start_s: float, request: LeaseRequest
    ) -> tuple[_Run, bytes]:
        """A run that has made something. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the server is stopping", retry_after_s=10)
        lease = await self._leases.take(request)
        encoder = Encoder(kind=lease.pool_kind, device=lease.device, preset=(await self._settings()).preset)
        arguments = _arguments(source, plan, start_s, encoder)
        now = self._clock()
        try:
            process = await spawn_ffmpeg(arguments)
        except OSError as error:
            reason = f"the encoder cannot be started: {error.strerror}"
            report = RunReport(lease_id=lease.id, next_segment=0, throughput=(), sessions=())
            await self._tell_end(RunEnd(report=report, state=TranscodeState.FAILED, error=reason))
            raise Unavailable(reason, retry_after_s=30) from error
        run = _Run(lease, process, now, now, start_s)
        self._runs.add(run)
        self._keeper = self._keeper or asyncio.create_task(self._keep())
        run.listening = asyncio.create_task(_listen(run, start_s))
        try:
            with contextlib.suppress(Unavailable):
                await self._leases.started(lease.id, ["ffmpeg", *arguments])
            async with asyncio.timeout(self._limits.first_bytes_s):
                first = await self._take_head(run, plan, _lasts_s(source, start_s))
        except TimeoutError as error:
            await self._end(run, TranscodeState.FAILED, "its first part took too long")
            raise Unavailable("converting this takes too long", retry_after_s=30) from error
        except BaseException:
            await self._end(run, TranscodeState.COMPLETED)
            raise
        if not first:
            await process.wait()
            await self._end(run, TranscodeState.FAILED, "it made nothing")
            raise _NothingMade(run.stderr.decode(errors="replace").strip(), lease.pool_id)
        return run, first

    async def _take_head(self, run: _Run, plan: ProgressivePlan, lasts_s: Fraction) -> bytes:
        """What comes first, with how long the whole will be: MP4 is told afterwards, as nobody goes back in a pipe."""
        head = await self._take(run)
        if plan.container != "mp4":
            return head
        while (told := tell_duration(head, lasts_s)) is None and len(head) < _HEAD_LIMIT_BYTES:
            if not (more := await self._take(run)):
                return head
            head += more
        return told or head

    async def _take(self, run: _Run) -> bytes:
        assert run.process.stdout is not None
        run.is_read = True
        try:
            data = await run.process.stdout.read(_READ_BYTES)
        finally:
            run.is_read = False
        run.taken_at = self._clock()
        run.bytes_made += len(data)
        return data

    async def _rest(self, run: _Run, first: bytes) -> AsyncGenerator[bytes]:
        state, error = TranscodeState.COMPLETED, None
        try:
            data = first
            while data:
                yield data
                data = await self._take(run)
            if run.is_over or await run.process.wait() != 0:
                state, error = TranscodeState.FAILED, "it ended in the middle"
                # The client must not take what it has for the whole.
                raise Unavailable("the encoder ended in the middle")
        finally:
            await self._end(run, state, error)

    async def _stop(self, run: _Run) -> None:
        """End it; if somebody waits for its output, they find the end of that and clear up."""
        kill_group(run.process)
        if not run.is_read:
            await self._end(run, TranscodeState.COMPLETED)

    async def _end(self, run: _Run, state: TranscodeState, error: str | None = None) -> None:
        """May be called twice. It is gone through with when the request it belongs to is cancelled meanwhile."""
        if not run.is_over:
            run.is_over = True
            self._runs.discard(run)
            ending = asyncio.create_task(self._clear_up(run, state, error))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    async def _clear_up(self, run: _Run, state: TranscodeState, error: str | None) -> None:
        await end_process(run.process)
        if run.listening is not None:
            await run.listening
        run.measure(at=self._clock())
        if error is not None:
            said = run.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
            log.warning("a progressive transcode failed: %s (status %s: %s)", error, run.process.returncode, said[-1])
        if run.cancelled:
            state, error = TranscodeState.CANCELLED, None
        status = run.process.returncode if error is not None else None
        await self._tell_end(RunEnd(report=run.report(), state=state, exit_status=status, error=error))
        run.over.set()

    async def _tell_end(self, ended: RunEnd) -> None:
        # If it cannot be told now, the lease runs out by itself.
        with contextlib.suppress(Unavailable):
            await self._leases.end(ended)

    async def _keep(self) -> None:
        """Keep the leases, end what an administrator wants ended, and what nobody takes anything of."""
        while True:
            await asyncio.sleep(min(BEAT_INTERVAL_S, self._limits.idle_after_s))
            now = self._clock()
            for run in [run for run in self._runs if run.taken_at < now - self._limits.idle_after_s]:
                await self._stop(run)
            runs = {run.lease.id: run for run in self._runs}
            for run in runs.values():
                run.measure(at=now)
            if not runs:
                continue
            try:
                answer = await self._leases.beat([run.report() for run in runs.values()])
            except Unavailable:
                continue
            for lease_id in answer.cancelled & runs.keys():
                runs[lease_id].cancelled = True
                await self._stop(runs[lease_id])


class _NothingMade(Unavailable):
    """An encoder ended before it made anything; `pool_id` is where."""

    def __init__(self, reason: str, pool_id: PoolId | None) -> None:
        lines = reason.splitlines()
        super().__init__(f"this cannot be converted: {lines[0][:300] if lines else 'nothing was made'}")
        self.pool_id = pool_id


async def _listen(run: _Run, start_s: float) -> None:
    """Read what ffmpeg says: how far it is, as `key=value`, and its complaints, of which the last are kept."""
    assert run.process.stderr is not None
    rest = b""
    while piece := await run.process.stderr.read(65_536):
        *lines, rest = (rest + piece).split(b"\n")
        rest = rest[-STDERR_TAIL_BYTES:]
        for line in lines:
            key, separator, value = line.partition(b"=")
            if not separator or not _is_progress(key):
                run.stderr += line + b"\n"
                del run.stderr[:-STDERR_TAIL_BYTES]
            elif key == b"out_time_us" and value.strip().isdigit():
                run.position_s = start_s + int(value) / 1_000_000


_PROGRESS_KEYS = frozenset(
    {b"frame", b"fps", b"bitrate", b"total_size", b"out_time_us", b"out_time_ms", b"out_time", b"dup_frames"}
    | {b"drop_frames", b"speed", b"progress"}
)


def _is_progress(key: bytes) -> bool:
    return key in _PROGRESS_KEYS or (key.startswith(b"stream_") and key.endswith(b"_q"))


def _request(source: MediaSource, plan: ProgressivePlan, user_id: UserId) -> LeaseRequest:
    video, audio = plan.video, plan.audio
    converts = video is not None and video.treatment is Treatment.TRANSCODE
    output: dict[str, Any] = {"container": plan.container}
    if video is not None:
        output |= {
            "codec": video.codec,
            "copied": not converts,
            "width": video.width,
            "height": video.height,
            "bitrate_bps": video.bitrate_bps,
            "tone_mapped": video.tone_map,
            "deinterlaced": video.deinterlace,
        }
    if audio is not None:
        output["audio"] = {
            "codec": audio.codec,
            "copied": audio.treatment is Treatment.COPY,
            "channels": audio.channels,
            "bitrate_bps": audio.bitrate_bps,
        }
    return LeaseRequest(
        kind=TranscodeKind.DOWNLOAD,
        codec=video.codec if video is not None and converts else None,
        file_id=source.file_id,
        stream_kind="file",
        output=output,
        first_segment=0,
        user_id=user_id,
        user_limit=MAX_DOWNLOADS_PER_USER,
    )


def _lasts_s(source: MediaSource, start_s: float) -> Fraction:
    return max(Fraction(source.technical.duration_ms, 1000) - Fraction(start_s), Fraction(0))


def _arguments(source: MediaSource, plan: ProgressivePlan, start_s: float, encoder: Encoder) -> list[str]:
    seek = ["-ss", f"{start_s:.3f}"] if start_s > 0 else []
    graphs: list[str] = []
    maps, codecs = [], []
    if plan.video is not None:
        stream_codecs, filters = _video(source, plan.video, encoder)
        codecs += stream_codecs
        graphs += filters
        maps += ["-map", "[picture]" if filters else f"0:{plan.video.stream_index}"]
    if plan.audio is not None:
        stream_codecs, filters = _audio(source, plan.audio)
        codecs += stream_codecs
        graphs += filters
        maps += ["-map", "[sound]" if filters else f"0:{plan.audio.stream_index}"]
    # WebM tells how long it is in its head, if this is what its streams say.
    lasts = f"DURATION={timedelta(seconds=float(_lasts_s(source, start_s)))}"
    return [
        *("-progress", "pipe:2", "-stats_period", "2"),
        *(device_arguments(encoder.kind, encoder.device) if graphs else []),
        *("-fflags", "+genpts", *ONE_GRAPH, "-protocol_whitelist", "file,pipe", "-f", demuxer(source)),
        *(*seek, "-i", f"file:{source.path}"),
        *graphs,
        *(*maps, "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-metadata:s", lasts),
        # Copied pictures begin before the wanted time, with a keyframe: the sound waits for them. Alone it stays where
        # it belongs, also if it begins late.
        *(*codecs, "-avoid_negative_ts", "make_zero" if plan.video is not None else "make_non_negative"),
        *(*_FORMATS[plan.container], "-flush_packets", "1", "pipe:1"),
    ]


def _video(source: MediaSource, plan: VideoPlan, encoder: Encoder) -> tuple[list[str], list[str]]:
    """What the encoder is told, and what of filters before it."""
    if plan.treatment is Treatment.COPY:
        # Apple's players insist on this of the two names.
        return ["-c:v", "copy", *(("-tag:v", "hvc1") if plan.codec == "hevc" else ())], []
    stream = video_stream(source, plan)
    rate = frame_rate(stream)
    chain = [of_one_size(stream), *at_constant_rate(plan, rate, start_s=Fraction(0)), *fitted(stream, plan)]
    graph = f"[0:{plan.stream_index}]{','.join(chain)},{finished(stream, plan, encoder)}[picture]"
    bits_per_second = plan.bitrate_bps or 0
    encoding = encoder_arguments(
        encoder,
        plan.codec,
        bits_per_second=bits_per_second,
        keyframe_frames=round(rate * _KEYFRAME_S),
        level=h264_level(plan.width, plan.height, rate, bits_per_second),
    )
    keyframes = ["-force_key_frames", f"expr:gte(t,n_forced*{_KEYFRAME_S})", "-fps_mode", "passthrough"]
    return [*keyframes, *encoding], ["-filter_complex", graph]


def _audio(source: MediaSource, plan: AudioPlan) -> tuple[list[str], list[str]]:
    if plan.treatment is Treatment.COPY:
        # Transport streams say in each packet what MP4 says once.
        in_packets = plan.codec == "aac" and demuxer(source) == "mpegts"
        # A seek leads to a keyframe of the picture: what is heard before the wanted time is left out.
        return ["-c:a", "copy", "-copypriorss:a", "0", *(("-bsf:a", "aac_adtstoasc") if in_packets else ())], []
    # One graph, whose time goes on where the sound changes its form: of two behind each other, ffmpeg sometimes stops
    # for good when one fills a hole while the pictures are behind.
    chain = [*in_one_form(plan.channels), f"aresample={SAMPLE_RATE_HZ}:async=1"]
    graph = f"[0:{plan.stream_index}]{','.join(chain)}[sound]"
    encoding = ["-c:a", _AUDIO_ENCODERS[plan.codec], "-b:a", str(plan.bitrate_bps), "-ar", str(SAMPLE_RATE_HZ)]
    return encoding, ["-filter_complex", graph]
