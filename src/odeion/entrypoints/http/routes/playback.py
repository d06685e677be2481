"""Playback sessions, and the media they play."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal, cast

from pydantic import ConfigDict, Field, StringConstraints
from quart import Response

from odeion.application.catalog.queries import MediaInfo
from odeion.application.playback.sessions import PlaybackRequest
from odeion.application.playback.views import PlaybackSessionView, ProfileList
from odeion.application.shared.signed_files import SignedUrl
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.identity.api_keys import Scope
from odeion.domain.media_file import HdrFormat
from odeion.domain.playback.capabilities import AudioCapability, ClientCapabilities, PlaybackOptions, VideoCapability
from odeion.domain.playback.profiles import ProfileName
from odeion.domain.playback.session import Device
from odeion.domain.shared.errors import Conflict, Forbidden, Gone, Invalid, NotFound, TooManyRequests, Unavailable
from odeion.domain.shared.ids import MediaFileId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.downloads import inline_response
from odeion.entrypoints.http.endpoint import Area, Stream
from odeion.entrypoints.http.models import Id, Milliseconds, Query, Request, StreamKey
from odeion.entrypoints.http.ranges import ranged_response
from odeion.entrypoints.http.security import caller, client_address
from odeion.entrypoints.http.segment_lane import IMMUTABLE, SEGMENT_TYPE, segment_headers

area = Area("playback")

# What a player may ask a session for; the other profiles are for converting a whole file.
SessionProfile = Literal[
    ProfileName.AUTO,
    ProfileName.NATIVE,
    ProfileName.UHD,
    ProfileName.HD,
    ProfileName.MOBILE,
    ProfileName.SD,
    ProfileName.LOW,
]
CodecName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z0-9_]+$")]
DeviceText = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]
Size = Annotated[int, Field(ge=16, le=65_536)]

_HLS_TYPE = "application/vnd.apple.mpegurl"
_VTT_TYPE = "text/vtt"


class VideoCapabilityBody(Request):
    """A codec by libavcodec's name (h264, hevc, av1, vp9) and how far it goes; null for no known limit."""

    codec: CodecName
    max_width: Size | None = None
    max_height: Size | None = None
    max_bit_depth: int = Field(8, ge=8, le=16)


class AudioCapabilityBody(Request):
    codec: CodecName
    max_channels: int | None = Field(None, ge=1, le=64)
    segments: bool = Field(True, description="Whether it decodes it in the fMP4 segments of HLS, not only in a file")


class CapabilitiesBody(Request):
    """What the client measured of itself."""

    containers: list[CodecName] = Field(
        default=[], max_length=32, description="For direct play: mp4, webm, matroska, mpegts..."
    )
    video_codecs: list[VideoCapabilityBody] = Field(default=[], max_length=64)
    audio_codecs: list[AudioCapabilityBody] = Field(default=[], max_length=64)
    hdr: list[HdrFormat] = Field(default=[], max_length=8, description="What it shows as HDR")
    hls: bool = Field(True, description="Whether it plays HLS with fMP4 segments")
    open_groups: bool = Field(
        True,
        description="Whether it can begin to decode H.264 at a keyframe that is no IDR picture (a recovery point of an "
        "open group of pictures), as players on libavcodec, Android and Apple's can. Chromium cannot: after a seek its "
        "decoder takes a reference to what was before for damage, and stops. Files that have too few IDR pictures are "
        "converted for clients that say false",
    )
    max_height: Size | None = None
    max_bitrate_bps: int | None = Field(None, ge=64_000, le=10**10)

    def capabilities(self) -> ClientCapabilities:
        return ClientCapabilities(
            containers=frozenset(self.containers),
            video=tuple(
                VideoCapability(
                    codec=v.codec, max_width=v.max_width, max_height=v.max_height, max_bit_depth=v.max_bit_depth
                )
                for v in self.video_codecs
            ),
            audio=tuple(
                AudioCapability(codec=a.codec, max_channels=a.max_channels, segments=a.segments)
                for a in self.audio_codecs
            ),
            hdr=frozenset(self.hdr),
            hls=self.hls,
            open_groups=self.open_groups,
            max_height=self.max_height,
            max_bitrate_bps=self.max_bitrate_bps,
        )


