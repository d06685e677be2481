"""Serving what a session plays: the file itself, or playlists, segments and subtitles of its renditions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

from odeion.application.playback import playlists
from odeion.application.playback.ports import (
    FileReader,
    MediaSource,
    OpenStream,
    PlaybackDebugRepository,
    PlaybackProblem,
    PlaybackTx,
    Rendition,
    RenditionProducer,
    SegmentBytes,
    StreamSessions,
    SubtitleConverter,
)
from odeion.application.playback.sessions import media_type
from odeion.application.shared.clock import Clock
from odeion.application.shared.downloads import Buffers, StoredFile
from odeion.application.shared.secrets import secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.playback.plan import SubtitlePlan, Treatment, VideoPlan
from odeion.domain.playback.session import PlaybackSession
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable
from odeion.domain.shared.ids import PlaybackSessionId


class Streams:
    def __init__(
        self,
        sessions: StreamSessions,
        producer: RenditionProducer,
        subtitles: SubtitleConverter,
        files: FileReader,
        uow: UnitOfWorkFactory[PlaybackTx],
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._producer = producer
        self._subtitles = subtitles
        self._files = files
        self._uow = uow
        self._clock = clock

    async def open_file(self, stream_key: str) -> StoredFile:
        """The file of a direct-play session. Raises Gone, NotFound, Unavailable, Conflict."""
        async with self._open(stream_key, "file") as (_, source):
            return await stored_file(self._files, source)

    async def master_playlist(self, stream_key: str) -> str:
        async with self._open(stream_key, "master.m3u8") as (session, source):
            plan = session.plan
            pictures = [plan.video, *plan.rungs] if plan.video else []
            video = [(entry, await self._producer.facts(source, entry)) for entry in pictures]
            audio = [(entry, await self._producer.facts(source, entry)) for entry in plan.audio]
            playlist = playlists.master(plan, video, audio)
        await self._note(lambda debug: debug.note_playlist(_id(session), playlist))
        return playlist

    async def media_playlist(self, stream_key: str, rendition_name: str) -> str:
        async with self._open(stream_key, f"{rendition_name}/index.m3u8") as (session, source):
            return playlists.media(await self._producer.grid(source, _rendition(session, rendition_name)))

    async def keyframe_playlist(self, stream_key: str, rendition_name: str) -> str:
        async with self._open(stream_key, f"{rendition_name}/keyframes.m3u8") as (session, source):
            rendition = _copied_video(session, rendition_name)
            return playlists.keyframes(await self._producer.grid(source, rendition))

    async def keyframe(self, stream_key: str, rendition_name: str, number: int) -> bytes:
        async with self._open(stream_key, f"{rendition_name}/keyframes/{number}.m4s") as (session, source):
            return await self._producer.keyframe(source, _copied_video(session, rendition_name), number)

    async def init_segment(self, stream_key: str, rendition_name: str) -> bytes:
        async with self._open(stream_key, f"{rendition_name}/init.mp4") as (session, source):
            return await self._producer.init_segment(source, _rendition(session, rendition_name))

    async def segment(self, stream_key: str, rendition_name: str, number: int) -> SegmentBytes:
        """What is only copied is read while it is asked whether it may be given, for either takes as long."""
        part = f"{rendition_name}/{number}.m4s"
        key_hash = secret_hash(stream_key)
        known = self._sessions.recall(key_hash)
        ahead = self._copy_ahead(known, rendition_name, number) if known is not None else None
        try:
            # Reading begins first: putting the question together takes a while too.
            await asyncio.sleep(0)
            stream = await self._sessions.open(key_hash)
            session = stream.session
            async with self._noting(session, part):
                if ahead is not None and stream is known:
                    segment = await ahead
                    ahead = None
                else:
                    rendition = _rendition(session, rendition_name)
                    segment = await self._producer.segment(stream.source, rendition, number, session_id=_id(session))
        finally:
            if ahead is not None:
                await _discard(ahead)
        return SegmentBytes(self._watched(session, part, segment.pieces), segment.size_bytes)

    async def subtitle_playlist(self, stream_key: str, position: int) -> str:
        async with self._open(stream_key, f"subtitles/{position}.m3u8") as (session, source):
            _text_subtitle(session, position)
            return playlists.subtitle(position, source.technical.duration_ms / 1000)

    async def subtitle(self, stream_key: str, position: int) -> str:
        """The whole track as WebVTT."""
        async with self._open(stream_key, f"subtitles/{position}.vtt") as (session, source):
            plan = _text_subtitle(session, position)
            if plan.stream_index is not None:
                return await self._subtitles.embedded(source, plan.stream_index)
            if plan.sidecar_position is not None and plan.sidecar_position < len(source.sidecars):
                return await self._subtitles.sidecar(source, plan.sidecar_position)
            raise NotFound("these subtitles are not there any more")

    async def close(self) -> None:
        """Stop all encoders."""
        await self._producer.close()

    def _copy_ahead(self, stream: OpenStream, rendition_name: str, number: int) -> asyncio.Task[SegmentBytes] | None:
        with suppress(NotFound):
            rendition = _rendition(stream.session, rendition_name)
            if rendition.treatment is Treatment.COPY:
                segment = self._producer.segment(stream.source, rendition, number, session_id=_id(stream.session))
                return asyncio.create_task(segment)
        return None

    @asynccontextmanager
    async def _open(self, stream_key: str, part: str) -> AsyncIterator[tuple[PlaybackSession, MediaSource]]:
        """What is asked of a session's media. What goes wrong then is noted with the session."""
        stream = await self._sessions.open(secret_hash(stream_key))
        async with self._noting(stream.session, part):
            yield stream.session, stream.source

    @asynccontextmanager
    async def _noting(self, session: PlaybackSession, part: str) -> AsyncIterator[None]:
        try:
            yield
        except (Unavailable, Conflict) as error:
            problem = PlaybackProblem(at=self._clock.now(), part=part, code=error.code, message=error.message)
            await self._note(lambda debug: debug.note_problem(_id(session), problem))
            raise

    async def _watched(
        self, session: PlaybackSession, part: str, pieces: AsyncGenerator[bytes | Buffers]
    ) -> AsyncGenerator[bytes | Buffers]:
        async with self._noting(session, part), aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _note(self, write: Callable[[PlaybackDebugRepository], Awaitable[None]]) -> None:
        # What plays is worth more than notes on it.
        with suppress(Unavailable):
            async with self._uow() as tx:
                await write(tx.playback_debug)
                await tx.commit()


