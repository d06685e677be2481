"""The life of a playback session: started by a player, kept by heartbeats, ended by it or for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from odeion.application.playback.ports import (
    MediaIndexer,
    MediaSource,
    PlayableSources,
    PlaybackDebug,
    PlaybackTx,
    RenditionProducer,
)
from odeion.application.playback.views import (
    AudioChoice,
    PlaybackSessionView,
    ProfileList,
    QualityChoice,
    SubtitleChoice,
    decisions_of,
)
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef
from odeion.domain.media_file import FileStructure, TechnicalInfo
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions
from odeion.domain.playback.decision import decide, qualities
from odeion.domain.playback.plan import PlaybackPlan, PlayMode
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import ProfileName
from odeion.domain.playback.session import HEARTBEAT_INTERVAL, HEARTBEAT_LIMIT, Device, EndReason, PlaybackSession
from odeion.domain.shared.errors import Gone, NotFound, TooManyRequests
from odeion.domain.shared.ids import MediaFileId

_REAP_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackRequest:
    """What a player asks for. `posted` is that as it came, kept for debugging."""

    media: MediaRef
    file_id: MediaFileId | None
    capabilities: ClientCapabilities
    options: PlaybackOptions
    device: Device
    start_position_ms: int
    address: str
    user_agent: str
    posted: dict[str, Any]


class PlaybackSessions:
    def __init__(
        self,
        uow: UnitOfWorkFactory[PlaybackTx],
        sources: PlayableSources,
        indexer: MediaIndexer,
        producer: RenditionProducer,
        secrets: SecretSource,
        clock: Clock,
        policy: Callable[[], Awaitable[ServerPolicy]],
    ) -> None:
        """`policy` is asked whenever a session starts."""
        self._uow = uow
        self._sources = sources
        self._indexer = indexer
        self._producer = producer
        self._policy = policy
        self._secrets = secrets
        self._clock = clock

    async def start(self, viewer: Viewer, wanted: PlaybackRequest) -> PlaybackSessionView:
        """Decide how to play and open a session; the viewer's former one on this device ends. Raises NotFound,
        Invalid, Conflict (no playable file), Unavailable (its disk is away), TooManyRequests (beyond the viewer's
        number of streams)."""
        item = await self._sources.get_item(viewer, wanted.media, wanted.file_id)
        source = item.source
        plan = await self._decide(source, wanted)
        stream_key = self._secrets.token()
        now = self._clock.now()
        async with self._uow() as tx:
            session = PlaybackSession(
                id=None,
                user_id=viewer.id,
                login_session_id=viewer.session_id,
                api_key_id=viewer.api_key_id,
                username=(await tx.users.get(viewer.id)).username,
                file_id=source.file_id,
                file_name=source.file_name,
                media=wanted.media,
                title=item.title,
                stream_key_hash=secret_hash(stream_key),
                plan=plan,
                capabilities=wanted.capabilities,
                options=wanted.options,
                device=wanted.device,
                address=wanted.address,
                position_ms=wanted.start_position_ms,
                started_at=now,
                heartbeat_at=now,
            )
            session.start()
            former = await tx.playback_sessions.find_active(viewer.id, wanted.media)
            if former is not None and (former.login_session_id, former.api_key_id) == (
                viewer.session_id,
                viewer.api_key_id,
            ):
                former.end(EndReason.SUPERSEDED, at=now)
                await tx.playback_sessions.save(former)
            else:
                former = None
            limit = viewer.limits.max_streams if viewer.limits else None
            if limit is not None and await tx.playback_sessions.count_active(viewer.id) >= limit:
                raise TooManyRequests(f"you may play {limit} at a time; stop another first")
            session.id = await tx.playback_sessions.save(session)
            debug = PlaybackDebug(opened_at=now, user_agent=wanted.user_agent, request=wanted.posted)
            await tx.playback_debug.open(session.id, debug)
            await tx.commit()
        if former is not None and former.id is not None:
            await self._producer.release(former.id)
        return _view(session, stream_key, source.technical)

    async def _decide(self, source: MediaSource, wanted: PlaybackRequest) -> PlaybackPlan:
        policy = await self._policy()

        def decide_by(structure: FileStructure | None) -> PlaybackPlan:
            technical, sidecars = source.technical, source.sidecars
            return decide(technical, sidecars, wanted.capabilities, wanted.options, policy, structure=structure)

        plan = decide_by(source.structure)
        if source.structure is None and plan.mode is not PlayMode.DIRECT_PLAY:
            # Segments are cut by the index: whoever comes before the scan's task has to wait for it.
            plan = decide_by(await self._indexer.structure(source))
        return plan

    async def heartbeat(self, viewer: Viewer, media: MediaRef, *, position_ms: int | None) -> None:
        """Raises Gone once the session has ended, NotFound where there was none."""
        async with self._uow() as tx:
            session = await tx.playback_sessions.find_active(viewer.id, media)
            if session is None:
                if await tx.playback_sessions.find_latest(viewer.id, media) is None:
                    raise NotFound("no playback session is known for this")
                raise Gone("this playback session has ended; start a new one")
            session.heartbeat(position_ms=position_ms, at=self._clock.now())
            await tx.playback_sessions.save(session)
            await tx.commit()

    async def stop(self, viewer: Viewer, media: MediaRef) -> None:
        """Raises NotFound where none is active."""
        async with self._uow() as tx:
            session = await tx.playback_sessions.find_active(viewer.id, media)
            if session is None or session.id is None:
                raise NotFound("no active playback session")
            session.end(EndReason.STOPPED, at=self._clock.now())
            await tx.playback_sessions.save(session)
            await tx.commit()
        await self._producer.release(session.id)

    async def list_profiles(self, viewer: Viewer, media: MediaRef) -> ProfileList:
        """The qualities that make sense for this file. Raises as `start`."""
        item = await self._sources.get_item(viewer, media, None)
        return ProfileList(items=_qualities(item.source.technical, ProfileName.AUTO))

    async def reap(self) -> int:
        """End the sessions whose players fell silent. Answers how many."""
        now = self._clock.now()
        async with self._uow() as tx:
            silent = await tx.playback_sessions.list_silent(since=now - HEARTBEAT_LIMIT, limit=_REAP_BATCH)
            for session in silent:
                session.end(EndReason.REAPED, at=now)
                await tx.playback_sessions.save(session)
            await tx.commit()
        for session in silent:
            if session.id is not None:
                await self._producer.release(session.id)
        return len(silent)


def _view(session: PlaybackSession, stream_key: str, technical: TechnicalInfo) -> PlaybackSessionView:
    plan = session.plan
    base = f"/api/playback/streams/{stream_key}"
    direct = plan.mode is PlayMode.DIRECT_PLAY
    assert session.id is not None and session.file_id is not None
    return PlaybackSessionView(
        id=session.id,
        media_type=session.media.type.value,
        media_id=session.media.id,
        file_id=session.file_id,
        mode=plan.mode.value,
        url=f"{base}/file" if direct else f"{base}/master.m3u8",
        mime_type=media_type(technical) if direct else "application/vnd.apple.mpegurl",
        duration_ms=technical.duration_ms,
        start_position_ms=session.position_ms,
        heartbeat_interval_s=int(HEARTBEAT_INTERVAL.total_seconds()),
        reasons=list(plan.reasons),
        decisions=decisions_of(plan),
        audio=[
            AudioChoice(
                stream_index=audio.stream_index,
                label=audio.label,
                language=audio.language,
                codec=audio.source_codec,
                channels=audio.channels,
                selected=audio.selected,
                hls_name=None if direct else audio_name(plan, audio.stream_index),
            )
            for audio in plan.audio
        ],
        subtitles=[
            SubtitleChoice(
                key=subtitle.key,
                label=subtitle.label,
                language=subtitle.language,
                format=subtitle.source_format,
                is_forced=subtitle.is_forced,
                is_hearing_impaired=subtitle.is_hearing_impaired,
                is_default=subtitle.is_default,
                selected=subtitle.selected,
                url=f"{base}/subtitles/{position}.vtt" if subtitle.treatment == "convert" else None,
            )
            for position, subtitle in enumerate(plan.subtitles)
        ],
        qualities=_qualities(technical, session.options.profile),
        created_at=session.started_at,
    )


def _qualities(technical: TechnicalInfo, chosen: ProfileName) -> list[QualityChoice]:
    automatic = QualityChoice(
        profile=ProfileName.AUTO.value,
        label="Auto",
        max_height=None,
        video_bitrate_bps=None,
        selected=chosen is ProfileName.AUTO,
    )
    return [
        automatic,
        *(
            QualityChoice(
                profile=profile.name.value,
                label=profile.label,
                max_height=profile.max_height,
                video_bitrate_bps=profile.video_bitrate_bps,
                selected=chosen is profile.name,
            )
            for profile in qualities(technical)
        ),
    ]


def audio_name(plan: PlaybackPlan, stream_index: int) -> str:
    """The NAME of an audio rendition in the master playlist: its label, made unique."""
    labels = [audio.label for audio in plan.audio]
    own = next(audio for audio in plan.audio if audio.stream_index == stream_index)
    return own.label if labels.count(own.label) == 1 else f"{own.label} (track {stream_index})"


def media_type(technical: TechnicalInfo) -> str:
    """What a browser is told a file is."""
    names = technical.container.split(",")
    if "mp4" in names:
        return "video/mp4"
    if "matroska" in names:
        webm = all(video.codec in ("vp8", "vp9", "av1") for video in technical.video)
        return "video/webm" if webm else "video/x-matroska"
    return {"mpegts": "video/mp2t", "avi": "video/x-msvideo", "ogg": "video/ogg"}.get(
        names[0], "application/octet-stream"
    )