class DeviceBody(Request):
    name: DeviceText = ""
    client: DeviceText = ""


class StartSessionRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "media_type": "movie",
                    "media_id": 12,
                    "profile": "auto",
                    "capabilities": {
                        "containers": ["mp4", "webm"],
                        "video_codecs": [{"codec": "h264", "max_height": 2160}],
                        "audio_codecs": [{"codec": "aac", "max_channels": 2}],
                    },
                }
            ]
        }
    )

    media_type: PlayableType
    media_id: Id
    file_id: Id | None = Field(None, description="A certain version or extra; else the best that can be played")
    profile: SessionProfile = ProfileName.AUTO
    audio_stream_index: int | None = Field(None, ge=0, le=10_000)
    subtitle_key: Annotated[str, StringConstraints(max_length=16, pattern=r"^(stream|sidecar):\d{1,5}$")] | None = (
        Field(None, description="Of a bitmap track: paint it into the picture")
    )
    burn_in: bool = Field(
        False,
        description="Paint the chosen subtitles into the picture, with the styling of ASS and SSA and the fonts in the "
        "file, instead of giving them as WebVTT beside it; converts the picture. Subtitles that are pictures are "
        "painted in whatever this says",
    )
    normalize_loudness: bool = Field(False, description="Even out the loudness of the chosen sound; converts it")
    start_position_ms: Milliseconds | None = Field(None, description="Null resumes where the viewer left off")
    capabilities: CapabilitiesBody
    device: DeviceBody = DeviceBody()


@area.post(
    "/api/playback/sessions",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    status=201,
    errors=(NotFound, Conflict, Unavailable, Invalid),
)
async def create_playback_session(viewer: Viewer, body: StartSessionRequest) -> PlaybackSessionView:
    """Create an explicit playback session

    Opens a playback session, decides by the posted capabilities between direct play, remux and transcode, and returns
    the URL to play with the reasons. The viewer's former session of the same media on this device ends."""
    media = MediaRef(body.media_type, body.media_id)
    start_ms = body.start_position_ms
    if start_ms is None:
        start_ms = (await use_cases().progress_queries.get_state(viewer, media)).position_ms
    return await use_cases().playback_sessions.start(
        viewer,
        PlaybackRequest(
            media=media,
            file_id=_file_id(body.file_id),
            capabilities=body.capabilities.capabilities(),
            options=PlaybackOptions(
                profile=body.profile,
                audio_stream_index=body.audio_stream_index,
                subtitle_key=body.subtitle_key,
                burn_in=body.burn_in,
                normalize_loudness=body.normalize_loudness,
            ),
            device=Device(name=body.device.name, client=body.device.client),
            start_position_ms=start_ms,
            address=client_address(),
            user_agent=caller().user_agent,
            posted=body.model_dump(mode="json", exclude_unset=True),
        ),
    )


@area.get(
    "/api/playback/{type}/{id}/info",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    errors=(NotFound,),
)
async def get_media_info(viewer: Viewer, type: PlayableType, id: Id) -> MediaInfo:
    """Get media info

    Returns detailed technical metadata about the media files (codecs, resolution, bitrate, etc.)."""
    return await use_cases().catalog.get_media_info(viewer, MediaRef(type, id))


@area.get(
    "/api/playback/{type}/{id}/profiles",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    errors=(NotFound, Conflict, Unavailable),
)
async def get_transcode_profiles(viewer: Viewer, type: PlayableType, id: Id) -> ProfileList:
    """Get transcode profiles

    Returns available transcode profiles for the media item: none larger than the source."""
    return await use_cases().playback_sessions.list_profiles(viewer, MediaRef(type, id))


# What a whole file may be converted to.
FileProfile = Literal[
    ProfileName.NATIVE,
    ProfileName.UHD,
    ProfileName.HD,
    ProfileName.MOBILE,
    ProfileName.SD,
    ProfileName.LOW,
    ProfileName.AUDIO,
    ProfileName.COMPATIBLE,
    ProfileName.HDR,
    ProfileName.SURROUND,
    ProfileName.HDR_SURROUND,
]