async def stored_file(files: FileReader, source: MediaSource) -> StoredFile:
    """A media file as it is. Raises Unavailable, Conflict."""
    stamp = await files.stat(source)
    return StoredFile.of(source.path, stamp, media_type(source.technical), partial(files.open, source))


async def _discard(ahead: asyncio.Task[SegmentBytes]) -> None:
    ahead.cancel()
    await asyncio.wait([ahead])
    if not ahead.cancelled() and ahead.exception() is None:
        await ahead.result().pieces.aclose()


def _id(session: PlaybackSession) -> PlaybackSessionId:
    assert session.id is not None
    return session.id


def _rendition(session: PlaybackSession, name: str) -> Rendition:
    """`video`, `video-<rung>`, or `audio-<stream index>`."""
    for video in [session.plan.video, *session.plan.rungs] if session.plan.video else []:
        if video is not None and name == playlists.video_rendition_name(session.plan, video):
            return video
    for audio in session.plan.audio:
        if name == playlists.audio_rendition_name(audio):
            return audio
    raise NotFound("no such rendition")


def _copied_video(session: PlaybackSession, name: str) -> VideoPlan:
    rendition = _rendition(session, name)
    if not isinstance(rendition, VideoPlan) or rendition.treatment is not Treatment.COPY:
        raise NotFound("no such rendition")
    return rendition


def _text_subtitle(session: PlaybackSession, position: int) -> SubtitlePlan:
    if not 0 <= position < len(session.plan.subtitles):
        raise NotFound("no such subtitles")
    plan = session.plan.subtitles[position]
    if plan.treatment is not Treatment.CONVERT:
        raise Conflict("these subtitles are pictures; they can only be painted into the video")
    return plan
