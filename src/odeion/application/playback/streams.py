"""Serving what a session plays: the file itself, or playlists, segments and subtitles of its renditions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from odeion.application.playback import playlists
from odeion.application.playback.ports import (
    FileReader,
    MediaSource,
    Rendition,
    RenditionProducer,
    SegmentBytes,
    StreamSessions,
    SubtitleConverter,
)
from odeion.application.playback.sessions import hash_stream_key, media_type
from odeion.domain.playback.plan import SubtitlePlan, Treatment, VideoPlan
from odeion.domain.playback.session import PlaybackSession
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import PlaybackSessionId


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file for range requests. `etag` changes with its bytes; `modified_s` is the mtime in seconds since 1970."""

    source: MediaSource
    size_bytes: int
    media_type: str
    etag: str
    modified_s: float


class Streams:
    def __init__(
        self,
        sessions: StreamSessions,
        producer: RenditionProducer,
        subtitles: SubtitleConverter,
        files: FileReader,
    ) -> None:
        self._sessions = sessions
        self._producer = producer
        self._subtitles = subtitles
        self._files = files

    async def open_file(self, stream_key: str) -> OpenFile:
        """The file of a direct-play session. Raises Gone, NotFound, Unavailable, Conflict."""
        _, source = await self._open(stream_key)
        stamp = await self._files.stat(source)
        return OpenFile(
            source,
            stamp.size_bytes,
            media_type(source.technical),
            f"{stamp.inode:x}-{stamp.size_bytes:x}-{stamp.mtime_ns:x}",
            stamp.mtime_ns / 1e9,
        )

    def read_file(self, file: OpenFile, start: int, length: int) -> AsyncIterator[bytes]:
        return self._files.read(file.source, start, length)

    async def master_playlist(self, stream_key: str) -> str:
        session, source = await self._open(stream_key)
        plan = session.plan
        pictures = [plan.video, *plan.rungs] if plan.video else []
        video = [(entry, await self._producer.facts(source, entry)) for entry in pictures]
        audio = [(entry, await self._producer.facts(source, entry)) for entry in plan.audio]
        return playlists.master(plan, video, audio)

    async def media_playlist(self, stream_key: str, rendition_name: str) -> str:
        session, source = await self._open(stream_key)
        return playlists.media(await self._producer.grid(source, _rendition(session, rendition_name)))

    async def keyframe_playlist(self, stream_key: str, rendition_name: str) -> str:
        session, source = await self._open(stream_key)
        rendition = _copied_video(session, rendition_name)
        return playlists.keyframes(await self._producer.grid(source, rendition))

    async def keyframe(self, stream_key: str, rendition_name: str, number: int) -> bytes:
        session, source = await self._open(stream_key)
        return await self._producer.keyframe(source, _copied_video(session, rendition_name), number)

    async def init_segment(self, stream_key: str, rendition_name: str) -> bytes:
        session, source = await self._open(stream_key)
        return await self._producer.init_segment(source, _rendition(session, rendition_name))

    async def segment(self, stream_key: str, rendition_name: str, number: int) -> SegmentBytes:
        session, source = await self._open(stream_key)
        return await self._producer.segment(
            source, _rendition(session, rendition_name), number, session_id=_id(session)
        )

    async def subtitle_playlist(self, stream_key: str, position: int) -> str:
        session, source = await self._open(stream_key)
        _text_subtitle(session, position)
        return playlists.subtitle(position, source.technical.duration_ms / 1000)

    async def subtitle(self, stream_key: str, position: int) -> str:
        """The whole track as WebVTT."""
        session, source = await self._open(stream_key)
        plan = _text_subtitle(session, position)
        if plan.stream_index is not None:
            return await self._subtitles.embedded(source, plan.stream_index)
        if plan.sidecar_position is not None and plan.sidecar_position < len(source.sidecars):
            return await self._subtitles.sidecar(source, plan.sidecar_position)
        raise NotFound("these subtitles are not there any more")

    async def close(self) -> None:
        """Stop all encoders."""
        await self._producer.close()

    async def _open(self, stream_key: str) -> tuple[PlaybackSession, MediaSource]:
        stream = await self._sessions.open(hash_stream_key(stream_key))
        return stream.session, stream.source


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