class TranscodeQuery(Query):
    start_position_ms: Milliseconds = Field(0, description="Where to begin; copied pictures begin a little earlier")


@area.get(
    "/api/playback/{type}/{id}/transcode/{profile}",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    errors=(NotFound, Conflict, TooManyRequests),
    stream=Stream(("video/mp4", "video/webm", "audio/mp4", "application/octet-stream")),
)
async def stream_transcoded(
    viewer: Viewer, type: PlayableType, id: Id, profile: FileProfile, query: TranscodeQuery
) -> Response:
    """Stream transcoded media

    Returns a progressive-download stream of the media file, made as it is fetched: fragmented MP4, or WebM for
    `compatible`. `native` is the file itself, by HTTP range requests. What suits the profile already is copied. Ends
    when the client goes away. Answers 503 when all encoders are busy, 409 where the profile cannot be made of the
    file."""
    media = MediaRef(type, id)
    return await inline_response(
        await use_cases().downloads.stream(viewer, media, profile, start_ms=query.start_position_ms)
    )


class DownloadRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"file_id": 7}]})

    file_id: Id | None = Field(None, description="A certain version or extra; else the best that can be played")


@area.post(
    "/api/playback/{type}/{id}/download-url",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    errors=(NotFound, Conflict, Forbidden),
)
async def create_download_url(
    viewer: Viewer,
    type: PlayableType,
    id: Id,
    body: DownloadRequest = DownloadRequest(),  # noqa: B008
) -> SignedUrl:
    """Mint a signed media download URL

    Returns a URL, good for minutes, to download the media file as it is; browsers, curl and wget open it without any
    header. Needs the permission to download."""
    return await use_cases().downloads.sign(viewer, MediaRef(type, id), _file_id(body.file_id), None)


@area.post(
    "/api/playback/{type}/{id}/download-url/{profile}",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    errors=(NotFound, Conflict, Forbidden),
)
async def create_transcoded_download_url(
    viewer: Viewer,
    type: PlayableType,
    id: Id,
    profile: FileProfile,
    body: DownloadRequest = DownloadRequest(),  # noqa: B008
) -> SignedUrl:
    """Mint a signed transcoded download URL

    Returns a URL, good for an hour, to download the media file converted to a profile. It is converted while it is
    fetched, so its size is not known before. Needs the permission to download."""
    return await use_cases().downloads.sign(viewer, MediaRef(type, id), _file_id(body.file_id), profile)


def _file_id(value: int | None) -> MediaFileId | None:
    return None if value is None else MediaFileId(value)


class HeartbeatRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"position_ms": 1_325_000}]})

    position_ms: Milliseconds | None = None


@area.post(
    "/api/playback/{type}/{id}/heartbeat",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    status=204,
    errors=(NotFound, Gone),
)
async def send_heartbeat(
    viewer: Viewer,
    type: PlayableType,
    id: Id,
    body: HeartbeatRequest = HeartbeatRequest(),  # noqa: B008
) -> None:
    """Playback session heartbeat

    Keeps the caller's active playback session for this media alive. Call it about every 30 s, playing or paused.
    Returns 410 once the session has been ended; then start a new one."""
    await use_cases().playback_sessions.heartbeat(viewer, MediaRef(type, id), position_ms=body.position_ms)


@area.delete(
    "/api/playback/{type}/{id}/session",
    tag="Playback",
    access=Access.VIEWER,
    scope=Scope.PLAYBACK,
    status=204,
    errors=(NotFound,),
)
async def stop_playback_session(viewer: Viewer, type: PlayableType, id: Id) -> None:
    """Stop playback session

    Signals that a playback session has ended, releasing transcoder resources."""
    await use_cases().playback_sessions.stop(viewer, MediaRef(type, id))


# Media elements and HLS players send no Authorization header, so these routes are opened by the key in their path: 256
# random bits that belong to one session and end with it.
_STREAM_ERRORS = (NotFound, Gone, Conflict, Unavailable)


@area.get(
    "/api/playback/streams/{key}/file",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream(("video/mp4", "video/webm", "application/octet-stream")),
)
async def stream_file(key: StreamKey) -> Response:
    """Stream the file

    The file of a direct-play session, by HTTP range requests."""
    return ranged_response(await use_cases().streams.open_file(key))


@area.get(
    "/api/playback/streams/{key}/master.m3u8",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((_HLS_TYPE,)),
)
async def get_master_playlist(key: StreamKey) -> Response:
    """Get HLS master playlist

    The renditions of a remux or transcode session: video, audio tracks, text subtitles."""
    return _text(await use_cases().streams.master_playlist(key), _HLS_TYPE, "no-store")


RenditionName = Annotated[str, StringConstraints(max_length=16, pattern=r"^(video(-[a-z0-9]{1,8})?|audio-\d{1,5})$")]
SegmentNumber = Annotated[int, Field(ge=0, le=1_000_000)]
SubtitlePosition = Annotated[int, Field(ge=0, le=10_000)]


@area.get(
    "/api/playback/streams/{key}/{rendition}/index.m3u8",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((_HLS_TYPE,)),
)
async def get_media_playlist(key: StreamKey, rendition: RenditionName) -> Response:
    """Get HLS media playlist

    All segments of one rendition; `rendition` is `video`, `video-<rung>` or `audio-<stream index>`."""
    return _text(await use_cases().streams.media_playlist(key, rendition), _HLS_TYPE, "no-store")


@area.get(
    "/api/playback/streams/{key}/{rendition}/keyframes.m3u8",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((_HLS_TYPE,)),
)
async def get_keyframe_playlist(key: StreamKey, rendition: RenditionName) -> Response:
    """Get HLS I-frame playlist

    The keyframes of a copied picture alone, for fast winding."""
    return _text(await use_cases().streams.keyframe_playlist(key, rendition), _HLS_TYPE, "no-store")


@area.get(
    "/api/playback/streams/{key}/{rendition}/keyframes/{number}.m4s",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((SEGMENT_TYPE,)),
)
async def get_keyframe_segment(key: StreamKey, rendition: RenditionName, number: SegmentNumber) -> Response:
    """Get HLS I-frame segment"""
    response = Response(await use_cases().streams.keyframe(key, rendition, number), content_type=SEGMENT_TYPE)
    response.headers["Cache-Control"] = IMMUTABLE
    return response


@area.get(
    "/api/playback/streams/{key}/{rendition}/init.mp4",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((SEGMENT_TYPE,)),
)
async def get_init_segment(key: StreamKey, rendition: RenditionName) -> Response:
    """Get HLS init segment"""
    response = Response(await use_cases().streams.init_segment(key, rendition), content_type=SEGMENT_TYPE)
    response.headers["Cache-Control"] = IMMUTABLE
    return response


@area.get(
    "/api/playback/streams/{key}/{rendition}/{number}.m4s",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((SEGMENT_TYPE,)),
)
async def get_media_segment(key: StreamKey, rendition: RenditionName, number: SegmentNumber) -> Response:
    """Get HLS media segment"""
    segment = await use_cases().streams.segment(key, rendition, number)
    response = Response(cast(AsyncIterator[bytes], segment.pieces), headers=segment_headers(segment))
    response.timeout = None
    return response


@area.get(
    "/api/playback/streams/{key}/subtitles/{position}.m3u8",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((_HLS_TYPE,)),
)
async def get_subtitle_playlist(key: StreamKey, position: SubtitlePosition) -> Response:
    """Get HLS subtitle playlist"""
    return _text(await use_cases().streams.subtitle_playlist(key, position), _HLS_TYPE, "no-store")


@area.get(
    "/api/playback/streams/{key}/subtitles/{position}.vtt",
    tag="Playback",
    access=Access.STREAM,
    errors=_STREAM_ERRORS,
    stream=Stream((_VTT_TYPE,)),
)
async def get_subtitle_track(key: StreamKey, position: SubtitlePosition) -> Response:
    """Get subtitle track

    A text subtitle track, embedded or beside the file, as WebVTT."""
    return _text(await use_cases().streams.subtitle(key, position), f"{_VTT_TYPE}; charset=utf-8", IMMUTABLE)


def _text(content: str, content_type: str, cache_control: str) -> Response:
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = cache_control
    return response
